//! Image files, good and hostile. They are made here, so that no test needs a file of somebody's.

use std::io::{Cursor, Write};

use flate2::{Compression, Crc, write::ZlibEncoder};
use image::{
    DynamicImage, ImageEncoder, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A photo as a camera writes it: full of noise, with red in its top left corner, and with EXIF.
pub fn photo(width: u32, height: u32, exif: &[u8]) -> Vec<u8> {
    let mut seed = 1_u32;
    let mut noise = || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        let [red, green, blue, _] = seed.to_le_bytes();
        Rgb([red, green, blue])
    };
    let photo =
        RgbImage::from_fn(
            width,
            height,
            |x, y| {
                if x < width / 4 && y < height / 4 { Rgb([250, 5, 5]) } else { noise() }
            },
        );
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 100);
    if !exif.is_empty() {
        encoder.set_exif_metadata(exif.to_vec()).expect("a JPEG carries EXIF");
    }
    encoder.write_image(&photo, width, height, image::ExtendedColorType::Rgb8).expect("a photo");
    file
}

/// EXIF that says how the camera was held, and who held it.
pub fn exif(orientation: u8, artist: &str) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
    };
    let artist = format!("{artist}\0");
    let length = u32::try_from(artist.len()).expect("a short name");
    // A header of 8 bytes, a count of 2, two entries of 12, and the end of the list come before the text.
    let entries =
        [entry(0x0112, 3, 1, [0, orientation, 0, 0]), entry(0x013b, 2, length, 38_u32.to_be_bytes())].concat();
    [b"MM\0*\0\0\0\x08\0\x02", &entries[..], &[0; 4], artist.as_bytes()].concat()
}

/// A drawing with a hole in its middle, in any format.
pub fn drawing(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let hole = (width / 3..width * 2 / 3, height / 3..height * 2 / 3);
    encoded(
        &RgbaImage::from_fn(width, height, |x, y| {
            Rgba([10, 200, 30, if hole.0.contains(&x) && hole.1.contains(&y) { 0 } else { 255 }])
        })
        .into(),
        format,
    )
}

/// The same without transparency.
pub fn solid(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    encoded(&RgbImage::from_pixel(width, height, Rgb([10, 200, 30])).into(), format)
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).expect("an image");
    file.into_inner()
}

/// A PNG with an orientation in EXIF, as phones' screenshots have it.
pub fn turned_png(width: u32, height: u32, orientation: u8) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    encoder.set_exif_metadata(exif(orientation, "")).expect("a PNG carries EXIF");
    let image = RgbImage::from_pixel(width, height, Rgb([1, 2, 3]));
    encoder.write_image(&image, width, height, image::ExtendedColorType::Rgb8).expect("an image");
    file
}

/// Files that no shop should accept as an image, each with what is wrong with it.
pub fn invalid_images() -> Vec<(&'static str, Vec<u8>)> {
    let good = solid(20, 20, ImageFormat::Png);
    let photo = photo(64, 64, b"");
    vec![
        ("an SVG", b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>".to_vec()),
        ("a page", b"<!DOCTYPE html><script>alert(1)</script>".to_vec()),
        ("a GIF that is a script", b"GIF89a/*\x01\x00\x01\x00\x00*/=1;alert(1)//\x00;".to_vec()),
        ("a program", b"\x7fELF\x02\x01\x01\0\0\0\0\0".to_vec()),
        ("a page that begins like a JPEG", b"\xff\xd8\xff\xe0<html><script>alert(1)</script></html>".to_vec()),
        ("a page that begins like a PNG", [PNG, b"<html><script>alert(1)</script></html>"].concat()),
        ("a page that begins like a WebP", b"RIFF\x20\0\0\0WEBP<html><script></script></html>".to_vec()),
        ("another format", solid_bmp()),
        ("a PNG of 50,000 x 50,000 pixels", png(50_000, 50_000, &zeros(1))),
        ("a PNG of 8,001 pixels across", png(8_001, 1, &zeros(1))),
        ("a JPEG of 65,000 x 65,000 pixels", resized(&photo, 65_000)),
        ("a PNG that needs half a gigabyte", deep_png(8_000, 8_000, &zeros(489))),
        ("a WebP that claims to be small", lying_webp()),
        ("a WebP with a piece of 4 GB", endless_webp()),
        ("a zlib bomb of 1 MB", png(100, 100, &zeros(1_000))),
        ("a bomb in its colour profile", with_chunk(&good, *b"iCCP", &[b"x\0\0", &zeros(200)[..]].concat())),
        ("a PNG of 10,000 frames", with_chunk(&good, *b"acTL", &[0, 0, 0x27, 0x10, 0, 0, 0, 0])),
        ("a WebP of 10,000 frames", animated_webp(10_000)),
        ("half a PNG", drawing(90, 90, ImageFormat::Png)[..300].to_vec()),
        ("half a JPEG", photo[..photo.len() / 2].to_vec()),
    ]
}

fn solid_bmp() -> Vec<u8> {
    [&b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0"[..], &[0; 28]].concat()
}

/// So many MiB of zeros, packed. A MiB is packed once and repeated: what it refers back to is zeros, too.
fn zeros(mebibytes: u32) -> Vec<u8> {
    let piece = vec![0; 1 << 20];
    let mut packing = ZlibEncoder::new(Vec::new(), Compression::best());
    packing.write_all(&piece).and_then(|()| packing.flush()).expect("memory");
    let first = packing.get_ref().len();
    packing.write_all(&piece).and_then(|()| packing.flush()).expect("memory");
    let (begin, again) = packing.get_ref().split_at(first);
    let sum = (u64::from(mebibytes) << 20) % 65_521; // Adler-32: the second half counts bytes, the first adds them
    let end =
        [&[1, 0, 0, 0xff, 0xff][..], &(u32::try_from(sum).expect("a remainder") << 16 | 1).to_be_bytes()].concat();
    [begin, &again.repeat(mebibytes as usize - 1), &end].concat()
}

fn png(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    png_of(width, height, [8, 2], data)
}

/// With 16 bits in each of four channels.
fn deep_png(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    png_of(width, height, [16, 6], data)
}

fn png_of(width: u32, height: u32, depth_and_color: [u8; 2], data: &[u8]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &depth_and_color, &[0, 0, 0]].concat();
    [PNG, &chunk(*b"IHDR", &header), &chunk(*b"IDAT", data), &chunk(*b"IEND", b"")].concat()
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(data);
    let length = u32::try_from(data.len()).expect("a chunk is not that long");
    [&length.to_be_bytes()[..], &kind, data, &crc.sum().to_be_bytes()].concat()
}

/// A PNG with one more chunk, right behind its header.
fn with_chunk(png: &[u8], kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let (header, rest) = png.split_at(PNG.len() + 25);
    [header, &chunk(kind, data), rest].concat()
}

/// A JPEG that claims another size.
fn resized(jpeg: &[u8], side: u16) -> Vec<u8> {
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a baseline JPEG");
    let mut file = jpeg.to_vec();
    file[frame + 5..frame + 7].copy_from_slice(&side.to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&side.to_be_bytes());
    file
}

fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [&b"WEBP"[..], &chunks.concat()].concat();
    [b"RIFF", &u32::try_from(body.len()).expect("a small file").to_le_bytes()[..], &body].concat()
}

fn webp_chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = vec![0; data.len() % 2];
    [&kind[..], &u32::try_from(data.len()).expect("a small chunk").to_le_bytes(), data, &padding].concat()
}

/// What an extended WebP begins with; it is of one pixel.
fn canvas(flags: u8) -> Vec<u8> {
    webp_chunk(*b"VP8X", &[flags, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

/// One pixel on its canvas, 16,383 x 16,383 in its data.
fn lying_webp() -> Vec<u8> {
    let frame = [&[0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f][..], &[0; 64]].concat();
    webp(&[canvas(0), webp_chunk(*b"VP8 ", &frame)])
}

fn endless_webp() -> Vec<u8> {
    let good = solid(1, 1, ImageFormat::WebP);
    let mut exif = webp_chunk(*b"EXIF", b"");
    exif[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    webp(&[canvas(8), good[12..].to_vec(), exif])
}

fn animated_webp(frames: usize) -> Vec<u8> {
    let good = solid(1, 1, ImageFormat::WebP);
    let frame = webp_chunk(*b"ANMF", &[&[0; 16], &good[12..]].concat());
    let mut chunks = vec![canvas(2), webp_chunk(*b"ANIM", &[0; 6])];
    chunks.extend(std::iter::repeat_n(frame, frames));
    webp(&chunks)
}
