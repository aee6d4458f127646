//! Any command as load: once for each round, or again and again until the time is up.

use std::process::Command;
use std::time::Instant;

use serde_json::json;

use super::child::{Child, ended_how, last_words};
use super::tally::Named;
use super::{Load, LoadDriver, LoadOptions, Stretch, WorkloadError};

/// What a shell exits with when it finds no such command, or cannot run it.
const NOT_RUN: [i32; 2] = [126, 127];

/// The driver.
#[derive(Debug)]
pub(crate) struct Sh;

impl LoadDriver for Sh {
    fn scheme(&self) -> &'static str {
        "sh"
    }

    fn takes(&self) -> &'static str {
        "COMMAND"
    }

    fn open(&self, rest: &str, _options: &LoadOptions<'_>) -> Result<Box<dyn Load>, WorkloadError> {
        Ok(Box::new(ShLoad { command: rest.to_owned() }))
    }
}

#[derive(Debug)]
struct ShLoad {
    command: String,
}

impl Load for ShLoad {
    fn describe(&self) -> serde_json::Value {
        let words: Vec<String> = self.command.split(' ').map(str::to_owned).collect();
        json!({ "command": crate::command_line::without_secrets(&words).join(" ") })
    }

    fn needs_target(&self) -> bool {
        false
    }

    fn has_end(&self) -> bool {
        true
    }

    fn unit(&self) -> &'static str {
        "runs"
    }

    fn drive(&self, stretch: &Stretch<'_>) -> Result<(), WorkloadError> {
        let start = Instant::now();
        let deadline = stretch.time.map(|time| Instant::now() + time);
        let mut named = Named::default();
        let outcome = loop {
            let begin = Instant::now();
            let mut command = Command::new("/bin/sh");
            command.arg("-c").arg(&self.command);
            if let Some(target) = stretch.target {
                command.env("BASE_URL", target.to_string());
            }
            let mut child = Child::start(&mut command, "sh", |_| ())?;
            if !child.wait(deadline, stretch.stop)? {
                child.end(libc::SIGTERM)?;
                if stretch.tally.done() == 0 && !stretch.stop.is_set() {
                    stretch.tally.note("the command was still running when the time was up".into());
                }
                break Ok(());
            }
            let (status, said) = child.finish();
            let failed = !status.is_some_and(|status| status.success());
            named.done += 1;
            named.failed += u64::from(failed);
            named.latency.add(begin.elapsed());
            stretch.tally.count(1, u64::from(failed));
            if failed {
                let words = last_words(&said);
                let how = ended_how(status);
                stretch.tally.fail(&if words.is_empty() { how.clone() } else { format!("{how}: {words}") }, 1);
                if status.and_then(|status| status.code()).is_some_and(|code| NOT_RUN.contains(&code)) {
                    break Err(WorkloadError::broken(format!("the command cannot be run: {words}")));
                }
            }
            if deadline.is_none_or(|deadline| Instant::now() >= deadline) || stretch.stop.is_set() {
                break Ok(());
            }
        };
        stretch.tally.lasted(start.elapsed());
        stretch.tally.add("command", &named);
        outcome
    }
}
