//! A small picture in every format.

use super::Seeds;
use std::io::{Read, Seek};
use upres::codec::{self, EncodeOptions, Format, Metadata, PictureInfo, TiffCompression};
use upres::frame::{Depth, Layout};
use upres::geometry::Size;

const SIZE: Size = Size::new(17, 9);

fn encoded(format: Format, layout: Layout, depth: Depth, options: &EncodeOptions) -> Vec<u8> {
    let mut file = std::env::temp_dir();
    file.push(format!("upres-seed-{}.{}", std::process::id(), format.extension()));
    let info = PictureInfo { size: SIZE, layout, depth, metadata: metadata(), streams: true };
    let mut sink = codec::create(&file, &info, options).unwrap_or_else(|error| panic!("{error}"));
    for y in 0..SIZE.height {
        let row: Vec<f32> = (0..SIZE.width * layout.channels()).map(|x| ((x * 31 + y * 17) % 64) as f32 / 63.0).collect();
        sink.write_row(&row).unwrap_or_else(|error| panic!("{error}"));
    }
    sink.finish().unwrap_or_else(|error| panic!("{error}"));
    let mut bytes = Vec::new();
    let mut written = std::fs::File::open(&file).unwrap_or_else(|error| panic!("{error}"));
    written.rewind().and_then(|()| written.read_to_end(&mut bytes)).unwrap_or_else(|error| panic!("{error}"));
    let _ = std::fs::remove_file(&file);
    bytes
}

/// An EXIF block that says "turned".
fn metadata() -> Metadata {
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    Metadata { icc: None, exif: Some(exif) }
}

fn bitmap() -> Vec<u8> {
    let (width, height) = (4_u32, 3_u32);
    let mut bytes = b"BM".to_vec();
    for number in [54 + 12 * height, 0, 54, 40, width, height, 1 | 24 << 16, 0, 12 * height, 2835, 2835, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend((0..12 * height).map(|n| n as u8 * 7));
    bytes
}

/// One pixel, with a transparent colour.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

pub(crate) fn write() {
    let mut pictures = Seeds::of("picture");
    let plain = EncodeOptions::default();
    let lossless = EncodeOptions { webp_lossless: true, ..plain.clone() };
    for layout in [Layout::Grey, Layout::Rgb, Layout::Rgba] {
        for format in [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff] {
            pictures.put(encoded(format, layout, Depth::Eight, &plain));
        }
        pictures.put(encoded(Format::WebP, layout, Depth::Eight, &lossless));
        pictures.put(encoded(Format::Png, layout, Depth::Sixteen, &plain));
        for tiff_compression in [TiffCompression::None, TiffCompression::Lzw] {
            let options = EncodeOptions { tiff_compression, ..plain.clone() };
            pictures.put(encoded(Format::Tiff, layout, Depth::Sixteen, &options));
        }
    }
    pictures.put(bitmap());
    pictures.put(GIF);
    pictures.put(b"P6 2 2 255\nabcdefghijkl");
    pictures.put(b"P5\n# c\n3 2 65535\nabcdefghijkl");
    pictures.put(b"P3 1 1 9 1 2 3");
    pictures.put(b"P1 3 1 0 1 0");
    pictures.put(b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\nabcd");
}
