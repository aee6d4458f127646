//! Where the level changes.

/// Ends of the segments with constant mean that minimise squared error plus `penalty` per change, by the pruned exact
/// search of Killick, Fearnhead and Eckley (JASA 107, 2012); segments have at least `shortest` values.
///
/// The last end is the length. Fewer than `2 · shortest` values, or all equal ones, are one segment.
pub fn pelt(y: &[f64], penalty: f64, shortest: usize) -> Vec<usize> {
    let n = y.len();
    let shortest = shortest.max(1);
    if n < 2 * shortest {
        return if n == 0 { Vec::new() } else { vec![n] };
    }
    // Prefix sums around the mean: raw squares of byte counts would lose the differences.
    let mean = y.iter().sum::<f64>() / n as f64;
    let mut sums = vec![(0.0, 0.0)];
    for value in y {
        let (sum, squares) = sums[sums.len() - 1];
        let value = value - mean;
        sums.push((sum + value, squares + value * value));
    }
    let cost = |from: usize, to: usize| {
        let sum: f64 = sums[to].0 - sums[from].0;
        (sums[to].1 - sums[from].1 - sum * sum / (to - from) as f64).max(0.0)
    };
    let mut best = vec![f64::INFINITY; n + 1];
    best[0] = -penalty;
    let mut previous = vec![0; n + 1];
    let mut candidates: Vec<usize> = Vec::new();
    for end in shortest..=n {
        candidates.push(end - shortest);
        let mut totals: Vec<f64> = Vec::with_capacity(candidates.len());
        for &start in &candidates {
            let total = best[start] + cost(start, end) + penalty;
            totals.push(total);
            if total < best[end] {
                best[end] = total;
                previous[end] = start;
            }
        }
        let limit = best[end] + penalty;
        let mut kept = totals.iter().map(|&total| total <= limit);
        candidates.retain(|_| kept.next().unwrap_or(true));
    }
    let mut ends = vec![n];
    let mut at = previous[n];
    while at > 0 {
        ends.push(at);
        at = previous[at];
    }
    ends.reverse();
    ends
}
