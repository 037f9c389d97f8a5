#![allow(clippy::unwrap_used)]

use super::*;
use crate::onnx::Limits;
use crate::session::testing::{chain, chain_int8};
use crate::session::{Overrides, TractGenerator};
use crate::upscale::{Generator, Interpolation, TileOptions};
use std::sync::Arc;

fn network(int8: bool) -> Arc<dyn Generator> {
    let model = if int8 { chain_int8(2, 8) } else { chain(2, 16) };
    Arc::new(TractGenerator::from_bytes("test", &model.to_bytes(), &Overrides::default(), Limits::default()).unwrap())
}

fn options(generator: Arc<dyn Generator>, threads: usize) -> StreamOptions {
    let tiles = TileOptions { side: None, threads };
    StreamOptions { generator, scale: 2.0, tiles, range: None, matrix: None, max_memory: None }
}

/// A frame with grain, and a square of `side` pixels at (x, y).
fn frame(header: &Header, (x, y): (usize, usize), side: usize, grain: u8) -> Vec<u8> {
    let mut state = u32::from(grain) * 77 + (x * 1000 + y) as u32;
    let mut frame: Vec<u8> = (0..header.frame_bytes())
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (80 + i % 61) as u8 + if grain > 0 { (state >> 24) as u8 % grain } else { 0 }
        })
        .collect();
    for row in y..(y + side).min(header.size.height) {
        frame[row * header.size.width + x..][..side.min(header.size.width - x)].fill(220);
    }
    frame
}

/// The same bytes; of floats, one in a thousand may have been rounded to the next code.
fn assert_alike(got: &[u8], expected: &[u8], exact: bool, what: &str) {
    let off = got.iter().zip(expected).filter(|(a, b)| a != b).count();
    let most = got.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(off == 0 || (!exact && most <= Some(1) && off * 1000 <= got.len()), "{what}: {off} off by up to {most:?}");
}

#[test]
fn what_comes_out_is_the_network_s_answer_to_what_was_fed_at_every_frame() {
    for (chroma, int8, threads) in [("420jpeg", false, 1), ("420mpeg2", true, 2), ("422", false, 2), ("mono", true, 1)]
    {
        let header = Header::parse(&format!("YUV4MPEG2 W310 H205 C{chroma}")).unwrap();
        let options = options(network(int8), threads);
        let mut whole = Enlarger::new(&header, &options).unwrap();
        for threshold in [Threshold::Codes(0.0), Threshold::Codes(2.0), Threshold::Auto] {
            let sparing = SparingOptions { threshold, refresh: Duration::from_secs(100) };
            let mut spare = Sparing::new(&header, &options, sparing).unwrap();
            let mut got = vec![0; spare.output().frame_bytes()];
            let mut expected = got.clone();
            let mut reused = 0;
            for step in 0..6 {
                let grain = if threshold == Threshold::Codes(0.0) { 0 } else { 3 };
                let small = frame(&header, (30 + 9 * step, 20 + 25 * step), 17, grain);
                let count = spare.run(&small, &mut got, Duration::from_millis(step as u64)).unwrap();
                reused += count.reused;
                if threshold == Threshold::Codes(0.0) {
                    assert!(spare.fed() == small);
                }
                whole.run(spare.fed(), &mut expected).unwrap();
                assert_alike(&got, &expected, int8, &format!("{chroma} {threshold:?} frame {step}"));
            }
            assert!(reused > 100, "{chroma} {threshold:?}: only {reused} tiles were reused");
        }
    }
}

#[test]
fn a_still_picture_costs_nothing_until_it_is_refreshed() {
    let header = Header::parse("YUV4MPEG2 W100 H64 C420jpeg").unwrap();
    let sparing = SparingOptions { threshold: Threshold::Codes(1.0), refresh: Duration::from_secs(5) };
    let mut spare = Sparing::new(&header, &options(network(false), 1), sparing).unwrap();
    let small = frame(&header, (3, 3), 9, 0);
    let mut large = vec![0; spare.output().frame_bytes()];
    let runs: Vec<u64> = (0..12).map(|s| spare.run(&small, &mut large, Duration::from_secs(s)).unwrap().run).collect();
    let all = runs[0];
    assert!(all >= 4);
    assert_eq!(runs, [all, 0, 0, 0, 0, all, 0, 0, 0, 0, all, 0]);
}

#[test]
fn a_colour_that_changes_alone_is_seen() {
    let header = Header::parse("YUV4MPEG2 W300 H200 C420jpeg").unwrap();
    let sparing = SparingOptions { threshold: Threshold::Auto, refresh: Duration::from_secs(500) };
    let options = options(network(false), 1);
    let mut spare = Sparing::new(&header, &options, sparing).unwrap();
    let mut small = frame(&header, (3, 3), 9, 0);
    let mut large = vec![0; spare.output().frame_bytes()];
    spare.run(&small, &mut large, Duration::ZERO).unwrap();
    let middle = 300 * 200 + 50 * 150 + 75;
    small[middle] = 250;
    let count = spare.run(&small, &mut large, Duration::ZERO).unwrap();
    assert!(count.run > 0 && count.reused > 0, "{count:?}");
    let mut expected = vec![0; large.len()];
    Enlarger::new(&header, &options).unwrap().run(spare.fed(), &mut expected).unwrap();
    assert_alike(&large, &expected, false, "a colour");
}

#[test]
fn generators_without_patches_are_run_whole_or_not_at_all() {
    let header = Header::parse("YUV4MPEG2 W40 H30 C420jpeg").unwrap();
    let bicubic = Interpolation::new(crate::resample::Filter::Bicubic, 2).unwrap();
    let sparing = SparingOptions { threshold: Threshold::Codes(0.0), refresh: Duration::from_secs(100) };
    let mut spare = Sparing::new(&header, &options(Arc::new(bicubic), 2), sparing).unwrap();
    let mut large = vec![0; spare.output().frame_bytes()];
    let small = frame(&header, (3, 3), 9, 0);
    let mut run = |small: &[u8]| spare.run(small, &mut large, Duration::ZERO).unwrap();
    assert_eq!([run(&small), run(&small)].map(|count| (count.run, count.reused)), [(1, 0), (0, 1)]);
    assert_eq!(run(&frame(&header, (5, 5), 9, 0)).run, 1);
}
