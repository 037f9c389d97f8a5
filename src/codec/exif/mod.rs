//! EXIF blocks: read as far as needed to turn the picture upright, patched in place so that nothing else in them moves.
//!
//! A block is a small TIFF file: a byte order, the offset of a first directory ("IFD0"), and in each directory 12-byte
//! entries of tag, type, count and a value or the offset of one. Maker notes hold offsets of their own, so a block is
//! never laid out anew; what would be wrong after upscaling is overwritten where it stands.

mod fields;

pub(super) use fields::{DESCRIPTIVE, Field, Fields, swap_order};

use super::orientation::Orientation;
use crate::geometry::Size;

pub(super) const ORIENTATION: u16 = 0x0112;
pub(super) const EXIF_DIRECTORY: u16 = 0x8769;
pub(super) const GPS_DIRECTORY: u16 = 0x8825;
pub(super) const INTEROP_DIRECTORY: u16 = 0xA005;
const IMAGE_WIDTH: u16 = 0x0100;
const IMAGE_HEIGHT: u16 = 0x0101;
const PIXEL_WIDTH: u16 = 0xA002;
const PIXEL_HEIGHT: u16 = 0xA003;

const SHORT: u16 = 3;
const LONG: u16 = 4;

/// A block if `bytes` are one, without the `Exif\0\0` that some files put in front.
pub(super) fn accept(bytes: &[u8]) -> Option<Vec<u8>> {
    let block = bytes.strip_prefix(b"Exif\0\0").unwrap_or(bytes);
    let view = View::new(block)?;
    let first = view.first()?;
    (!view.entries(first).is_empty()).then(|| block.to_vec())
}

/// How the rows stored beside `block` must be turned.
pub(super) fn orientation(block: &[u8]) -> Orientation {
    let value = View::new(block).and_then(|view| {
        let entries = view.entries(view.first()?);
        let entry = entries.iter().find(|e| e.tag == ORIENTATION)?;
        view.number(entry)
    });
    Orientation::from_exif(value.and_then(|v| u16::try_from(v).ok()).unwrap_or(1))
}

/// Says in `block` that the rows are upright, and unhooks the thumbnail, which shows the picture as it was. Where the
/// thumbnail stands at the end, as it does in every camera's file, its bytes go as well.
pub(super) fn make_upright(block: &mut Vec<u8>) {
    set_number(block, Place::First, ORIENTATION, 1);
    let Some((link, kept)) = View::new(block).and_then(|view| {
        let first = view.first()?;
        let link = first + 2 + 12 * view.entries(first).len();
        Some((link, view.reach()))
    }) else {
        return;
    };
    let Some(next) = block.get_mut(link..link + 4) else { return };
    let had_thumbnail = next.iter().any(|&b| b != 0);
    next.fill(0);
    if had_thumbnail && kept < block.len() {
        block.truncate(kept.max(link + 4));
    }
}

/// Writes `size` over whatever `block` says of the picture's dimensions.
pub(super) fn set_size(block: &mut [u8], size: Size) {
    let (Ok(width), Ok(height)) = (u32::try_from(size.width), u32::try_from(size.height)) else { return };
    set_number(block, Place::First, IMAGE_WIDTH, width);
    set_number(block, Place::First, IMAGE_HEIGHT, height);
    set_number(block, Place::Exif, PIXEL_WIDTH, width);
    set_number(block, Place::Exif, PIXEL_HEIGHT, height);
}

/// Overwrites the one number of `tag` in the first directory of `block`, if it is there.
pub(super) fn set_first(block: &mut [u8], tag: u16, value: u32) {
    set_number(block, Place::First, tag, value);
}

/// Which directory to look in.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    First,
    Exif,
}

/// Overwrites the one number of `tag`, if it is there. A SHORT that is too small becomes a LONG; both fit in the entry.
fn set_number(block: &mut [u8], place: Place, tag: u16, value: u32) {
    let found = View::new(block).and_then(|view| {
        let directory = if place == Place::First { view.first() } else { view.linked(view.first()?, EXIF_DIRECTORY) }?;
        let entry = view.entries(directory).into_iter().find(|e| e.tag == tag && e.count == 1)?;
        Some((view.little, entry))
    });
    let Some((little, entry)) = found else { return };
    let kind = match (entry.kind, u16::try_from(value)) {
        (SHORT, Ok(_)) => SHORT,
        (SHORT | LONG, _) => LONG,
        _ => return,
    };
    let put = |block: &mut [u8], at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    let short = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
    put(block, entry.at + 2, &short(kind));
    put(block, entry.at + 8, &[0; 4]);
    if kind == SHORT {
        put(block, entry.at + 8, &short(value as u16));
    } else {
        put(block, entry.at + 8, &if little { value.to_le_bytes() } else { value.to_be_bytes() });
    }
}

/// Bytes of one value of a TIFF type; `None` for a type that TIFF does not know.
fn size_of_kind(kind: u16) -> Option<usize> {
    Some(match kind {
        1 | 2 | 6 | 7 => 1,
        SHORT | 8 => 2,
        LONG | 9 | 11 | 13 => 4,
        5 | 10 | 12 => 8,
        _ => return None,
    })
}

/// One entry of a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) tag: u16,
    pub(super) kind: u16,
    pub(super) count: u32,
    /// Where its 12 bytes begin.
    at: usize,
}

impl Entry {
    /// Bytes of its value; `None` for a type that TIFF does not know.
    fn length(&self) -> Option<usize> {
        size_of_kind(self.kind)?.checked_mul(self.count as usize)
    }
}

/// A block with its byte order; every access is checked.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    block: &'a [u8],
    pub(super) little: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(block: &'a [u8]) -> Option<Self> {
        let little = match block.get(..4)? {
            [b'I', b'I', 42, 0] => true,
            [b'M', b'M', 0, 42] => false,
            _ => return None,
        };
        Some(Self { block, little })
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = self.block.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let bytes = self.block.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// Where the first directory begins.
    pub(super) fn first(&self) -> Option<usize> {
        Some(self.long(4)? as usize)
    }

    /// The entries of the directory at `directory`, none where it does not lie wholly inside the block.
    pub(super) fn entries(&self, directory: usize) -> Vec<Entry> {
        let count = self.short(directory).unwrap_or(0) as usize;
        let inside = directory.checked_add(2 + 12 * count).is_some_and(|end| end <= self.block.len());
        let entry = |i: usize| {
            let at = directory + 2 + 12 * i;
            Some(Entry { tag: self.short(at)?, kind: self.short(at + 2)?, count: self.long(at + 4)?, at })
        };
        if inside { (0..count).filter_map(entry).collect() } else { Vec::new() }
    }

    /// The directory that `tag` in the directory at `from` leads to.
    pub(super) fn linked(&self, from: usize, tag: u16) -> Option<usize> {
        let entries = self.entries(from);
        Some(self.number(entries.iter().find(|e| e.tag == tag)?)? as usize)
    }

    /// The value of an entry that holds one SHORT or LONG.
    fn number(&self, entry: &Entry) -> Option<u32> {
        match (entry.kind, entry.count) {
            (SHORT, 1) => self.short(entry.at + 8).map(u32::from),
            (LONG | 13, 1) => self.long(entry.at + 8),
            _ => None,
        }
    }

    /// Where the value of `entry` begins and ends; `None` where it does not lie inside the block.
    fn extent(&self, entry: &Entry) -> Option<(usize, usize)> {
        let length = entry.length()?;
        let start = if length <= 4 { entry.at + 8 } else { self.long(entry.at + 8)? as usize };
        let end = start.checked_add(length)?;
        (end <= self.block.len()).then_some((start, end))
    }

    /// The bytes of `entry`, in the block's byte order.
    pub(super) fn value(&self, entry: &Entry) -> Option<&'a [u8]> {
        let (start, end) = self.extent(entry)?;
        self.block.get(start..end)
    }

    /// One past the last byte that the directories other than the thumbnail's hold or lead to.
    fn reach(&self) -> usize {
        let Some(first) = self.first() else { return self.block.len() };
        let exif = self.linked(first, EXIF_DIRECTORY);
        let gps = self.linked(first, GPS_DIRECTORY);
        let interop = exif.and_then(|exif| self.linked(exif, INTEROP_DIRECTORY));
        let mut reach = 8;
        for directory in [Some(first), exif, gps, interop].into_iter().flatten() {
            let entries = self.entries(directory);
            reach = reach.max(directory.saturating_add(2 + 12 * entries.len() + 4));
            for entry in &entries {
                reach = reach.max(self.extent(entry).map_or(0, |(_, end)| end));
            }
        }
        reach.min(self.block.len())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// A camera's block: orientation and maker in IFD0, pixel dimensions (one SHORT, one LONG) in the Exif directory, and
    /// a thumbnail behind it all.
    pub(in super::super) fn block(little: bool, orientation: u16) -> Vec<u8> {
        let s = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let l = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut out = if little { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        out.extend(l(8));
        let entry = |out: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: [u8; 4]| {
            out.extend(s(tag));
            out.extend(s(kind));
            out.extend(l(count));
            out.extend(value);
        };
        let pad = |v: u16| [s(v)[0], s(v)[1], 0, 0];
        out.extend(s(3));
        entry(&mut out, 0x010F, 2, 10, l(50)); // Make, at 50
        entry(&mut out, ORIENTATION, SHORT, 1, pad(orientation));
        entry(&mut out, EXIF_DIRECTORY, LONG, 1, l(60));
        out.extend(l(90)); // the thumbnail's directory
        out.extend(b"Telescope\0");
        assert_eq!(out.len(), 60);
        out.extend(s(2));
        entry(&mut out, PIXEL_WIDTH, SHORT, 1, pad(640));
        entry(&mut out, PIXEL_HEIGHT, LONG, 1, l(480));
        out.extend(l(0));
        assert_eq!(out.len(), 90);
        out.extend(s(2));
        entry(&mut out, 0x0201, LONG, 1, l(120));
        entry(&mut out, 0x0202, LONG, 1, l(5));
        out.extend(l(0));
        out.extend(b"THUMB");
        out
    }

    /// The value of `tag`, in IFD0 or else in the Exif directory.
    pub(in super::super) fn read(block: &[u8], tag: u16) -> Option<u32> {
        let view = View::new(block)?;
        let first = view.first()?;
        let directories = [Some(first), view.linked(first, EXIF_DIRECTORY)];
        let found = directories.into_iter().flatten().flat_map(|d| view.entries(d)).find(|e| e.tag == tag)?;
        view.number(&found)
    }

    #[test]
    fn upright_block_keeps_all_but_orientation_and_thumbnail() {
        for little in [true, false] {
            let mut patched = block(little, 6);
            assert_eq!(orientation(&patched), Orientation::from_exif(6));
            make_upright(&mut patched);
            assert_eq!(orientation(&patched), Orientation::UPRIGHT);
            assert_eq!(patched.len(), 90, "the thumbnail is cut off");
            let view = View::new(&patched).unwrap();
            let entries = view.entries(8);
            assert_eq!(view.value(&entries[0]), Some(b"Telescope\0".as_slice()));
            assert_eq!(patched[46..50], [0; 4], "no second directory");
        }
    }

    #[test]
    fn pixel_dimensions_follow_the_picture_even_past_a_short() {
        for little in [true, false] {
            let mut patched = block(little, 1);
            set_size(&mut patched, Size::new(70_000, 1_920));
            assert_eq!(read(&patched, PIXEL_WIDTH), Some(70_000));
            assert_eq!(read(&patched, PIXEL_HEIGHT), Some(1_920));
            set_size(&mut patched, Size::new(12, 34));
            assert_eq!(read(&patched, PIXEL_WIDTH), Some(12));
        }
    }

    #[test]
    fn damaged_blocks_neither_panic_nor_loop() {
        let whole = block(true, 3);
        for end in 0..whole.len() {
            let mut cut = whole[..end].to_vec();
            let _ = (accept(&cut), orientation(&cut));
            make_upright(&mut cut);
            set_size(&mut cut, Size::new(1, 1));
        }
        for at in 0..whole.len() {
            let mut bent = whole.clone();
            bent[at] = 0xFF;
            let _ = (accept(&bent), orientation(&bent));
            make_upright(&mut bent);
            set_size(&mut bent, Size::new(9, 9));
        }
    }

    #[test]
    fn prefix_is_taken_off_and_garbage_refused() {
        let plain = block(false, 1);
        assert_eq!(accept(&[b"Exif\0\0".as_slice(), &plain].concat()), Some(plain));
        assert_eq!(accept(b"not exif at all"), None);
        assert_eq!(accept(b""), None);
    }
}
