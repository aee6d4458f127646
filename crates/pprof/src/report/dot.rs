//! `dot`: the graph in the language of graphviz, <https://graphviz.org/doc/info/lang.html>.

use std::fmt::Write as _;
use std::io::Write;

use super::{Report, ReportError, Shown};
use crate::graph::{Edge, Edges, Info, MAX_TAGS, Tag, sort_edges, sort_tags};
use crate::measure::{label, percentage, scale};
use crate::paths;
use crate::short::short_name;

impl Report<'_, '_> {
    pub(super) fn dot(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        let shown = self.shown(Edges::All);
        let graph = &shown.trimmed.graph;
        let main = self.view.mappings.first().map_or("", |main| main.file.as_str());
        let title = if main.is_empty() { "" } else { paths::base(main) };
        let name = if title.is_empty() { "unnamed" } else { title };
        writeln!(out, "digraph \"{name}\" {{\nnode [style=filled fillcolor=\"#f8f8f8\"]")?;
        let labels: Vec<String> = self.report_labels(&shown, true).iter().map(|label| escape(label)).collect();
        write!(
            out,
            "subgraph cluster_L {{ \"{}\" [shape=box fontsize=16 label=\"{}\\l\"",
            labels[0],
            labels.join("\\l")
        )?;
        if !title.is_empty() {
            write!(out, " tooltip=\"{title}\"")?;
        }
        writeln!(out, "] }}")?;

        let largest = graph.order.iter().map(|&node| graph.node(node).flat_value().unsigned_abs()).max().unwrap_or(0);
        // Places outside the order keep number 0, as in the reference.
        let mut ids = vec![0; graph.nodes.len()];
        for (&node, id) in graph.order.iter().zip(1..) {
            ids[node as usize] = id;
        }
        let mut has_tags = vec![false; graph.nodes.len()];
        let mut edges = Vec::new();
        for &node in &graph.order {
            writeln!(out, "{}", self.dot_node(&shown, node, ids[node as usize], largest as f64))?;
            let tags = self.dot_tags(&shown, node, ids[node as usize]);
            has_tags[node as usize] = !tags.is_empty();
            out.write_all(tags.as_bytes())?;
            edges.extend_from_slice(&graph.node(node).callees);
        }
        sort_edges(graph, &shown.names, &mut edges);
        for edge in edges.into_iter().map(|edge| graph.edge(edge)) {
            let (from, to) = (ids[edge.from as usize], ids[edge.to as usize]);
            let attributes = self.dot_edge(&shown, edge, has_tags[edge.from as usize]);
            writeln!(out, "N{from} -> N{to} [{attributes}]")?;
        }
        writeln!(out, "}}")?;
        Ok(())
    }

    fn dot_node(&self, shown: &Shown, index: u32, id: usize, largest: f64) -> String {
        let node = shown.trimmed.graph.node(index);
        let (flat, cum) = (node.flat_value(), node.cum_value());
        let mut text = several_lines(&shown.skeleton.infos[node.info as usize]);
        let share = |value: i64| percentage(value, self.total).trim().to_owned();
        let mut cum_text = self.value(flat);
        // Writing to a String cannot fail.
        let _ = if flat == 0 { write!(text, "0") } else { write!(text, "{cum_text} ({})", share(flat)) };
        if cum != flat {
            cum_text = self.value(cum);
            let gap = if flat == 0 { " " } else { "\\n" };
            let _ = write!(text, "{gap}of {cum_text} ({})", share(cum));
        }
        let mut size = 8;
        if largest != 0.0 && flat != 0 {
            size += (16.0 * (flat.unsigned_abs() as f64 / largest).sqrt()).ceil() as i64;
        }
        let name = escape(&shown.names[node.info as usize]);
        let score = cum as f64 / self.total.wrapping_abs() as f64;
        format!(
            "N{id} [label=\"{text}\" id=\"node{id}\" fontsize={size} shape=box tooltip=\"{name} ({cum_text})\" \
             color=\"{}\" fillcolor=\"{}\"]",
            color(score, false),
            color(score, true),
        )
    }

    fn dot_edge(&self, shown: &Shown, edge: Edge, has_tags: bool) -> String {
        let value = edge.value();
        let shown_value = self.value(value);
        let inline = if edge.inline { "\\n (inline)" } else { "" };
        let mut text = format!("label=\" {shown_value}{inline}\"");
        if self.total != 0 {
            let share = |most: i64| 1 + value.wrapping_mul(most).wrapping_div(self.total).wrapping_abs().min(most);
            for (name, number) in [("weight", share(100)), ("penwidth", share(5))] {
                if number > 1 {
                    // Writing to a String cannot fail.
                    let _ = write!(text, " {name}={number}");
                }
            }
            let _ = write!(text, " color=\"{}\"", color(value as f64 / self.total.wrapping_abs() as f64, false));
        }
        let arrow = if edge.residual { "..." } else { "->" };
        let name = |node: u32| escape(&shown.names[shown.trimmed.graph.node(node).info as usize]);
        let tip = format!("\"{} {arrow} {} ({shown_value})\"", name(edge.from), name(edge.to));
        let _ = write!(text, " tooltip={tip} labeltooltip={tip}");
        if edge.residual {
            text += " style=\"dotted\"";
        }
        if has_tags {
            text += " minlen=2";
        }
        text
    }

    /// Boxes for the heaviest labels of a place.
    fn dot_tags(&self, shown: &Shown, index: u32, id: usize) -> String {
        let graph = &shown.trimmed.graph;
        let tags = &graph.tags[index as usize];
        // A leaf shows what its left-out callees add, other places their own.
        let flat = !graph.node(index).callees.is_empty();
        let mut texts: Vec<Tag> = tags.texts.values().cloned().collect();
        sort_tags(&mut texts, flat);
        let numbers = |name: &str| tags.numbers.get(name).map(|numbers| numbers.values().cloned().collect::<Vec<_>>());
        let mut out = String::new();
        for (position, tag) in texts.iter().take(MAX_TAGS).enumerate() {
            let value = if flat { tag.flat_value() } else { tag.cum_value() };
            if value == 0 {
                continue;
            }
            let weight = self.value(value);
            let source = format!("N{id}");
            tag_box(&mut out, &source, &format!("N{id}_{position}"), &tag.name, &weight, "");
            if let Some(numbers) = numbers(&tag.name) {
                self.dot_numbers(&mut out, numbers, flat, &format!("N{id}_{position}"));
            }
        }
        if let Some(numbers) = numbers("") {
            self.dot_numbers(&mut out, numbers, flat, &format!("N{id}"));
        }
        out
    }

    fn dot_numbers(&self, out: &mut String, tags: Vec<Tag>, flat: bool, source: &str) {
        for (position, tag) in collapsed(tags, flat).iter().enumerate() {
            let own = flat || tag.flat_value() == tag.cum_value();
            let (value, style) = if own { (tag.flat_value(), "") } else { (tag.cum_value(), " style=\"dotted\"") };
            if value != 0 {
                tag_box(out, source, &format!("N{source}_{position}"), &tag.name, &self.value(value), style);
            }
        }
    }
}

fn tag_box(out: &mut String, source: &str, id: &str, name: &str, weight: &str, style: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{id} [label = \"{name}\" id=\"{id}\" fontsize=8 shape=box3d tooltip=\"{weight}\"]");
    let _ = writeln!(
        out,
        "{source} -> {id} [label=\" {weight}\" weight=100 tooltip=\"{weight}\" labeltooltip=\"{weight}\"{style}]"
    );
}

/// At most four labels; the others join the one whose value is nearest.
fn collapsed(mut tags: Vec<Tag>, flat: bool) -> Vec<Tag> {
    sort_tags(&mut tags, flat);
    if tags.len() <= MAX_TAGS {
        return tags;
    }
    let rest = tags.split_off(MAX_TAGS);
    let mut groups: Vec<Vec<Tag>> = tags.into_iter().map(|tag| vec![tag]).collect();
    for tag in rest {
        let distance = |group: &[Tag]| (scale(group[0].value, &group[0].unit, &tag.unit).0 - tag.value as f64).abs();
        let mut nearest = 0;
        for index in 1..groups.len() {
            if distance(&groups[index]) < distance(&groups[nearest]) {
                nearest = index;
            }
        }
        groups[nearest].push(tag);
    }
    let mut joined: Vec<Tag> = groups.iter().map(|group| joined(group)).collect();
    sort_tags(&mut joined, flat);
    joined
}

fn joined(group: &[Tag]) -> Tag {
    let first = &group[0];
    if group.len() == 1 {
        let name = label(first.value, &first.unit);
        return Tag { name, flat: first.flat_value(), cum: first.cum_value(), ..Tag::default() };
    }
    let (mut least, mut most) = (first, first);
    let mut sum = Tag::default();
    for tag in group {
        let in_unit = |other: &Tag| scale(tag.value, &tag.unit, &other.unit).0 as i64;
        if in_unit(least) < least.value {
            least = tag;
        }
        if in_unit(most) > most.value {
            most = tag;
        }
        sum.flat = sum.flat.wrapping_add(tag.flat);
        sum.flat_divisor = sum.flat_divisor.wrapping_add(tag.flat_divisor);
        sum.cum = sum.cum.wrapping_add(tag.cum);
        sum.cum_divisor = sum.cum_divisor.wrapping_add(tag.cum_divisor);
    }
    let name = format!("{}..{}", label(least.value, &least.unit), label(most.value, &most.unit));
    Tag { name, flat: sum.flat_value(), cum: sum.cum_value(), ..Tag::default() }
}

fn several_lines(info: &Info) -> String {
    let name = escape(&short_name(&info.name)).replace("::", "\\n").replace("[...]", "[…]").replace('.', "\\n");
    let file = if info.file.is_empty() { String::new() } else { paths::base(&info.file).to_owned() };
    Info { name, file, ..info.clone() }.parts().join("\\n") + "\\n"
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\l")
}

/// From green for -1 over grey for 0 to red for 1.
pub(super) fn color(score: f64, background: bool) -> String {
    const SHIFT: f64 = 0.7;
    let (mut saturation, value) = if background { (0.1, 0.93) } else { (1.0, 0.7) };
    let mut score = score.clamp(-1.0, 1.0);
    if score.abs() < 0.2 {
        saturation *= score.abs() / 0.2;
    }
    if score > 0.0 {
        score = score.powf(1.0 - SHIFT);
    }
    if score < 0.0 {
        score = -(-score).powf(1.0 - SHIFT);
    }
    let (red, green) = if score < 0.0 {
        (value * (1.0 + saturation * score), value)
    } else {
        (value, value * (1.0 - saturation * score))
    };
    let byte = |part: f64| (part * 255.0) as u8;
    format!("#{:02x}{:02x}{:02x}", byte(red), byte(green), byte(value * (1.0 - saturation)))
}
