//! What a file says of itself, read before anything is decoded.
//!
//! The decoders hold to the limits of their output and know little of what they need beside it. Their sources say what
//! that is: the coefficients of a progressive JPEG, the planes of a WebP. So it is worked out here from the headers; and
//! what inflates to more than there is to see is refused here, where it costs a count and no memory.

use std::io::{self, Write};

use flate2::write::ZlibDecoder;

/// How much text or colour profile a picture may carry.
const MAX_EXTRA: u64 = 4 << 20;

/// Each chunk of a PNG, its type and data, as far as they are whole.
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

/// Whether a PNG holds more than a picture of this many bytes needs: a bomb, which no decoder would stop unpacking.
pub fn png_is_bomb(file: &[u8], picture: u64) -> bool {
    let data = png_chunks(file).filter(|(kind, _)| kind == b"IDAT").map(|(_, data)| data);
    // Each row has a byte more than its pixels, and an interlaced one several.
    if inflates_beyond(2 * picture + MAX_EXTRA, data) {
        return true;
    }
    png_chunks(file).filter(|(kind, _)| [&b"iCCP"[..], b"zTXt"].contains(kind)).any(|(_, data)| {
        // A name, a zero and the method come first.
        let packed = data.iter().position(|byte| *byte == 0).and_then(|end| data.get(end + 2..)).unwrap_or_default();
        inflates_beyond(MAX_EXTRA, [packed])
    })
}

fn inflates_beyond<'a>(limit: u64, packed: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let mut unpacked = ZlibDecoder::new(Room { left: limit, full: false });
    for data in packed {
        if unpacked.write_all(data).is_err() {
            break; // full, or no zlib at all, which the decoder will say
        }
    }
    let _ = unpacked.flush(); // the same
    unpacked.get_ref().full
}

/// Counts what is written and keeps none of it.
struct Room {
    left: u64,
    full: bool,
}

impl Write for Room {
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
    /// Bytes for each pixel that its decoder needs beside the picture.
    pub extra: u64,
    data: &'a [u8],
}

impl<'a> JpegScan<'a> {
    pub fn find(file: &'a [u8]) -> Option<Self> {
        let (mut rest, mut frame) = (file.get(2..)?, None);
        loop {
            let marker = *rest.get(1).filter(|_| rest[0] == 0xff)?;
            if marker == 0xff {
                rest = &rest[1..]; // filling
                continue;
            }
            let length = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
            let segment = rest.get(4..2 + length)?;
            rest = &rest[2 + length..];
            match marker {
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb => frame = Some((marker, *segment.get(5)?)),
                0xda => {
                    let (kind, components) = frame?;
                    // In one scan, a row at a time is decoded; in several, every coefficient is kept till the last.
                    let one_scan = kind <= 0xc1 && *segment.first()? == components;
                    let extra = if one_scan { 0 } else { 2 * u64::from(components) };
                    return Some(Self { extra, data: rest });
                }
                _ => {}
            }
        }
    }

    /// Whether its end is there. The decoder fills what is missing with grey.
    pub fn is_whole(&self) -> bool {
        self.data.windows(2).any(|pair| pair == [0xff, 0xd9])
    }
}

/// Whether every chunk of a WebP lies within the file, and its picture has the size that was announced: the decoder
/// would make room for what they claim.
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
