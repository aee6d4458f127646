//! Which curve describes the run best: constant, linear, filling up, or filling up and then linear.

use super::statistics::autoregression::{correct_bias, lag_one};

/// The curves compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Curve {
    /// One level.
    Constant,
    /// A straight line.
    Line,
    /// Fills up to a level with a time constant (in units of the run's length).
    Filling {
        /// Time constant over run length.
        tau: f64,
    },
    /// Rises straight to a level reached at `knee` (share of the run).
    Hinge {
        /// Where the level is reached.
        knee: f64,
    },
    /// Slows down without end in sight, as a logarithm.
    Logarithm {
        /// Scale of the logarithm over run length.
        scale: f64,
    },
    /// Slows down as a power of the time below one, as distinct keys drawn from a long tail do.
    Power {
        /// The exponent.
        exponent: f64,
    },
    /// Fills up while a line goes on.
    FillingAndLine {
        /// Time constant over run length.
        tau: f64,
    },
    /// A straight warm-up until `knee`, another slope after.
    Bend {
        /// Where the slope changes.
        knee: f64,
    },
}

/// A curve with its score.
#[derive(Clone, Debug)]
pub(crate) struct Scored {
    /// Which.
    pub curve: Curve,
    /// Bayesian information criterion (Schwarz 1978) of the whitened fit: smaller is better.
    pub bic: f64,
    /// Lasting growth over the whole run the curve contains; zero for those that settle.
    pub lasting: f64,
    /// Growth that settles.
    pub settling: f64,
}

/// The best settling and the best lasting curve.
#[derive(Clone, Debug)]
pub(crate) struct Shapes {
    /// Best of constant, filling, hinge, logarithm and power.
    pub settling: Scored,
    /// Best of line, filling and line, bend.
    pub lasting: Scored,
    /// Criterion of the better of constant and line: what a run without warm-up looks like.
    pub straight: f64,
}

impl Shapes {
    /// Share of the run that is warm-up: until the knee, or until three time constants are over; zero unless a curve
    /// with a warm-up is clearly better than a constant and a line (Kass and Raftery 1995 call a difference of 10 very strong; the correlation is estimated too, so 16 are asked).
    pub(crate) fn warm_up(&self) -> f64 {
        let best = if self.settling.bic < self.lasting.bic { &self.settling } else { &self.lasting };
        if best.bic + 16.0 > self.straight {
            return 0.0;
        }
        match best.curve {
            Curve::Filling { tau } | Curve::FillingAndLine { tau } => (3.0 * tau).min(0.5),
            Curve::Hinge { knee } | Curve::Bend { knee } => knee.min(0.6),
            Curve::Logarithm { .. } | Curve::Power { .. } => 1.0 / 3.0,
            Curve::Constant | Curve::Line => 0.0,
        }
    }
}

/// All curves at given positions: made once for the many sites that share them.
#[derive(Debug, Default)]
pub(crate) struct Curves {
    x: Vec<f64>,
    curves: Vec<(Curve, Vec<Vec<f64>>)>,
}

impl Curves {
    /// Makes the curves at positions `x` (0 to 1) unless they are these already.
    pub(crate) fn at(&mut self, x: &[f64]) -> &Self {
        if self.x != x {
            *self = Self { x: x.to_vec(), curves: curves(x) };
        }
        self
    }

    /// Fits all curves to values with one common AR(1) correlation, taken from the residuals of the most flexible fit;
    /// differences below `grain` count as noise.
    ///
    /// `None` below six points.
    pub(crate) fn fit(&self, y: &[f64], grain: f64) -> Option<Shapes> {
        if y.len() < 6 {
            return None;
        }
        shapes(&self.curves, y, grain)
    }
}

fn curves(x: &[f64]) -> Vec<(Curve, Vec<Vec<f64>>)> {
    let taus = [0.03, 0.06, 0.1, 0.16, 0.25, 0.35, 0.5, 0.7, 1.0];
    let knees = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
    let column = |f: &dyn Fn(f64) -> f64| x.iter().map(|&at| f(at)).collect::<Vec<f64>>();
    let mut curves: Vec<(Curve, Vec<Vec<f64>>)> = vec![(Curve::Constant, vec![]), (Curve::Line, vec![x.to_vec()])];
    for tau in taus {
        let filling = column(&|at| 1.0 - (-at / tau).exp());
        curves.push((Curve::Filling { tau }, vec![filling.clone()]));
        if tau < 0.4 {
            curves.push((Curve::FillingAndLine { tau }, vec![filling, x.to_vec()]));
        }
    }
    for knee in knees {
        let rising = column(&|at| at.min(knee));
        curves.push((Curve::Hinge { knee }, vec![rising.clone()]));
        if knee <= 0.6 {
            curves.push((Curve::Bend { knee }, vec![rising, column(&|at| (at - knee).max(0.0))]));
        }
    }
    for scale in [0.01, 0.03, 0.1, 0.3] {
        curves.push((Curve::Logarithm { scale }, vec![column(&|at| (at / scale).ln_1p())]));
    }
    for exponent in [0.35, 0.5, 0.65] {
        curves.push((Curve::Power { exponent }, vec![column(&|at| at.powf(exponent))]));
    }
    curves
}

fn shapes(curves: &[(Curve, Vec<Vec<f64>>)], y: &[f64], grain: f64) -> Option<Shapes> {
    let n = y.len();
    let plain = Whitened::of(y, 0.0);
    let (_, flexible, coefficients) = curves
        .iter()
        .filter_map(|(_, own)| plain.fit(own).map(|(squares, coefficients)| (squares, own, coefficients)))
        .min_by(|a, b| a.0.total_cmp(&b.0))?;
    let residuals: Vec<f64> = (0..n)
        .map(|at| {
            let grown: f64 = flexible.iter().zip(&coefficients[1..]).map(|(column, c)| column[at] * c).sum();
            y[at] - coefficients[0] - grown
        })
        .collect();
    let phi = correct_bias(lag_one(&residuals), n, flexible.len() as f64 + 1.0).clamp(0.0, 0.95);
    let whitened = Whitened::of(y, phi);
    let count = n as f64;
    let mut best: [Option<Scored>; 2] = [None, None];
    let mut straight = f64::INFINITY;
    for (curve, own) in curves {
        let Some((squares, c)) = whitened.fit(own) else { continue };
        // Position of the knee or the time constant is one more parameter.
        let searched = usize::from(!matches!(curve, Curve::Constant | Curve::Line));
        let parameters = (1 + own.len() + searched) as f64;
        let bic = count * ((squares + count * grain * grain) / count).ln() + parameters * count.ln();
        let (lasting, settling, group) = match *curve {
            Curve::Constant => (0.0, 0.0, 0),
            Curve::Line => (c[1], 0.0, 1),
            Curve::Filling { .. } | Curve::Power { .. } => (0.0, c[1], 0),
            Curve::Hinge { knee } => (0.0, c[1] * knee, 0),
            Curve::Logarithm { scale } => (0.0, c[1] * (1.0 / scale).ln_1p(), 0),
            Curve::FillingAndLine { .. } => (c[2], c[1], 1),
            Curve::Bend { knee } => (c[2], (c[1] - c[2]) * knee, 1),
        };
        if searched == 0 {
            straight = straight.min(bic);
        }
        if best[group].as_ref().is_none_or(|before| bic < before.bic) {
            best[group] = Some(Scored { curve: *curve, bic, lasting, settling });
        }
    }
    let [settling, lasting] = best;
    Some(Shapes { settling: settling?, lasting: lasting?, straight })
}

/// Values under the Prais-Winsten transform: AR(1) errors of this correlation become independent ones.
struct Whitened {
    phi: f64,
    ones: Vec<f64>,
    y: Vec<f64>,
}

impl Whitened {
    fn of(y: &[f64], phi: f64) -> Self {
        Self { phi, ones: whiten(&vec![1.0; y.len()], phi), y: whiten(y, phi) }
    }

    /// Sum of squares and coefficients (constant first) of the fit by at most two columns, by Cholesky's way on the
    /// scaled normal equations; `None` when they are collinear.
    fn fit(&self, own: &[Vec<f64>]) -> Option<(f64, [f64; 3])> {
        let whitened: Vec<Vec<f64>> = own.iter().map(|column| whiten(column, self.phi)).collect();
        let column = |at: usize| if at == 0 { &self.ones } else { &whitened[at - 1] };
        let k = own.len() + 1;
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (mut lower, mut right) = ([[0.0; 3]; 3], [0.0; 3]);
        let mut scales = [1.0; 3];
        for (at, scale) in scales.iter_mut().enumerate().take(k) {
            *scale = dot(column(at), column(at)).sqrt();
        }
        for row in 0..k {
            for at in 0..=row {
                let mut sum = dot(column(row), column(at)) / (scales[row] * scales[at]);
                sum -= (0..at).map(|inner| lower[row][inner] * lower[at][inner]).sum::<f64>();
                if row == at {
                    if sum < 1e-10 {
                        return None;
                    }
                    lower[row][row] = sum.sqrt();
                } else {
                    lower[row][at] = sum / lower[at][at];
                }
            }
            let mut sum = dot(column(row), &self.y) / scales[row];
            sum -= (0..row).map(|inner| lower[row][inner] * right[inner]).sum::<f64>();
            right[row] = sum / lower[row][row];
        }
        let mut coefficients = [0.0; 3];
        for row in (0..k).rev() {
            let mut sum = right[row];
            sum -= (row + 1..k).map(|later| lower[later][row] * coefficients[later]).sum::<f64>();
            coefficients[row] = sum / lower[row][row];
        }
        for (coefficient, scale) in coefficients.iter_mut().zip(scales) {
            *coefficient /= scale;
        }
        let squares = (0..self.y.len())
            .map(|at| {
                let fitted: f64 = (0..k).map(|c| column(c)[at] * coefficients[c]).sum();
                (self.y[at] - fitted) * (self.y[at] - fitted)
            })
            .sum();
        Some((squares, coefficients))
    }
}

fn whiten(values: &[f64], correlation: f64) -> Vec<f64> {
    let mut out = Vec::with_capacity(values.len());
    if let Some(first) = values.first() {
        out.push(first * (1.0 - correlation * correlation).sqrt());
    }
    out.extend(values.windows(2).map(|pair| pair[1] - correlation * pair[0]));
    out
}
