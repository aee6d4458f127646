//! Which curve describes the run best: constant, linear, filling up, or filling up and then linear.

use super::statistics::least_squares::{Fit, least_squares};
use super::statistics::prais_winsten::{correct_bias, lag_one, whiten};

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
    /// Best of constant, filling, hinge and logarithm.
    pub settling: Scored,
    /// Best of line, filling and line, bend.
    pub lasting: Scored,
}

/// Fits all curves to values at positions `x` (0 to 1) with one common AR(1) correlation, taken from the residuals of
/// the most flexible fit; differences below `grain` count as noise.
///
/// `None` below six points.
pub(crate) fn shapes(x: &[f64], y: &[f64], grain: f64) -> Option<Shapes> {
    let n = x.len();
    if n < 6 {
        return None;
    }
    let ones = vec![1.0; n];
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
    let fit = |own: &[Vec<f64>], y: &[f64], phi: f64| -> Option<Fit> {
        let mut whitened = vec![whiten(&ones, phi)];
        whitened.extend(own.iter().map(|column| whiten(column, phi)));
        let columns: Vec<&[f64]> = whitened.iter().map(Vec::as_slice).collect();
        least_squares(&columns, &whiten(y, phi))
    };
    let (_, flexible, plain) = curves
        .iter()
        .filter_map(|(_, own)| fit(own, y, 0.0).map(|fit| (fit.squares, own, fit)))
        .min_by(|a, b| a.0.total_cmp(&b.0))?;
    let residuals: Vec<f64> = (0..n)
        .map(|at| {
            let grown: f64 = flexible.iter().zip(&plain.coefficients[1..]).map(|(column, c)| column[at] * c).sum();
            y[at] - plain.coefficients[0] - grown
        })
        .collect();
    let phi = correct_bias(lag_one(&residuals), n, flexible.len() as f64 + 1.0).clamp(0.0, 0.95);
    let count = n as f64;
    let mut best: [Option<Scored>; 2] = [None, None];
    for (curve, own) in &curves {
        let Some(fit) = fit(own, y, phi) else { continue };
        // Position of the knee or the time constant is one more parameter.
        let searched = usize::from(!matches!(curve, Curve::Constant | Curve::Line));
        let parameters = (1 + own.len() + searched) as f64;
        let bic = count * ((fit.squares + count * grain * grain) / count).ln() + parameters * count.ln();
        let c = &fit.coefficients;
        let (lasting, settling, group) = match *curve {
            Curve::Constant => (0.0, 0.0, 0),
            Curve::Line => (c[1], 0.0, 1),
            Curve::Filling { .. } => (0.0, c[1], 0),
            Curve::Hinge { knee } => (0.0, c[1] * knee, 0),
            Curve::Logarithm { scale } => (0.0, c[1] * (1.0 / scale).ln_1p(), 0),
            Curve::FillingAndLine { .. } => (c[2], c[1], 1),
            Curve::Bend { knee } => (c[2], (c[1] - c[2]) * knee, 1),
        };
        if best[group].as_ref().is_none_or(|before| bic < before.bic) {
            best[group] = Some(Scored { curve: *curve, bic, lasting, settling });
        }
    }
    let [settling, lasting] = best;
    Some(Shapes { settling: settling?, lasting: lasting? })
}
