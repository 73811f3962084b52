//! Checks the headers of a file before it is decoded.
//!
//! The decoders limit the memory of their output, but not all that they need in addition: the coefficients of a progressive
//! JPEG, the planes of a WebP (see their sources). That is calculated here from the headers. A file that inflates to more
//! than its pixels need is refused here, where counting takes no memory.

use std::io::{self, Write};

use flate2::write::ZlibDecoder;

/// The most bytes of text or colour profile in an image.
const MAX_EXTRA: u64 = 4 << 20;

/// The type and data of each complete chunk of a PNG.
fn png_chunks(file: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = file.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, after) = rest.split_at_checked(8)?;
        let length = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        let (data, crc) = after.split_at_checked(length)?;
        rest = crc.get(4..).unwrap_or_default();
        Some((&head[4..], data))
    })
}

/// Whether a PNG inflates to more than an image of `size` bytes needs: a decompression bomb, which the decoder would inflate
/// whole.
pub fn png_is_bomb(file: &[u8], size: u64) -> bool {
    let data = png_chunks(file).filter(|(kind, _)| kind == b"IDAT").map(|(_, data)| data);
    // Each row has a byte more than its pixels, and an interlaced one several.
    if inflates_beyond(2 * size + MAX_EXTRA, data) {
        return true;
    }
    png_chunks(file).filter(|(kind, _)| [&b"iCCP"[..], b"zTXt"].contains(kind)).any(|(_, data)| {
        // A name, a zero byte and the method come first.
        let packed = data.iter().position(|byte| *byte == 0).and_then(|end| data.get(end + 2..)).unwrap_or_default();
        inflates_beyond(MAX_EXTRA, [packed])
    })
}

fn inflates_beyond<'a>(limit: u64, packed: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut unpacked = ZlibDecoder::new(Counter { left: limit, full: false });
    for data in packed {
        if unpacked.write_all(data).is_err() {
            break; // full, or invalid zlib data, which the decoder reports
        }
    }
    let _ = unpacked.flush(); // the same
    unpacked.get_ref().full
}

/// Counts the bytes written and discards them.
struct Counter {
    left: u64,
    full: bool,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => self.left = left,
            None => self.full = true,
        }
        if self.full { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How a JPEG is coded, up to where its first scan starts.
pub struct JpegScan<'a> {
    /// Bytes that the decoder needs for each pixel in addition to the image.
    pub extra: u64,
    data: &'a [u8],
}

impl<'a> JpegScan<'a> {
    /// `None` when the file has no scan.
    pub fn find(file: &'a [u8]) -> Option<Self> {
        let (mut rest, mut frame) = (file.get(2..)?, None);
        loop {
            let marker = *rest.get(1).filter(|_| rest[0] == 0xff)?;
            if marker == 0xff {
                rest = &rest[1..]; // padding
                continue;
            }
            let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
            let segment = rest.get(4..2 + length)?;
            rest = &rest[2 + length..];
            match marker {
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb => frame = Some((marker, *segment.get(5)?)),
                0xda => {
                    let (kind, components) = frame?;
                    // A single scan is decoded row by row; with several, all coefficients are kept until the last.
                    let one_scan = kind <= 0xc1 && *segment.first()? == components;
                    let extra = if one_scan { 0 } else { 2 * u64::from(components) };
                    return Some(Self { extra, data: rest });
                }
                _ => {}
            }
        }
    }

    /// Whether the end marker is there. The decoder fills a missing part with grey.
    pub fn is_whole(&self) -> bool {
        self.data.windows(2).any(|pair| pair == [0xff, 0xd9])
    }
}

/// Whether every chunk of a WebP lies within the file and its image has the announced size: the decoder allocates what they
/// claim.
pub fn webp_is_sound(file: &[u8], (width, height): (u32, u32)) -> bool {
    let mut rest = file.get(12..).unwrap_or_default();
    while let Some((head, after)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let Some(data) = after.get(..length) else { return false };
        if &head[..4] == b"VP8 " {
            let side =
                |at: usize| data.get(at..at + 2).map(|side| u32::from(u16::from_le_bytes([side[0], side[1]]) & 0x3fff));
            if side(6) != Some(width) || side(8) != Some(height) {
                return false;
            }
        }
        rest = after.get(length.next_multiple_of(2)..).unwrap_or_default();
    }
    true
}
