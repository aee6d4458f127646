//! Seeded series of the nine classes, with AR(1) noise.

use brimline_profile::series::{Series, Signal, Unit};

/// `SplitMix64` with a Box-Muller normal on top.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Another multiplier than the step below, or neighbouring seeds would give one stream, shifted.
        let mixed = (seed ^ (seed >> 31)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        Self(mixed ^ (mixed >> 32))
    }

    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn noise(&mut self, n: usize, sigma: f64, phi: f64) -> Vec<f64> {
        let mut state = self.normal();
        (0..n)
            .map(|_| {
                let value = state * sigma;
                state = phi * state + (1.0 - phi * phi).sqrt() * self.normal();
                value
            })
            .collect()
    }
}

fn series(metric: &str, signal: Signal, y: &[f64]) -> Series {
    Series { signal: Some(signal), ..Series::from_values(metric, Unit::Bytes, y) }
}

/// A straight line that gains 10 to 100 sigma, and its slope.
pub(crate) fn line(seed: u64, n: usize, phi: f64) -> (Series, f64) {
    let mut random = Random::new(seed);
    let base = random.between(5e6, 2e8);
    let sigma = base * random.between(0.001, 0.005);
    let slope = sigma * random.between(20.0, 100.0) / n as f64;
    let noise = random.noise(n, sigma, phi);
    let y: Vec<f64> = (0..n).map(|at| base + slope * at as f64 + noise[at]).collect();
    (series("heap_after_gc", Signal::HeapAfterGc, &y), slope)
}

/// Fills for `warm_up` iterations, then grows by one sigma per iteration.
pub(crate) fn warm_up_then_leak(seed: u64, warm_up: usize, n: usize) -> Series {
    let mut random = Random::new(seed);
    let base = 5e7;
    let sigma = base * 0.002;
    let noise = random.noise(n, sigma, 0.0);
    let y: Vec<f64> = (0..n)
        .map(|at| {
            let at_f = at as f64;
            let filling = 0.2 * base * (1.0 - (-at_f / (warm_up as f64 / 4.0)).exp());
            base + filling + sigma * at.saturating_sub(warm_up) as f64 + noise[at]
        })
        .collect();
    series("heap_after_gc", Signal::HeapAfterGc, &y)
}

/// 40 cases of each class; a case is one series, or a heap and an rss for fragmentation.
pub(crate) fn nine_classes(first: u64) -> Vec<(&'static str, Vec<Series>)> {
    let mut cases = Vec::new();
    for seed in first..first + 40 {
        let mut random = Random::new(seed);
        let n = [60, 120, 200, 300][(seed % 4) as usize];
        let base = random.between(5e6, 2e8);
        let phi = [0.0, 0.5, 0.9][(seed % 3) as usize];
        let sigma = base * random.between(0.0005, 0.005);
        let noise = random.noise(n, sigma, phi);
        let gain = base * random.between(0.1, 1.0);
        let at = |i: usize| i as f64 / n as f64;
        let mut add = |truth: &'static str, signal: Signal, f: &dyn Fn(usize) -> f64| {
            let y: Vec<f64> = (0..n).map(|i| base + f(i) + noise[i]).collect();
            cases.push((truth, vec![series(signal.name(), signal, &y)]));
        };
        add("steady", Signal::HeapAfterGc, &|_| 0.0);
        add("linear_leak", Signal::HeapAfterGc, &|i| gain * at(i) + 0.1 * base * (1.0 - (-at(i) / 0.05).exp()));
        let tau = random.between(0.03, 0.2);
        add("warm_up_plateau", Signal::HeapAfterGc, &|i| gain * (1.0 - (-at(i) / tau).exp()));
        let steps = random.between(4.0, 8.99).floor();
        add("stepwise_growth", Signal::HeapAfterGc, &|i| gain * (at(i) * steps).floor() / steps);
        let hits: Vec<bool> = (0..n).map(|_| random.uniform() < 0.06).collect();
        let height = base * random.between(0.2, 1.0);
        add("spikes", Signal::HeapAfterGc, &|i| if hits[i] { height } else { 0.0 });
        let period = n as f64 / random.between(8.0, 14.0).floor();
        add("gc_sawtooth", Signal::Heap, &|i| gain * ((i as f64) % period) / period);
        let waves = random.between(2.0, 5.0);
        add("fluctuating", Signal::HeapAfterGc, &|i| {
            gain.max(0.25 * base) * (at(i) * waves * std::f64::consts::TAU).sin() * 0.5
        });
        let few = &noise[..10];
        let y: Vec<f64> = few.iter().enumerate().map(|(i, noise)| base + gain * at(i) + noise).collect();
        cases.push(("insufficient_data", vec![series("heap_after_gc", Signal::HeapAfterGc, &y)]));
        let heap: Vec<f64> = (0..n).map(|i| base + noise[i]).collect();
        let rss: Vec<f64> =
            (0..n).map(|i| 2.0 * base + gain.max(0.2 * base) * at(i) + 2.0 * sigma * random.normal()).collect();
        let pair = vec![series("heap_after_gc", Signal::HeapAfterGc, &heap), series("rss", Signal::Rss, &rss)];
        cases.push(("fragmentation_or_native", pair));
    }
    cases
}
