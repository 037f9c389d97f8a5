#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::card::{Card, Colour, Precision, Tiling};
use crate::geometry::Size;
use crate::progress::Unwatched;
use crate::upscale::{Generator, Plan, TileOptions};
use crate::y4m::{Header, Range};
use std::collections::BTreeMap;
use std::io::{Error as IoError, Result as IoResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Repeats every sample `scale` times along each side.
struct Repeat(Card);

struct Ready {
    planes: usize,
    scale: usize,
    input: Size,
}

impl Generator for Repeat {
    fn card(&self) -> &Card {
        &self.0
    }

    fn plan(&self, input: Size) -> Result<Box<dyn Plan>> {
        Ok(Box::new(Ready { planes: self.0.colour.planes(), scale: self.0.scale, input }))
    }
}

impl Plan for Ready {
    fn run(&mut self, input: &[f32], output: &mut [f32]) -> Result<()> {
        let (width, height) = (self.input.width * self.scale, self.input.height * self.scale);
        for (i, sample) in output.iter_mut().enumerate() {
            let (plane, y, x) = (i / (width * height), i / width % height / self.scale, i % width / self.scale);
            assert!(plane < self.planes);
            *sample = input[(plane * self.input.height + y) * self.input.width + x];
        }
        Ok(())
    }
}

fn options(colour: Colour, model: usize, scale: f64) -> StreamOptions {
    let card = Card {
        name: "repeat".into(),
        scale: model,
        colour,
        range: [0.0, 1.0],
        tiling: Tiling::Halo(0),
        precision: Precision::F32,
        parameters: 0,
        mac_per_pixel: 0.0,
        fixed_size: None,
        min_side: 1,
        multiple: 1,
        digest: String::new(),
        training: BTreeMap::new(),
        scores: BTreeMap::new(),
    };
    let tiles = TileOptions { side: None, threads: 2 };
    StreamOptions { generator: Arc::new(Repeat(card)), scale, tiles, range: None, matrix: None, max_memory: None }
}

/// A stream of frames whose bytes are `f(frame, byte)`.
fn stream(header: &str, frames: usize, f: impl Fn(usize, usize) -> u8) -> Vec<u8> {
    let bytes = Header::parse(header).unwrap().frame_bytes();
    let mut writer = Writer::new(Vec::new(), &Header::parse(header).unwrap()).unwrap();
    for frame in 0..frames {
        writer.write_frame(&(0..bytes).map(|i| f(frame, i)).collect::<Vec<_>>()).unwrap();
    }
    writer.into_inner()
}

/// The frames of a stream and its header.
fn frames(bytes: &[u8]) -> (Header, Vec<Vec<u8>>) {
    let mut reader = Reader::new(bytes).unwrap();
    let (mut frames, mut frame) = (Vec::new(), Vec::new());
    while reader.next_frame(&mut frame).unwrap() {
        frames.push(frame.clone());
    }
    (reader.header().clone(), frames)
}

fn enlarge(input: &[u8], options: &StreamOptions) -> (Header, Vec<Vec<u8>>) {
    let mut output = Vec::new();
    let (count, end) = run(input, &mut output, options, &Unwatched).unwrap();
    let (header, frames) = frames(&output);
    assert_eq!((frames.len() as u64, end), (count, End::Finished));
    (header, frames)
}

#[test]
fn flat_frames_keep_every_code_in_every_sampling_range_and_colour() {
    for chroma in ["420jpeg", "420mpeg2", "420paldv", "422", "444", "mono"] {
        for range in ["", " XCOLORRANGE=FULL", " XCOLORRANGE=LIMITED"] {
            for (colour, scale) in [(Colour::Luma, 2.0), (Colour::Rgb, 2.0), (Colour::Luma, 2.6), (Colour::Rgb, 1.5)] {
                let header = format!("YUV4MPEG2 W7 H5 F25:1 Ip C{chroma}{range}");
                let small = Header::parse(&header).unwrap();
                let level = |frame: usize, plane: usize| [[16, 90, 200], [235, 128, 128], [77, 100, 150]][frame][plane];
                let plane = |header: &Header, i: usize| match i.checked_sub(header.luma_bytes()) {
                    None => 0,
                    Some(i) => 1 + i / header.chroma_bytes(),
                };
                let input = stream(&header, 3, |frame, i| level(frame, plane(&small, i)));
                let (large, frames) = enlarge(&input, &options(colour, 2, scale));
                assert_eq!((large.chroma, large.range, large.rate), (small.chroma, small.range, small.rate));
                for (n, frame) in frames.iter().enumerate() {
                    let wrong = (0..frame.len()).find(|&i| frame[i].abs_diff(level(n, plane(&large, i))) > 0);
                    assert_eq!(wrong, None, "{header} {colour:?} ×{scale} frame {n}");
                }
            }
        }
    }
}

#[test]
fn sides_are_even_where_chroma_is_shared() {
    for (chroma, scale, size) in [
        ("420jpeg", 2.0, Size::new(14, 10)),
        ("420jpeg", 3.0, Size::new(22, 16)),
        ("422", 3.0, Size::new(22, 15)),
        ("444", 3.0, Size::new(21, 15)),
        ("mono", 1.0, Size::new(7, 5)),
        ("420jpeg", 1.5, Size::new(12, 8)),
    ] {
        let input = stream(&format!("YUV4MPEG2 W7 H5 C{chroma}"), 1, |_, _| 100);
        assert_eq!(enlarge(&input, &options(Colour::Luma, 2, scale)).0.size, size, "{chroma} ×{scale}");
    }
}

/// A ramp of chroma must lie over the same ramp of luma after enlarging, which it only does when its siting is kept.
#[test]
fn chroma_stays_where_its_siting_puts_it() {
    for (chroma, across, down) in [("420jpeg", 0.0, 0.0), ("420mpeg2", -0.5, 0.0), ("420paldv", -0.5, -0.5)] {
        // Luma pixel x shows the value 40 + 8·(x + ½)/4 ... so its chroma sample i shows 40 + 2·(2i + 1 + across).
        let header = format!("YUV4MPEG2 W40 H40 C{chroma} XCOLORRANGE=FULL");
        let value = |i: f64, siting: f64| 40.0 + 2.0 * (2.0 * i + 1.0 + siting);
        let input = stream(&header, 1, |_, i| match i.checked_sub(1600) {
            None => 100,
            Some(i) if i < 400 => value((i % 20) as f64, across) as u8,
            Some(i) => value(((i - 400) / 20) as f64, down) as u8,
        });
        let (large, frames) = enlarge(&input, &options(Colour::Luma, 4, 4.0));
        assert_eq!(large.size, Size::new(160, 160));
        let (cb, cr) = frames[0][25600..].split_at(6400);
        for i in 8..72 {
            // The same place on the small picture: large chroma sample i lies at luma 2i + 1 + siting, over 4.
            let at = |siting: f64| 40.0 + 2.0 * (2.0 * i as f64 + 1.0 + siting) / 4.0;
            let (x, y) = (f64::from(cb[80 * 40 + i]), f64::from(cr[80 * i + 40]));
            assert!((x - at(across)).abs() <= 0.51, "{chroma} column {i}: {x} for {}", at(across));
            assert!((y - at(down)).abs() <= 0.51, "{chroma} row {i}: {y} for {}", at(down));
        }
    }
}

#[test]
fn ten_bits_stay_ten_bits() {
    let header = "YUV4MPEG2 W6 H4 C420p10 XCOLORRANGE=LIMITED";
    let input = stream(header, 1, |_, i| if i % 2 == 0 { (i * 7 % 256) as u8 } else { 2 });
    let (large, frames) = enlarge(&input, &options(Colour::Luma, 2, 2.0));
    assert_eq!(large.to_string(), "YUV4MPEG2 W12 H8 Ip C420p10 XCOLORRANGE=LIMITED");
    let luma = |bytes: &[u8], i: usize| u16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]);
    let small = &super::tests::frames(&input).1[0];
    for y in 0..8 {
        for x in 0..12 {
            assert_eq!(luma(&frames[0], y * 12 + x), luma(small, y / 2 * 6 + x / 2), "({x}, {y})");
        }
    }
}

#[test]
fn a_range_given_by_the_user_overrules_a_silent_header() {
    let input = stream("YUV4MPEG2 W4 H4 Cmono", 1, |_, i| (i * 16) as u8);
    let full = StreamOptions { range: Some(Range::Full), ..options(Colour::Luma, 2, 2.0) };
    let (header, frames) = enlarge(&input, &full);
    assert_eq!(header.range, None, "the header says what it said");
    assert_eq!((frames[0][0], frames[0][63]), (0, 240));
}

#[test]
fn a_cut_stream_gives_its_whole_frames_and_an_error() {
    let input = stream("YUV4MPEG2 W4 H4 Cmono", 5, |frame, _| frame as u8);
    let mut output = Vec::new();
    let error = run(&input[..input.len() - 3], &mut output, &options(Colour::Luma, 2, 2.0), &Unwatched).unwrap_err();
    assert!(error.to_string().contains("frame 5"), "{error}");
    let written = frames(&output).1;
    assert_eq!(written.len(), 4);
    assert!(written.iter().enumerate().all(|(n, frame)| frame.iter().all(|&code| usize::from(code) == n)));
}

/// Takes `room` bytes, then is gone.
struct Pipe {
    room: usize,
    kind: ErrorKind,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> IoResult<usize> {
        if self.room == 0 {
            return Err(IoError::from(self.kind));
        }
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> IoResult<()> {
        Ok(())
    }
}

#[test]
fn a_broken_pipe_ends_quietly_and_a_full_disk_does_not() {
    let input = stream("YUV4MPEG2 W4 H4 Cmono", 50, |frame, _| frame as u8);
    for room in [0, 10, 60, 500] {
        let pipe = Pipe { room, kind: ErrorKind::BrokenPipe };
        let (frames, end) = run(&*input, pipe, &options(Colour::Luma, 2, 2.0), &Unwatched).unwrap();
        assert!(end == End::Closed && frames < 50, "{room}");
        let pipe = Pipe { room, kind: ErrorKind::StorageFull };
        assert!(run(&*input, pipe, &options(Colour::Luma, 2, 2.0), &Unwatched).is_err());
    }
}

struct StopAfter(u64, AtomicU64);

impl Progress for StopAfter {
    fn advance(&self, amount: u64) {
        self.1.fetch_add(amount, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.1.load(Ordering::Relaxed) >= self.0
    }
}

#[test]
fn a_stop_leaves_whole_frames() {
    let input = stream("YUV4MPEG2 W4 H4 Cmono", 50, |frame, _| frame as u8);
    let mut output = Vec::new();
    let stop = StopAfter(7, AtomicU64::new(0));
    let (count, end) = run(&*input, &mut output, &options(Colour::Luma, 2, 2.0), &stop).unwrap();
    assert_eq!((count, end), (7, End::Stopped));
    assert_eq!(frames(&output).1.len(), 7);
}

#[test]
fn memory_and_scale_have_limits() {
    let input = stream("YUV4MPEG2 W400 H400 Cmono", 1, |_, _| 0);
    let small = StreamOptions { max_memory: Some(1 << 20), ..options(Colour::Luma, 2, 2.0) };
    let error = run(&*input, Vec::new(), &small, &Unwatched).unwrap_err();
    assert!(error.kind() == Kind::Limit && error.to_string().contains("--max-memory"), "{error}");
    for scale in [0.5, 8.5, f64::NAN] {
        let error = run(&*input, Vec::new(), &options(Colour::Luma, 2, scale), &Unwatched).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
    }
}
