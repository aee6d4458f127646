//! A flame graph as one SVG file: no request to anywhere, its script knows nothing but the elements' attributes.
//!
//! Outermost frames on top (an icicle), largest first from the left; a frame's width is what it and its callees hold.

use std::fmt::Write as _;
use std::io::Write;

use brimline_analysis::tree::call_tree;
use brimline_profile::StackId;

use super::{Report, ReportInput};
use crate::quantity::percent;
use crate::site::Site;
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

/// Row of [`super::REPORTS`].
pub(crate) struct Flame;

/// A frame as drawn.
struct Block {
    stack: StackId,
    depth: usize,
    x: f64,
    width: f64,
}

impl Report for Flame {
    fn name(&self) -> &'static str {
        "flame"
    }

    fn about(&self) -> &'static str {
        "flame graph, one SVG file"
    }

    fn render(&self, report: &ReportInput<'_>, out: &mut dyn Write) -> anyhow::Result<()> {
        let (profile, places) = (&report.input.recorded.profile, &report.input.places);
        let tree = call_tree(profile, report.metric.column(), report.filter, places);
        let total = tree.inclusive[0];
        let scale = if total > 0 { WIDTH / total as f64 } else { 0.0 };
        let mut blocks = vec![Block { stack: StackId::ROOT, depth: 0, x: 0.0, width: WIDTH }];
        let mut cut = false;
        let mut at = 0;
        while at < blocks.len() {
            let (stack, depth, mut x) = (blocks[at].stack, blocks[at].depth + 1, blocks[at].x);
            at += 1;
            for &child in tree.children(stack) {
                let width = tree.inclusive[child.0 as usize] as f64 * scale;
                if width < NARROWEST {
                    break;
                }
                if depth > DEEPEST {
                    cut = true;
                    break;
                }
                blocks.push(Block { stack: child, depth, x, width });
                x += width;
            }
        }
        let deepest = blocks.last().map_or(0, |block| block.depth);
        let height = TOP + (deepest + 1) * FRAME_HEIGHT + 8;
        let mut title = super::table::heading(report).join(" · ");
        if cut {
            let _ = write!(title, " · frames deeper than {DEEPEST} left out");
        }
        write!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"100%\" data-width=\"{WIDTH}\">\n\
             <style>{STYLE}</style>\n\
             <text id=\"title\" x=\"4\" y=\"16\">{}</text>\n\
             <text id=\"search\" class=\"button\" x=\"4\" y=\"36\">[search]</text>\n\
             <text id=\"reset\" class=\"button\" x=\"70\" y=\"36\">[reset]</text>\n\
             <text id=\"note\" x=\"130\" y=\"36\"></text>\n",
            escape(&title),
        )?;
        for block in &blocks {
            let label = match block.stack {
                StackId::ROOT => "all stacks".to_owned(),
                stack => Site::of_frame(profile, places, profile.stacks[stack.0 as usize].frame).label(),
            };
            let value = tree.inclusive[block.stack.0 as usize];
            draw(block, &label, &format!("{} ({})", report.metric.format(value), percent(value, total)), out)?;
        }
        writeln!(out, "<script><![CDATA[\n{SCRIPT}]]></script>\n</svg>")?;
        Ok(())
    }
}

fn draw(block: &Block, label: &str, value: &str, out: &mut dyn Write) -> std::io::Result<()> {
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
        colour(label),
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
        assert!(!SCRIPT.contains("]]>"));
    }
}
