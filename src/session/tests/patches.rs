//! Parts of a picture are as they are in the whole.

use super::generator;
use crate::geometry::Size;
use crate::session::testing::{Noise, chain, chain_int8};
use crate::upscale::{Generator, Patch, PatchUpscaler, PlaneUpscaler, TileOptions};
use std::sync::Arc;

const LEVELS: [f32; 2] = [1.0 / 219.0, -16.0 / 219.0];

/// The same bytes; of floats, one in a thousand may have been rounded to the next code.
fn assert_alike(got: &[u8], expected: &[u8], exact: bool, what: &str) {
    let off = got.iter().zip(expected).filter(|(a, b)| a != b).count();
    let near = got.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
    assert!(off == 0 || (!exact && near && off * 1000 <= got.len()), "{what}: {off} are off");
}

#[test]
fn patches_are_what_the_whole_picture_holds_there_and_nothing_else_is_touched() {
    for (model, scale, exact) in
        [(chain(4, 16), 4, false), (chain(2, 8), 2, false), (chain_int8(4, 16), 4, true), (chain_int8(2, 8), 2, true)]
    {
        let generator = Arc::new(generator(&model));
        for size in [Size::new(101, 62), Size::new(64, 48), Size::new(9, 7)] {
            let mut noise = Noise(3);
            let input: Vec<u8> = (0..size.area()).map(|_| (noise.next() * 127.0 + 128.0) as u8).collect();
            let target = size.checked_scale(scale).unwrap();
            let mut whole = vec![0; target.area()];
            PlaneUpscaler::new(generator.clone(), size, target, &TileOptions::default())
                .unwrap()
                .run_codes(&[&input], &mut [&mut whole], LEVELS)
                .unwrap();
            for (wanted, threads) in [(16, 1), (40, 2), (500, 1)] {
                let upscaler = PatchUpscaler::new(generator.as_ref(), size, wanted, threads).unwrap();
                let mut upscaler = upscaler.expect("a chain streams");
                let step = upscaler.alignment();
                let mut got = vec![7; target.area()];
                let mut expected = got.clone();
                let mut patches = Vec::new();
                for column in 0..upscaler.columns() {
                    // Every other band of two steps, and what is left at the bottom.
                    let bands = (0..size.height).step_by(4 * step).map(|top| top..(top + 2 * step).min(size.height));
                    patches.extend(bands.map(|rows| Patch { column, rows }));
                }
                for Patch { column, rows } in &patches {
                    for row in rows.start * scale..rows.end * scale {
                        let span = upscaler.span(*column);
                        let range = row * target.width + span.start * scale..row * target.width + span.end * scale;
                        expected[range.clone()].copy_from_slice(&whole[range]);
                    }
                }
                upscaler.run(&patches, &input, &mut got, LEVELS).unwrap();
                assert_alike(&got, &expected, exact, &format!("×{scale} {size} in columns of {wanted}"));
                let all: Vec<_> =
                    (0..upscaler.columns()).map(|column| Patch { column, rows: 0..size.height }).collect();
                upscaler.run(&all, &input, &mut got, LEVELS).unwrap();
                assert_alike(&got, &whole, exact, &format!("×{scale} {size}, all of it"));
                let crooked = Patch { column: 0, rows: 1..size.height };
                assert!(step == 1 || upscaler.run(&[crooked], &input, &mut got, LEVELS).is_err());
            }
        }
    }
}

#[test]
fn generators_that_do_not_stream_have_no_patches() {
    let bicubic = crate::upscale::Interpolation::new(crate::resample::Filter::Bicubic, 2).unwrap();
    assert!(!bicubic.footing().streams);
    assert!(PatchUpscaler::new(&bicubic, Size::new(64, 64), 32, 1).unwrap().is_none());
}
