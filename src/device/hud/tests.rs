#![allow(clippy::expect_used)]

use super::canvas::Canvas;
use super::face::Face;
use super::lines::{Line, Tone, figures, notice, wrapped};
use super::strip::Strip;
use super::{Hud, Notice};
use crate::device::desk::{Ages, Governor, Report};
use crate::geometry::Size;
use std::time::Duration;

fn grey(size: Size, level: u32) -> Canvas {
    let mut canvas = Canvas::new(size);
    (0..size.height).for_each(|y| canvas.row_mut(y).fill(level * 0x0001_0101));
    canvas
}

/// Ink `#`, ground `.`, untouched pixels of a grey of 100 a space.
fn ascii(canvas: &Canvas) -> Vec<String> {
    let letter = |pixel: &u32| match pixel {
        0x0064_6464 => ' ',
        0x0032_3232 => '.',
        _ => '#',
    };
    (0..canvas.size().height).map(|y| canvas.row(y).iter().map(letter).collect()).collect()
}

#[test]
fn text_is_drawn_on_a_ground_of_half_the_light_and_taken_off_again() {
    let before = grey(Size::new(12, 14), 100);
    let mut canvas = before.clone();
    let mut strip = Strip::default();
    strip.write(&[Line::plain("T")], &[Face::of_height(8)], 0);
    strip.place(1, 1);
    for _ in 0..2 {
        strip.lay(&mut canvas);
        let expected = [
            "            ",
            " .........  ",
            " .........  ",
            " .........  ",
            " ...###...  ",
            " ....#....  ",
            " ....#....  ",
            " ....#....  ",
            " ....#....  ",
            " ....#....  ",
            " .........  ",
            " .........  ",
            " .........  ",
            "            ",
        ];
        assert_eq!(ascii(&canvas), expected);
    }
    strip.lift(&mut canvas);
    assert_eq!(canvas, before);
    strip.lift(&mut canvas);
    assert_eq!(canvas, before);
}

#[test]
fn a_larger_face_draws_every_pixel_larger() {
    let faces = [Face::of_height(8), Face { zoom: 3, ..Face::of_height(8) }];
    let drawn = faces.map(|face| {
        let mut strip = Strip::default();
        strip.write(&[Line::plain("7")], &[face], 0);
        let mut canvas = grey(strip.size(), 100);
        strip.lay(&mut canvas);
        ascii(&canvas)
    });
    let enlarged: Vec<String> = drawn[0]
        .iter()
        .flat_map(|row| std::iter::repeat_n(row.chars().flat_map(|c| std::iter::repeat_n(c, 3)).collect(), 3))
        .collect();
    assert_eq!(drawn[1], enlarged);
}

#[test]
fn strips_that_stand_out_are_cut() {
    let before = grey(Size::new(6, 5), 100);
    let mut strip = Strip::default();
    strip.write(&[Line::plain("WWWWW")], &[Face::of_height(40)], 0);
    for (left, top) in [(0, 0), (4, 3), (6, 5), (90, 90)] {
        let mut canvas = before.clone();
        strip.place(left, top);
        strip.lay(&mut canvas);
        assert_eq!(canvas != before, left < 6, "at {left}");
        strip.lift(&mut canvas);
        assert_eq!(canvas, before);
    }
}

#[test]
fn faces_grow_with_the_screen() {
    let height = |height| {
        let face = Face::of_height(height);
        (face.font.character_size.height, face.zoom, face.line())
    };
    assert_eq!(height(41), (20, 2, 40));
    assert_eq!(height(83), (20, 4, 80));
    assert_eq!(height(30), (15, 2, 30));
    assert_eq!(height(18), (15, 1, 15));
    assert_eq!(height(10), (10, 1, 10));
    assert_eq!(height(0), (8, 1, 8));
}

fn report() -> Report {
    Report {
        online: true,
        input: [640, 480],
        output: [1280, 960],
        fps_in: 30.02,
        fps_out: 14.96,
        running: "camera-x2".into(),
        age: Ages { p50: 41.3, p95: 58.8, p99: 70.0 },
        tiles_run: 380,
        tiles_reused: 620,
        temperature: Some(71.6),
        throttled: true,
        governor: Governor { state: "half rate".into(), step: 2, reason: "hot (72 °C)".into() },
        trouble: Some("2 damaged frames".into()),
        ..Report::default()
    }
}

#[test]
fn figures_say_what_was_asked_for() {
    let lines = figures(&report());
    let text: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        text,
        [
            "30.0 fps in, 15.0 out",
            "640x480 > 1280x960",
            "0.0 ms: unpack 0.0, net 0.0, chroma 0.0",
            "age 41 ms, p95 59",
            "tiles reused 62 %",
            "camera-x2",
            "72 °C, throttled",
            "half rate: hot (72 °C)",
            "2 damaged frames",
        ]
    );
    assert_eq!(lines.iter().filter(|line| line.tone == Tone::Warning).count(), 2);
    assert_eq!(lines.last().map(|line| line.tone), Some(Tone::Trouble));
    assert!(figures(&Report::default()).len() >= 4);
}

#[test]
fn the_notice_tells_starting_from_lost() {
    let lost = Report { trouble: Some("unplugged".into()), source: "v4l2".into(), ..Report::default() };
    let waiting = Report { trouble: None, ..lost.clone() };
    assert_eq!(notice(&lost, false), Some(("NO LIVE VIDEO", "unplugged".into())));
    assert_eq!(notice(&waiting, true), Some(("NO LIVE VIDEO", "waiting for v4l2".into())));
    assert_eq!(notice(&waiting, false), Some(("STARTING", "waiting for v4l2".into())));
    assert_eq!(notice(&Report { online: true, ..waiting.clone() }, true), None);
    assert!(notice(&Report { online: true, ..waiting }, false).is_some());
}

#[test]
fn lines_are_broken_at_spaces_or_else_anywhere() {
    let broken = |text: &str, columns| {
        let lines = wrapped(vec![Line::warning(text)], columns);
        assert!(lines.iter().all(|line| line.tone == Tone::Warning));
        lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    assert_eq!(broken("one two three", 8), ["one two", "three"]);
    assert_eq!(broken("one two three", 7), ["one two", "three"]);
    assert_eq!(broken("one two three", 6), ["one", "two", "three"]);
    assert_eq!(broken("a incomprehensible b", 6), ["a", "incomp", "rehens", "ible b"]);
    assert_eq!(broken("äöü", 1), ["ä", "ö", "ü"]);
    assert_eq!(broken("x", 0), ["x"]);
    assert_eq!(broken("", 5), [""; 0]);
}

#[test]
fn figures_stand_for_half_a_second() {
    let size = Size::new(640, 480);
    let (mut hud, mut report) = (Hud::new(size), report());
    let mut drawn = |now: u64, report: &Report| {
        let mut canvas = grey(size, 100);
        hud.refresh(Duration::from_millis(now), report);
        hud.lay(&mut canvas);
        canvas
    };
    let first = drawn(1000, &report);
    report.fps_in = 11.1;
    assert!(drawn(1499, &report) == first);
    let second = drawn(1500, &report);
    assert!(second != first);
    // The figures stay in their corner: most of the picture is seen.
    let untouched = ascii(&second).iter().flat_map(|row| row.chars()).filter(|c| *c == ' ').count();
    assert!(untouched * 3 > size.area() * 2, "{untouched}");
}

#[test]
fn every_screen_takes_figures_and_notice() {
    for size in [Size::new(1, 1), Size::new(128, 160), Size::new(160, 128), Size::new(240, 240), Size::new(2160, 3840)]
    {
        let before = grey(size, 100);
        let mut canvas = before.clone();
        let (mut hud, mut notice) = (Hud::new(size), Notice::new(size));
        hud.refresh(Duration::ZERO, &report());
        let lost = Report { online: false, ..report() };
        assert!(notice.refresh(&lost, true));
        hud.lay(&mut canvas);
        notice.lay(&mut canvas);
        assert!(canvas != before);
        notice.lift(&mut canvas);
        hud.lift(&mut canvas);
        assert!(canvas == before, "{size}");
    }
}
