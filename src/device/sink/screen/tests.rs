#![allow(clippy::expect_used)]

use super::*;
use crate::y4m::{Chroma, Header, Range as Codes, Siting};
use std::sync::Mutex;

type Rows = Arc<Mutex<Vec<Vec<u32>>>>;

/// A screen whose pixels can be looked at.
struct Fake {
    size: Size,
    rows: Rows,
    gone: bool,
}

impl Display for Fake {
    fn size(&self) -> Size {
        self.size
    }

    fn name(&self) -> String {
        "fake".into()
    }

    fn present(&mut self, mut picture: Turned<'_>) -> Result<()> {
        let mut rows = Vec::new();
        picture.rows(|_, row| {
            rows.push(row.to_vec());
            Ok(())
        })?;
        *self.rows.lock().expect("rows") = rows;
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        if self.gone { Err(Error::new(Kind::Io, "display unplugged")) } else { Ok(()) }
    }
}

struct Bench {
    screen: Screen,
    rows: Rows,
    desk: Arc<Desk>,
}

impl Bench {
    fn new(size: Size, options: ScreenOptions) -> Self {
        let (rows, desk) = (Rows::default(), Arc::new(Desk::default()));
        let fake = Fake { size, rows: Arc::clone(&rows), gone: false };
        Self { screen: Screen::new(Box::new(fake), &options, Arc::clone(&desk)), rows, desk }
    }

    fn show(&mut self, shown: &Arc<Shown>) -> Vec<Vec<u32>> {
        self.screen.show(shown).expect("shown");
        self.rows.lock().expect("rows").clone()
    }

    fn idle(&mut self) -> Vec<Vec<u32>> {
        self.screen.idle().expect("idle");
        self.rows.lock().expect("rows").clone()
    }
}

fn picture(size: Size, chroma: Chroma, bytes: Vec<u8>) -> Picture {
    let range = Some(Codes::Full);
    let header = Header { size, chroma, bits: 8, rate: None, aspect: None, range, comments: Vec::new() };
    assert_eq!(header.frame_bytes(), bytes.len());
    Picture { header, bytes }
}

fn shown(small: Picture, large: Picture) -> Arc<Shown> {
    Arc::new(Shown { number: 0, taken: Duration::ZERO, done: Duration::ZERO, small, large })
}

/// 2 × 1 greys before, 4 × 2 greys after.
fn greys() -> Arc<Shown> {
    let small = picture(Size::new(2, 1), Chroma::Mono, vec![200, 220]);
    shown(small, picture(Size::new(4, 2), Chroma::Mono, (1..=8).collect()))
}

/// The rows of a screen of greys by their levels.
fn levels(rows: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let level = |&pixel: &u32| {
        assert_eq!(pixel, (pixel & 255) * 0x0001_0101, "a colour");
        pixel & 255
    };
    rows.iter().map(|row| row.iter().map(level).collect()).collect()
}

#[test]
fn letterbox_and_fill_are_exact() {
    let options = ScreenOptions::default();
    let rows = Bench::new(Size::new(4, 4), options.clone()).show(&greys());
    assert_eq!(levels(&rows), [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 0, 0]]);
    let fill = ScreenOptions { fill: true, ..options };
    assert_eq!(levels(&Bench::new(Size::new(2, 2), fill.clone()).show(&greys())), [[2, 3], [6, 7]]);
    let rows = Bench::new(Size::new(4, 4), fill).show(&greys());
    assert_eq!(levels(&rows), [[2, 2, 3, 3], [2, 2, 3, 3], [6, 6, 7, 7], [6, 6, 7, 7]]);
}

#[test]
fn every_rotation_is_exact() {
    for (rotation, size, expected) in [
        (Rotation::None, Size::new(6, 2), vec![vec![0, 1, 2, 3, 4, 0], vec![0, 5, 6, 7, 8, 0]]),
        (Rotation::Half, Size::new(6, 2), vec![vec![0, 8, 7, 6, 5, 0], vec![0, 4, 3, 2, 1, 0]]),
        (Rotation::Quarter, Size::new(2, 4), vec![vec![5, 1], vec![6, 2], vec![7, 3], vec![8, 4]]),
        (Rotation::ThreeQuarters, Size::new(2, 4), vec![vec![4, 8], vec![3, 7], vec![2, 6], vec![1, 5]]),
    ] {
        let options = ScreenOptions { rotation, ..ScreenOptions::default() };
        assert_eq!(levels(&Bench::new(size, options).show(&greys())), expected, "{rotation:?}");
    }
}

#[test]
fn split_shows_before_and_after_with_a_line() {
    let options = ScreenOptions { split: true, ..ScreenOptions::default() };
    let rows = Bench::new(Size::new(8, 6), options).show(&greys());
    let after = |left, right| vec![200, 200, 200, 200, 255, left, right, right];
    let bar = vec![0; 8];
    let (first, second) = (after(3, 4), after(7, 8));
    assert_eq!(levels(&rows), [bar.clone(), first.clone(), first, second.clone(), second, bar]);
}

#[test]
fn a_new_shape_leaves_nothing_of_the_old_one() {
    let mut bench = Bench::new(Size::new(4, 4), ScreenOptions::default());
    bench.show(&greys());
    let upright = || picture(Size::new(2, 4), Chroma::Mono, vec![9; 8]);
    assert_eq!(levels(&bench.show(&shown(upright(), upright()))), [[0, 9, 9, 0]; 4]);
}

/// Colour by the definition, in double precision: bilinear between the centres of samples, JPEG's matrix.
fn by_definition(picture: &Picture, canvas: Size, (x, y): (usize, usize)) -> [f64; 3] {
    let size = picture.header.size;
    let place = |at: usize, from: usize, to: usize| (at as f64 + 0.5) * from as f64 / to as f64;
    let (x, y) = (place(x, size.width, canvas.width), place(y, size.height, canvas.height));
    let plane = |begin: usize, stored: Size, x: f64, y: f64| {
        let sample = |column: f64, row: f64| {
            let column = column.clamp(0.0, stored.width as f64 - 1.0) as usize;
            let row = row.clamp(0.0, stored.height as f64 - 1.0) as usize;
            f64::from(picture.bytes[begin + row * stored.width + column])
        };
        let (fx, fy) = (x - x.floor(), y - y.floor());
        let row = |row: f64| sample(x.floor(), row) * (1.0 - fx) + sample(x.floor() + 1.0, row) * fx;
        row(y.floor()) * (1.0 - fy) + row(y.floor() + 1.0) * fy
    };
    let chroma = picture.header.chroma_size().expect("chroma");
    let (group, shift) = (picture.header.chroma.group().expect("groups"), picture.header.chroma.shift());
    let (cx, cy) = ((x - shift.0) / group.0 as f64 - 0.5, (y - shift.1) / group.1 as f64 - 0.5);
    let luma = plane(0, size, x - 0.5, y - 0.5);
    let blue = plane(size.area(), chroma, cx, cy) - 128.0;
    let red = plane(size.area() + chroma.area(), chroma, cx, cy) - 128.0;
    let (r, b) = (luma + 1.402 * red, luma + 1.772 * blue);
    [r, (luma - 0.299 * r - 0.114 * b) / 0.587, b].map(|v| v.clamp(0.0, 255.0))
}

#[test]
fn colours_and_places_are_those_of_the_definition() {
    for chroma in [Chroma::C420(Siting::Left), Chroma::C420(Siting::Centre), Chroma::C422, Chroma::C444] {
        let size = Size::new(7, 5);
        let header = picture(Size::new(1, 1), Chroma::Mono, vec![0]).header;
        let bytes = Header { size, chroma, ..header }.frame_bytes();
        let noise = (0..bytes).map(|i| 60 + ((i * 7919 + i * i * 31) % 137) as u8).collect();
        let large = picture(size, chroma, noise);
        // Up by no whole number, and down.
        for canvas in [Size::new(16, 12), Size::new(5, 4)] {
            let options = ScreenOptions { fill: true, ..ScreenOptions::default() };
            let rows = Bench::new(canvas, options).show(&shown(large.clone(), large.clone()));
            let place = Place::new(size, canvas, true);
            for (y, row) in rows.iter().enumerate() {
                for (x, pixel) in row.iter().enumerate() {
                    let expected = by_definition(&large, place.full, (x + place.first.0, y + place.first.1));
                    let [_, pixel @ ..] = pixel.to_be_bytes();
                    for (value, expected) in pixel.into_iter().zip(expected) {
                        let apart = (f64::from(value) - expected).abs();
                        // Half a code of rounding; weights are whole parts of 128, neighbours at most 137 apart.
                        assert!(apart < 3.0, "{chroma:?} {canvas} at {x},{y}: {value} for {expected}");
                    }
                }
            }
        }
    }
}

fn plain(level: u8) -> Arc<Shown> {
    let size = Size::new(320, 240);
    let picture = || picture(size, Chroma::Mono, vec![level; size.area()]);
    shown(picture(), picture())
}

#[test]
fn a_lost_source_is_told_over_the_darkened_picture_and_forgotten_with_the_next_frame() {
    let mut bench = Bench::new(Size::new(320, 240), ScreenOptions { hud: true, ..ScreenOptions::default() });
    let first = bench.show(&plain(100));
    bench.desk.write(|report| report.trouble = Some("camera unplugged".into()));
    let lost = bench.idle();
    assert_eq!(lost[239][319], 25 * 0x0001_0101);
    let white = |rows: &[Vec<u32>]| rows[80..160].iter().flatten().filter(|&&p| p == 0x00ff_ffff).count();
    assert!(white(&lost) > 200 && white(&first) == 0);
    assert!(bench.idle() == lost, "darker and darker");
    // The figures may have been drawn anew meanwhile: below them everything is as it was.
    bench.desk.write(|report| report.online = true);
    let again = bench.show(&plain(100));
    assert!(again[160..] == first[160..]);
    assert!(bench.idle()[160..] == first[160..], "frames come slowly, no more than that");
}

#[test]
fn before_the_first_frame_the_screen_says_that_it_waits() {
    let mut bench = Bench::new(Size::new(160, 120), ScreenOptions::default());
    assert!(bench.idle().iter().flatten().any(|&pixel| pixel == 0x00ff_ffff));
}

#[test]
fn an_unplugged_display_ends_both_show_and_idle() {
    for idle in [false, true] {
        let mut bench = Bench::new(Size::new(4, 4), ScreenOptions::default());
        bench.screen.display = Box::new(Fake { size: Size::new(4, 4), rows: Rows::default(), gone: true });
        // Asked a moment ago: not yet again.
        bench.screen.checked = clock::now() + CHECK;
        assert!(bench.screen.idle().is_ok());
        bench.screen.checked = Duration::ZERO;
        let result = if idle { bench.screen.idle() } else { bench.screen.show(&greys()) };
        assert!(result.expect_err("gone").to_string().contains("unplugged"));
    }
}

#[test]
fn frames_that_are_none_are_refused() {
    let mut bench = Bench::new(Size::new(4, 4), ScreenOptions::default());
    let mut short = picture(Size::new(4, 2), Chroma::Mono, vec![0; 8]);
    short.bytes.pop();
    let mut deep = picture(Size::new(4, 2), Chroma::Mono, vec![0; 8]);
    deep.header.bits = 10;
    for bad in [short, deep] {
        assert!(bench.screen.show(&shown(bad.clone(), bad)).is_err());
    }
}

#[test]
fn pixels_of_16_bits() {
    assert_eq!([0x00ff_0000, 0x0000_ff00, 0x0000_00ff].map(rgb565), [0xf800, 0x07e0, 0x001f]);
    assert_eq!(rgb565(0x00ff_ffff), 0xffff);
}
