//! `--mode sampled`: of all bytes allocated one in about [`period`] is drawn (a Poisson process over the bytes), and the
//! block it lies in is counted for all that were not.
//!
//! A block of `s` bytes is drawn with probability `p = 1 - exp(-s / period)`, independently of all others. Counted as
//! `s / p` bytes and `1 / p` blocks it makes every sum unbiased (Horvitz and Thompson 1952), and `s² (1 - p) / p²` sums
//! up to an unbiased estimate of the variance.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use brimline_recording::layout::{COUNT_UNIT, COUNT_VARIANCE_UNIT};

use crate::map::mix;

static ENABLED: AtomicBool = AtomicBool::new(false);
static PERIOD: AtomicU64 = AtomicU64::new(0);
static DRAWS: AtomicU64 = AtomicU64::new(0);

/// Starts sampling with a mean distance of `period` bytes.
pub(crate) fn enable(period: u64, seed: u64) {
    PERIOD.store(period, Ordering::Relaxed);
    DRAWS.store(mix(seed), Ordering::Relaxed);
    ENABLED.store(true, Ordering::Release);
}

/// True when only drawn blocks are counted.
#[inline]
pub(crate) fn enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

// Two words of each thread: bytes until the next draw, 0 before the first; and whether Python's allocator is serving a
// small request. See `state.rs` for the kind of storage.
core::arch::global_asm!(
    ".section .tbss,\"awT\",@nobits",
    ".balign 8",
    ".type brimline_bytes_left,@object",
    ".size brimline_bytes_left,16",
    "brimline_bytes_left:",
    ".zero 16",
    ".text",
);

#[inline]
fn bytes_left() -> *mut i64 {
    let slot: *mut i64;
    // SAFETY: computes an address in this thread's block, reads nothing else.
    unsafe {
        core::arch::asm!(
            "mov {slot}, qword ptr [rip + brimline_bytes_left@GOTTPOFF]",
            "add {slot}, qword ptr fs:[0]",
            slot = out(reg) slot,
            options(pure, readonly, nostack),
        );
    }
    slot
}

/// Runs Python's allocator for a small request: what it takes from malloc meanwhile is for its own tables, and not drawn.
#[inline]
pub(crate) fn serving<R>(serve: impl FnOnce() -> R) -> R {
    // SAFETY: the word is this thread's own.
    let flag = unsafe { &mut *bytes_left().add(1) };
    *flag = 1;
    let result = serve();
    *flag = 0;
    result
}

/// As [`draws`], for a block of malloc.
#[inline]
pub(crate) fn draws_of_malloc(size: usize) -> bool {
    draws(size) && !is_serving()
}

/// True inside [`serving`].
pub(crate) fn is_serving() -> bool {
    // SAFETY: the word is this thread's own.
    unsafe { *bytes_left().add(1) != 0 }
}

/// Whether a block of `size` bytes is drawn.
#[inline]
pub(crate) fn draws(size: usize) -> bool {
    spend(size) && settle(size)
}

/// Moves on by a block of `size` bytes; true when the next draw has been reached, and [`settle`] has to follow.
#[inline]
pub(crate) fn spend(size: usize) -> bool {
    let left: i64;
    // SAFETY: the word is this thread's own.
    unsafe {
        core::arch::asm!(
            "mov {slot}, qword ptr [rip + brimline_bytes_left@GOTTPOFF]",
            "mov {left}, qword ptr fs:[{slot}]",
            "sub {left}, {size}",
            "mov qword ptr fs:[{slot}], {left}",
            slot = out(reg) _,
            left = out(reg) left,
            size = in(reg) size.max(1),
            options(nostack),
        );
    }
    left <= 0
}

/// Draws the distance to the next byte, also that to the first. False if the block was not hit after all.
#[cold]
pub(crate) fn settle(size: usize) -> bool {
    let size = size.max(1) as i64;
    // SAFETY: the word is this thread's own.
    let left = unsafe { &mut *bytes_left() };
    let is_first = *left == -size;
    *left = distance();
    if !is_first {
        return true;
    }
    *left -= size;
    if *left > 0 {
        return false;
    }
    *left = distance();
    true
}

/// An exponentially distributed number of bytes, at least 1.
fn distance() -> i64 {
    let random = mix(DRAWS.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)) >> 11;
    let uniform = (random as f64 + 0.5) / (1_u64 << 53) as f64;
    ((-ln(uniform) * PERIOD.load(Ordering::Relaxed) as f64) as i64).max(1)
}

/// What one block counts for.
#[derive(Clone, Copy)]
pub(crate) struct Weight {
    pub(crate) bytes: i64,
    /// In units of 1 / [`COUNT_UNIT`] blocks.
    pub(crate) count: i64,
    /// Variance of `bytes` in units of bytes × period.
    pub(crate) bytes_variance: i64,
    /// Variance of `count` in units of 1 / [`COUNT_VARIANCE_UNIT`].
    pub(crate) count_variance: i64,
}

impl Weight {
    /// Of a block that was counted whatever was drawn.
    pub(crate) fn certain(size: usize) -> Self {
        Self { bytes: size as i64, count: COUNT_UNIT, bytes_variance: 0, count_variance: 0 }
    }

    /// Of a block that was drawn; the same for each block of this size.
    pub(crate) fn drawn(size: usize) -> Self {
        let period = PERIOD.load(Ordering::Relaxed) as f64;
        let size = size.max(1) as f64;
        let probability = hit(size / period);
        let odds = (1.0 - probability) / (probability * probability);
        let round = |value: f64| (value + 0.5) as i64;
        Self {
            bytes: round(size / probability),
            count: round(COUNT_UNIT as f64 / probability),
            bytes_variance: round(size * size / period * odds),
            count_variance: round(COUNT_VARIANCE_UNIT as f64 * odds),
        }
    }
}

/// `1 - exp(-x)`. Own arithmetic, so that nothing of libm is loaded into the target.
fn hit(x: f64) -> f64 {
    if x > 40.0 {
        return 1.0;
    }
    // exp(-x) = exp(-x / 2^k)^(2^k); `1 - exp` is kept as such, so that small values lose nothing.
    let (mut small, mut doublings) = (x, 0);
    while small > 0.125 {
        small *= 0.5;
        doublings += 1;
    }
    let mut term = small;
    let mut sum = small;
    for n in 2..12 {
        term *= -small / f64::from(n);
        sum += term;
    }
    for _ in 0..doublings {
        sum *= 2.0 - sum;
    }
    sum
}

/// Natural logarithm of a number in (0, 1).
fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // ln m = 2 artanh((m - 1) / (m + 1))
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut power = ratio;
    let mut sum = 0.0;
    for n in 0..18 {
        sum += power / f64::from(2 * n + 1);
        power *= square;
    }
    f64::from(exponent) * core::f64::consts::LN_2 + 2.0 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_equals_the_library() {
        for n in 1..10_000 {
            let x = f64::from(n) / 10_000.0;
            assert!((ln(x) - x.ln()).abs() < 1e-12, "ln {x}");
            for x in [x, x * 45.0, x * 1e-9] {
                let exact = -(-x).exp_m1();
                assert!((hit(x) / exact - 1.0).abs() < 1e-12, "hit {x}");
            }
        }
    }

    #[test]
    fn estimates_are_unbiased_and_their_variance_is_right() {
        const PERIOD: u64 = 4096;
        enable(PERIOD, 7);
        for size in [16_usize, 100, 3000, 20_000] {
            let blocks = 4000;
            let (mut sum, mut squares, mut variances) = (0.0, 0.0, 0.0);
            let rounds = 400;
            for _ in 0..rounds {
                let (mut bytes, mut variance) = (0.0, 0.0);
                for _ in 0..blocks {
                    if draws(size) {
                        let weight = Weight::drawn(size);
                        bytes += weight.bytes as f64;
                        variance += weight.bytes_variance as f64 * PERIOD as f64;
                    }
                }
                let error = bytes - (size * blocks) as f64;
                (sum, squares, variances) = (sum + error, squares + error * error, variances + variance);
            }
            let rounds = f64::from(rounds);
            let deviation = (squares / rounds).sqrt();
            assert!((sum / rounds).abs() < 3.5 * deviation / rounds.sqrt(), "size {size}: biased by {}", sum / rounds);
            let ratio = squares / variances;
            assert!((0.75..1.33).contains(&ratio), "size {size}: variance {ratio} times the estimate");
        }
    }
}
