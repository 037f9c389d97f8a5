//! TIFF layouts that are read but never written, laid out here by hand.

use super::*;

const SHORT: u16 = 3;
const LONG: u16 = 4;

/// A little-endian TIFF of one page: `tags` of type SHORT (several values in a list), and one block of samples a strip.
fn tiff_of((width, height): (u16, u16), tags: &[(u16, &[u16])], strips: &[&[u8]]) -> Vec<u8> {
    let mut file = b"II*\0".to_vec();
    let data_at = 8;
    let data: Vec<u8> = strips.concat();
    file.extend((data_at + data.len().next_multiple_of(2) as u32).to_le_bytes());
    file.extend(&data);
    file.resize(file.len().next_multiple_of(2), 0);
    let mut offset = data_at;
    let offsets: Vec<u8> = strips
        .iter()
        .flat_map(|s| {
            let at = offset;
            offset += s.len() as u32;
            at.to_le_bytes()
        })
        .collect();
    let lengths: Vec<u8> = strips.iter().flat_map(|s| (s.len() as u32).to_le_bytes()).collect();
    let mut fields: Vec<(u16, u16, Vec<u8>)> =
        tags.iter().map(|(tag, v)| (*tag, SHORT, v.iter().flat_map(|v| v.to_le_bytes()).collect())).collect();
    fields.push((0x100, SHORT, width.to_le_bytes().to_vec()));
    fields.push((0x101, SHORT, height.to_le_bytes().to_vec()));
    fields.push((0x111, LONG, offsets));
    fields.push((0x117, LONG, lengths));
    fields.sort();
    let mut values_at = file.len() + 2 + 12 * fields.len() + 4;
    let mut values = Vec::new();
    file.extend((fields.len() as u16).to_le_bytes());
    for (tag, kind, value) in fields {
        let count = value.len() / if kind == SHORT { 2 } else { 4 };
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend((count as u32).to_le_bytes());
        if value.len() <= 4 {
            file.extend([value.as_slice(), &[0; 4]].concat()[..4].to_vec());
        } else {
            file.extend((values_at as u32).to_le_bytes());
            values_at += value.len();
            values.extend(value);
        }
    }
    file.extend([0; 4]);
    file.extend(values);
    file
}

const BITS: u16 = 0x102;
const PHOTOMETRIC: u16 = 0x106;
const SAMPLES: u16 = 0x115;
const ROWS_PER_STRIP: u16 = 0x116;
const PLANAR: u16 = 0x11C;
const COLOUR_MAP: u16 = 0x140;
const EXTRA: u16 = 0x152;

fn read(size: (u16, u16), tags: &[(u16, &[u16])], strips: &[&[u8]]) -> (Layout, Depth, Vec<u16>) {
    let picture = decode(&tiff_of(size, tags, strips));
    (picture.info.layout, picture.info.depth, picture.quantised())
}

#[test]
fn palettes_are_looked_up() {
    // Four colours; the map holds all reds, then greens, then blues, in 16 bits.
    let map: Vec<u16> = [1, 2, 3, 4, 10, 20, 30, 40, 100, 110, 120, 130].iter().map(|v| v * 257).collect();
    let tags: &[(u16, &[u16])] = &[(BITS, &[2]), (PHOTOMETRIC, &[3]), (COLOUR_MAP, &map)];
    let expected = vec![4, 40, 130, 3, 30, 120, 2, 20, 110, 1, 10, 100, 1, 10, 100];
    assert_eq!(read((5, 1), tags, &[&[0b1110_0100, 0]]), (Layout::Rgb, Depth::Eight, expected));
}

#[test]
fn few_bits_are_stretched_and_white_may_be_zero() {
    assert_eq!(read((3, 2), &[(BITS, &[1]), (PHOTOMETRIC, &[1])], &[&[0xA0, 0x40]]).2, [255, 0, 255, 0, 255, 0]);
    assert_eq!(read((3, 2), &[(BITS, &[1]), (PHOTOMETRIC, &[0])], &[&[0xA0, 0x40]]).2, [0, 255, 0, 255, 0, 255]);
    assert_eq!(read((3, 1), &[(BITS, &[4]), (PHOTOMETRIC, &[1])], &[&[0x0F, 0x50]]).2, [0, 255, 85]);
    assert_eq!(read((2, 1), &[(BITS, &[8]), (PHOTOMETRIC, &[0])], &[&[1, 255]]).2, [254, 0]);
}

#[test]
fn inks_are_what_they_say() {
    let tags: &[(u16, &[u16])] = &[(BITS, &[8, 8, 8, 8]), (PHOTOMETRIC, &[5]), (SAMPLES, &[4])];
    // (255 - 55)(255 - 51) / 255 = 160; no ink is white; black ink is black.
    let expected = vec![160, 204, 0, 255, 255, 255, 0, 0, 0];
    let strip = [55, 0, 255, 51, 0, 0, 0, 0, 9, 9, 9, 255];
    assert_eq!(read((3, 1), tags, &[&strip]), (Layout::Rgb, Depth::Eight, expected));
}

#[test]
fn planes_are_woven_together() {
    let tags: &[(u16, &[u16])] = &[(BITS, &[8, 8, 8]), (PHOTOMETRIC, &[2]), (SAMPLES, &[3]), (PLANAR, &[2])];
    let planes: [&[u8]; 3] = [&[1, 2, 3, 4], &[11, 12, 13, 14], &[21, 22, 23, 24]];
    let expected = vec![1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24];
    assert_eq!(read((2, 2), tags, &planes), (Layout::Rgb, Depth::Eight, expected));
}

#[test]
fn colours_multiplied_by_alpha_are_divided_again() {
    let tags: &[(u16, &[u16])] = &[(BITS, &[8, 8, 8, 8]), (PHOTOMETRIC, &[2]), (SAMPLES, &[4]), (EXTRA, &[1])];
    let strip = [50, 100, 0, 100, 7, 7, 7, 0];
    assert_eq!(read((2, 1), tags, &[&strip]).2, [128, 255, 0, 100, 7, 7, 7, 0]);
    let straight: &[(u16, &[u16])] = &[(BITS, &[8, 8, 8, 8]), (PHOTOMETRIC, &[2]), (SAMPLES, &[4]), (EXTRA, &[2])];
    assert_eq!(read((2, 1), straight, &[&strip]).2, strip.map(u16::from));
}

#[test]
fn strips_stream_and_a_last_short_one_is_no_surprise() {
    let tags: &[(u16, &[u16])] = &[(BITS, &[8]), (PHOTOMETRIC, &[1]), (ROWS_PER_STRIP, &[2])];
    let bytes = tiff_of((2, 5), tags, &[&[1, 2, 3, 4], &[5, 6, 7, 8], &[9, 10]]);
    let back = decode(&bytes);
    assert!(back.info.streams);
    assert_eq!(back.quantised(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let lab: &[(u16, &[u16])] = &[(BITS, &[8, 8, 8]), (PHOTOMETRIC, &[9]), (SAMPLES, &[3])];
    for (tags, strip) in [(lab, [0; 3].as_slice()), (&[(BITS, &[12]), (PHOTOMETRIC, &[1])], &[0; 2])] {
        let error = decode_within(&tiff_of((1, 1), tags, &[strip]), &Limits::default()).expect_err("unsupported");
        assert_eq!(error.kind(), crate::error::Kind::Input, "{error}");
        assert!(error.to_string().contains("not read"), "{error}");
    }
}
