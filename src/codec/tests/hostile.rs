//! Files that are damaged, cut off, or made to harm.

use super::kinds::{put_png_chunk, stored_zlib};
use super::*;
use crate::error::Kind;

/// A file of every kind.
pub(super) fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let picture = Picture::noise(Size::new(64, 48), Layout::Rgb, Depth::Eight);
    let deep = Picture::noise(Size::new(64, 48), Layout::Rgba, Depth::Sixteen);
    let options = EncodeOptions::default();
    let lossless = EncodeOptions { webp_lossless: true, ..options.clone() };
    let bytes: Vec<u8> = picture.quantised().into_iter().map(|v| v as u8).collect();
    let mut progressive = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut progressive, 90);
    encoder.set_progressive(true);
    encoder.encode(&bytes, 64, 48, jpeg_encoder::ColorType::Rgb).unwrap();
    let mut bitmap = Vec::new();
    image::codecs::bmp::BmpEncoder::new(&mut bitmap).encode(&bytes, 64, 48, image::ExtendedColorType::Rgb8).unwrap();
    let mut animation = Vec::new();
    let palette: Vec<u8> = (0..=255).flat_map(|v| [v, v, v]).collect();
    let mut encoder = gif::Encoder::new(&mut animation, 64, 48, &palette).unwrap();
    let frame = gif::Frame { width: 64, height: 48, buffer: bytes[..64 * 48].into(), ..gif::Frame::default() };
    encoder.write_frame(&frame).unwrap();
    drop(encoder);
    vec![
        ("PNG", picture.encode(Format::Png, &options)),
        ("16-bit PNG", deep.encode(Format::Png, &options)),
        ("JPEG", picture.encode(Format::Jpeg, &options)),
        ("progressive JPEG", progressive),
        ("WebP", picture.encode(Format::WebP, &options)),
        ("lossless WebP", picture.encode(Format::WebP, &lossless)),
        ("TIFF", deep.encode(Format::Tiff, &options)),
        ("BMP", bitmap),
        ("GIF", animation),
        ("PNM", [b"P6 64 48 255\n".as_slice(), &bytes].concat()),
    ]
}

#[test]
fn files_cut_off_anywhere_are_input_errors() {
    for (name, bytes) in samples() {
        decode(&bytes);
        for tenth in 0..10 {
            let end = bytes.len() * tenth / 10;
            let error = decode_within(&bytes[..end], &Limits::default()).expect_err(name);
            assert_eq!(error.kind(), Kind::Input, "{name} at {tenth}/10: {error}");
        }
    }
}

#[test]
fn bent_bytes_never_panic() {
    for (name, bytes) in samples() {
        let step = (bytes.len() / 60).max(1);
        for at in (0..bytes.len().min(64)).chain((64..bytes.len()).step_by(step)) {
            for value in [0, 0x7F, 0xFF] {
                let mut bent = bytes.clone();
                bent[at] = value;
                // Many of these still decode; what counts is that all of them return.
                if let Err(error) = decode_within(&bent, &Limits { decoded: 1 << 26, ..Limits::default() }) {
                    assert!(matches!(error.kind(), Kind::Input | Kind::Limit), "{name} {at}: {error}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_picture_is_said_to_be_none() {
    for bytes in [b"".as_slice(), b"hello", b"%PDF-1.7 and so on", &[0; 500]] {
        let error = decode_within(bytes, &Limits::default()).expect_err("no picture");
        assert_eq!(error.kind(), Kind::Input);
        assert!(error.to_string().contains("PNG, JPEG"), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(open(folder.path(), &Limits::default()).err().unwrap().kind(), Kind::Input);
    let missing = open(&folder.path().join("missing.png"), &Limits::default()).err().unwrap();
    assert_eq!(missing.kind(), Kind::Io);
    assert!(missing.to_string().contains("missing.png"));
}

/// A PNG header that promises `width` × `height` grey pixels, and next to none of them.
fn promising_png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    put_png_chunk(&mut bytes, *b"IHDR", &header);
    put_png_chunk(&mut bytes, *b"IDAT", &stored_zlib(&[0; 100]));
    put_png_chunk(&mut bytes, *b"IEND", &[]);
    bytes
}

#[test]
fn bombs_are_refused_from_the_header_with_the_option_that_lets_them_pass() {
    let refused = |bytes: &[u8], limits: &Limits, option: &str| {
        let error = read_from(bytes, limits).err().expect("refused");
        assert_eq!(error.kind(), Kind::Limit, "{error}");
        assert!(error.to_string().contains(option), "{error}");
    };
    let limits = Limits::default();
    refused(&promising_png(2_000_000_000, 1), &limits, "--max-side");
    refused(&promising_png(65_000, 65_000), &limits, "--max-pixels");
    let mut jpeg =
        Picture::noise(Size::new(8, 8), Layout::Rgb, Depth::Eight).encode(Format::Jpeg, &EncodeOptions::default());
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]); // 30000 × 30000
    refused(&jpeg, &limits, "--max-decoded");
    let metadata = Metadata { icc: Some(super::super::icc::tests::profile(*b"RGB ", 5000)), exif: None };
    let profiled = Picture::noise(Size::new(8, 8), Layout::Rgb, Depth::Eight).with(metadata);
    for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff] {
        let bytes = profiled.encode(format, &EncodeOptions::default());
        refused(&bytes, &Limits { metadata: 1000, ..Limits::default() }, "--max-metadata");
    }
    refused(&jpeg, &Limits { input: 100, ..Limits::default() }, "--max-input");
    let zero = read_from(promising_png(0, 5).as_slice(), &limits).err().unwrap();
    assert_eq!(zero.kind(), Kind::Input, "{zero}");
}

#[test]
fn a_profile_that_unpacks_without_end_is_dropped() {
    // 20 MB of zeros pack to about 20 kB.
    let profile = vec![0; 20 << 20];
    let mut info = ::png::Info::with_size(4, 4);
    info.icc_profile = Some(profile.into());
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::with_info(&mut bytes, info).unwrap();
    encoder.set_color(::png::ColorType::Grayscale);
    encoder.write_header().unwrap().write_image_data(&[9; 16]).unwrap();
    assert!(bytes.len() < 200_000);
    let limits = Limits { metadata: 1 << 20, ..Limits::default() };
    match decode_within(&bytes, &limits) {
        Ok(picture) => assert_eq!(picture.info.metadata.icc, None),
        Err(error) => assert_eq!(error.kind(), Kind::Limit),
    }
}

#[test]
fn a_picture_that_unpacks_to_less_than_it_promises_is_an_error() {
    let error = decode_within(&promising_png(300, 300), &Limits::default()).expect_err("90,000 promised, 100 there");
    assert_eq!(error.kind(), Kind::Input);
}
