//! Flame graphs in one file, as SVG or as a page: no request to anywhere, the script knows nothing but the elements'
//! attributes.
//!
//! Outermost frames on top (an icicle), largest first from the left; a frame's width is what it and its callees hold.

use std::io::Write;

use crate::terminal::plain;

const WIDTH: f64 = 1200.0;
const FRAME_HEIGHT: usize = 16;
const TOP: usize = 48;
/// Frames narrower than this (in user units of [`WIDTH`]) are left out: no one could see them.
const NARROWEST: f64 = 0.3;
/// Deeper frames are left out, and the title says so.
const DEEPEST: usize = 1000;
/// Width of a character of the font.
const CHARACTER: f64 = 6.6;

const SCRIPT: &str = include_str!("flame.js");
const STYLE: &str = include_str!("flame.css");

/// What a graph is drawn from.
pub(crate) trait Calls {
    /// Rows below a row, widest first; row 0 is the root.
    fn callees(&self, row: usize) -> Vec<usize>;
    /// Width of a row.
    fn weight(&self, row: usize) -> i64;
    /// Name of a row's frame.
    fn name(&self, row: usize) -> String;
    /// The values of a row in words.
    fn text(&self, row: usize) -> String;
    /// Growth as a share of the weight, -1 to 1, where two profiles are compared.
    fn growth(&self, row: usize) -> Option<f64>;
}

/// File that a graph is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A drawing.
    Svg,
    /// A page with the drawing in it.
    Html,
}

/// A frame as drawn.
struct Block {
    row: usize,
    depth: usize,
    x: f64,
    width: f64,
}

/// Writes the graph of `calls`.
pub(crate) fn write(title: &str, calls: &dyn Calls, shape: Shape, out: &mut dyn Write) -> std::io::Result<()> {
    let total = calls.weight(0);
    let scale = if total > 0 { WIDTH / total as f64 } else { 0.0 };
    let mut blocks = vec![Block { row: 0, depth: 0, x: 0.0, width: WIDTH }];
    let mut cut = false;
    let mut at = 0;
    while at < blocks.len() {
        let (row, depth, mut x) = (blocks[at].row, blocks[at].depth + 1, blocks[at].x);
        at += 1;
        for child in calls.callees(row) {
            let width = calls.weight(child) as f64 * scale;
            if width < NARROWEST {
                break;
            }
            if depth > DEEPEST {
                cut = true;
                break;
            }
            blocks.push(Block { row: child, depth, x, width });
            x += width;
        }
    }
    let deepest = blocks.last().map_or(0, |block| block.depth);
    let height = TOP + (deepest + 1) * FRAME_HEIGHT + 8;
    let mut title = title.to_owned();
    if calls.growth(0).is_some() {
        title.push_str(" · orange grew, blue shrank, the stronger the more; width is the larger of before and after");
    }
    if cut {
        title.push_str(&format!(" · frames deeper than {DEEPEST} left out"));
    }
    let title = escape(&title);
    match shape {
        Shape::Svg => writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>")?,
        Shape::Html => writeln!(
            out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
             <style>body {{ margin: 0; }}</style></head><body>"
        )?,
    }
    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\" data-width=\"{WIDTH}\">\n\
         <style>{STYLE}</style>\n\
         <text id=\"title\" x=\"4\" y=\"16\">{title}</text>\n\
         <text id=\"search\" class=\"button\" x=\"4\" y=\"36\">[search]</text>\n\
         <text id=\"reset\" class=\"button\" x=\"70\" y=\"36\">[reset]</text>\n\
         <text id=\"note\" x=\"130\" y=\"36\"></text>\n",
    )?;
    for block in &blocks {
        let name = calls.name(block.row);
        let fill = calls.growth(block.row).map_or_else(|| colour(&name), growth_colour);
        draw(block, &name, &calls.text(block.row), &fill, out)?;
    }
    match shape {
        // In XML a script is text like any other, in HTML it is not: the same words must be right in both.
        Shape::Svg => writeln!(out, "<script><![CDATA[\n{SCRIPT}]]></script>\n</svg>"),
        Shape::Html => writeln!(out, "</svg>\n<script>\n{SCRIPT}</script>\n</body></html>"),
    }
}

/// Grey for no change, orange for growth, blue for the other way: colours that nobody confuses.
fn growth_colour(growth: f64) -> String {
    let hue = if growth >= 0.0 { 28 } else { 212 };
    let strength = growth.abs().min(1.0);
    format!("hsl({hue},{:.0}%,{:.0}%)", 85.0 * strength.sqrt(), 86.0 - 24.0 * strength)
}

fn draw(block: &Block, label: &str, value: &str, fill: &str, out: &mut dyn Write) -> std::io::Result<()> {
    let Block { depth, x, width, .. } = *block;
    let y = TOP + depth * FRAME_HEIGHT;
    let room = ((width - 6.0) / CHARACTER).max(0.0) as usize;
    let text = if room < 3 { String::new() } else { escape(&crate::terminal::clip(label, room)) };
    let name = escape(label);
    writeln!(
        out,
        "<g class=\"f\" data-x=\"{x:.3}\" data-w=\"{width:.3}\" data-d=\"{depth}\" data-n=\"{name}\">\
         <title>{name}\n{}</title>\
         <rect x=\"{x:.3}\" y=\"{y}\" width=\"{:.3}\" height=\"{}\" rx=\"1\" fill=\"{}\"/>\
         <text x=\"{:.3}\" y=\"{}\">{text}</text></g>",
        escape(value),
        (width - 0.5).max(0.1),
        FRAME_HEIGHT - 1,
        fill,
        x + 3.0,
        y + 11,
    )
}

/// A colour by file and function, so that the same place looks the same in two graphs; blue to orange, no red or
/// green to tell apart.
fn colour(label: &str) -> String {
    let place = label.split(':').next().unwrap_or(label);
    // FNV-1a: stable across versions and machines, unlike the standard library's hasher.
    let hash = place.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let hue = if hash & 1 == 0 { 25 + hash / 2 % 25 } else { 190 + hash / 2 % 30 };
    format!("hsl({hue},{}%,{}%)", 60 + hash / 64 % 20, 68 + hash / 4096 % 10)
}

/// Text that is only text in XML, in element content and in attributes.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_text() {
        assert_eq!(
            escape("</script><a href=\"javascript:x\" onload='y'>&\u{0}\u{ffff}]]>"),
            "&lt;/script&gt;&lt;a href=&quot;javascript:x&quot; onload=&#39;y&#39;&gt;&amp;\u{fffd}\u{fffd}]]&gt;"
        );
        assert!(!SCRIPT.contains("]]>") && !SCRIPT.contains("</"));
    }
}
