//! `/proc/<pid>/smaps` and `status`: which pages of a process are resident, and what they belong to.
//!
//! Described in `proc_pid_smaps(5)`. Only start, end, name and `Rss` of each mapping are read.

/// A mapping of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// Whether it can be written.
    pub writable: bool,
    /// The file's path, `[heap]`, `[stack]`, `[anon: …]`; empty for anonymous memory.
    pub name: String,
    /// Bytes in memory.
    pub rss: u64,
}

/// The mappings of a `smaps` text, by address.
pub fn mappings(text: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in text.lines() {
        if let Some(mapping) = head(line) {
            mappings.push(mapping);
        } else if let Some(value) = line.strip_prefix("Rss:")
            && let Some(last) = mappings.last_mut()
        {
            last.rss = kilobytes(value).unwrap_or(0);
        }
    }
    mappings
}

/// `VmRSS` of a `status` text in bytes.
pub fn vm_rss(status: &str) -> Option<u64> {
    kilobytes(status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?)
}

/// `start-end rights offset device inode      name`.
fn head(line: &str) -> Option<Mapping> {
    let mut rest = line;
    let mut fields = [""; 5];
    for field in &mut fields {
        let trimmed = rest.trim_start_matches(' ');
        (*field, rest) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
    }
    let (start, end) = fields[0].split_once('-')?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    Some(Mapping {
        start: number(start)?,
        end: number(end)?,
        writable: fields[1].contains('w'),
        name: rest.trim().to_owned(),
        rss: 0,
    })
}

fn kilobytes(value: &str) -> Option<u64> {
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_with_blanks_and_anonymous_memory() {
        let text = "00400000-00500000 r-xp 00000000 fe:00 12                         /srv/my app\nSize: 1024 kB\nRss:     512 kB\n\
            c000000000-c000400000 rw-p 00000000 00:00 0 \nRss:  8 kB\nPss: 8 kB\n7f00-7f10 rw-p 00000000 00:00 0   [anon: Go: heap]\nRss: 0 kB\n";
        let found = mappings(text);
        let rows: Vec<_> = found.iter().map(|row| (row.start, row.name.as_str(), row.rss, row.writable)).collect();
        let expected = [
            (0x40_0000, "/srv/my app", 512 << 10, false),
            (0xc0_0000_0000, "", 8 << 10, true),
            (0x7f00, "[anon: Go: heap]", 0, true),
        ];
        assert_eq!(rows, expected);
        assert_eq!(vm_rss("Name:\tx\nVmRSS:\t   12 kB\n"), Some(12 << 10));
        assert_eq!(vm_rss(""), None);
    }
}
