//! Trends as charts: one panel per verdict, in one SVG file, or in an HTML page with the sentences beside them.
//! Neither loads anything nor runs a script.

use std::fmt::Write as _;
use std::io::Write;

use brimline_analysis::trend::{SeriesReport, Verdict, VerdictReport, amount, metric_meaning};
use brimline_profile::series::Unit;

use super::{TrendView, duration, own_slope, per, unit_named, words};
use crate::terminal::{clip, plain};

/// Panels without `--top`.
const DEFAULT_PANELS: usize = 12;
const WIDTH: f64 = 900.0;
const PANEL: f64 = 220.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 34.0;
/// More points than this share a pixel column.
const MOST_POINTS: usize = 1600;

const STYLE: &str = include_str!("chart.css");

/// One SVG document.
pub(super) fn write_svg(view: &TrendView<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let panels = panels(view);
    let height = PANEL * panels.len().max(1) as f64 + 30.0;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"trend of {name}\"><style>{STYLE}</style><rect class=\"page\" width=\"100%\" height=\"100%\"/><text class=\"title\" x=\"10\" y=\"20\">{name}</text>",
        name = escape(&view.input.name)
    )?;
    for (number, (verdict, series)) in panels.iter().enumerate() {
        writeln!(out, "<g transform=\"translate(0 {})\">{}</g>", 26.0 + PANEL * number as f64, panel(verdict, series))?;
    }
    writeln!(out, "</svg>")?;
    Ok(())
}

/// One HTML document.
pub(super) fn write_html(view: &TrendView<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
    let name = escape(&view.input.name);
    writeln!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>trend of {name}</title><style>{STYLE}</style><body><h1>{name}</h1>"
    )?;
    for line in &view.input.heading {
        writeln!(out, "<p class=\"fact\">{}</p>", escape(line))?;
    }
    for headline in view.report.headlines() {
        let subject = if headline.subject.is_empty() { String::new() } else { format!(" ({})", headline.subject) };
        writeln!(
            out,
            "<p class=\"answer {}\"><b>{}{}</b>: {}</p>",
            tone(headline.verdict),
            escape(&words(headline)),
            escape(&subject),
            escape(&headline.explanation)
        )?;
    }
    for (verdict, series) in panels(view) {
        writeln!(
            out,
            "<figure><svg viewBox=\"0 0 {WIDTH} {PANEL}\" role=\"img\" aria-label=\"{}\">{}</svg><figcaption>{}",
            escape(&format!("{} {}: {}", verdict.metric, verdict.subject, words(verdict))),
            panel(verdict, series),
            escape(&verdict.explanation)
        )?;
        if let Some(meaning) = metric_meaning(&verdict.metric) {
            write!(out, " <i>{} is {}.</i>", escape(&verdict.metric), escape(meaning))?;
        }
        for note in &verdict.notes {
            write!(out, "<br>{}", escape(note))?;
        }
        writeln!(out, "</figcaption></figure>")?;
    }
    writeln!(out, "</body></html>")?;
    Ok(())
}

fn panels<'a>(view: &TrendView<'a>) -> Vec<(&'a VerdictReport, &'a SeriesReport)> {
    let (processes, sites) = view.split();
    let growing = sites.into_iter().filter(|site| site.growth.unwrap_or(0.0) > 0.0);
    let rows = processes.into_iter().chain(growing).filter_map(|row| Some((row, view.series_of(row)?)));
    rows.filter(|(_, series)| !series.points.is_empty()).take(view.top.unwrap_or(DEFAULT_PANELS)).collect()
}

fn tone(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::LinearLeak | Verdict::StepwiseGrowth => "bad",
        Verdict::FragmentationOrNative | Verdict::Fluctuating | Verdict::InsufficientData => "open",
        _ => "good",
    }
}

/// From data to pixels.
struct Scale {
    x: (f64, f64),
    y: (f64, f64),
}

impl Scale {
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |value: f64, (low, high): (f64, f64)| if high > low { (value - low) / (high - low) } else { 0.5 };
        let inner = PANEL - TOP - BOTTOM;
        (LEFT + share(x, self.x) * (WIDTH - LEFT - RIGHT), TOP + inner - share(y, self.y) * inner)
    }
}

fn panel(verdict: &VerdictReport, series: &SeriesReport) -> String {
    let unit = unit_named(series.unit);
    let seconds = || series.points.iter().map(|point| point.0);
    let first = seconds().fold(f64::INFINITY, f64::min);
    let last = seconds().fold(f64::NEG_INFINITY, f64::max);
    let values = || series.points.iter().map(|point| point.1);
    let (low, high) =
        values().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    // Noise of a level series must not look like a mountain range.
    let margin = (0.08 * (high - low)).max(0.01 * high.abs()).max(1.0);
    let scale = Scale { x: (first, last), y: (low - margin, high + margin) };
    let mut svg = String::new();
    let slope = own_slope(verdict).map_or_else(String::new, |slope| {
        let sign = if slope > 0.0 { "+" } else { "" };
        format!(", {sign}{}/{}", amount(slope, unit), per(verdict))
    });
    let name = if verdict.subject.is_empty() {
        verdict.metric.clone()
    } else {
        format!("{} · {}", verdict.metric, verdict.subject)
    };
    let _ = write!(
        svg,
        "<rect class=\"panel\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/><text class=\"name\" x=\"{LEFT}\" y=\"16\">{}</text><text class=\"{}\" x=\"{LEFT}\" y=\"34\">{}{} ({:.0} % sure, signal {})</text>",
        WIDTH - LEFT - RIGHT,
        PANEL - TOP - BOTTOM,
        escape(&clip(&name, 120)),
        tone(verdict.verdict),
        escape(&words(verdict)),
        escape(&slope),
        verdict.confidence * 100.0,
        verdict.signal,
    );
    for step in 0..=4 {
        let value = scale.y.0 + (scale.y.1 - scale.y.0) * f64::from(step) / 4.0;
        let (_, y) = scale.at(first, value);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            amount(value, unit)
        );
    }
    for step in 0..=5 {
        let at = first + (last - first) * f64::from(step) / 5.0;
        let (x, _) = scale.at(at, low);
        let label = if series.time == "clock" { duration(at - first) } else { format!("{at:.0}") };
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            PANEL - BOTTOM + 16.0
        );
    }
    let every = series.points.len().div_ceil(MOST_POINTS).max(1);
    let mut path = String::new();
    for (number, chunk) in series.points.chunks(every).enumerate() {
        // The highest of a group, so that no peak is lost.
        let Some((seconds, value)) = chunk.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
        let (x, y) = scale.at(seconds, value);
        let _ = write!(path, "{}{x:.1} {y:.1}", if number == 0 { 'M' } else { 'L' });
    }
    let _ = write!(svg, "<path class=\"values\" d=\"{path}\"/>");
    if series.points.len() <= 80 {
        for (seconds, value) in &series.points {
            let (x, y) = scale.at(*seconds, *value);
            let _ = write!(svg, "<circle class=\"point\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>");
        }
    }
    svg.push_str(&fitted_line(verdict, series, &scale));
    let mut level = |value: f64, class: &str, text: String| {
        if (scale.y.0..=scale.y.1).contains(&value) {
            let (_, y) = scale.at(first, value);
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{x}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"tick\" x=\"{x}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                y - 4.0,
                escape(&text),
                x = WIDTH - RIGHT
            );
        }
    };
    if let Some(plateau) = verdict.plateau {
        level(plateau, "plateau", format!("plateau {}", amount(plateau, unit)));
    }
    if let Some(limit) = verdict.limit {
        level(limit, "limit", format!("limit {}", amount(limit, Unit::Bytes)));
    }
    svg
}

/// The line behind a leak's slope, through the middle of the values after the warm-up.
fn fitted_line(verdict: &VerdictReport, series: &SeriesReport, scale: &Scale) -> String {
    let slope = if series.time == "clock" { verdict.slope.per_second } else { verdict.slope.per_iteration };
    let (Some(slope), Some(since)) = (slope, verdict.since.filter(|_| verdict.verdict.is_leak())) else {
        return String::new();
    };
    let tail: Vec<&(f64, f64)> = series.points.iter().filter(|point| point.0 >= since).collect();
    let count = tail.len().max(1) as f64;
    let centre = tail.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / count, sum.1 + point.1 / count));
    let line = |x: f64| scale.at(x, centre.1 + slope * (x - centre.0));
    let ((x1, y1), (x2, y2)) = (line(since), line(scale.x.1));
    format!("<line class=\"fitted\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>")
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}
