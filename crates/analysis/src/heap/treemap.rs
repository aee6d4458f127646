//! Retained sizes as nested rectangles: the dominator tree, each level squarified (Bruls, Huizing, van Wijk: "Squarified
//! Treemaps", 2000).

use super::Heap;
use brimline_profile::heap::NodeId;

/// A rectangle of the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tile {
    /// What it stands for: an object, or several small ones together.
    pub subject: Subject,
    /// Retained bytes.
    pub bytes: u64,
    /// Levels below the outermost.
    pub depth: usize,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// What a tile stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One object with all it retains.
    Object(NodeId),
    /// Objects of one dominator that are too small to be drawn, and how many they are.
    Small {
        /// Their dominator.
        of: NodeId,
        /// Their number.
        count: u64,
    },
    /// Objects of one class below one dominator, and how many they are.
    Class {
        /// One of them.
        example: NodeId,
        /// Their number.
        count: u64,
    },
}

/// How a picture is laid out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// Width of the picture.
    pub width: f64,
    /// Height of the picture.
    pub height: f64,
    /// Least area of a tile.
    pub least_area: f64,
    /// Height of a tile's title, above what lies in it.
    pub title: f64,
    /// Space around what lies in a tile.
    pub margin: f64,
    /// Deepest level.
    pub deepest: usize,
}

/// More siblings of one class than this are drawn as one tile.
const SIBLINGS: usize = 24;

/// Tiles for everything that `root` retains, outer ones before inner ones.
pub fn tiles(heap: &Heap, root: NodeId, layout: Layout) -> Vec<Tile> {
    let (first, children) = heap.dominated();
    let bytes = heap.retained_size(root);
    let mut tiles = vec![Tile {
        subject: Subject::Object(root),
        bytes,
        depth: 0,
        x: 0.0,
        y: 0.0,
        width: layout.width,
        height: layout.height,
    }];
    let scale = if bytes == 0 { 0.0 } else { layout.width * layout.height / bytes as f64 };
    let mut next = 0;
    while let Some(&tile) = tiles.get(next) {
        next += 1;
        let Subject::Object(node) = tile.subject else { continue };
        let room = (
            tile.x + layout.margin,
            tile.y + layout.title,
            tile.width - 2.0 * layout.margin,
            tile.height - layout.title - layout.margin,
        );
        if tile.depth == layout.deepest || room.2 < 4.0 || room.3 < 4.0 || tile.bytes == 0 {
            continue;
        }
        let range = first[node.index()] as usize..first[node.index() + 1] as usize;
        // What is drawn inside shrinks with the margins; the areas within one tile stay in proportion.
        let inner = room.2 * room.3 / tile.bytes as f64;
        let parts = parts(heap, node, &children[range], layout.least_area / inner.min(scale).max(f64::MIN_POSITIVE));
        squarify(&parts, inner, room, tile.depth + 1, &mut tiles);
    }
    tiles
}

/// What lies in the tile of `node`, largest first; parts below `least` bytes are put together.
fn parts(heap: &Heap, node: NodeId, children: &[u32], least: f64) -> Vec<(Subject, u64)> {
    let mut by_class: std::collections::HashMap<u32, (NodeId, u64, u64)> = std::collections::HashMap::new();
    let mut objects: Vec<(Subject, u64)> = Vec::new();
    let (mut small, mut small_bytes) = (0, 0);
    let mut sorted: Vec<NodeId> = children.iter().copied().map(NodeId).collect();
    sorted.sort_by_key(|&child| (std::cmp::Reverse(heap.retained_size(child)), child));
    for (position, &child) in sorted.iter().enumerate() {
        let bytes = heap.retained_size(child);
        if position < SIBLINGS && bytes as f64 >= least {
            objects.push((Subject::Object(child), bytes));
        } else {
            let class = by_class.entry(heap.class(child).0).or_insert((child, 0, 0));
            class.1 += 1;
            class.2 += bytes;
        }
    }
    for (example, count, bytes) in by_class.into_values() {
        if bytes as f64 >= least {
            objects.push((Subject::Class { example, count }, bytes));
        } else {
            small += count;
            small_bytes += bytes;
        }
    }
    if small_bytes as f64 >= least {
        objects.push((Subject::Small { of: node, count: small }, small_bytes));
    }
    let key = |subject: &Subject| match subject {
        Subject::Object(node) | Subject::Class { example: node, .. } => node.0,
        Subject::Small { .. } => u32::MAX,
    };
    objects.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| key(&a.0).cmp(&key(&b.0))));
    objects
}

/// Fills the room `(x, y, width, height)` row by row along its shorter side, each row as long as tiles get squarer.
fn squarify(parts: &[(Subject, u64)], scale: f64, room: (f64, f64, f64, f64), depth: usize, tiles: &mut Vec<Tile>) {
    let (mut x, mut y, mut width, mut height) = room;
    let mut at = 0;
    while at < parts.len() && width > 0.0 && height > 0.0 {
        let side = width.min(height);
        let (mut end, mut area, mut best) = (at, 0.0, f64::INFINITY);
        while end < parts.len() {
            let grown = area + parts[end].1 as f64 * scale;
            let worst = worst_ratio(parts[at].1 as f64 * scale, parts[end].1 as f64 * scale, grown, side);
            if worst > best {
                break;
            }
            (end, area, best) = (end + 1, grown, worst);
        }
        let thickness = area / side;
        let mut offset = 0.0;
        for &(subject, bytes) in &parts[at..end] {
            let length = if thickness > 0.0 { bytes as f64 * scale / thickness } else { 0.0 };
            let (tile_x, tile_y, tile_width, tile_height) =
                if width <= height { (x + offset, y, length, thickness) } else { (x, y + offset, thickness, length) };
            let tile = Tile { subject, bytes, depth, x: tile_x, y: tile_y, width: tile_width, height: tile_height };
            tiles.push(tile);
            offset += length;
        }
        if width <= height {
            (y, height) = (y + thickness, height - thickness);
        } else {
            (x, width) = (x + thickness, width - thickness);
        }
        at = end;
    }
}

/// The worst of a row's aspect ratios: that of its largest or its smallest tile.
fn worst_ratio(largest: f64, smallest: f64, area: f64, side: f64) -> f64 {
    let (side, area) = (side * side, area * area);
    if smallest <= 0.0 || area <= 0.0 {
        return f64::INFINITY;
    }
    (side * largest / area).max(area / (side * smallest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_the_room_without_overlap() {
        let parts: Vec<_> = [60, 30, 20, 10, 5, 5].map(|bytes| (Subject::Object(NodeId(0)), bytes)).to_vec();
        let mut tiles = Vec::new();
        squarify(&parts, 100.0, (10.0, 20.0, 130.0, 100.0), 1, &mut tiles);
        assert_eq!(tiles.len(), parts.len());
        let area: f64 = tiles.iter().map(|tile| tile.width * tile.height).sum();
        assert!((area - 13_000.0).abs() < 1e-6);
        for (index, a) in tiles.iter().enumerate() {
            assert!((a.width * a.height - a.bytes as f64 * 100.0).abs() < 1e-6);
            assert!(a.x >= 10.0 - 1e-9 && a.x + a.width <= 140.0 + 1e-9);
            assert!(a.y >= 20.0 - 1e-9 && a.y + a.height <= 120.0 + 1e-9);
            for b in &tiles[index + 1..] {
                let overlap = |a: f64, a_end: f64, b: f64, b_end: f64| a.max(b) + 1e-6 < a_end.min(b_end);
                let across = overlap(a.x, a.x + a.width, b.x, b.x + b.width);
                assert!(!(across && overlap(a.y, a.y + a.height, b.y, b.y + b.height)), "{a:?} {b:?}");
            }
        }
    }
}
