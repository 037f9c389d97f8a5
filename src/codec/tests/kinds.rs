//! Kinds of files that are read but never written: made here byte by byte or with their own encoders.

use super::*;

/// A PNG of raw `rows` (filter bytes included), with chunks between header and pixels.
fn png_of(
    size: Size,
    bits: png_crate::BitDepth,
    colour: png_crate::ColorType,
    setup: impl Fn(&mut png_crate::Encoder<'_, &mut Vec<u8>>),
    data: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png_crate::Encoder::new(&mut bytes, size.width as u32, size.height as u32);
    encoder.set_color(colour);
    encoder.set_depth(bits);
    setup(&mut encoder);
    encoder.write_header().unwrap().write_image_data(data).unwrap();
    bytes
}

use ::png as png_crate;

#[test]
fn palettes_and_few_bits_are_expanded() {
    use png_crate::{BitDepth, ColorType};
    // Indices 0 1 2 3 in two bits each.
    let palette = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120];
    let opaque =
        png_of(Size::new(4, 1), BitDepth::Two, ColorType::Indexed, |e| e.set_palette(palette.to_vec()), &[0b0001_1011]);
    let back = decode(&opaque);
    assert_eq!(back.info.layout, Layout::Rgb);
    assert_eq!(back.quantised(), palette.map(u16::from));
    let setup = |e: &mut png_crate::Encoder<'_, &mut Vec<u8>>| {
        e.set_palette(palette.to_vec());
        e.set_trns(vec![0, 128]);
    };
    let back = decode(&png_of(Size::new(4, 1), BitDepth::Two, ColorType::Indexed, setup, &[0b0001_1011]));
    assert_eq!(back.info.layout, Layout::Rgba);
    let alpha: Vec<u16> = back.quantised().into_iter().skip(3).step_by(4).collect();
    assert_eq!(alpha, [0, 128, 255, 255]);
    let back = decode(&png_of(Size::new(8, 1), BitDepth::One, ColorType::Grayscale, |_| {}, &[0b1010_0011]));
    assert_eq!(back.quantised(), [255, 0, 255, 0, 0, 0, 255, 255]);
    let back = decode(&png_of(Size::new(2, 1), BitDepth::Four, ColorType::Grayscale, |_| {}, &[0x1F]));
    assert_eq!(back.quantised(), [17, 255]);
}

#[test]
fn one_transparent_colour_of_sixteen_bits_becomes_alpha() {
    use png_crate::{BitDepth, ColorType};
    let data = [0x12, 0x34, 0x12, 0x35];
    let back = decode(&png_of(
        Size::new(2, 1),
        BitDepth::Sixteen,
        ColorType::Grayscale,
        |e| e.set_trns(vec![0x12, 0x34]),
        &data,
    ));
    assert_eq!((back.info.layout, back.info.depth), (Layout::GreyAlpha, Depth::Sixteen));
    assert_eq!(back.quantised(), [0x1234, 0, 0x1235, 65535]);
}

/// Interlaced PNGs as Pillow and libpng write them, 3×3, 16-bit RGB:
/// no encoder at hand interlaces, so the passes are laid out here: (0,0) alone; then columns 2 of row 0; row 2's columns 0 and
/// 2; column 1 of rows 0 and 2; and row 1.
#[test]
fn interlaced_pngs_are_held_and_exact() {
    let value = |x: u16, y: u16, c: u16| 1000 * x + 10_000 * y + 7 * c + 1;
    let passes: [&[(u16, u16)]; 5] = [&[(0, 0)], &[(2, 0)], &[(0, 2), (2, 2)], &[(1, 0)], &[(1, 2)]];
    let mut raw = Vec::new();
    let mut put_row = |pixels: &[(u16, u16)]| {
        raw.push(0);
        for &(x, y) in pixels {
            (0..3).for_each(|c| raw.extend(value(x, y, c).to_be_bytes()));
        }
    };
    for pass in passes {
        put_row(pass);
    }
    put_row(&[(0, 1), (1, 1), (2, 1)]);
    let mut bytes = png_of(Size::new(3, 3), png_crate::BitDepth::Sixteen, png_crate::ColorType::Rgb, |_| {}, &[0; 54]);
    bytes[28] = 1; // interlace method
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    let data = bytes.windows(4).position(|w| w == b"IDAT").unwrap() - 4;
    bytes.truncate(data);
    put_png_chunk(&mut bytes, *b"IDAT", &stored_zlib(&raw));
    put_png_chunk(&mut bytes, *b"IEND", &[]);
    let back = decode(&bytes);
    assert!(!back.info.streams);
    let expected: Vec<u16> =
        (0..3).flat_map(|y| (0..3).flat_map(move |x| (0..3).map(move |c| value(x, y, c)))).collect();
    assert_eq!(back.quantised(), expected);
}

/// Appends a chunk with its checksum.
pub(super) fn put_png_chunk(bytes: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    bytes.extend((content.len() as u32).to_be_bytes());
    let start = bytes.len();
    bytes.extend(kind);
    bytes.extend(content);
    let crc = crc32(&bytes[start..]);
    bytes.extend(crc.to_be_bytes());
}

/// The checksum of PNG's chunks, bit by bit (ISO 3309).
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// `raw` in one stored block of a zlib stream.
pub(super) fn stored_zlib(raw: &[u8]) -> Vec<u8> {
    let length = u16::try_from(raw.len()).unwrap();
    let (a, b) =
        raw.iter().fold((1_u32, 0_u32), |(a, b), &v| ((a + u32::from(v)) % 65521, (a + u32::from(v) + b) % 65521));
    let mut out = vec![0x78, 0x01, 1];
    out.extend(length.to_le_bytes());
    out.extend((!length).to_le_bytes());
    out.extend(raw);
    out.extend((b << 16 | a).to_be_bytes());
    out
}

#[test]
fn cmyk_jpegs_become_rgb_and_lose_their_profile() {
    use jpeg_encoder::{ColorType, Encoder};
    // Cyan, yellow and black inks: paper reflects (255 - ink)(255 - black) / 255.
    for (kind, inks) in [
        (ColorType::Cmyk, [200, 0, 90, 40]),
        (ColorType::CmykAsYcck, [0, 120, 255, 0]),
        (ColorType::Cmyk, [0, 0, 0, 255]),
    ] {
        let data: Vec<u8> = inks.repeat(16 * 16);
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 100);
        encoder.add_icc_profile(&super::super::icc::tests::profile(*b"CMYK", 500)).unwrap();
        encoder.encode(&data, 16, 16, kind).unwrap();
        let expected = [0, 1, 2].map(|i| ((255 - u32::from(inks[i])) * (255 - u32::from(inks[3])) + 127) / 255);
        let back = decode(&bytes);
        assert_eq!(back.info.layout, Layout::Rgb);
        assert_eq!(back.info.metadata.icc, None);
        for (i, value) in back.quantised().into_iter().enumerate() {
            assert!(
                u32::from(value).abs_diff(expected[i % 3]) <= 3,
                "{kind:?} {inks:?}: {value} for {}",
                expected[i % 3]
            );
        }
        // Without Adobe's marker the same bytes are inks, not light.
        if kind == ColorType::Cmyk {
            let marker = bytes.windows(5).position(|w| w == b"Adobe").unwrap();
            bytes[marker..marker + 5].copy_from_slice(b"Other");
            let stored = inks.map(|v| 255 - u32::from(v));
            let plain = [0, 1, 2].map(|i| ((255 - stored[i]) * (255 - stored[3]) + 127) / 255);
            let back = decode(&bytes).quantised();
            assert!(
                u32::from(back[0]).abs_diff(plain[0]) <= 3 && u32::from(back[2]).abs_diff(plain[2]) <= 3,
                "{back:?} {plain:?}"
            );
        }
    }
}

#[test]
fn progressive_jpegs_are_read_and_state_their_coefficients() {
    let picture = Picture::smooth(Size::new(160, 96), Layout::Rgb, Depth::Eight);
    let data: Vec<u8> = picture.quantised().into_iter().map(|v| v as u8).collect();
    let mut bytes = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 95);
    encoder.set_progressive(true);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.encode(&data, 160, 96, jpeg_encoder::ColorType::Rgb).unwrap();
    let difference = largest_difference(&picture, &decode(&bytes));
    assert!(difference < 12.0, "{difference}");
    let held = read_from(bytes.as_slice(), &Limits::default()).unwrap().held_bytes();
    assert_eq!(held, 160 * 96 * 3 + 160 * 96 * 3, "4:2:0 keeps 1.5 coefficients of 2 bytes for each pixel");
}

#[test]
fn gifs_give_their_first_frame() {
    let encode = |left: u16, transparent: Option<u8>| {
        let mut bytes = Vec::new();
        let mut encoder = gif::Encoder::new(&mut bytes, 3, 2, &[1, 2, 3, 40, 50, 60, 70, 80, 90]).unwrap();
        for shift in 0..2 {
            let width = 3 - left;
            let buffer: Vec<u8> = (0..width * 2).map(|i| ((i + shift) % 3) as u8).collect();
            let frame =
                gif::Frame { left, width, height: 2, transparent, buffer: buffer.into(), ..gif::Frame::default() };
            encoder.write_frame(&frame).unwrap();
        }
        drop(encoder);
        bytes
    };
    let back = decode(&encode(0, None));
    assert_eq!(back.info.layout, Layout::Rgb);
    assert_eq!(back.quantised(), [1, 2, 3, 40, 50, 60, 70, 80, 90].repeat(2));
    let back = decode(&encode(0, Some(1)));
    assert_eq!(back.info.layout, Layout::Rgba);
    assert_eq!(back.quantised()[..8], [1, 2, 3, 255, 0, 0, 0, 0]);
    let back = decode(&encode(1, None));
    assert_eq!(back.quantised()[..12], [0, 0, 0, 0, 1, 2, 3, 255, 40, 50, 60, 255]);
}

#[test]
fn anymaps_of_every_kind_are_read() {
    let samples = |bytes: &[u8]| {
        let picture = decode(bytes);
        (picture.info.layout, picture.info.depth, picture.quantised())
    };
    assert_eq!(samples(b"P5 2 1 255\n\x05\xFF"), (Layout::Grey, Depth::Eight, vec![5, 255]));
    assert_eq!(samples(b"P5\n# note\n2 1\n15\n\x01\x0F"), (Layout::Grey, Depth::Eight, vec![17, 255]));
    assert_eq!(samples(b"P5 1 1 65535\n\x12\x34"), (Layout::Grey, Depth::Sixteen, vec![0x1234]));
    assert_eq!(samples(b"P6 1 1 255\n\x01\x02\x03"), (Layout::Rgb, Depth::Eight, vec![1, 2, 3]));
    assert_eq!(samples(b"P2 2 1 255\n7 9\n"), (Layout::Grey, Depth::Eight, vec![7, 9]));
    assert_eq!(samples(b"P4 3 1\n\xA0"), (Layout::Grey, Depth::Eight, vec![0, 255, 0]));
    let pam = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\x01\x02\x03\x04";
    assert_eq!(samples(pam), (Layout::Rgba, Depth::Eight, vec![1, 2, 3, 4]));
}

#[test]
fn bitmaps_are_read_from_their_bottom_row_up() {
    let picture = Picture::noise(Size::new(5, 3), Layout::Rgb, Depth::Eight);
    let data: Vec<u8> = picture.quantised().into_iter().map(|v| v as u8).collect();
    let mut bytes = Vec::new();
    image::codecs::bmp::BmpEncoder::new(&mut bytes).encode(&data, 5, 3, image::ExtendedColorType::Rgb8).unwrap();
    assert_eq!(decode(&bytes).quantised(), picture.quantised());
}
