//! Decodes an uploaded file and encodes it again, with a thumbnail.
//!
//! A crate of its own, because it is slow without the optimiser, which development builds use for it alone.
//!
//! JPEG, PNG and WebP are recognised by their first bytes, whatever the client calls them. PNGs and images that may be
//! transparent become PNG; the rest JPEG. An image is rotated as its EXIF says, before the EXIF is dropped. Its colour
//! profile is kept, without which a phone's photo looks pale.

mod headers;
pub mod still_life;

use std::io::Cursor;

use image::{
    ColorType, DynamicImage, ExtendedColorType, GenericImageView, ImageBuffer, ImageDecoder, ImageEncoder, ImageError,
    ImageFormat, ImageResult, Limits, Pixel, PixelWithColorType,
    codecs::{
        jpeg::{JpegDecoder, JpegEncoder},
        png::{CompressionType, FilterType, PngDecoder, PngEncoder},
        webp::WebPDecoder,
    },
    metadata::Orientation,
};

use self::headers::{JpegScan, png_is_bomb, webp_is_sound};

/// Pixels.
const MAX_SIDE: u32 = 8_000;
/// Bytes, for the image and all that its decoder needs.
const MAX_MEMORY: u64 = 256 << 20;
/// Pixels of the longer side of a thumbnail.
const THUMBNAIL: u32 = 400;
/// JPEG quality, of 100. A higher one makes larger files without a visible difference.
const QUALITY: u8 = 85;
/// Bytes of a colour profile. Those of cameras and phones are far smaller.
const MAX_PROFILE: usize = 64 << 10;

/// An image to store.
#[derive(Debug)]
pub struct ProcessedImage {
    pub image: EncodedImage,
    /// `None` when the image is as small as a thumbnail itself.
    pub thumbnail: Option<EncodedImage>,
}

/// A file as it is stored.
#[derive(Clone, Debug)]
pub struct EncodedImage {
    pub bytes: Vec<u8>,
    pub format: Format,
}

/// The formats that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
}

impl Format {
    /// Of a file name, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    /// For `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// Makes the image to store and its thumbnail from a JPEG, PNG or WebP file. Takes up to 256 MiB.
///
/// # Errors
/// What is wrong with the file, as the end of a sentence: "is animated".
pub fn process(file: &[u8]) -> Result<ProcessedImage, String> {
    let Decoded { mut image, orientation, profile, format } = open(file)?;
    let thumbnail = rotated_thumbnail(&image, orientation, profile.as_deref()).map_err(unreadable)?;
    let image = match &image {
        DynamicImage::ImageRgb8(photo) if rotates_in_encoder(format, orientation) => {
            encode_rotated(photo, orientation, profile)
        }
        DynamicImage::ImageLuma8(photo) if rotates_in_encoder(format, orientation) => {
            encode_rotated(photo, orientation, profile)
        }
        _ => {
            image.apply_orientation(orientation);
            encode(&image, format, profile)
        }
    };
    Ok(ProcessedImage { image: image.map_err(unreadable)?, thumbnail })
}

/// A copy of at most 400 x 400 pixels; `None` when the image is not larger.
///
/// # Errors
/// When the encoder fails.
pub fn thumbnail(image: &DynamicImage) -> ImageResult<Option<EncodedImage>> {
    rotated_thumbnail(image, Orientation::NoTransforms, None)
}

fn rotated_thumbnail(
    image: &DynamicImage,
    orientation: Orientation,
    profile: Option<&[u8]>,
) -> ImageResult<Option<EncodedImage>> {
    if image.width() <= THUMBNAIL && image.height() <= THUMBNAIL {
        return Ok(None);
    }
    let mut small = image.thumbnail(THUMBNAIL, THUMBNAIL);
    small.apply_orientation(orientation);
    let format = if small.color().has_alpha() { Format::Png } else { Format::Jpeg };
    encode(&small, format, profile.map(<[u8]>::to_vec)).map(Some)
}

/// A decoded image, not rotated yet.
struct Decoded {
    image: DynamicImage,
    orientation: Orientation,
    profile: Option<Vec<u8>>,
    format: Format,
}

fn open(file: &[u8]) -> Result<Decoded, String> {
    let reader = Cursor::new(file);
    match image::guess_format(file) {
        Ok(ImageFormat::Jpeg) => {
            let decoder = JpegDecoder::new(reader).map_err(unreadable)?;
            let scan = JpegScan::find(file).ok_or("cannot be read; save it again")?;
            if !scan.is_whole() {
                return Err("is incomplete; send it again".to_owned());
            }
            decode(decoder, scan.extra, Format::Jpeg)
        }
        Ok(ImageFormat::Png) => {
            // These limits count the decoder's own buffers, not the image.
            let decoder = PngDecoder::with_limits(reader, limits(8 << 20)).map_err(unreadable)?;
            if decoder.is_apng().unwrap_or(true) {
                return Err(animated());
            }
            if png_is_bomb(file, decoder.total_bytes()) {
                return Err("contains far more data than its size requires; save it again".to_owned());
            }
            decode(decoder, 0, Format::Png)
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
            let (extra, format) = if transparent { (7, Format::Png) } else { (4, Format::Jpeg) };
            decode(decoder, extra, format)
        }
        _ => Err("must be a JPEG, PNG or WebP file, regardless of its name".to_owned()),
    }
}

/// Decodes an image within the limits; `extra` is how many bytes the decoder needs for each pixel in addition to the image.
fn decode(mut decoder: impl ImageDecoder, extra: u64, format: Format) -> Result<Decoded, String> {
    decoder.set_limits(limits(MAX_MEMORY)).map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let deep = decoder.color_type().bytes_per_pixel() / decoder.color_type().channel_count() > 1;
    // Converting to 8 bits, or rotating other than in the encoder, needs a second copy for a moment.
    let copies = u64::from(deep) + u64::from(swaps_sides(orientation) && !rotates_in_encoder(format, orientation));
    let pixels = u64::from(width) * u64::from(height);
    let needed = decoder.total_bytes() + (pixels * extra).max(copies * decoder.total_bytes());
    if needed > MAX_MEMORY {
        return Err("needs more than 256 MiB of memory to decode; make it smaller".to_owned());
    }
    let profile = decoder.icc_profile().unwrap_or_default();
    let color = decoder.color_type();
    let image = to_8_bits(DynamicImage::from_decoder(decoder).map_err(unreadable)?);
    Ok(Decoded { image, orientation, profile: profile.filter(|profile| is_usable_profile(profile, color)), format })
}

/// Whether an image is rotated while it is encoded: a JPEG on its side. Other rotations need no copy, or are rare.
fn rotates_in_encoder(format: Format, orientation: Orientation) -> bool {
    format == Format::Jpeg && swaps_sides(orientation)
}

fn swaps_sides(orientation: Orientation) -> bool {
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

/// Converts to 8 bits per channel, which is all that browsers show.
fn to_8_bits(image: DynamicImage) -> DynamicImage {
    match image.color() {
        ColorType::L16 => image.into_luma8().into(),
        ColorType::La16 => image.into_luma_alpha8().into(),
        ColorType::Rgb16 => image.into_rgb8().into(),
        ColorType::Rgba16 => image.into_rgba8().into(),
        _ => image,
    }
}

/// Whether a colour profile is valid, not too large, and for this colour model. That of a CMYK photo is not: the photo was
/// decoded to RGB.
fn is_usable_profile(profile: &[u8], color: ColorType) -> bool {
    let about = if color.has_color() { b"RGB " } else { b"GRAY" };
    profile.len() <= MAX_PROFILE && profile.get(16..20) == Some(about) && profile.get(36..40) == Some(b"acsp")
}

fn encode(image: &DynamicImage, format: Format, profile: Option<Vec<u8>>) -> ImageResult<EncodedImage> {
    let mut bytes = Vec::new();
    match format {
        Format::Jpeg => write(JpegEncoder::new_with_quality(&mut bytes, QUALITY), image, profile)?,
        Format::Png => {
            let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
            write(encoder, image, profile)?;
        }
    }
    bytes.shrink_to_fit();
    Ok(EncodedImage { bytes, format })
}

/// A view of a photo as it looks rotated, without a copy: photos of phones held upright are large.
struct Rotated<'a, P: Pixel> {
    photo: &'a ImageBuffer<P, Vec<P::Subpixel>>,
    orientation: Orientation,
}

impl<P: Pixel> GenericImageView for Rotated<'_, P> {
    type Pixel = P;

    fn dimensions(&self) -> (u32, u32) {
        (self.photo.height(), self.photo.width())
    }

    fn get_pixel(&self, x: u32, y: u32) -> P {
        let (right, bottom) = (self.photo.width() - 1, self.photo.height() - 1);
        let (x, y) = match self.orientation {
            Orientation::Rotate90 => (y, bottom - x),
            Orientation::Rotate270 => (right - y, x),
            Orientation::Rotate270FlipH => (right - y, bottom - x),
            _ => (y, x),
        };
        *self.photo.get_pixel(x, y)
    }
}

fn encode_rotated<P: PixelWithColorType<Subpixel = u8>>(
    photo: &ImageBuffer<P, Vec<u8>>,
    orientation: Orientation,
    profile: Option<Vec<u8>>,
) -> ImageResult<EncodedImage> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    keep_profile(&mut encoder, profile);
    encoder.encode_image(&Rotated { photo, orientation })?;
    Ok(EncodedImage { bytes, format: Format::Jpeg })
}

fn keep_profile(encoder: &mut impl ImageEncoder, profile: Option<Vec<u8>>) {
    if let Some(profile) = profile {
        let _ = encoder.set_icc_profile(profile); // both formats support one
    }
}

fn write(mut encoder: impl ImageEncoder, image: &DynamicImage, profile: Option<Vec<u8>>) -> ImageResult<()> {
    keep_profile(&mut encoder, profile);
    encoder.write_image(image.as_bytes(), image.width(), image.height(), ExtendedColorType::from(image.color()))
}

#[expect(clippy::needless_pass_by_value, reason = "a function for map_err")]
fn unreadable(error: ImageError) -> String {
    tracing::debug!(%error, "an image cannot be read");
    match error {
        ImageError::Limits(_) => format!("must not be larger than {MAX_SIDE} x {MAX_SIDE} pixels"),
        _ => "cannot be read; save it again, as JPEG, PNG or WebP".to_owned(),
    }
}

fn animated() -> String {
    "must not be animated".to_owned()
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    #[test]
    fn a_photo_on_its_side_is_turned_as_its_copy_would_be() {
        let photo = RgbImage::from_fn(3, 2, |x, y| image::Rgb([u8::try_from(10 * y + x).unwrap(), 0, 0]));
        for exif in 5..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let mut copy = DynamicImage::from(photo.clone());
            copy.apply_orientation(orientation);
            let turned = Rotated { photo: &photo, orientation };
            assert_eq!(turned.dimensions(), copy.dimensions());
            assert!(turned.pixels().eq(GenericImageView::pixels(&copy.to_rgb8())), "{exif}");
        }
    }
}
