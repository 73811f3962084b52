//! Makes of an uploaded file a picture of our own, or says why not.
//!
//! JPEG, PNG and WebP are known by their first bytes, whatever the sender calls them. What may be transparent, and what
//! came as PNG, becomes PNG; the rest JPEG. A picture is turned upright as its EXIF says before that is dropped. Its
//! colour profile is kept, without which a phone's photo looks pale.

use std::io::Cursor;

use image::{
    ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageResult,
    Limits,
    codecs::{
        jpeg::{JpegDecoder, JpegEncoder},
        png::{CompressionType, FilterType, PngDecoder, PngEncoder},
        webp::WebPDecoder,
    },
    metadata::Orientation,
};

use super::headers::{JpegScan, png_is_bomb, webp_is_sound};

/// Pixels.
const MAX_SIDE: u32 = 8_000;
/// Bytes, for the picture and everything its decoder needs beside it.
const MAX_MEMORY: u64 = 256 << 20;
/// A thumbnail fits in a square of this many pixels.
const THUMBNAIL: u32 = 400;
/// Of 100. Above it files grow and nobody sees why.
const QUALITY: u8 = 85;
/// Bytes. Those of cameras and phones are far smaller.
const MAX_PROFILE: usize = 64 << 10;

/// A picture ready to be kept.
#[derive(Debug)]
pub struct Picture {
    pub image: Encoded,
    /// `None` when the image is as small as a thumbnail itself.
    pub thumbnail: Option<Encoded>,
}

/// A file that we wrote.
#[derive(Clone, Debug)]
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Jpeg,
    Png,
}

impl Kind {
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// # Errors
/// What is wrong with the file, to stand behind its name: "is animated".
pub fn read(file: &[u8]) -> Result<Picture, String> {
    let Opened { image, profile, kind } = open(file)?;
    let thumbnail = thumbnail(&image, profile.as_deref());
    let image = encode(&image, kind, profile);
    Ok(Picture { image: image.map_err(unreadable)?, thumbnail: thumbnail.map_err(unreadable)? })
}

/// A small copy of a picture; `None` when it is small itself.
///
/// # Errors
/// Whatever the encoder reports.
pub fn thumbnail(image: &DynamicImage, profile: Option<&[u8]>) -> ImageResult<Option<Encoded>> {
    if image.width() <= THUMBNAIL && image.height() <= THUMBNAIL {
        return Ok(None);
    }
    let small = image.thumbnail(THUMBNAIL, THUMBNAIL);
    let kind = if small.color().has_alpha() { Kind::Png } else { Kind::Jpeg };
    encode(&small, kind, profile.map(<[u8]>::to_vec)).map(Some)
}

/// A decoded picture, upright.
struct Opened {
    image: DynamicImage,
    profile: Option<Vec<u8>>,
    kind: Kind,
}

fn open(file: &[u8]) -> Result<Opened, String> {
    let reader = Cursor::new(file);
    match image::guess_format(file) {
        Ok(ImageFormat::Jpeg) => {
            let decoder = JpegDecoder::new(reader).map_err(unreadable)?;
            let scan = JpegScan::find(file).ok_or("cannot be read; save it again")?;
            if !scan.is_whole() {
                return Err("is cut off; send it again".to_owned());
            }
            decode(decoder, scan.extra, Kind::Jpeg)
        }
        Ok(ImageFormat::Png) => {
            // The decoder counts its own buffers here, not the picture.
            let decoder = PngDecoder::with_limits(reader, limits(8 << 20)).map_err(unreadable)?;
            if decoder.is_apng().unwrap_or(true) {
                return Err(animated());
            }
            if png_is_bomb(file, decoder.total_bytes()) {
                return Err("unpacks to far more than there is to see; save it again".to_owned());
            }
            decode(decoder, 0, Kind::Png)
        }
        Ok(ImageFormat::WebP) => {
            let decoder = WebPDecoder::new(reader).map_err(unreadable)?;
            if decoder.has_animation() {
                return Err(animated());
            }
            if !webp_is_sound(file, decoder.dimensions()) {
                return Err("cannot be read; save it again".to_owned());
            }
            let transparent = decoder.color_type().has_alpha();
            let (extra, kind) = if transparent { (7, Kind::Png) } else { (4, Kind::Jpeg) };
            decode(decoder, extra, kind)
        }
        _ => Err("must be a JPEG, PNG or WebP file, whatever its name says".to_owned()),
    }
}

/// Decodes what is within the limits; `extra` is how many bytes for each pixel the decoder needs beside the picture.
fn decode(mut decoder: impl ImageDecoder, extra: u64, kind: Kind) -> Result<Opened, String> {
    decoder.set_limits(limits(MAX_MEMORY)).map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let deep = decoder.color_type().bytes_per_pixel() / decoder.color_type().channel_count() > 1;
    // A second copy lives for a moment when a picture is turned on its side or made one of 8 bits.
    let copies = u64::from(deep) + u64::from(on_its_side(orientation));
    let pixels = u64::from(width) * u64::from(height);
    let needed = decoder.total_bytes() + (pixels * extra).max(copies * decoder.total_bytes());
    if needed > MAX_MEMORY {
        return Err("needs more than 256 MiB to be opened; make it smaller".to_owned());
    }
    let profile = decoder.icc_profile().unwrap_or_default();
    let color = decoder.color_type();
    let mut image = shallow(DynamicImage::from_decoder(decoder).map_err(unreadable)?);
    image.apply_orientation(orientation);
    Ok(Opened { image, profile: profile.filter(|profile| suits(profile, color)), kind })
}

fn on_its_side(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
}

fn limits(max_alloc: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(max_alloc);
    limits
}

/// With 8 bits a channel, which is all that browsers show.
fn shallow(image: DynamicImage) -> DynamicImage {
    match image.color() {
        ColorType::L16 => image.into_luma8().into(),
        ColorType::La16 => image.into_luma_alpha8().into(),
        ColorType::Rgb16 => image.into_rgb8().into(),
        ColorType::Rgba16 => image.into_rgba8().into(),
        _ => image,
    }
}

/// Whether a colour profile is one, is of sensible size, and is about colours like these. That of a CMYK photo is not: it was
/// decoded to RGB.
fn suits(profile: &[u8], color: ColorType) -> bool {
    let about = if color.has_color() { b"RGB " } else { b"GRAY" };
    profile.len() <= MAX_PROFILE && profile.get(16..20) == Some(about) && profile.get(36..40) == Some(b"acsp")
}

fn encode(image: &DynamicImage, kind: Kind, profile: Option<Vec<u8>>) -> ImageResult<Encoded> {
    let mut bytes = Vec::new();
    match kind {
        Kind::Jpeg => write(JpegEncoder::new_with_quality(&mut bytes, QUALITY), image, profile)?,
        Kind::Png => {
            let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
            write(encoder, image, profile)?;
        }
    }
    bytes.shrink_to_fit();
    Ok(Encoded { bytes, kind })
}

fn write(mut encoder: impl ImageEncoder, image: &DynamicImage, profile: Option<Vec<u8>>) -> ImageResult<()> {
    if let Some(profile) = profile {
        let _ = encoder.set_icc_profile(profile); // both formats can carry one
    }
    encoder.write_image(image.as_bytes(), image.width(), image.height(), ExtendedColorType::from(image.color()))
}

#[expect(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn unreadable(error: ImageError) -> String {
    tracing::debug!(%error, "a picture cannot be read");
    match error {
        ImageError::Limits(_) => format!("must not be larger than {MAX_SIDE} x {MAX_SIDE} pixels"),
        _ => "cannot be read; save it again, as JPEG, PNG or WebP".to_owned(),
    }
}

fn animated() -> String {
    "is animated; send a still picture".to_owned()
}
