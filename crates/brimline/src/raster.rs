//! A drawing of `brimline pprof` as a PNG picture, twice its size for sharp text where that is not too large.

use std::io;

use brimline_pprof::cli::{Curve, Drawing, NodeBox, Text};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, RasterizedChar, get_raster};
use tiny_skia::{
    Color, FillRule, IntSize, LineCap, Paint, Path, PathBuilder, Pixmap, PremultipliedColorU8, Rect, Stroke,
    StrokeDash, Transform,
};

/// Pixels of a picture twice the drawing's size.
const LARGE: f64 = 48e6;
/// Pixels of any picture; four bytes each.
const LARGEST: f64 = 192e6;
/// Side of an arrow.
const ARROW: f32 = 8.0;
/// Font of twice the size.
const SHARP: RasterHeight = RasterHeight::Size24;
const PLAIN: RasterHeight = RasterHeight::Size16;
/// From the base line up to the top of a character's cell, in its height.
const ASCENT: f64 = 0.8;

/// The picture's bytes.
pub(crate) fn png(drawing: &Drawing) -> io::Result<Vec<u8>> {
    let area = drawing.width * drawing.height;
    if area > LARGEST {
        return Err(io::Error::other(format!(
            "expected a drawing of at most {:.0} million pixels, found {:.0} × {:.0}; show fewer nodes (`-nodecount=80`) or draw it with `-svg`",
            LARGEST / 1e6,
            drawing.width,
            drawing.height
        )));
    }
    let scale = if area * 4.0 > LARGE { 1.0 } else { 2.0 };
    let size = IntSize::from_wh((drawing.width * scale).ceil() as u32, (drawing.height * scale).ceil() as u32);
    let pixmap = size.and_then(|size| Pixmap::new(size.width(), size.height()));
    let pixmap = pixmap.ok_or_else(|| io::Error::other("expected a drawing with an area, found none"))?;
    let mut picture = Picture { pixmap, scale };
    picture.pixmap.fill(Color::WHITE);
    drawing.curves.iter().for_each(|curve| picture.curve(curve));
    drawing.curves.iter().filter_map(|curve| curve.label.as_ref()).for_each(|label| picture.label(label));
    drawing.boxes.iter().for_each(|node| picture.node(node));
    drawing.legend.iter().for_each(|line| picture.text(line, 0));
    picture.pixmap.encode_png().map_err(io::Error::other)
}

struct Picture {
    pixmap: Pixmap,
    scale: f64,
}

impl Picture {
    fn transform(&self) -> Transform {
        Transform::from_scale(self.scale as f32, self.scale as f32)
    }

    fn curve(&mut self, curve: &Curve) {
        let mut builder = PathBuilder::new();
        for [(x1, y1), (x2, y2)] in curve.pieces() {
            if builder.is_empty() {
                builder.move_to(x1 as f32, y1 as f32);
            }
            let middle = f64::midpoint(y1, y2) as f32;
            builder.cubic_to(x1 as f32, middle, x2 as f32, middle, x2 as f32, y2 as f32);
        }
        let dash = f32::from(u8::from(curve.is_dashed)) * Drawing::DASH as f32;
        let stroke = Stroke {
            width: curve.width as f32,
            dash: StrokeDash::new(vec![dash, dash], 0.0),
            line_cap: LineCap::Butt,
            ..Stroke::default()
        };
        if let Some(path) = builder.finish() {
            self.pixmap.stroke_path(&path, &paint(&curve.stroke), &stroke, self.transform(), None);
        }
        let end = if curve.is_upward { curve.points.first() } else { curve.points.last() };
        if let Some(arrow) = end.and_then(|&(x, y)| arrow(x as f32, y as f32, curve.is_upward)) {
            self.pixmap.fill_path(&arrow, &paint("#555555"), FillRule::Winding, self.transform(), None);
        }
    }

    /// Text that stays legible over curves.
    fn label(&mut self, label: &Text) {
        let width = label.text.chars().count() as f64 * Drawing::CHARACTER;
        let (left, top) = (label.x - 1.0, label.y - Drawing::CAPITAL);
        if let Some(ground) = Rect::from_xywh(left as f32, top as f32, width as f32, Drawing::CAPITAL as f32) {
            let mut white = paint("#ffffff");
            white.set_color_rgba8(255, 255, 255, 200);
            self.pixmap.fill_rect(ground, &white, self.transform(), None);
        }
        self.text(label, 0x55);
    }

    fn node(&mut self, node: &NodeBox) {
        let Some(rect) = Rect::from_xywh(node.x as f32, node.y as f32, node.width as f32, node.height as f32) else {
            return;
        };
        let path = PathBuilder::from_rect(rect);
        self.pixmap.fill_path(&path, &paint(&node.fill), FillRule::Winding, self.transform(), None);
        self.pixmap.stroke_path(&path, &paint(&node.stroke), &Stroke::default(), self.transform(), None);
        node.lines.iter().for_each(|line| self.text(line, 0));
    }

    /// Writes over what is there, in a shade of grey.
    fn text(&mut self, line: &Text, grey: u8) {
        let height = if self.scale > 1.0 { SHARP } else { PLAIN };
        let top = (line.y * self.scale - height.val() as f64 * ASCENT).round() as i64;
        let text = line.text.replace('…', "..");
        for (index, character) in text.chars().enumerate() {
            let left = ((line.x + index as f64 * Drawing::CHARACTER) * self.scale).round() as i64;
            let glyph = get_raster(character, FontWeight::Regular, height)
                .or_else(|| get_raster(char::REPLACEMENT_CHARACTER, FontWeight::Regular, height));
            for (y, row) in glyph.iter().flat_map(RasterizedChar::rows).enumerate() {
                for (x, &strength) in row.iter().enumerate().filter(|&(_, &strength)| strength > 0) {
                    self.darken(left + x as i64, top + y as i64, strength, grey);
                }
            }
        }
    }

    fn darken(&mut self, x: i64, y: i64, strength: u8, grey: u8) {
        let (width, height) = (i64::from(self.pixmap.width()), i64::from(self.pixmap.height()));
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            return;
        }
        let pixel = &mut self.pixmap.pixels_mut()[(y * width + x) as usize];
        let strength = u16::from(strength);
        let mix = |old: u8| ((u16::from(old) * (255 - strength) + u16::from(grey) * strength) / 255) as u8;
        if let Some(mixed) =
            PremultipliedColorU8::from_rgba(mix(pixel.red()), mix(pixel.green()), mix(pixel.blue()), 255)
        {
            *pixel = mixed;
        }
    }
}

/// A triangle whose point is at `x`, `y`.
fn arrow(x: f32, y: f32, is_upward: bool) -> Option<Path> {
    let base = if is_upward { y + ARROW } else { y - ARROW };
    let mut builder = PathBuilder::new();
    builder.move_to(x, y);
    builder.line_to(x - ARROW / 2.0, base);
    builder.line_to(x + ARROW / 2.0, base);
    builder.close();
    builder.finish()
}

/// Of `#rrggbb`; black if it is none.
fn paint(color: &str) -> Paint<'static> {
    let value = color.strip_prefix('#').and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0);
    let [_, red, green, blue] = value.to_be_bytes();
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}
