//! Ordinary least squares with at most three regressors.

/// A fitted linear combination.
#[derive(Clone, Debug)]
pub struct Fit {
    /// One per regressor.
    pub coefficients: Vec<f64>,
    /// Sum of squared residuals.
    pub squares: f64,
    /// Diagonal of the inverse normal matrix: times the residual variance it is each coefficient's variance.
    pub spread: Vec<f64>,
}

/// Least squares of `y` on the regressors, by Gauss-Jordan elimination of the scaled normal equations.
///
/// `None` when the regressors are (nearly) collinear or there are no more values than regressors.
pub fn least_squares(regressors: &[&[f64]], y: &[f64]) -> Option<Fit> {
    let k = regressors.len();
    if y.len() <= k {
        return None;
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scales: Vec<f64> = regressors.iter().map(|column| dot(column, column).sqrt()).collect();
    if scales.iter().any(|scale| *scale <= 0.0 || !scale.is_finite()) {
        return None;
    }
    // Normal matrix with unit diagonal, right side, and the identity that becomes the inverse.
    let mut rows: Vec<Vec<f64>> = (0..k)
        .map(|row| {
            let mut line: Vec<f64> =
                (0..k).map(|at| dot(regressors[row], regressors[at]) / (scales[row] * scales[at])).collect();
            line.push(dot(regressors[row], y) / scales[row]);
            line.extend((0..k).map(|at| f64::from(u8::from(at == row))));
            line
        })
        .collect();
    for pivot in 0..k {
        let best = (pivot..k).max_by(|&a, &b| rows[a][pivot].abs().total_cmp(&rows[b][pivot].abs()))?;
        rows.swap(pivot, best);
        let divisor = rows[pivot][pivot];
        if divisor.abs() < 1e-10 {
            return None;
        }
        for cell in &mut rows[pivot] {
            *cell /= divisor;
        }
        let line = rows[pivot].clone();
        for (row, cells) in rows.iter_mut().enumerate() {
            let factor = cells[pivot];
            if row != pivot && factor != 0.0 {
                for (cell, own) in cells.iter_mut().zip(&line) {
                    *cell -= factor * own;
                }
            }
        }
    }
    let coefficients: Vec<f64> = (0..k).map(|row| rows[row][k] / scales[row]).collect();
    let spread = (0..k).map(|row| rows[row][k + 1 + row] / (scales[row] * scales[row])).collect();
    let squares = y
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let fitted: f64 = regressors.iter().zip(&coefficients).map(|(column, c)| column[at] * c).sum();
            (value - fitted) * (value - fitted)
        })
        .sum();
    Some(Fit { coefficients, squares, spread })
}
