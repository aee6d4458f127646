//! The command `brimline`.

mod allocators;
mod cli;
mod commands;
mod comparable;
mod decorated;
mod exit_code;
mod flame;
mod go;
mod imported;
mod input;
mod metric;
mod node;
mod node_doctor;
mod page_server;
mod python_package;
mod quantity;
mod raster;
mod refusal;
mod report;
mod site;
mod source_text;
mod stores;
mod summary;
mod symbols;
mod terminal;
mod tracker_library;
mod trend_input;
mod trend_marks;
mod trend_sites;
mod trend_snapshots;
mod view;
mod workload;

use std::io::Write;

use clap::Parser;

fn main() -> std::process::ExitCode {
    brimline_capture::survive_limit_of_file_sizes();
    match commands::execute(cli::Cli::parse()) {
        Ok(code) => code.into(),
        // Whoever read our output has seen enough.
        Err(error) if is_broken_pipe(&error) => exit_code::ExitCode::FINE.into(),
        Err(error) => {
            let (text, code) = refusal::explain(&error);
            // Nothing is left to tell when standard error is gone too.
            let _ = std::io::stderr().write_all(text.as_bytes());
            code.into()
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
