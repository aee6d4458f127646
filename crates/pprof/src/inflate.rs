//! Gzip, with a bound on what a small file may grow to.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::error::ReadError;

/// How far a compressed file may grow.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest inflated size in bytes.
    pub inflated: u64,
    /// Largest growth factor. Profiles reach about 20; deflate itself can reach 1032, which only a bomb does.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // Offsets into the inflated bytes are 32 bits wide.
        Self { inflated: u64::from(u32::MAX), ratio: 64 }
    }
}

/// Small files may grow this far whatever their ratio, since a tiny profile with one long name is no attack.
const FREE: u64 = 16 << 20;

/// The bytes of a profile without compression: `file` itself, or all members of the gzip file it is.
pub fn inflate(file: &[u8], limits: Limits) -> Result<Cow<'_, [u8]>, ReadError> {
    if !file.starts_with(&[0x1f, 0x8b]) {
        return Ok(Cow::Borrowed(file));
    }
    let allowed = limits.inflated.min(FREE.max((file.len() as u64).saturating_mul(limits.ratio)));
    // The last four bytes tell the size of the last member: a hint that saves growing, checked before it is believed.
    let hint = file.last_chunk::<4>().map_or(0, |size| u64::from(u32::from_le_bytes(*size)));
    let mut out = Vec::new();
    if hint <= allowed.min(file.len() as u64 * 24) {
        out.reserve_exact(hint as usize + 1);
    }
    MultiGzDecoder::new(file)
        .take(allowed + 1)
        .read_to_end(&mut out)
        .map_err(|source| ReadError::Gzip { at: out.len(), source })?;
    if out.len() as u64 > allowed {
        return Err(ReadError::TooLarge { compressed: file.len() as u64, allowed });
    }
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::gzip;

    #[test]
    fn joins_members_and_refuses_what_grows_too_far() {
        let two = [gzip(b"pro"), gzip(b"file")].concat();
        assert_eq!(&*inflate(&two, Limits::default()).unwrap(), b"profile");
        let bomb = gzip(&vec![0; 2 << 20]);
        let small = Limits { inflated: 1 << 20, ..Limits::default() };
        assert!(matches!(inflate(&bomb, small), Err(ReadError::TooLarge { .. })));
        assert!(matches!(inflate(&two[..two.len() - 3], Limits::default()), Err(ReadError::Gzip { .. })));
    }
}
