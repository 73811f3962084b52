//! Draws the demo shop's product images, so that the demo needs neither image files nor the network.
//!
//! An image is a small still life on a table. The category chooses the hue, the slug chooses the things, and
//! nothing else does: the same product looks the same in every demo shop. Everything is a rounded box, because a
//! box with the right corners is also a ball, a cup, an arch or a shadow. Flat colours keep the files small.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "pixels and colours are small and positive"
)]

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, ImageError, Pixel, Rgb, RgbImage};

use crate::{EncodedImage, Format, ProcessedImage, thumbnail};

const SIDE: u32 = 600;
const MIDDLE: f32 = 300.0;

/// The image of one product: a PNG of 600 x 600 pixels and its thumbnail, always the same for the same product.
///
/// # Errors
/// Whatever the encoders report.
pub fn draw(slug: &str, category: &str) -> Result<ProcessedImage, ImageError> {
    let colors = Colors::of(category);
    let mut image = RgbImage::from_pixel(SIDE, SIDE, colors.wall);
    for shape in still_life(&colors, Rng::of(slug)) {
        shape.paint(&mut image);
    }

    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Up);
    encoder.write_image(&image, SIDE, SIDE, ExtendedColorType::Rgb8)?;
    let thumbnail = thumbnail(&image.into())?;
    Ok(ProcessedImage { image: EncodedImage { bytes, format: Format::Png }, thumbnail })
}

/// Width and height as shares of a size, then how round the top and the bottom corners are.
type Form = (f32, f32, f32, f32);

const WINDOWS: [Form; 3] = [(1.0, 1.0, 1.0, 1.0), (0.9, 1.0, 1.0, 0.0), (0.95, 1.1, 0.05, 0.05)];
const TALL: [Form; 3] = [(0.50, 1.0, 1.0, 0.1), (0.42, 1.0, 0.15, 0.15), (0.52, 0.95, 0.5, 0.8)];
const MIDDLING: [Form; 3] = [(1.0, 1.0, 1.0, 1.0), (1.05, 0.95, 0.05, 1.0), (1.05, 0.9, 0.2, 0.2)];
const SMALL: [Form; 3] = [(1.0, 1.0, 1.0, 1.0), (2.2, 0.6, 1.0, 1.0), (1.3, 1.0, 1.0, 0.1)];

/// From back to front: light on the wall, the table, then a tall, a middling and a small thing.
fn still_life(colors: &Colors, mut rng: Rng) -> Vec<Shape> {
    let side = if rng.below(2) == 0 { -1.0 } else { 1.0 };
    let offset = side * rng.between(0.0, 50.0);
    let light = Shape::on_ground(MIDDLE + offset, 450.0, rng.between(175.0, 200.0), colors.light);
    let table = Shape::on_ground(MIDDLE, 602.0, 92.0, colors.table).with_form((4.0, 1.0, 0.0, 0.0));
    let mut shapes = vec![light.with_form(WINDOWS[rng.below(3)]), table];

    let first_color = rng.below(4);
    let things = [
        (TALL, -side * rng.between(75.0, 110.0), 480.0, rng.between(145.0, 175.0)),
        (MIDDLING, side * rng.between(55.0, 85.0), 510.0, rng.between(78.0, 102.0)),
        (SMALL, -side * rng.between(20.0, 50.0), 540.0, rng.between(34.0, 48.0)),
    ];
    for (n, (forms, offset, ground, size)) in things.into_iter().enumerate() {
        let color = colors.things[(first_color + n) % 4];
        let thing = Shape::on_ground(MIDDLE + offset, ground, size, color).with_form(forms[rng.below(3)]);
        shapes.extend([thing.shadow(colors.shadow), thing.lit_from_the_left()]);
    }
    shapes
}

/// A rounded box. Lengths are pixels from the top left corner of the image.
#[derive(Clone, Copy)]
struct Shape {
    center: (f32, f32),
    half: (f32, f32),
    /// Of the top corners, of the bottom corners.
    radii: (f32, f32),
    color: Rgb<u8>,
    /// How many pixels the edge takes to fade: 1 is a clean edge.
    fade: f32,
    /// The width of the strip on the right that the light does not reach.
    shade: f32,
}

impl Shape {
    fn on_ground(x: f32, ground: f32, size: f32, color: Rgb<u8>) -> Self {
        Self { center: (x, ground - size), half: (size, size), radii: (0.0, 0.0), color, fade: 1.0, shade: 0.0 }
    }

    fn with_form(self, (width, height, top, bottom): Form) -> Self {
        let half = (self.half.0 * width, self.half.1 * height);
        let center = (self.center.0, self.center.1 + self.half.1 - half.1);
        let roundest = half.0.min(half.1);
        Self { center, half, radii: (top * roundest, bottom * roundest), ..self }
    }

    fn lit_from_the_left(self) -> Self {
        Self { shade: 0.45 * self.half.0, ..self }
    }

    fn shadow(self, color: Rgb<u8>) -> Self {
        let (x, ground) = (self.center.0 + 0.25 * self.half.0, self.center.1 + self.half.1 + 11.0);
        let flat = (self.half.0 / 13.0, 1.0, 1.0, 1.0);
        Self { fade: 14.0, ..Self::on_ground(x, ground, 13.0, color).with_form(flat) }
    }

    fn paint(&self, image: &mut RgbImage) {
        let shaded = mix(self.color, Rgb([0, 0, 0]), 0.14);
        let pixels = |center: f32, half: f32| {
            (center - half - self.fade) as u32..((center + half + self.fade).ceil() as u32).min(SIDE)
        };
        for row in pixels(self.center.1, self.half.1) {
            for column in pixels(self.center.0, self.half.0) {
                let (x, y) = (column as f32 + 0.5 - self.center.0, row as f32 + 0.5 - self.center.1);
                let light = if self.shade > 0.0 { self.cover(x + self.shade, y) } else { 1.0 };
                let pixel = image.get_pixel_mut(column, row);
                *pixel = mix(*pixel, mix(shaded, self.color, light), self.cover(x, y));
            }
        }
    }

    /// How much of a pixel the shape covers, from 0 to 1; a smooth step across the edge keeps it from looking jagged.
    /// The point is relative to the center.
    fn cover(&self, x: f32, y: f32) -> f32 {
        let radius = if y < 0.0 { self.radii.0 } else { self.radii.1 };
        let (x, y) = (x.abs() - self.half.0 + radius, y.abs() - self.half.1 + radius);
        let outside = (x.max(0.0).powi(2) + y.max(0.0).powi(2)).sqrt();
        let distance = x.max(y).min(0.0) + outside - radius;
        (0.5 - distance / self.fade).clamp(0.0, 1.0)
    }
}

struct Colors {
    wall: Rgb<u8>,
    light: Rgb<u8>,
    table: Rgb<u8>,
    shadow: Rgb<u8>,
    things: [Rgb<u8>; 4],
}

impl Colors {
    fn of(category: &str) -> Self {
        // The demo's own categories get hues picked by eye, well apart.
        let hue = match category {
            "coffee-tea" => 24.0,
            "kitchen" => 46.0,
            "garden-outdoor" => 100.0,
            "stationery" => 168.0,
            "desk" => 206.0,
            "lighting" => 236.0,
            "games-puzzles" => 275.0,
            "bags" => 345.0,
            other => Rng::of(other).between(0.0, 360.0),
        };
        Self {
            wall: hsl(hue, 0.32, 0.85),
            light: hsl(hue, 0.38, 0.90),
            table: hsl(hue, 0.26, 0.72),
            shadow: hsl(hue, 0.26, 0.60),
            things: [
                hsl(hue, 0.34, 0.38),
                hsl(hue + 30.0, 0.40, 0.62),
                hsl(hue, 0.30, 0.97),
                hsl(hue + 190.0, 0.30, 0.62),
            ],
        }
    }
}

/// Hue in degrees, saturation and lightness from 0 to 1.
fn hsl(hue: f32, saturation: f32, lightness: f32) -> Rgb<u8> {
    let amplitude = saturation * lightness.min(1.0 - lightness);
    Rgb([0.0, 8.0, 4.0].map(|offset| {
        let step = (offset + hue / 30.0) % 12.0;
        let channel = lightness - amplitude * (step - 3.0).min(9.0 - step).clamp(-1.0, 1.0);
        (channel * 255.0).round() as u8
    }))
}

fn mix(under: Rgb<u8>, over: Rgb<u8>, cover: f32) -> Rgb<u8> {
    match cover {
        0.0 => under,
        1.0 => over,
        _ => under.map2(&over, |a, b| (f32::from(a) + (f32::from(b) - f32::from(a)) * cover).round() as u8),
    }
}

/// A random number generator that is seeded with a text (FNV-1a hash), so that the same text gives the same numbers.
struct Rng(u64);

impl Rng {
    fn of(text: &str) -> Self {
        let mix_byte = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Self(text.bytes().fold(0xcbf2_9ce4_8422_2325, mix_byte))
    }

    fn next(&mut self) -> u16 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 48) as u16
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.next()) % limit
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * f32::from(self.next()) / f32::from(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(slug: &str, category: &str) -> Vec<u8> {
        draw(slug, category).unwrap().image.bytes
    }

    #[test]
    fn a_product_always_gets_the_same_image() {
        assert_eq!(drawn("stoneware-mug", "coffee-tea"), drawn("stoneware-mug", "coffee-tea"));
    }

    #[test]
    fn two_products_and_two_categories_look_different() {
        let mug = drawn("stoneware-mug", "coffee-tea");
        assert_ne!(mug, drawn("cast-iron-teapot", "coffee-tea"));
        assert_ne!(mug, drawn("stoneware-mug", "kitchen"));
    }

    #[test]
    fn an_image_is_a_small_png_of_600_by_600() {
        let png = drawn("stoneware-mug", "coffee-tea");
        let image = image::load_from_memory(&png).unwrap();
        assert_eq!((image.width(), image.height()), (SIDE, SIDE));
        assert!(png.len() < 30_000, "{} bytes", png.len());
    }
}
