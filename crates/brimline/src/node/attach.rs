//! `brimline attach` for Node programs.

use brimline_capture::node::{self, InspectorError, NodeAttachError, NodeAttachment};
use brimline_store::Location;

use super::plan;
use crate::commands::attach::Args;
use crate::commands::run::{Voice, summarise};
use crate::exit_code::ExitCode;
use crate::refusal::Refusal;
use crate::stores::name;
use crate::tracker_library;

/// Records the process whose inspector has the URL.
pub(crate) fn attach_url(args: &Args) -> anyhow::Result<ExitCode> {
    match node::owner(&args.target) {
        Some(pid) => attach_process(pid, args),
        None => Err(refused(
            format!(
                "expected the inspector of a Node process of this machine and user, found none at `{}`",
                args.target
            ),
            "`curl http://HOST:PORT/json/list` names the URLs of an inspector; on another machine run brimline there",
        )),
    }
}

/// Records a process.
pub(crate) fn attach_process(pid: u32, args: &Args) -> anyhow::Result<ExitCode> {
    let store = Location::of_process(args.store.as_deref());
    let tracker = tracker_library::installed(&store.root);
    let agent = plan(&tracker).agent.map_err(|reason| refused(reason, "`brimline doctor` tells about the cache"))?;
    let attachment = NodeAttachment {
        pid,
        agent,
        store,
        name: args.name.as_deref().map(name).transpose()?,
        interval: args.interval,
        duration: args.duration,
    };
    let voice = Voice::new(args.quiet, false);
    if !args.quiet {
        voice.say(&format!("recording Node process {pid}; Ctrl-C ends it"));
    }
    let outcome = node::attach(&attachment, &voice).map_err(|error| explain(&error))?;
    voice.clear();
    let problems = voice.into_problems();
    if let Some(folder) = outcome.folder.as_ref().filter(|_| !args.quiet || args.json) {
        summarise(folder, &[], args.store.clone(), args.json, 0, &problems, None)?;
    }
    Ok(ExitCode::FINE)
}

fn explain(error: &NodeAttachError) -> anyhow::Error {
    let hint = match error {
        NodeAttachError::Inspector(InspectorError::NoSignal { .. }) => {
            "start it with `brimline run -- node …`, or with --inspect"
        }
        NodeAttachError::Inspector(InspectorError::PortTaken { .. }) => {
            "end the other's inspector, or start this program with --inspect-port=0"
        }
        NodeAttachError::Inspector(_) => "start it with `brimline run -- node …`",
        NodeAttachError::Refused { .. } => "one recording at a time: end the other one, or look at its run",
        NodeAttachError::NoRun { .. } => "--store FOLDER records elsewhere",
    };
    refused(error.to_string(), hint)
}

fn refused(message: String, hint: &str) -> anyhow::Error {
    Refusal { message, hint: hint.to_owned(), code: ExitCode::NO_CAPTURE }.into()
}
