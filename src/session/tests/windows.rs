//! A pixel must not depend on the window it was computed in.

use super::{generator, run};
use crate::card::Tiling;
use crate::frame::Plane;
use crate::geometry::{Rect, Size};
use crate::session::TractGenerator;
use crate::session::testing::{Noise, chain, chain_int8, menagerie};
use crate::upscale::Generator;

/// Counts the samples of windows, a halo away from their inner edges, that differ in any bit from the whole picture's.
fn differing(generator: &TractGenerator, picture: Size, windows: &[Size], halo: usize) -> (usize, usize) {
    let mut noise = Noise(9);
    let planes = generator.card().colour.planes();
    let input: Vec<Plane> = (0..planes).map(|_| Plane::from_fn(picture, |_, _| noise.next() * 0.5 + 0.5)).collect();
    let whole = run(generator, &input);
    let (scale, align) = (generator.card().scale, generator.footing().alignment);
    let aligned = |place: usize| place / align * align;
    let (mut differ, mut all) = (0, 0);
    for &window in windows {
        for (x, y) in [
            (0, 0),
            (aligned(picture.width - window.width), 0),
            (aligned(7.min(picture.width - window.width)), aligned(picture.height - window.height)),
        ] {
            let crops: Vec<Plane> = input.iter().map(|p| p.crop(Rect::new(x, y, window))).collect();
            let left = if x == 0 { 0 } else { halo };
            let top = if y == 0 { 0 } else { halo };
            let right = if x + window.width == picture.width { 0 } else { halo };
            let bottom = if y + window.height == picture.height { 0 } else { halo };
            for (part, full) in run(generator, &crops).iter().zip(&whole) {
                for row in top * scale..window.height.saturating_sub(bottom) * scale {
                    for column in left * scale..window.width.saturating_sub(right) * scale {
                        let (a, b) = (part.row(row)[column], full.row(y * scale + row)[x * scale + column]);
                        differ += usize::from(a.to_bits() != b.to_bits());
                        all += 1;
                    }
                }
            }
        }
    }
    (differ, all)
}

const PICTURE: Size = Size::new(200, 150);
const WINDOWS: [Size; 5] =
    [Size::new(33, 40), Size::new(64, 64), Size::new(128, 96), Size::new(150, 150), Size::new(17, 131)];

#[test]
fn a_pixel_does_not_depend_on_the_size_of_its_window() {
    let models =
        [chain(4, 16), chain(2, 8), chain(3, 12), chain_int8(4, 16), chain_int8(2, 8), menagerie(1), menagerie(3)];
    for model in models {
        let generator = generator(&model);
        let Tiling::Halo(halo) = generator.card().tiling else { panic!("{:?}", generator.card().tiling) };
        let footing = generator.footing();
        assert!(footing.halo >= halo);
        let (differ, all) = differing(&generator, PICTURE, &WINDOWS, footing.halo);
        assert_eq!(differ, 0, "of {all}");
        // Bits look no farther than values do, and values no less far than the card says.
        let halo = if footing.alignment == 1 { footing.halo } else { halo };
        let (short, _) = differing(&generator, PICTURE, &WINDOWS, halo - 1);
        assert!(short > 0, "a halo one pixel too small is not seen");
    }
}
