#![allow(clippy::unwrap_used)]

use super::*;
use crate::codec::frames::JpegEncoder;

fn shot(packing: Packing, size: Size, stride: usize, bytes: Vec<u8>) -> Shot {
    let format = Format { stride, ..Format::new(packing, size, Range::Studio, None) };
    Shot { format, bytes, ..Shot::empty() }
}

fn unpacked(shot: &Shot, crop: Option<&str>) -> Picture {
    let mut picture = Picture::empty();
    Unpacker::default().unpack(shot, crop.map(|crop| crop.parse().unwrap()), &mut picture).unwrap();
    picture
}

#[test]
fn yuyv_gives_luma_and_the_mean_of_two_rows_chroma() {
    // Two rows of four pixels, two bytes of padding behind each.
    let bytes = vec![1, 100, 2, 200, 3, 110, 4, 210, 9, 9, 5, 102, 6, 202, 7, 112, 8, 212, 9, 9];
    let picture = unpacked(&shot(Packing::Yuyv, Size::new(4, 2), 10, bytes), None);
    assert_eq!(picture.bytes, [1, 2, 3, 4, 5, 6, 7, 8, 101, 111, 201, 211]);
    assert_eq!(picture.header.chroma, Chroma::C420(Siting::Left));
    assert_eq!(picture.header.range, Some(Range::Studio));
}

#[test]
fn an_odd_yuyv_frame_keeps_its_last_column_and_row() {
    let bytes = vec![1, 100, 2, 200, 3, 110, 0, 210];
    let picture = unpacked(&shot(Packing::Yuyv, Size::new(3, 1), 8, bytes), None);
    assert_eq!(picture.bytes, [1, 2, 3, 100, 110, 200, 210]);
}

#[test]
fn nv12_and_planes_are_cut_with_their_strides() {
    // 4 × 4, stride 5.
    let luma: Vec<u8> = (0..20).collect();
    let pairs = [luma.clone(), vec![50, 60, 51, 61, 0, 0, 52, 62, 53, 63, 0, 0]].concat();
    let expected = [12, 13, 17, 18, 53, 63];
    assert_eq!(unpacked(&shot(Packing::Nv12, Size::new(4, 4), 5, pairs), Some("2x2+2+2")).bytes, expected);
    let planes = [luma, vec![50, 51, 0, 52, 53, 0], vec![60, 61, 0, 62, 63, 0]].concat();
    let chroma = Chroma::C420(Siting::Left);
    let cut = unpacked(&shot(Packing::Planar(chroma), Size::new(4, 4), 5, planes), Some("2x2+3+3"));
    assert_eq!((cut.bytes.as_slice(), cut.header.size), (&expected[..], Size::new(2, 2)));
}

#[test]
fn rgb_becomes_full_range() {
    // Red, white, black; by PIL: Image.new("RGB", (1, 1), colour).convert("YCbCr").
    for (colour, expected) in [([255, 0, 0], [76, 85, 255]), ([255; 3], [255, 128, 128]), ([0; 3], [0, 128, 128])] {
        let picture = unpacked(&shot(Packing::Rgb24, Size::new(1, 1), 3, colour.to_vec()), None);
        assert_eq!(picture.bytes, expected);
        assert_eq!(picture.header.range, Some(Range::Full));
    }
}

#[test]
fn a_jpeg_tells_its_own_size_and_is_cut_like_the_rest() {
    let whole = Picture {
        header: header(Size::new(32, 16), Chroma::C420(Siting::Centre), Range::Full),
        bytes: [vec![90; 512], vec![100; 128], vec![140; 128]].concat(),
    };
    let mut jpeg = Vec::new();
    JpegEncoder::new(95).encode(&whole.header, &whole.bytes, &mut jpeg).unwrap();
    // The driver said something else.
    let cut = unpacked(&shot(Packing::Jpeg, Size::new(640, 480), 0, jpeg), Some("2"));
    assert_eq!(cut.header.size, Size::new(16, 8));
    assert!(cut.bytes[..128].iter().all(|&code| code.abs_diff(90) < 3));
}

#[test]
fn padding_behind_the_last_row_may_be_left_out() {
    let chroma = Chroma::C420(Siting::Left);
    for (packing, bytes) in [
        (Packing::Planar(Chroma::Mono), 6 * 3 + 4),
        (Packing::Planar(chroma), 6 * 4 + 3 * 2 + 3 + 2),
        (Packing::Nv12, 6 * 4 + 6 + 4),
        (Packing::Yuyv, 10 * 3 + 8),
    ] {
        let stride = if packing == Packing::Yuyv { 10 } else { 6 };
        let mut picture = Picture::empty();
        let mut unpack = |bytes| {
            Unpacker::default().unpack(&shot(packing, Size::new(4, 4), stride, vec![9; bytes]), None, &mut picture)
        };
        assert!(unpack(bytes).is_ok() && unpack(bytes - 1).is_err(), "{packing}");
    }
}

#[test]
fn frames_that_are_too_short_are_refused() {
    for (packing, _) in Packing::ALL {
        let size = Size::new(16, 16);
        let whole = shot(packing, size, packing.row_bytes(16), vec![0; 5 * 256]);
        let mut picture = Picture::empty();
        if packing != Packing::Jpeg {
            Unpacker::default().unpack(&whole, None, &mut picture).unwrap();
        }
        for length in [0, 1, 255] {
            let short = Shot { bytes: vec![0; length], ..whole.clone() };
            let error = Unpacker::default().unpack(&short, None, &mut picture).unwrap_err();
            assert_eq!(error.kind(), crate::error::Kind::Input, "{packing} {length}");
        }
    }
}

#[test]
fn regions_stay_inside_and_on_whole_groups() {
    let inside = |text: &str| {
        let rect = text.parse::<Crop>().unwrap().inside(Size::new(101, 50), (2, 2));
        [rect.x, rect.y, rect.size.width, rect.size.height]
    };
    assert_eq!(inside("2"), [24, 12, 52, 26]);
    assert_eq!(inside("1"), [0, 0, 101, 50]);
    assert_eq!(inside("11x7+99+49"), [88, 42, 12, 8]);
    assert_eq!(inside("900x900+5+5"), [0, 0, 101, 50]);
    assert_eq!(inside("1x1+7+7"), [6, 6, 2, 2]);
    for bad in ["0.5", "", "x", "0x4", "4x4+1", "4x4+1+2+3", "4x4+-1+2", "nan", "1e9"] {
        assert!(bad.parse::<Crop>().is_err(), "{bad}");
    }
}
