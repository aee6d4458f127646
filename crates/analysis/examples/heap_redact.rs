//! Redacts a plain heap snapshot, in pieces as an inspector sends them, and prints what it took:
//! `cargo run --release --example heap_redact FILE [COPY]`.
#![expect(clippy::disallowed_methods, reason = "an example opens the files it is given and times itself")]

use brimline_profile::heap::redact::RedactingWriter;
use std::fs::File;
use std::io::{Read, Write};
use std::time::Instant;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let path = arguments.next().ok_or_else(|| anyhow::anyhow!("expected a heap snapshot, found no argument"))?;
    let copy: Box<dyn Write + Send> = match arguments.next() {
        Some(path) => Box::new(File::create(path)?),
        None => Box::new(std::io::sink()),
    };
    let (mut file, mut piece, mut bytes) = (File::open(path)?, vec![0; 1 << 20], 0);
    let start = Instant::now();
    let mut writer = RedactingWriter::new(copy);
    loop {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        bytes += read;
        writer.write_all(&piece[..read])?;
    }
    let changed = writer.finish().0?;
    let seconds = start.elapsed().as_secs_f64();
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let status = read("/proc/self/status");
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: unknown");
    let megabytes = bytes as f64 / 1e6;
    writeln!(
        std::io::stdout(),
        "{megabytes:.0} MB in {seconds:.2} s, {:.0} MB/s; {changed} strings changed; {peak}",
        megabytes / seconds
    )?;
    Ok(())
}
