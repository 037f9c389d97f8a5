#![allow(clippy::unwrap_used, clippy::expect_used, clippy::trivially_copy_pass_by_ref)]

use super::choose::{Choice, Offer, Rates, Sides, SizeOffer, choose};
use super::*;
use crate::y4m::{Chroma, Ratio, Siting};

const GREY: Packing = Packing::Planar(Chroma::Mono);
const YU12: Packing = Packing::Planar(Chroma::C420(Siting::Left));

fn fps(num: u32) -> Ratio {
    Ratio { num, den: 1 }
}

fn at(width: usize, height: usize, rates: &[u32]) -> SizeOffer {
    let rates = rates.iter().map(|&rate| Rates::One(fps(rate))).collect();
    SizeOffer { sides: Sides::One(Size::new(width, height)), rates }
}

fn offer(packing: Packing, sizes: &[SizeOffer]) -> Offer {
    Offer { packing, sizes: sizes.to_vec() }
}

fn choice(packing: Packing, width: usize, height: usize, rate: u32) -> Choice {
    Choice { packing, size: Size::new(width, height), rate: Some(fps(rate)) }
}

/// What an ordinary webcam says: raw frames are slow where they are large.
fn webcam() -> [Offer; 2] {
    [
        offer(
            Packing::Jpeg,
            &[at(1920, 1080, &[30, 15]), at(1280, 720, &[60, 30]), at(640, 480, &[60, 30, 15]), at(320, 240, &[30])],
        ),
        offer(
            Packing::Yuyv,
            &[at(1920, 1080, &[5]), at(1280, 720, &[10]), at(640, 480, &[30, 15]), at(320, 240, &[30])],
        ),
    ]
}

fn wished(text: &str) -> CameraOptions {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_webcam_gives_raw_frames_where_they_are_as_fast() {
    assert_eq!(choose(&webcam(), &wished("")), Some(choice(Packing::Yuyv, 640, 480, 30)));
    let slow = [offer(Packing::Yuyv, &[at(640, 480, &[15])]), offer(Packing::Jpeg, &[at(640, 480, &[15, 25])])];
    assert_eq!(choose(&slow, &wished("")), Some(choice(Packing::Jpeg, 640, 480, 25)));
}

#[test]
fn wishes_are_followed_and_the_rest_is_chosen() {
    for (text, expected) in [
        ("v4l2:?format=MJPG", choice(Packing::Jpeg, 640, 480, 30)),
        ("v4l2:?size=1280x720", choice(Packing::Jpeg, 1280, 720, 30)),
        ("v4l2:?size=1280x720&format=YUYV", choice(Packing::Yuyv, 1280, 720, 10)),
        ("v4l2:?size=1900x1000", choice(Packing::Jpeg, 1920, 1080, 30)),
        ("v4l2:?rate=60", choice(Packing::Jpeg, 640, 480, 60)),
        ("v4l2:?rate=15", choice(Packing::Yuyv, 640, 480, 15)),
        ("v4l2:?size=320x240", choice(Packing::Yuyv, 320, 240, 30)),
    ] {
        assert_eq!(choose(&webcam(), &wished(text)), Some(expected), "{text}");
    }
}

#[test]
fn a_packing_that_is_not_offered_is_asked_for_all_the_same() {
    let asked = choose(&webcam(), &wished("v4l2:?format=NV12"));
    assert_eq!(asked, Some(Choice { packing: Packing::Nv12, size: Size::new(640, 480), rate: None }));
    assert_eq!(choose(&[], &wished("")), None);
}

#[test]
fn equal_rates_are_decided_by_packing() {
    let all = [Packing::Rgb24, GREY, Packing::Jpeg, YU12, Packing::Nv12, Packing::Yuyv];
    for kept in 1..=all.len() {
        let offers: Vec<Offer> = all[..kept].iter().map(|&packing| offer(packing, &[at(640, 480, &[30])])).collect();
        let chosen = choose(&offers, &wished("")).map(|choice| choice.packing);
        assert_eq!(chosen, Some(all[kept - 1]), "of {kept}");
    }
    // 29.97 frames a second are no worse than 30.
    let nearly = Rates::One(Ratio { num: 30000, den: 1001 });
    let nearly = SizeOffer { sides: Sides::One(Size::new(640, 480)), rates: vec![nearly] };
    let offers = [offer(Packing::Jpeg, &[at(640, 480, &[30])]), offer(Packing::Yuyv, &[nearly])];
    assert_eq!(choose(&offers, &wished("")).map(|choice| choice.packing), Some(Packing::Yuyv));
}

#[test]
fn large_cameras_give_their_smallest_and_fast_ones_are_not_hurried() {
    let large = [offer(Packing::Jpeg, &[at(3840, 2160, &[30]), at(1280, 720, &[30]), at(1920, 1080, &[60])])];
    assert_eq!(choose(&large, &wished("")), Some(choice(Packing::Jpeg, 1280, 720, 30)));
    let fast = [offer(Packing::Yuyv, &[at(640, 480, &[120, 90, 60])])];
    assert_eq!(choose(&fast, &wished("")), Some(choice(Packing::Yuyv, 640, 480, 60)));
}

#[test]
fn cameras_that_say_nothing_are_asked_for_the_aim() {
    let silent = [offer(Packing::Yuyv, &[])];
    assert_eq!(
        choose(&silent, &wished("")),
        Some(Choice { packing: Packing::Yuyv, size: Size::new(640, 480), rate: None })
    );
    assert_eq!(choose(&silent, &wished("v4l2:?size=320x240&rate=10")), Some(choice(Packing::Yuyv, 320, 240, 10)));
    // Sizes without rates.
    let sizes = [offer(Packing::Yuyv, &[at(1280, 720, &[]), at(640, 480, &[])])];
    assert_eq!(choose(&sizes, &wished("")).map(|choice| choice.size), Some(Size::new(640, 480)));
    // A rate that is known is better than one that is not.
    let both = [offer(Packing::Yuyv, &[at(640, 480, &[])]), offer(Packing::Jpeg, &[at(640, 480, &[30])])];
    assert_eq!(choose(&both, &wished("")), Some(choice(Packing::Jpeg, 640, 480, 30)));
}

#[test]
fn steps_are_walked_and_ranges_of_rates_clamped() {
    let (least, most, step) = (Size::new(16, 16), Size::new(1920, 1200), Size::new(2, 2));
    let any = Rates::Between(fps(60), fps(5));
    let steps = [offer(Packing::Nv12, &[SizeOffer { sides: Sides::Steps { least, most, step }, rates: vec![any] }])];
    assert_eq!(choose(&steps, &wished("")), Some(choice(Packing::Nv12, 640, 480, 30)));
    assert_eq!(choose(&steps, &wished("v4l2:?size=321x99&rate=100")), Some(choice(Packing::Nv12, 320, 98, 60)));
    assert_eq!(choose(&steps, &wished("v4l2:?size=4000x4&rate=1")), Some(choice(Packing::Nv12, 1920, 16, 5)));
}

#[test]
fn absurd_offers_do_no_harm() {
    let zero = Sides::Steps { least: Size::new(800, 600), most: Size::new(0, 0), step: Size::new(0, 0) };
    let rates = vec![Rates::One(Ratio { num: 0, den: 0 }), Rates::Between(fps(0), Ratio { num: 1, den: 0 })];
    let offers = [
        offer(Packing::Yuyv, &[at(0, 0, &[30]), SizeOffer { sides: zero, rates }]),
        offer(Packing::Jpeg, &[at(usize::MAX, usize::MAX, &[u32::MAX]), at(160, 120, &[1])]),
    ];
    let chosen = choose(&offers, &wished("")).expect("something is left");
    assert!(chosen.size.width > 0 && chosen.rate.is_none_or(|rate| rate.den > 0), "{chosen:?}");
}

fn given(fourcc: &[u8; 4], size: [u32; 2], stride: u32) -> Given {
    Given { fourcc: *fourcc, size, stride, range: None, progressive: true }
}

const ASKED: Choice = Choice { packing: Packing::Jpeg, size: Size::new(640, 480), rate: None };

#[test]
fn what_the_driver_gave_is_adopted() {
    let format = adopt(&ASKED, &given(b"YUYV", [320, 200], 704), Some(fps(25))).expect("is known");
    assert_eq!((format.packing, format.size), (Packing::Yuyv, Size::new(320, 200)));
    assert_eq!((format.stride, format.range, format.rate), (704, Range::Studio, Some(fps(25))));
    // A stride that cannot be is no stride.
    assert_eq!(adopt(&ASKED, &given(b"YUYV", [320, 200], 0), None).map(|format| format.stride).ok(), Some(640));
    assert_eq!(adopt(&ASKED, &given(b"MJPG", [320, 200], 320), None).map(|format| format.stride).ok(), Some(0));
}

#[test]
fn colour_ranges_are_the_packings_own_where_the_driver_does_not_say() {
    for (fourcc, range) in [
        (b"MJPG", Range::Full),
        (b"YUYV", Range::Studio),
        (b"NV12", Range::Studio),
        (b"RGB3", Range::Full),
        (b"GREY", Range::Full),
    ] {
        let format = adopt(&ASKED, &given(fourcc, [64, 48], 0), None).expect("is known");
        assert_eq!(format.range, range, "{format}");
    }
    let full = Given { range: Some(Range::Full), ..given(b"YUYV", [64, 48], 0) };
    assert_eq!(adopt(&ASKED, &full, None).map(|format| format.range).ok(), Some(Range::Full));
}

#[test]
fn what_is_not_read_is_refused_with_what_would_do() {
    for (given, said) in [
        (given(b"H264", [640, 480], 0), "H264"),
        (given(b"\xff\0\x01 ", [640, 480], 0), "not read"),
        (given(b"YUYV", [0, 480], 0), "0x480"),
        (given(b"YUYV", [u32::MAX, u32::MAX], 0), "4294967295"),
        (given(b"YUYV", [640, 480], u32::MAX), "a row"),
    ] {
        let error = adopt(&ASKED, &given, None).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(said), "{given:?}: {error}");
    }
}

#[test]
fn a_frame_has_the_bytes_of_its_rows() {
    let format = |packing, stride| Format { stride, ..Format::new(packing, Size::new(6, 4), Range::Studio, None) };
    for (packing, stride, bytes) in [
        (Packing::Yuyv, 12, 48),
        // The last row needs no padding behind it.
        (Packing::Yuyv, 16, 60),
        (GREY, 6, 24),
        (YU12, 6, 36),
        (YU12, 8, 47),
        (Packing::Nv12, 6, 36),
        (Packing::Nv12, 8, 46),
        (Packing::Rgb24, 18, 72),
    ] {
        assert_eq!(format(packing, stride).least_bytes(), bytes, "{packing} {stride}");
    }
    assert!(format(Packing::Jpeg, 0).least_bytes() < 200);
}

#[test]
fn stamps_that_cannot_be_are_replaced() {
    let now = Duration::from_secs(100);
    let good = Duration::from_millis(99_960);
    assert_eq!(taken(Some(good), now), good);
    for bad in [None, Some(Duration::from_secs(101)), Some(Duration::ZERO), Some(Duration::from_secs(80))] {
        assert_eq!(taken(bad, now), now, "{bad:?}");
    }
}

#[test]
fn gaps_are_counted_and_restarts_are_not() {
    let mut counter = Counter::default();
    for (sequence, number) in [(7, 0), (8, 1), (11, 4), (11, 5), (0, 6), (1, 7), (u32::MAX, 8)] {
        assert_eq!(counter.number(sequence), number, "{sequence}");
    }
    let mut counter = Counter::default();
    counter.number(u32::MAX);
    assert_eq!(counter.number(1), 2, "the counter goes round");
}
