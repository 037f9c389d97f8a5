#![allow(clippy::unwrap_used)]

use super::testing::{byte_chain, chain, columns, define, pictures, run, run_again, tangle};
use super::{Method, Packed, Stream};
use crate::geometry::Size;
use crate::kernel::Level;
use std::sync::Arc;

fn furthest(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert_eq!(a.iter().map(Vec::len).collect::<Vec<_>>(), b.iter().map(Vec::len).collect::<Vec<_>>());
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs.map(|(a, b)| if (a - b).abs() >= 0.0 { (a - b).abs() } else { f32::INFINITY }).fold(0.0, f32::max)
}

#[test]
fn every_level_and_method_computes_what_the_network_says() {
    for network in [chain(1, 16, 4, 4), chain(3, 24, 3, 2), chain(3, 8, 3, 3), chain(1, 50, 2, 4), tangle(), columns()]
    {
        for size in [Size::new(1, 1), Size::new(5, 3), Size::new(33, 18), Size::new(120, 9)] {
            let input = pictures(&network, size);
            let expected = define(&network, &input, size);
            for level in Level::available() {
                for method in [Method::Direct, Method::Winograd] {
                    let packed = Arc::new(Packed::new(network.clone(), level, method));
                    let far = furthest(&run(&packed, &input, size, 0..size.height), &expected);
                    assert!(far < 1e-5, "{level:?} {method:?} {size}: {far}");
                }
            }
        }
    }
}

#[test]
fn bytes_are_exactly_what_the_network_says_at_every_level() {
    for network in [byte_chain(1, 16, 4, 4), byte_chain(3, 24, 3, 2), byte_chain(1, 3, 3, 3), byte_chain(3, 70, 2, 4)] {
        for size in [Size::new(1, 1), Size::new(5, 3), Size::new(47, 18)] {
            let input = pictures(&network, size);
            let expected = define(&network, &input, size);
            for level in Level::available() {
                let packed = Arc::new(Packed::new(network.clone(), level, Method::Winograd));
                let far = furthest(&run(&packed, &input, size, 0..size.height), &expected);
                // The base picture is added in f32.
                assert!(far < 1e-6, "{level:?} {size}: {far}");
            }
        }
    }
}

#[test]
fn levels_agree_bit_for_bit() {
    for network in [chain(3, 24, 4, 4), tangle(), columns(), byte_chain(3, 24, 3, 4)] {
        let size = Size::new(39, 22);
        let input = pictures(&network, size);
        for method in [Method::Direct, Method::Winograd] {
            let made = |level| {
                let packed = Arc::new(Packed::new(network.clone(), level, method));
                run(&packed, &input, size, 0..size.height)
            };
            let expected = made(Level::Scalar);
            for level in Level::available() {
                assert!(made(level) == expected, "{level:?} {method:?} differs from the scalar definition");
            }
        }
    }
}

#[test]
fn any_band_of_rows_is_that_part_of_the_whole_and_a_stream_can_be_used_again() {
    for network in [chain(3, 16, 5, 4), tangle(), columns(), byte_chain(1, 16, 5, 2)] {
        let size = Size::new(21, 43);
        let input = pictures(&network, size);
        let packed = Arc::new(Packed::new(network.clone(), Level::best(), Method::Winograd));
        let mut stream = Stream::new(packed.clone(), size, [0.0, 1.0]);
        let whole = run_again(&mut stream, &network, &input, 0..size.height);
        for first in 0..size.height {
            for end in [first + 1, first + 7, size.height] {
                let end = end.min(size.height);
                let band = run_again(&mut stream, &network, &input, first..end);
                for ((band, whole), output) in band.iter().zip(&whole).zip(&network.outputs) {
                    let scale = network.output_scale(output);
                    let plane = scale * scale * size.area();
                    for (band, whole) in band.chunks(plane).zip(whole.chunks(plane)) {
                        let inside = first * scale * scale * size.width..end * scale * scale * size.width;
                        assert!(band[inside.clone()] == whole[inside], "rows {first} to {end} differ");
                    }
                }
            }
        }
    }
}

/// The check in `Stream::run` fails where a row is overwritten that is still to be read; only deep networks get there.
#[test]
fn bands_that_begin_deep_in_the_picture_keep_all_the_rows_that_are_read() {
    for network in [chain(1, 8, 12, 2), byte_chain(1, 1, 24, 2), tangle()] {
        let size = Size::new(1, 90);
        let input = pictures(&network, size);
        for method in [Method::Direct, Method::Winograd] {
            let packed = Arc::new(Packed::new(network.clone(), Level::Scalar, method));
            let mut stream = Stream::new(packed, size, [0.0, 1.0]);
            for first in 0..size.height {
                run_again(&mut stream, &network, &input, first..(first + 3).min(size.height));
            }
        }
    }
}

#[test]
fn windows_that_are_aligned_and_overlap_by_the_halo_have_the_same_bits() {
    for network in [chain(3, 16, 4, 4), byte_chain(1, 16, 4, 2), tangle(), columns()] {
        let packed = Arc::new(Packed::new(network.clone(), Level::best(), Method::Winograd));
        let (halo, align) = (packed.halo(), packed.alignment());
        let size = Size::new(2 * halo + 23, 2 * halo + 17);
        let input = pictures(&network, size);
        let whole = run(&packed, &input, size, 0..size.height);
        for (left, top) in [(align, 0), (0, align), (2 * align, 3 * align)] {
            let window = Size::new(size.width - left, size.height - top);
            let planes = network.inputs[0];
            let mut part = Vec::new();
            for plane in 0..planes {
                for y in top..size.height {
                    part.extend_from_slice(&input[0][(plane * size.height + y) * size.width + left..][..window.width]);
                }
            }
            let got = run(&packed, &[part], window, 0..window.height);
            for ((got, whole), output) in got.iter().zip(&whole).zip(&network.outputs) {
                let scale = network.output_scale(output);
                for plane in 0..output.shuffle.planes {
                    for y in (if top == 0 { 0 } else { halo }) * scale..window.height * scale {
                        let from = (if left == 0 { 0 } else { halo }) * scale;
                        let width = window.width * scale;
                        let a = &got[(plane * window.height * scale + y) * width + from..][..width - from];
                        let at = (plane * size.height * scale + y + top * scale) * size.width * scale;
                        let b = &whole[at + left * scale + from..][..width - from];
                        assert!(a == b, "window at {left}, {top}: row {y} of plane {plane} differs");
                    }
                }
            }
        }
    }
}
