//! The nine answers.

use serde::Serialize;

/// What a trend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// No growth worth naming.
    Steady,
    /// Grew, then stopped.
    WarmUpPlateau,
    /// Grows at a constant rate and shows no end.
    LinearLeak,
    /// Grows in steps and shows no end.
    StepwiseGrowth,
    /// Calm, with short peaks.
    Spikes,
    /// Garbage rises and is collected; what remains is constant.
    GcSawtooth,
    /// The process grows, its live heap does not.
    FragmentationOrNative,
    /// Goes up and down with large reversals.
    Fluctuating,
    /// The data does not decide.
    InsufficientData,
}

impl Verdict {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::Steady,
        Self::WarmUpPlateau,
        Self::LinearLeak,
        Self::StepwiseGrowth,
        Self::Spikes,
        Self::GcSawtooth,
        Self::FragmentationOrNative,
        Self::Fluctuating,
        Self::InsufficientData,
    ];

    /// The name used in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::WarmUpPlateau => "warm_up_plateau",
            Self::LinearLeak => "linear_leak",
            Self::StepwiseGrowth => "stepwise_growth",
            Self::Spikes => "spikes",
            Self::GcSawtooth => "gc_sawtooth",
            Self::FragmentationOrNative => "fragmentation_or_native",
            Self::Fluctuating => "fluctuating",
            Self::InsufficientData => "insufficient_data",
        }
    }

    /// Whether the answer is "it leaks".
    pub fn is_leak(self) -> bool {
        matches!(self, Self::LinearLeak | Self::StepwiseGrowth)
    }
}
