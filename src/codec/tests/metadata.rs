//! What travels beside the samples.

use super::super::{exif, icc};
use super::*;

fn all_metadata(orientation: u16) -> Metadata {
    Metadata { icc: Some(icc::tests::profile(*b"RGB ", 150_000)), exif: Some(exif::tests::block(false, orientation)) }
}

#[test]
fn profile_and_exif_go_through_every_format_in_turn() {
    let mut picture = Picture::smooth(Size::new(40, 30), Layout::Rgb, Depth::Eight).with(all_metadata(1));
    let profile = picture.info.metadata.icc.clone();
    for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff, Format::Png] {
        let back = decode(&picture.encode(format, &EncodeOptions::default()));
        assert_eq!(back.info.metadata.icc, profile, "{format:?}"); // 150 kB: three segments in a JPEG
        let block = back.info.metadata.exif.as_deref().expect("EXIF is kept");
        assert_eq!(exif::tests::read(block, exif::ORIENTATION), Some(1), "{format:?}");
        assert_eq!(exif::tests::read(block, 0xA002), Some(40), "{format:?}: the width is the picture's");
        assert_eq!(exif::tests::read(block, 0xA003), Some(30), "{format:?}: the height is the picture's");
        assert!(block.windows(9).any(|w| w == b"Telescope"), "{format:?}: the maker is kept");
        assert!(!block.windows(5).any(|w| w == b"THUMB"), "{format:?}: the thumbnail is not");
        picture = Picture { info: back.info, samples: picture.samples };
    }
}

#[test]
fn rows_come_upright_from_every_format_and_orientation() {
    let stored = Picture::smooth(Size::new(48, 32), Layout::Rgb, Depth::Eight);
    let options = EncodeOptions { jpeg_quality: 100, webp_lossless: true, ..EncodeOptions::default() };
    let at = |picture: &Picture, x: usize, y: usize| {
        let start = (y * picture.info.size.width + x) * 3;
        picture.samples[start..start + 3].to_vec()
    };
    for orientation in 1..=8 {
        let (w, h) = (47, 31);
        // Where the stored pixel (5, 7) belongs, after the EXIF standard's description of each value.
        let (x, y) = match orientation {
            1 => (5, 7),
            2 => (w - 5, 7),
            3 => (w - 5, h - 7),
            4 => (5, h - 7),
            5 => (7, 5),
            6 => (h - 7, 5),
            7 => (h - 7, w - 5),
            _ => (7, w - 5),
        };
        let metadata = Metadata { icc: None, exif: Some(exif::tests::block(true, orientation)) };
        let picture = stored.clone().with(metadata);
        for format in [Format::Png, Format::Jpeg, Format::WebP] {
            let back = decode(&picture.encode(format, &options));
            let turned = orientation >= 5;
            assert_eq!(back.info.size, if turned { Size::new(32, 48) } else { Size::new(48, 32) });
            assert_eq!(back.info.streams, format == Format::Png && orientation == 1);
            for (ours, theirs) in at(&stored, 5, 7).iter().zip(at(&back, x, y)) {
                assert!((ours - theirs).abs() < 0.02, "{format:?} {orientation}: {ours} {theirs}");
            }
            let block = back.info.metadata.exif.unwrap();
            assert_eq!(exif::tests::read(&block, exif::ORIENTATION), Some(1));
        }
    }
}

#[test]
fn tiff_orientation_is_its_own_tag() {
    let picture = Picture::smooth(Size::new(20, 10), Layout::Rgb, Depth::Sixteen);
    let mut bytes = picture.encode(Format::Tiff, &EncodeOptions::default());
    // The file's directory stands at its end; a copy of the block's reader cannot be used, so the entry is looked up by
    // its 12 bytes: tag 0x0112, SHORT, one value, 1.
    let entry = [0x12, 1, 3, 0, 1, 0, 0, 0, 1, 0, 0, 0];
    let found = bytes.windows(12).position(|w| w == entry).unwrap();
    bytes[found + 8] = 6;
    let back = decode(&bytes);
    assert_eq!(back.info.size, Size::new(10, 20));
    let first: Vec<f32> = picture.samples[20 * 9 * 3..][..3].to_vec();
    assert_eq!(back.samples[..3], first, "the lower left corner comes to the upper left");
}

#[test]
fn profiles_that_do_not_describe_the_rows_are_dropped() {
    let grey_profile = Metadata { icc: Some(icc::tests::profile(*b"GRAY", 400)), exif: None };
    let grey = Picture::smooth(Size::new(20, 20), Layout::Grey, Depth::Eight).with(grey_profile.clone());
    assert!(decode(&grey.encode(Format::Png, &EncodeOptions::default())).info.metadata.icc.is_some());
    assert!(decode(&grey.encode(Format::Jpeg, &EncodeOptions::default())).info.metadata.icc.is_some());
    assert!(decode(&grey.encode(Format::WebP, &EncodeOptions::default())).info.metadata.icc.is_none());
    let colour = Picture::smooth(Size::new(20, 20), Layout::Rgb, Depth::Eight).with(grey_profile);
    assert!(decode(&colour.encode(Format::Png, &EncodeOptions::default())).info.metadata.icc.is_none());
}

#[test]
fn exif_behind_the_pixels_of_a_png_is_found() {
    let picture = Picture::smooth(Size::new(6, 4), Layout::Rgb, Depth::Eight).with(all_metadata(6));
    let early = picture.encode(Format::Png, &EncodeOptions::default());
    let chunk = early.windows(4).position(|w| w == b"eXIf").unwrap() - 4;
    let length = u32::from_be_bytes(early[chunk..chunk + 4].try_into().unwrap()) as usize + 12;
    let moved = [
        &early[..chunk],
        &early[chunk + length..early.len() - 12],
        &early[chunk..chunk + length],
        &early[early.len() - 12..],
    ];
    let back = decode(&moved.concat());
    assert_eq!(back.info.size, Size::new(4, 6));
}
