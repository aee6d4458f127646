//! Exit codes of every command; `run` of a program gives the program's own instead.

/// How a command ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExitCode(pub(crate) u8);

impl ExitCode {
    /// Fine.
    pub(crate) const FINE: Self = Self(0);
    /// The answer is bad news.
    pub(crate) const BAD_NEWS: Self = Self(1);
    /// Usage, or an input that cannot be read or is refused.
    pub(crate) const USAGE: Self = Self(2);
    /// The answer is inconclusive or incomplete.
    pub(crate) const INCOMPLETE: Self = Self(3);
    /// Could not capture.
    pub(crate) const NO_CAPTURE: Self = Self(4);
    /// `run` could not start the program.
    pub(crate) const NOT_STARTED: Self = Self(125);
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.0)
    }
}
