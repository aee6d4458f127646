//! `brimline attach` for Go programs.

use brimline_capture::go::{Endpoint, GoPlan, GoProcess, find_process, inspect};
use brimline_capture::http::Url;
use brimline_capture::{GoAttachment, attach};
use brimline_store::Location;

use super::advice::how_to_add;
use crate::commands::attach::Args;
use crate::commands::run::{Voice, summarise};
use crate::exit_code::ExitCode;
use crate::refusal::{Refusal, usage};
use crate::stores::name;

/// The process, with its endpoint if it has one; `None` if it is no Go program.
pub(crate) fn recognise(pid: u32, args: &Args) -> anyhow::Result<Option<GoProcess>> {
    Ok(inspect(pid, &plan(args.pprof.as_deref(), args.insecure)?))
}

/// What the options say about Go programs.
pub(crate) fn plan(endpoint: Option<&str>, insecure: bool) -> anyhow::Result<GoPlan> {
    let off = endpoint == Some("off");
    let endpoint = endpoint.filter(|_| !off).map(parse).transpose()?;
    Ok(GoPlan { endpoint, insecure, off })
}

fn parse(text: &str) -> anyhow::Result<Url> {
    Url::parse(text).map_err(|error| usage(error.to_string(), "brimline attach http://localhost:6060"))
}

/// Records a process.
pub(crate) fn attach_process(mut process: GoProcess, args: &Args) -> anyhow::Result<ExitCode> {
    let Some(endpoint) = process.endpoint.take() else {
        let package = process.info.package.as_deref().unwrap_or("a Go program");
        let tried =
            if process.refusals.is_empty() { "it listens nowhere".to_owned() } else { process.refusals.join("; ") };
        return Err(Refusal {
            message: format!("expected profiles of process {} ({package}), found none: {tried}", process.pid),
            hint: how_to_add().into(),
            code: ExitCode::NO_CAPTURE,
        }
        .into());
    };
    record(Some(process), endpoint, args)
}

/// Records what serves profiles at a URL.
pub(crate) fn attach_url(args: &Args) -> anyhow::Result<ExitCode> {
    let url = parse(&args.target)?;
    let endpoint = Endpoint::at(&url, args.insecure).map_err(|error| {
        let text = error.to_string();
        let hint = if text.contains("TLS") {
            "--insecure accepts a certificate that nobody has signed"
        } else if text.contains("found 401") || text.contains("found 403") {
            "http://user:password@host:port names who asks"
        } else {
            "give the whole URL of the profiles, as in http://localhost:6060/debug/pprof/"
        };
        Refusal { message: text, hint: hint.into(), code: ExitCode::NO_CAPTURE }
    })?;
    let quiet = GoPlan { off: true, ..GoPlan::default() };
    let process = find_process(&endpoint.url).and_then(|pid| inspect(pid, &quiet));
    record(process, endpoint, args)
}

fn record(process: Option<GoProcess>, endpoint: Endpoint, args: &Args) -> anyhow::Result<ExitCode> {
    let attachment = GoAttachment {
        process,
        endpoint,
        store: Location::of_process(args.store.as_deref()),
        name: args.name.as_deref().map(name).transpose()?,
        interval: args.interval,
        duration: args.duration,
    };
    let voice = Voice::new(args.quiet, false);
    if !args.quiet {
        voice.say(&format!("recording {}; Ctrl-C ends it", attachment.endpoint.url));
    }
    let outcome = attach(&attachment, &voice).map_err(|reason| Refusal {
        message: format!("failed to begin a run: {reason}"),
        hint: "--store FOLDER records elsewhere".into(),
        code: ExitCode::NO_CAPTURE,
    })?;
    voice.clear();
    let problems = voice.into_problems();
    if let Some(folder) = &outcome.folder {
        let said = !args.quiet || args.json;
        let summary =
            if said { summarise(folder, &[], args.store.clone(), args.json, 0, &problems, None) } else { Ok(()) };
        if let Err(error) = summary {
            // Attached and nothing captured: that is what the user came for.
            let message = format!("{error:#}");
            let hint = "`brimline doctor PID` tells what the program serves".into();
            return Err(Refusal { message, hint, code: ExitCode::NO_CAPTURE }.into());
        }
    }
    Ok(ExitCode::FINE)
}
