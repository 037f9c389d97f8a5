#![allow(clippy::unwrap_used)]

use super::*;

/// A JPEG in outline: a thumbnail in its APP1, tables, `coded` bytes with stuffed zeros and restarts among them.
pub(in crate::device::source) fn picture(width: u16, height: u16, coded: &[u8]) -> Vec<u8> {
    let mut jpeg = vec![0xff, 0xd8, 0xff, 0xe1, 0, 22];
    jpeg.extend_from_slice(b"Exif\0\0");
    jpeg.extend_from_slice(&[0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 2, 0xff, 0xd9, 0xff, 0xd9, 7, 7]);
    jpeg.extend_from_slice(&[0xff, 0xff, 0xdb, 0, 4, 9, 9, 0xff, 0xc0, 0, 11, 8]);
    jpeg.extend_from_slice(&height.to_be_bytes());
    jpeg.extend_from_slice(&width.to_be_bytes());
    jpeg.extend_from_slice(&[1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
    for &byte in coded {
        jpeg.push(byte);
        if byte == 0xff {
            jpeg.push(0);
        }
    }
    jpeg.extend_from_slice(&[0xff, 0xd3, 5, 0xff, 0xd9]);
    jpeg
}

/// All pictures of `stream`, which comes in pieces of `piece` bytes.
fn split(splitter: &mut Splitter, stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let (mut pictures, mut buffer) = (Vec::new(), Vec::new());
    for mut bytes in stream.chunks(piece) {
        while !bytes.is_empty() {
            let (used, whole) = splitter.take(bytes, Duration::ZERO);
            assert!(used > 0, "no step forward");
            bytes = &bytes[used..];
            if whole {
                splitter.give(&mut buffer);
                pictures.push(buffer.clone());
            }
        }
    }
    pictures
}

fn three() -> [Vec<u8>; 3] {
    [picture(320, 240, &[1, 2, 3]), picture(8, 8, &[0xff; 9]), picture(640, 480, &[0; 40])]
}

/// A random number generator (splitmix64), so that every run sees the same.
pub(in crate::device::source) fn random(state: &mut u64) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 1) as usize
}

#[test]
fn pictures_come_out_whole_whatever_the_pieces() {
    let pictures = three();
    let stream = pictures.concat();
    for piece in [1, 2, 3, 5, 7, 64, 1000] {
        let mut splitter = Splitter::new(MOST_BYTES);
        assert_eq!(split(&mut splitter, &stream, piece), pictures, "pieces of {piece}");
        assert_eq!(splitter.skipped(), Skipped::default());
    }
}

#[test]
fn size_and_time_come_with_a_picture() {
    let mut splitter = Splitter::new(MOST_BYTES);
    let jpeg = picture(640, 480, &[1]);
    assert_eq!(splitter.take(b"\r\n", Duration::from_secs(1)), (2, false));
    assert_eq!(splitter.take(&jpeg[..1], Duration::from_secs(2)), (1, false));
    assert!(!splitter.is_inside());
    assert_eq!(splitter.take(&jpeg[1..30], Duration::from_secs(3)), (29, false));
    assert!(splitter.is_inside());
    assert_eq!(splitter.take(&jpeg[30..], Duration::from_secs(4)), (jpeg.len() - 30, true));
    let mut buffer = vec![9; 3];
    assert_eq!(splitter.give(&mut buffer), (Size::new(640, 480), Duration::from_secs(2)));
    assert_eq!(buffer, jpeg);
}

#[test]
fn a_stream_cut_anywhere_goes_on_with_the_next_picture() {
    let [first, second, third] = three();
    // A length that was cut off may claim 64 KiB of what follows.
    let rest = [second, third.clone()].concat().repeat(600);
    let coded = first.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap() + 10;
    for cut in 0..=first.len() {
        let found = split(&mut Splitter::new(MOST_BYTES), &[&first[..cut], &rest].concat(), 700);
        assert_eq!(found.last(), Some(&third), "cut at {cut}");
        let all = 1200 + usize::from(cut == first.len());
        assert!(found.len() == all || (2..coded).contains(&cut), "cut at {cut}: {} pictures", found.len());
    }
}

#[test]
fn what_lies_between_pictures_is_counted() {
    let pictures = three();
    let mut stream = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    for jpeg in &pictures {
        stream.extend_from_slice(b"--boundary\r\nContent-Type: image/jpeg\r\nContent-Length: 99\r\n\r\n");
        stream.extend_from_slice(jpeg);
        stream.extend_from_slice(&[0xff, 0xff, 0xd8, 0xd8, 0xd9]);
    }
    let mut splitter = Splitter::new(MOST_BYTES);
    assert_eq!(split(&mut splitter, &stream, 11), pictures);
    let bytes = (stream.len() - pictures.concat().len()) as u64;
    assert_eq!(splitter.skipped(), Skipped { bytes, frames: 0 });
}

#[test]
fn too_large_pictures_and_pictures_of_nothing_are_left_out() {
    let [first, second, _] = three();
    let large = picture(8, 8, &[1; 500]);
    let empty = [0xff, 0xd8, 0xff, 0xd9];
    let sizeless = picture(0, 8, &[1]);
    let stream = [&first, &large, &second, &empty[..], &second, &sizeless, &first].concat();
    let mut splitter = Splitter::new(large.len() - 1);
    assert_eq!(split(&mut splitter, &stream, 16), [first.clone(), second.clone(), second, first]);
    assert_eq!(splitter.skipped().frames, 3);
}

#[test]
fn mutations_do_no_harm_beyond_their_place() {
    let pictures = three();
    let clean = pictures.concat();
    let mut state = 5;
    for round in 0..20_000 {
        let mut stream = clean.clone();
        for _ in 0..=random(&mut state) % 4 {
            let at = random(&mut state) % stream.len();
            match random(&mut state) % 4 {
                0 => stream[at] = random(&mut state) as u8,
                1 => stream[at] = [0xff, 0xd8, 0xd9, 0xda, 0][random(&mut state) % 5],
                2 => drop(stream.drain(at..(at + random(&mut state) % 40).min(stream.len()))),
                _ => {
                    let garbage: Vec<u8> = (0..random(&mut state) % 40).map(|_| random(&mut state) as u8).collect();
                    drop(stream.splice(at..at, garbage));
                }
            }
            if stream.is_empty() {
                stream.push(0);
            }
        }
        // A mutated length may claim 64 KiB of what follows.
        let pause = vec![0; 70_000 * usize::from(round % 16 == 0)];
        let tail = if pause.is_empty() { clean.repeat(600) } else { [pause, clean.repeat(2)].concat() };
        let tail = if round % 64 == 0 || round % 16 == 0 { tail } else { clean.repeat(2) };
        stream.extend_from_slice(&tail);
        let mut splitter = Splitter::new(MOST_BYTES);
        let found = split(&mut splitter, &stream, 1 + random(&mut state) % 200);
        let given: usize = found.iter().map(Vec::len).sum();
        let inside = if splitter.is_inside() { splitter.frame.len() } else { 0 };
        assert_eq!(given as u64 + splitter.skipped().bytes + inside as u64, stream.len() as u64, "round {round}");
        if round % 64 == 0 || round % 16 == 0 {
            assert_eq!(found.last(), pictures.last(), "round {round}: not found again");
        }
        for jpeg in &found {
            assert!(jpeg.starts_with(&[0xff, 0xd8, 0xff]) && jpeg.ends_with(&[0xff, 0xd9]), "round {round}");
        }
    }
}

#[test]
fn buffers_go_round() {
    let jpeg = picture(8, 8, &[1; 400]);
    let (mut splitter, mut buffer) = (Splitter::new(MOST_BYTES), Vec::new());
    let mut seen = Vec::new();
    for _ in 0..6 {
        assert_eq!(splitter.take(&jpeg, Duration::ZERO), (jpeg.len(), true));
        splitter.give(&mut buffer);
        seen.push((buffer.as_ptr(), buffer.capacity()));
    }
    assert_eq!(seen[2..4], seen[4..6], "a buffer was allocated anew");
}
