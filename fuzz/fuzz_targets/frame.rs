//! A camera's frame as planes: any packing, size, row length and crop, and JPEGs.
#![no_main]

mod shared;

use upres::codec::frames::JpegDecoder;
use upres::device::shot::{Format, Packing, Picture, Shot};
use upres::device::unpack::{Crop, Unpacker};
use upres::geometry::Size;
use upres::y4m::{Chroma, Range, Siting};

const PACKINGS: [Packing; 9] = [
    Packing::Jpeg,
    Packing::Planar(Chroma::Mono),
    Packing::Planar(Chroma::C420(Siting::Centre)),
    Packing::Planar(Chroma::C420(Siting::Left)),
    Packing::Planar(Chroma::C422),
    Packing::Planar(Chroma::C444),
    Packing::Nv12,
    Packing::Yuyv,
    Packing::Rgb24,
];
/// Bytes before the frame: packing, width, height, row length, crop.
const HEAD: usize = 15;

fn look(bytes: &[u8]) {
    let Some((head, data)) = bytes.split_at_checked(HEAD) else { return };
    let number = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let packing = PACKINGS[usize::from(head[0]) % PACKINGS.len()];
    if packing == Packing::Jpeg {
        let mut planes = Vec::new();
        if let Ok(header) = JpegDecoder::default().decode(data, 1 << 16, &mut planes) {
            assert_eq!(planes.len(), header.frame_bytes());
        }
        return;
    }
    let range = if head[0] & 0x80 == 0 { Range::Full } else { Range::Studio };
    let format = Format { stride: number(5), ..Format::new(packing, Size::new(number(1), number(3)), range, None) };
    let crop = Crop::Pixels(Size::new(number(7), number(9)), (head[0] & 0x40 == 0).then(|| (number(11), number(13))));
    let mut shot = Shot::empty();
    (shot.format, shot.bytes) = (format, data.to_vec());
    let mut picture = Picture::empty();
    for crop in [None, Some(crop), Some(Crop::Zoom(1.0 + f64::from(head[7]) / 4.0))] {
        if Unpacker::default().unpack(&shot, crop, &mut picture).is_ok() {
            assert_eq!(picture.bytes.len(), picture.header.frame_bytes());
        }
    }
}

libfuzzer_sys::fuzz_target!(init: shared::begin(), |bytes: &[u8]| shared::enter(|| look(bytes)));
