//! Why there is no load.

/// A workload that cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    /// What was typed or written is no workload.
    #[error("expected {expected}, found {found}")]
    Spec {
        /// What would be one.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        hint: String,
    },
    /// A tool that the workload needs is not there.
    #[error("expected `{tool}`, found none: {reason}")]
    NoTool {
        /// Its name.
        tool: &'static str,
        /// Where it was looked for.
        reason: String,
        /// How to get it.
        hint: String,
    },
    /// The tool refuses the user's script.
    #[error("{tool} refuses `{script}`: {reason}")]
    Script {
        /// The tool.
        tool: &'static str,
        /// The script.
        script: String,
        /// The tool's own words.
        reason: String,
    },
    /// The load broke off.
    #[error("the load broke off: {reason}")]
    Broken {
        /// Why.
        reason: String,
    },
}

impl WorkloadError {
    /// A workload that is none.
    pub(crate) fn spec(expected: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Spec { expected: expected.into(), found: found.into(), hint: hint.into() }
    }

    /// A load that broke off.
    pub(crate) fn broken(reason: impl std::fmt::Display) -> Self {
        Self::Broken { reason: reason.to_string() }
    }

    /// What to do.
    pub fn hint(&self) -> &str {
        match self {
            Self::Spec { hint, .. } | Self::NoTool { hint, .. } => hint,
            Self::Script { .. } => "run the tool on the script alone until it starts, then record again",
            Self::Broken { .. } => "what was recorded until then is kept: `brimline trend`",
        }
    }

    /// Whether the fault lies in what the user gave, and nothing was started.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Spec { .. } | Self::Script { .. })
    }
}
