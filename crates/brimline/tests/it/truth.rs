//! The programs with known truth print what they should, and the lines that their truth names hold the memory.
use std::path::{Path, PathBuf};

use crate::answer::{Figures, line_number};
use crate::python::any_python;
use crate::session::{Session, ended};

/// What `truth.toml` says, as far as these tests need it.
struct Truth {
    folder: PathBuf,
    pattern: String,
    arguments: Vec<String>,
    stdout: String,
    /// File and text of the lines that allocate what the leaky variant keeps.
    allocates: Vec<(String, String)>,
}

impl Truth {
    fn read(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("truth.toml")).unwrap();
        let table: toml::Table = text.parse().unwrap();
        let allocates = table["leaky"]["allocates"].as_array().unwrap().iter();
        let string = |value: &toml::Value| value.as_str().unwrap().to_owned();
        Self {
            folder: folder.to_path_buf(),
            pattern: string(&table["pattern"]),
            arguments: table["arguments"].as_array().unwrap().iter().map(string).collect(),
            stdout: string(&table["leaky"]["stdout"]),
            allocates: allocates.map(|line| (string(&line["file"]), string(&line["text"]))).collect(),
        }
    }

    /// Runs a variant; gives the sum over the allocating lines of the leaky variant, by their text.
    fn record(&self, session: &Session, python: &Path, variant: &str) -> (Figures, i64) {
        let nested = self.folder.join(variant).join("app.py");
        let main = if nested.exists() { nested } else { self.folder.join(format!("{variant}.py")) };
        let mut run = session.run([python, &main]);
        let ended = ended(run.args(&self.arguments)).expect_code(0);
        assert!(ended.stdout.contains(&self.stdout), "{}: {}", main.display(), ended.stdout);
        let report = session.report();
        let mut sum = Figures::default();
        for (file, text) in &self.allocates {
            let file = file.replace("leaky", variant);
            let source = std::fs::read_to_string(self.folder.join(&file)).unwrap();
            // The bounded variant may have lost the line, or moved its code elsewhere.
            if source.lines().filter(|line| line.contains(text)).count() == 1 {
                let line = line_number(&source, text);
                sum.add(report.lines(&file).get(&line).copied().unwrap_or_default());
            }
        }
        (sum, report.totals.peak_bytes)
    }
}

#[test]
fn the_lines_that_leak_hold_the_memory() {
    let Some(python) = any_python() else { return };
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs/python");
    let mut seen = 0;
    for entry in std::fs::read_dir(programs).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("truth.toml").exists() {
            continue;
        }
        seen += 1;
        let truth = Truth::read(&folder);
        let session = Session::new();
        let (leaky, leaky_peak) = truth.record(&session, &python.bare, "leaky");
        let (bounded, bounded_peak) = truth.record(&session, &python.bare, "bounded");
        match truth.pattern.as_str() {
            // Nothing is left of these at the end; what tells is the peak.
            "spike" | "reference_cycle" => {
                assert!(leaky_peak > bounded_peak + 1_000_000, "{}: {leaky_peak} {bounded_peak}", truth.pattern);
                assert!(leaky.peak_bytes > 4 * bounded.peak_bytes.max(1), "{}: {leaky:?} {bounded:?}", truth.pattern);
            }
            // These keep their list to the end on purpose, so that there is something to see.
            _ => assert!(
                leaky.live_bytes > 10_000 && leaky.live_bytes > 4 * bounded.live_bytes,
                "{}: {leaky:?} {bounded:?}",
                truth.pattern
            ),
        }
    }
    assert!(seen >= 9, "{seen} programs");
}
