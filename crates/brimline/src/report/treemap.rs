//! A treemap of retained sizes as one SVG or HTML file: no request to anywhere; it shows without a script, the script of
//! the page only zooms.

use std::fmt::Write as _;
use std::io::Write;

use brimline_analysis::heap::Heap;
use brimline_analysis::heap::path::{Detail, describe, shortest_path};
use brimline_analysis::heap::source::Scripts;
use brimline_analysis::heap::treemap::{Layout, Subject, Tile, tiles};
use brimline_profile::heap::NodeId;

use crate::quantity::{bytes, count, percent};
use crate::terminal::{clip, plain};

const LAYOUT: Layout = Layout { width: 1600.0, height: 900.0, least_area: 36.0, title: 15.0, margin: 2.0, deepest: 24 };
/// Width of a character of the font.
const CHARACTER: f64 = 6.4;
const STYLE: &str = include_str!("treemap.css");
const SCRIPT: &str = include_str!("treemap.js");

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// A picture.
    Svg,
    /// The picture in a page with a script that zooms.
    Html,
}

/// Writes the treemap of what `root` retains.
pub(crate) fn write(heap: &Heap, root: NodeId, name: &str, page: Page, out: &mut dyn Write) -> anyhow::Result<()> {
    let scripts = Scripts::of(heap);
    let title = format!("{name}: {} retained by {}", bytes(heap.retained_size(root) as i64), subject(heap, root));
    let title = escape(&title);
    if page == Page::Html {
        writeln!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'unsafe-inline'\">\n<style>{STYLE}</style></head><body>\n<p id=\"note\">{title}</p>",
        )?;
    }
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"11\">",
        LAYOUT.width, LAYOUT.height
    )?;
    if page == Page::Svg {
        writeln!(out, "<title>{title}</title>")?;
    }
    for tile in tiles(heap, root, LAYOUT) {
        write_tile(heap, &scripts, root, &tile, out)?;
    }
    writeln!(out, "</svg>")?;
    if page == Page::Html {
        writeln!(out, "<script>{SCRIPT}</script></body></html>")?;
    }
    Ok(())
}

fn write_tile(heap: &Heap, scripts: &Scripts, root: NodeId, tile: &Tile, out: &mut dyn Write) -> anyhow::Result<()> {
    let (label, detail, hue) = match tile.subject {
        Subject::Object(node) => {
            let path = describe(heap, scripts, &shortest_path(heap, node), Detail::Exact);
            let place = scripts.place(heap, node).map(|place| format!("\n{place}")).unwrap_or_default();
            (subject(heap, node), format!("\n{path}{place}"), hue(heap, node))
        }
        Subject::Class { example, count: number } => {
            let class = heap.class_name(heap.class(example));
            (format!("{} × {class}", count(number as i64)), String::new(), hue(heap, example))
        }
        Subject::Small { count: number, .. } => (format!("{} more", count(number as i64)), String::new(), 0),
    };
    let share = percent(tile.bytes as i64, heap.retained_size(root) as i64);
    let mut text = String::new();
    write!(text, "{label}\n{} ({share})", bytes(tile.bytes as i64))?;
    text.push_str(&detail);
    let room = ((tile.width - 6.0) / CHARACTER).max(0.0) as usize;
    let shown = if room >= 4 && tile.height >= 13.0 {
        clip(&format!("{label} {}", bytes(tile.bytes as i64)), room).into_owned()
    } else {
        String::new()
    };
    let light = 88_usize.saturating_sub(tile.depth.min(8) * 4);
    writeln!(
        out,
        "<g><title>{}</title><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"hsl({hue} 55% {light}%)\" \
         stroke=\"#fff\" stroke-width=\"0.6\"/><text x=\"{:.1}\" y=\"{:.1}\" pointer-events=\"none\">{}</text></g>",
        escape(&text),
        tile.x,
        tile.y,
        tile.width.max(0.1),
        tile.height.max(0.1),
        tile.x + 3.0,
        tile.y + 11.0,
        escape(&shown),
    )?;
    Ok(())
}

/// Class and name of an object.
fn subject(heap: &Heap, node: NodeId) -> String {
    let (class, name) = (heap.class_name(heap.class(node)), heap.name(node));
    let id = heap.graph().id(node);
    if name == class || name.is_empty() {
        format!("{class} @{id}")
    } else {
        format!("{class} {} @{id}", clip(name, 60))
    }
}

/// One colour for a class.
fn hue(heap: &Heap, node: NodeId) -> u32 {
    let name = heap.class_name(heap.class(node));
    name.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) % 360
}

/// Text for SVG and HTML: names of the profiled program are data.
fn escape(text: &str) -> String {
    let lines = text.split('\n').map(|line| plain(line).into_owned());
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
