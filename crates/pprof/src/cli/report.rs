//! From a profile and the options to the bytes of a report.

use std::collections::HashMap;

use regex::Regex;

use super::command::Kind;
use super::config::Config;
use super::source::label_units;
use super::{Host, RunError};
use crate::expression;
use crate::filter::NameFilter;
use crate::granularity::Granularity;
use crate::model::View;
use crate::report::{Format, Options, Report, Symbol};
use crate::tag_filter::TagFilter;

/// Writes the report of one command. The profile is changed on the way.
pub(crate) fn generate(
    view: &mut View<'_>,
    kind: &'static Kind,
    argument: Option<&str>,
    config: &Config,
    host: &mut dyn Host,
) -> Result<Vec<u8>, RunError> {
    let format = kind.report.map_err(|reason| RunError::Usage {
        message: format!("expected a report of this program, found `{}`", kind.name),
        hint: reason.into(),
    })?;
    if view.sample_types.is_empty() {
        let message = "expected a profile with sample types, found none".into();
        return Err(RunError::Source { message, hint: "record the profile again".into() });
    }
    let units = label_units(view, host)?;
    let config = &overridden(kind, format, config.clone());
    add_label_frames(view, config, host)?;
    if config.relative_percentages {
        filter(view, config, &units, host)?;
    }
    let options = options(view, format, argument, config, units.clone(), host)?;
    let total = Report::new(view, options.clone()).total;
    if !config.relative_percentages {
        filter(view, config, &units, host)?;
    }
    coarsen(view, config);
    let mut report = Report { view, total, options };
    if format == Format::Flame {
        let html = std::path::Path::new(&config.output).extension().is_some_and(|extension| extension == "html");
        return Ok(host.flame(&report.call_tree(config.compared), html)?);
    }
    if kind.name == "png" {
        return Ok(host.png(&report.drawing())?);
    }
    let mut out = Vec::new();
    report.write(&mut out, host)?;
    Ok(out)
}

/// The lines that tell what the profile is, and whether the column chosen has nothing.
pub(crate) fn header(
    view: &mut View<'_>,
    config: &Config,
    host: &mut dyn Host,
) -> Result<(Vec<String>, bool), RunError> {
    if view.sample_types.is_empty() {
        return Ok((Vec::new(), false));
    }
    let units = label_units(view, host)?;
    let options = options(view, Format::Text, None, config, units, host)?;
    let report = Report::new(view, options);
    Ok((report.profile_labels(), report.total == 0))
}

fn options(
    view: &View<'_>,
    format: Format,
    argument: Option<&str>,
    config: &Config,
    label_units: HashMap<String, String>,
    host: &dyn Host,
) -> Result<Options, RunError> {
    let value = view.value_index(&config.sample_index)?;
    let kind_of_value = view.sample_types[value].clone();
    if config.divide_by == 0.0 {
        return Err(RunError::Usage {
            message: "expected a divisor, found 0".into(),
            hint: "leave out `-divide_by`".into(),
        });
    }
    Ok(Options {
        format,
        compared: config.compared,
        cum_sort: config.sort == "cum",
        call_tree: config.call_tree,
        drop_negative: config.drop_negative,
        compact_labels: config.compact_labels,
        ratio: 1.0 / config.divide_by,
        active_filters: active_filters(config),
        label_units,
        node_count: config.nodecount,
        node_fraction: config.nodefraction,
        edge_fraction: config.edgefraction,
        value,
        mean: config.mean,
        sample_type: if config.mean { format!("mean_{}", kind_of_value.name) } else { kind_of_value.name },
        sample_unit: kind_of_value.unit,
        output_unit: config.unit.clone(),
        symbol: match argument {
            Some(text) => compiled("argument", text)?.map(|regex| Symbol { text: text.to_owned(), regex }),
            None => None,
        },
        source_path: config.source_path.clone(),
        trim_path: config.trim_path.clone(),
        zone: host.zone(view.time_nanos.div_euclid(1_000_000_000)),
    })
}

/// Writes the bytes to the file asked for, or to the output.
pub(crate) fn deliver(
    bytes: &[u8],
    kind: &Kind,
    config: &Config,
    at_prompt: bool,
    host: &mut dyn Host,
) -> Result<(), RunError> {
    if kind.name == "web" && config.output.is_empty() {
        return Ok(host.open(bytes, "svg")?);
    }
    let file = match (config.output.as_str(), kind.file) {
        ("", Some(ending)) if at_prompt || host.stdout_is_terminal() => &free_name(ending, host),
        ("", _) => {
            host.stdout().write_all(bytes)?;
            host.stdout().flush()?;
            return Ok(());
        }
        (output, _) => output,
    };
    writeln!(host.stderr(), "Generating report in {file}")?;
    host.write(file, bytes)?;
    Ok(())
}

/// The first of `profile001.svg`, `profile002.svg`… that is not there.
fn free_name(ending: &str, host: &dyn Host) -> String {
    let names = (1..=9999).map(|number| format!("profile{number:03}.{ending}"));
    names.into_iter().find(|name| !host.exists(name)).unwrap_or_else(|| format!("profile.{ending}"))
}

/// Options that a report sets itself.
fn overridden(kind: &Kind, format: Format, mut config: Config) -> Config {
    let mut trim = config.trim;
    match kind.name {
        "peek" => trim = false,
        "list" => {
            trim = false;
            config.granularity = "lines".into();
        }
        "text" | "top" | "topproto" if config.nodecount == -1 => config.nodecount = 0,
        _ if config.nodecount == -1 => config.nodecount = 80,
        _ => {}
    }
    if matches!(format, Format::Proto | Format::Raw | Format::Callgrind) {
        trim = false;
        config.granularity = "addresses".into();
    }
    if !trim {
        config.nodecount = 0;
        config.nodefraction = 0.0;
        config.edgefraction = 0.0;
    }
    config
}

fn active_filters(config: &Config) -> Vec<String> {
    let filters = [
        ("focus", &config.focus),
        ("ignore", &config.ignore),
        ("hide", &config.hide),
        ("show", &config.show),
        ("show_from", &config.show_from),
        ("tagfocus", &config.tagfocus),
        ("tagignore", &config.tagignore),
        ("tagshow", &config.tagshow),
        ("taghide", &config.taghide),
    ];
    filters.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={value}")).collect()
}

fn compiled(option: &'static str, text: &str) -> Result<Option<Regex>, RunError> {
    if text.is_empty() {
        return Ok(None);
    }
    expression::compile(text).map(Some).map_err(|source| RunError::Expression { option, source })
}

fn warn_unmatched(host: &mut dyn Host, option: &str, asked: bool, matched: bool) -> Result<(), RunError> {
    if asked && !matched {
        writeln!(host.stderr(), "{option} expression matched no samples")?;
    }
    Ok(())
}

fn add_label_frames(view: &mut View<'_>, config: &Config, host: &mut dyn Host) -> Result<(), RunError> {
    fn keys(text: &str) -> Vec<&str> {
        text.split(',').filter(|key| !key.is_empty()).collect()
    }
    let (root, leaf) = view.add_label_frames(&keys(&config.tagroot), &keys(&config.tagleaf), &config.unit);
    warn_unmatched(host, "TagRoot", !config.tagroot.is_empty(), root)?;
    warn_unmatched(host, "TagLeaf", !config.tagleaf.is_empty(), leaf)
}

/// Applies all filters in the order of the reference.
fn filter(
    view: &mut View<'_>,
    config: &Config,
    units: &HashMap<String, String>,
    host: &mut dyn Host,
) -> Result<(), RunError> {
    let names = NameFilter {
        focus: compiled("focus", &config.focus)?,
        ignore: compiled("ignore", &config.ignore)?,
        hide: compiled("hide", &config.hide)?,
        show: compiled("show", &config.show)?,
    };
    let show_from = compiled("show_from", &config.show_from)?;
    let tag_focus = tag_filter("tagfocus", &config.tagfocus, host)?;
    let tag_ignore = tag_filter("tagignore", &config.tagignore, host)?;
    let prune_from = compiled("prune_from", &config.prune_from)?;
    let tag_show = compiled("tagshow", &config.tagshow)?;
    let tag_hide = compiled("taghide", &config.taghide)?;

    let matched = view.filter_names(&names);
    warn_unmatched(host, "Focus", names.focus.is_some(), matched.focus)?;
    warn_unmatched(host, "Ignore", names.ignore.is_some(), matched.ignore)?;
    warn_unmatched(host, "Hide", names.hide.is_some(), matched.hide)?;
    warn_unmatched(host, "Show", names.show.is_some(), matched.show)?;
    if let Some(show_from) = &show_from {
        let matched = view.show_from(show_from);
        warn_unmatched(host, "ShowFrom", true, matched)?;
    }
    if tag_focus.is_some() || tag_ignore.is_some() {
        let (mut focused, mut ignored) = (false, false);
        let samples = std::mem::take(&mut view.samples);
        let mut kept = samples;
        kept.rewrite(|sample, out| {
            let focus = tag_focus.as_ref().is_none_or(|filter| filter.matches(view, units, sample));
            let ignore = tag_ignore.as_ref().is_some_and(|filter| filter.matches(view, units, sample));
            focused |= focus;
            ignored |= ignore;
            if focus && !ignore {
                out.push(sample.locations, sample.values, sample.labels);
            }
        });
        view.samples = kept;
        warn_unmatched(host, "TagFocus", tag_focus.is_some(), focused)?;
        warn_unmatched(host, "TagIgnore", tag_ignore.is_some(), ignored)?;
    }
    let (shown, hidden) = view.filter_labels(tag_show.as_ref(), tag_hide.as_ref());
    warn_unmatched(host, "TagShow", tag_show.is_some(), shown)?;
    warn_unmatched(host, "TagHide", tag_hide.is_some(), hidden)?;
    if let Some(prune_from) = &prune_from {
        view.prune_from(prune_from);
    }
    Ok(())
}

fn tag_filter(option: &'static str, text: &str, host: &mut dyn Host) -> Result<Option<TagFilter>, RunError> {
    if text.is_empty() {
        return Ok(None);
    }
    let (filter, range) = TagFilter::parse(text).map_err(|source| RunError::Expression { option, source })?;
    if let Some(range) = range {
        writeln!(host.stderr(), "{option}:Interpreted '{range}' as range, not regexp")?;
    }
    Ok(Some(filter))
}

fn coarsen(view: &mut View<'_>, config: &Config) {
    let inlines = !config.noinlines;
    let keep = |functions, files, lines, addresses| Granularity {
        inlines,
        functions,
        files,
        lines,
        columns: config.showcolumns,
        addresses,
    };
    view.coarsen(match config.granularity.as_str() {
        "addresses" if inlines => return,
        "addresses" => keep(true, true, true, true),
        "lines" => keep(true, true, true, false),
        "files" => keep(false, true, false, false),
        "filefunctions" => keep(true, true, false, false),
        _ => keep(true, false, false, false),
    });
}
