//! End-to-end tests: the built command on real programs. `scripts/test.sh` sets the interpreters up.
#![allow(unsafe_code, reason = "signals are sent by system call")]
#![allow(clippy::print_stderr, reason = "tests say why they cannot run")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod allocators;
mod answer;
mod counting;
mod damage;
mod disk;
mod faults;
mod go_endpoints;
mod go_intervals;
mod go_programs;
mod go_servers;
mod greenlets;
mod heap_apps;
mod heap_formats;
mod heap_programs;
mod heap_redaction;
mod heap_terminal;
mod heaps;
mod identity;
mod interpreters;
mod kills;
mod line_tables;
mod long_runs;
mod modes;
mod native;
mod package;
mod peaks;
mod pprof;
mod privileges;
mod processes;
mod python;
mod python_files;
mod race;
mod real_programs;
mod refusals;
mod servers;
mod session;
mod snapshots;
mod threads;
mod tracemalloc;
mod trend;
mod truth;
mod workload_faults;
mod workload_loads;
mod workload_tools;
