#![allow(clippy::unwrap_used)]

use super::super::mjpeg::tests::{picture, random};
use super::*;
use crate::error::Kind as ErrorKind;
use crate::y4m::{Chroma, Header, Siting, Writer};

/// A Y4M stream of frames full of their number.
pub(in crate::device::source) fn y4m(line: &str, frames: u8) -> Vec<u8> {
    let header = Header::parse(line).unwrap();
    let mut writer = Writer::new(Vec::new(), &header).unwrap();
    for number in 0..frames {
        writer.write_frame(&vec![number; header.frame_bytes()]).unwrap();
    }
    writer.into_inner()
}

const LINE: &str = "YUV4MPEG2 W4 H2 F25:1 C420jpeg XCOLORRANGE=FULL";

fn assemble(stream: &[u8], piece: usize) -> Result<Vec<Shot>> {
    let (mut assembler, mut shots) = (Assembler::new(), Vec::new());
    for (at, mut bytes) in stream.chunks(piece).enumerate() {
        while !bytes.is_empty() {
            let (used, whole) = assembler.take(bytes, Duration::from_secs(at as u64))?;
            assert!(used > 0 || whole, "no step forward");
            bytes = &bytes[used..];
            if whole {
                let mut shot = Shot::empty();
                assembler.give(&mut shot);
                shots.push(shot);
            }
        }
    }
    Ok(shots)
}

#[test]
fn both_kinds_are_told_by_their_beginning() {
    let rate = Header::parse(LINE).unwrap().rate;
    for (piece, before) in [(1, ""), (3, "GST_ARGUS: Creating output stream\n"), (64, "YYUV4MPEG2x\n")] {
        let shots = assemble(&[before.as_bytes(), &y4m(LINE, 3)].concat(), piece).unwrap();
        let packing = Packing::Planar(Chroma::C420(Siting::Centre));
        let format = Format::new(packing, Size::new(4, 2), Range::Full, rate);
        assert_eq!(shots.len(), 3);
        for (number, shot) in shots.iter().enumerate() {
            assert_eq!((shot.format, shot.number), (format, number as u64));
            assert_eq!(shot.bytes, vec![number as u8; 12]);
        }
        let jpegs = [picture(8, 8, &[3; 9]), picture(16, 8, &[4])];
        let shots = assemble(&[before.as_bytes(), &jpegs.concat()].concat(), piece).unwrap();
        assert_eq!(shots.iter().map(|shot| shot.bytes.clone()).collect::<Vec<_>>(), jpegs);
        assert_eq!(shots[1].format, Format::new(Packing::Jpeg, Size::new(16, 8), Range::Full, None));
    }
}

#[test]
fn a_frame_is_stamped_with_its_first_byte() {
    // In pieces of 9 the header has 6, a frame 2.
    let stream = y4m("YUV4MPEG2 W4 H2 F25:1 Ip C420jpeg", 3);
    let header = stream.len() - 3 * 18;
    let shots = assemble(&stream, 9).unwrap();
    let stamps: Vec<u64> = shots.iter().map(|shot| shot.taken.as_secs()).collect();
    assert_eq!(stamps, [0, 1, 2].map(|n| ((header + 18 * n) / 9) as u64));
}

#[test]
fn deep_huge_and_broken_headers_are_refused() {
    for (line, kind, part) in [
        ("YUV4MPEG2 W4 H2 C420p10\n", ErrorKind::Input, "-pix_fmt yuv420p"),
        ("YUV4MPEG2 W16384 H16384 C444\n", ErrorKind::Limit, "larger"),
        ("YUV4MPEG2 W0 H2\n", ErrorKind::Input, ""),
        ("YUV4MPEG2 It W2 H2\n", ErrorKind::Input, ""),
        ("YUV4MPEG2 \n", ErrorKind::Input, ""),
        (&format!("YUV4MPEG2 X{}", "a".repeat(3000)), ErrorKind::Limit, "2048"),
    ] {
        let error = assemble(line.as_bytes(), 10).unwrap_err();
        assert_eq!(error.kind(), kind, "{line}: {error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn garbage_without_end_is_an_error_at_last() {
    let error = assemble(&vec![7; PATIENCE as usize + 1], 1 << 16).unwrap_err();
    assert!(error.to_string().contains("no frame in 64 MB") && error.to_string().contains("yuv4mpegpipe"), "{error}");
}

#[test]
fn another_stream_may_follow_the_first() {
    let stream = [y4m(LINE, 2), y4m("YUV4MPEG2 W2 H2 Cmono", 2)].concat();
    let shots = assemble(&stream, 5).unwrap();
    let sizes: Vec<usize> = shots.iter().map(|shot| shot.bytes.len()).collect();
    assert_eq!(sizes, [12, 12, 4, 4]);
    assert_eq!(shots[3].format.packing, Packing::Planar(Chroma::Mono));
}

#[test]
fn planes_are_found_again_after_damage_anywhere() {
    let (clean, header) = (y4m(LINE, 9), y4m(LINE, 0).len());
    for at in header..header + 3 * 18 {
        for damage in [0, 1, 5, 17] {
            // Bytes lost, bytes too many.
            let lost = [&clean[..at], &clean[at + damage..]].concat();
            let more = [&clean[..at], &vec![0xf0; damage], &clean[at..]].concat();
            for (what, stream) in [("lost", lost), ("more", more)] {
                let shots = assemble(&stream, 4).unwrap();
                assert_eq!(shots.last().unwrap().bytes, [8; 12], "{damage} bytes {what} at {at}");
                assert!(shots.len() >= 6, "{damage} bytes {what} at {at}: {} frames", shots.len());
                assert!(damage == 0 || shots.last().unwrap().number >= shots.len() as u64 - 1);
            }
        }
    }
}

#[test]
fn mutated_streams_never_panic() {
    let clean = [y4m(LINE, 4), [picture(8, 8, &[3; 9]), picture(16, 8, &[4])].concat()];
    let mut state = 11;
    for round in 0..20_000 {
        let mut stream = clean[round % 2].clone();
        for _ in 0..=random(&mut state) % 5 {
            let at = random(&mut state) % stream.len();
            if random(&mut state).is_multiple_of(3) {
                stream.drain(at..(at + random(&mut state) % 9).min(stream.len()));
                stream.push(b'F');
            } else {
                stream[at] = random(&mut state) as u8;
            }
        }
        // Refused or read, both are well.
        if let Ok(shots) = assemble(&stream, 1 + random(&mut state) % 30) {
            assert!(shots.windows(2).all(|pair| pair[0].number < pair[1].number), "round {round}");
        }
    }
}
