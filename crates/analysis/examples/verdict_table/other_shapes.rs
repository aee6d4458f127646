//! Shapes of another mind than `generate.rs`: what operators see on dashboards rather than what the rules were written
//! against. Nothing was tuned on them; `docs/verdict.md` tells the answers.

use std::f64::consts::TAU;

use brimline_profile::series::{Series, Signal, Unit};

use super::generate::Random;

/// What a shape is and what may be said of it.
pub(crate) struct Shape {
    /// In words.
    pub(crate) name: &'static str,
    /// Whether "it leaks" is right.
    pub(crate) leaks: bool,
    signal: Signal,
    make: fn(&mut Random, usize) -> Vec<f64>,
}

impl Shape {
    /// The series of a seed.
    pub(crate) fn series(&self, seed: u64, resident: bool) -> Series {
        let mut random = Random::new(seed ^ 0x5EED_0F07_4E25);
        let n = [45, 80, 150, 400, 1000][(seed % 5) as usize];
        let base = 10_f64.powf(random.between(6.5, 9.0));
        let noise = base * 10_f64.powf(random.between(-4.0, -2.3));
        let values: Vec<f64> =
            (self.make)(&mut random, n).iter().map(|value| base * value + noise * random.normal()).collect();
        let signal = if resident { Signal::Rss } else { self.signal };
        Series { signal: Some(signal), ..Series::from_values(signal.name(), Unit::Bytes, &values) }
    }
}

fn each(n: usize, f: impl FnMut(f64) -> f64) -> Vec<f64> {
    (0..n).map(|at| at as f64 / n as f64).map(f).collect()
}

/// All shapes.
pub(crate) const SHAPES: &[Shape] = &[
    calm("a step at a deployment", |r, n| {
        let (at, height) = (r.between(0.2, 0.7), r.between(0.1, 0.6));
        each(n, |x| 1.0 + if x > at { height } else { 0.0 })
    }),
    calm("fills exponentially", |r, n| {
        let (tau, height) = (r.between(0.02, 0.18), r.between(0.1, 2.0));
        each(n, |x| 1.0 + height * (1.0 - (-x / tau).exp()))
    }),
    calm("fills straight, then evicts", |r, n| {
        let (full, height) = (r.between(0.2, 0.55), r.between(0.2, 2.0));
        let mut evicted = 0.0;
        each(n, |x| {
            evicted = if x > full { (evicted + r.between(-0.01, 0.01)).clamp(-0.03, 0.0) } else { 0.0 };
            1.0 + height * (x / full).min(1.0) * (1.0 + evicted)
        })
    }),
    calm("slows down as a logarithm", |r, n| {
        let (scale, height) = (r.between(0.003, 0.02), r.between(0.02, 0.1));
        each(n, |x| 1.0 + height * (x / scale).ln_1p())
    }),
    calm("day and night", |r, n| {
        let (days, swing, phase) = (r.between(2.0, 7.0), r.between(0.05, 0.4), r.between(0.0, TAU));
        each(n, |x| 1.0 + swing * (phase + TAU * days * x).sin())
    }),
    calm("bursts that fade", |r, n| {
        let (fade, height) = (r.between(0.3, 0.8), r.between(0.1, 1.0));
        let mut burst = 0.0;
        each(n, |_| {
            burst = burst * fade + if r.uniform() < 0.03 { height } else { 0.0 };
            1.0 + burst
        })
    }),
    calm("wanders about a level", |r, n| {
        let (keeps, step) = (r.between(0.9, 0.97), r.between(0.001, 0.01));
        let mut off = 0.0;
        each(n, |_| {
            off = keeps * off + step * r.normal();
            1.0 + off
        })
    }),
    calm("walks between walls", |r, n| {
        let step = r.between(0.005, 0.02);
        let mut at: f64 = 0.0;
        each(n, |_| {
            at = (at + step * r.normal()).clamp(-0.06, 0.06);
            1.0 + at
        })
    }),
    calm("a load test and its end", |r, n| {
        let (up, down, height) = (r.between(0.1, 0.3), r.between(0.5, 0.75), r.between(0.2, 1.5));
        each(n, |x| 1.0 + if x > up && x < down { height } else { 0.0 })
    }),
    calm("grew until it was mended", |r, n| {
        let (mended, height) = (r.between(0.3, 0.55), r.between(0.2, 1.5));
        each(n, |x| 1.0 + height * x.min(mended))
    }),
    calm("level in whole pages", |r, n| each(n, |_| 1.0 + (3.0 * r.uniform()).floor() * 0.002)),
    Shape {
        name: "garbage, collected now and then",
        leaks: false,
        signal: Signal::Heap,
        make: |r, n| {
            let (rate, height) = (r.between(8.0, 15.0) / n as f64, r.between(0.2, 1.5));
            let mut full = 0.0;
            each(n, |_| {
                full += rate * r.between(0.5, 1.5);
                if full > 1.0 {
                    full = r.between(0.0, 0.08);
                }
                1.0 + height * full
            })
        },
    },
    leak("a straight line", |r, n| {
        let gain = r.between(0.15, 1.5);
        each(n, |x| 1.0 + gain * x)
    }),
    leak("warms up and leaks", |r, n| {
        let (gain, height, tau) = (r.between(0.3, 1.5), r.between(0.1, 0.5), r.between(0.03, 0.1));
        each(n, |x| 1.0 + gain * x + height * (1.0 - (-x / tau).exp()))
    }),
    leak("begins late", |r, n| {
        let (begins, gain) = (r.between(0.25, 0.55), r.between(0.3, 1.5));
        each(n, |x| 1.0 + gain * (x - begins).max(0.0))
    }),
    leak("one step every few points", |r, n| {
        let (steps, gain) = (r.between(5.0, 18.0).floor(), r.between(0.3, 1.5));
        each(n, |x| 1.0 + gain * (x * steps).floor() / steps)
    }),
    leak("requests of very unlike sizes", |r, n| {
        let (gain, mut sum) = (r.between(0.3, 1.5) / n as f64, 0.0);
        each(n, |_| {
            sum += gain * (0.8 * r.normal() - 0.32).exp();
            1.0 + sum
        })
    }),
    leak("a line under day and night", |r, n| {
        let (days, swing, phase) = (r.between(4.0, 9.0), r.between(0.02, 0.08), r.between(0.0, TAU));
        let gain = r.between(0.5, 1.5);
        each(n, |x| 1.0 + gain * x + swing * (phase + TAU * days * x).sin())
    }),
    leak("a line that wanders", |r, n| {
        let (gain, mut off) = (r.between(0.3, 1.5), 0.0);
        each(n, |x| {
            off = 0.85 * off + 0.005 * r.normal();
            1.0 + gain * x + off
        })
    }),
    leak("in whole megabytes", |r, n| {
        let (gain, grains) = (r.between(0.3, 1.5), r.between(20.0, 60.0).floor());
        each(n, |x| 1.0 + (gain * x * grains).floor() / grains)
    }),
    leak("faster and faster", |r, n| {
        let gain = r.between(0.3, 1.5);
        each(n, |x| 1.0 + gain * (0.5 * x + 0.5 * x * x))
    }),
    Shape {
        name: "garbage over a line",
        leaks: true,
        signal: Signal::Heap,
        make: |r, n| {
            let (rate, height, gain) = (r.between(10.0, 20.0) / n as f64, r.between(0.2, 0.6), r.between(0.6, 1.8));
            let mut full = 0.0;
            each(n, |x| {
                full += rate * r.between(0.7, 1.3);
                if full > 1.0 {
                    full = r.between(0.0, 0.05);
                }
                1.0 + gain * x + height * full
            })
        },
    },
];

const fn calm(name: &'static str, make: fn(&mut Random, usize) -> Vec<f64>) -> Shape {
    Shape { name, leaks: false, signal: Signal::HeapAfterGc, make }
}

const fn leak(name: &'static str, make: fn(&mut Random, usize) -> Vec<f64>) -> Shape {
    Shape { name, leaks: true, signal: Signal::HeapAfterGc, make }
}
