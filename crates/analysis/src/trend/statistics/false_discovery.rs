//! False discoveries among many sites.

/// Adjusted p-values after Benjamini and Yekutieli (Annals of Statistics 29, 2001), valid under any dependence; sites of
/// one program depend on each other.
///
/// In the order given. A p-value that is no number counts as 1; no p-values give none.
pub fn benjamini_yekutieli(p_values: &[f64]) -> Vec<f64> {
    let count = p_values.len() as f64;
    let harmonic: f64 = (1..=p_values.len()).map(|rank| 1.0 / rank as f64).sum();
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    let p = |at: usize| if p_values[at].is_nan() { 1.0 } else { p_values[at] };
    order.sort_by(|&a, &b| p(a).total_cmp(&p(b)));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 1.0_f64;
    for (rank, &at) in order.iter().enumerate().rev() {
        least = least.min(p(at) * count * harmonic / (rank + 1) as f64);
        adjusted[at] = least;
    }
    adjusted
}
