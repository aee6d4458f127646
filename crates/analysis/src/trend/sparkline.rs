//! A series as one line of block characters.

use super::statistics::order::median;

/// At most `width` blocks from ▁ to █; equal values give ▁, no values an empty line.
pub fn sparkline(values: &[f64], width: usize) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if finite.is_empty() || width == 0 {
        return String::new();
    }
    let cells: Vec<f64> = finite.chunks(finite.len().div_ceil(width)).map(median).collect();
    let low = cells.iter().copied().fold(f64::INFINITY, f64::min);
    let high = cells.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    cells
        .iter()
        .map(|cell| {
            let height = if high > low { (cell - low) / (high - low) * 7.0 } else { 0.0 };
            ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][height.round().clamp(0.0, 7.0) as usize]
        })
        .collect()
}
