use super::super::noise;
use super::conv::{Conv, Weights};
use super::grid::{Line, Map, Pairs, Planes};
use super::pack::{Finish, pair, sum_pairs, transpose};
use super::product::{Product, Shape, Steps, Sums, TILE};
use super::{Tiles, round, widen};

fn rounded(n: usize, seed: u32) -> Vec<f32> {
    noise(n, seed).into_iter().map(|v| widen(round(v))).collect()
}

fn lines(n: usize, seed: u32) -> Vec<Line> {
    let noise = noise(n * 32, seed);
    noise.as_chunks::<32>().0.iter().map(|values| Line(values.map(round))).collect()
}

fn levels() -> impl Iterator<Item = Tiles> {
    std::iter::once(Tiles::Scalar).chain(Tiles::fast())
}

#[test]
fn rounding_goes_to_the_nearest_and_ties_to_even() {
    // 8 bits of mantissa: between 1 and 2 the step is 1/128, given here in 1/512 above 1.
    for (above, expected) in [(0, 0), (1, 0), (2, 0), (3, 4), (5, 4), (6, 8), (7, 8), (10, 8)] {
        let value = |n: u16| 1.0 + f32::from(n) / 512.0;
        assert_eq!(widen(round(value(above))).to_bits(), value(expected).to_bits(), "{above}");
        assert_eq!(widen(round(-value(above))).to_bits(), (-value(expected)).to_bits(), "{above}");
    }
}

#[test]
fn tiles_sum_what_the_definition_sums() {
    let (a, b) = (lines(400, 1), lines(300, 2));
    let steps = Steps::new(vec![0, 64, 17, 130]);
    for shape in [Shape::M4N1, Shape::M3N1, Shape::M2N1, Shape::M2N2] {
        for (row, tile) in [(32, 512), (16, 1), (96, 16)] {
            let product = Product { a: &a, start: 3, tile, row, steps: &steps, b: &b, from: 5, step: 40 };
            let mut truth = Sums([f32::NAN; 4 * TILE]);
            product.run(Tiles::Scalar, shape, &mut truth);
            for level in levels() {
                let mut sums = Sums([f32::NAN; 4 * TILE]);
                product.run(level, shape, &mut sums);
                for n in 0..shape.tiles().0 * shape.tiles().1 * TILE {
                    assert!((sums.0[n] - truth.0[n]).abs() < 1e-4, "{level:?} {shape:?} {row} {n}");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "too short")]
fn a_short_operand_is_refused() {
    let (a, b) = (lines(20, 1), lines(32, 2));
    let product =
        Product { a: &a, start: 0, tile: 512, row: 32, steps: &Steps::new(vec![0]), b: &b, from: 0, step: 16 };
    product.run(Tiles::fast().unwrap_or(Tiles::Scalar), Shape::M2N1, &mut Sums([0.0; 4 * TILE]));
}

#[test]
fn packing_is_the_same_bit_for_bit_at_every_level() {
    let mut sums = Sums([0.0; 4 * TILE]);
    sums.0.copy_from_slice(&noise(4 * TILE, 3));
    let bias: [f32; 32] = noise(32, 4).try_into().unwrap_or([0.0; 32]);
    let active = lines(100, 5);
    for (columns, step, relu) in [(1, 1, true), (2, 1, true), (2, 3, false)] {
        for active in [None, Some(&active[..])] {
            let finish = Finish { bias: &bias, relu, active, columns, step };
            let run = |level| {
                let mut out = vec![Line([7; 32]); 100];
                finish.run(level, &sums, &mut out, 2);
                out
            };
            levels().for_each(|level| assert_eq!(run(level), run(Tiles::Scalar), "{level:?} {columns} {step}"));
        }
    }
    let map = lines(130, 6);
    for (channels, first) in [(16, 0), (16, 32), (32, 16), (96, 64)] {
        let run = |level| {
            let (mut block, mut planes, mut sum) = ([Line::ZERO; 16], vec![Line([9; 32]); 60], [0.5; 16]);
            pair(level, &map, first, channels, &mut block);
            transpose(level, &block, &mut planes, 1, 3);
            sum_pairs(level, &map[..96], 1, 2, &mut sum);
            (block, planes, sum)
        };
        let (block, planes, sum) = run(Tiles::Scalar);
        for level in levels() {
            let (other_block, other_planes, other_sum) = run(level);
            assert!(block == other_block && planes == other_planes, "{level:?} {channels}");
            assert!(sum.iter().zip(other_sum).all(|(a, b)| (a - b).abs() < 1e-4), "{level:?}");
        }
    }
}

/// The textbook sum with zero padding, in f64: `image` is `[inputs][h][w]`, `weight` `[outputs][inputs][9]`.
fn direct(image: &[f32], weight: &[f32], (w, h): (usize, usize), (inputs, outputs): (usize, usize)) -> Vec<f64> {
    let mut out = vec![0.0; outputs * w * h];
    for (n, sum) in out.iter_mut().enumerate() {
        let (o, p) = (n / (w * h), n % (w * h));
        for i in 0..inputs {
            for tap in 0..9 {
                let (x, y) = ((p % w + tap % 3).wrapping_sub(1), (p / w + tap / 3).wrapping_sub(1));
                if x < w && y < h {
                    let value = image[(i * h + y) * w + x];
                    *sum += f64::from(weight[(o * inputs + i) * 9 + tap]) * f64::from(value);
                }
            }
        }
    }
    out
}

fn map(conv: &Conv, image: &[f32], channels: usize) -> Map {
    let (mut map, grid) = (Map::default(), conv.grid());
    map.shape(grid, channels);
    for (n, &value) in image.iter().enumerate() {
        let (c, p) = (n / (grid.width * grid.height), n % (grid.width * grid.height));
        map.at_mut(grid.row(p / grid.width) + p % grid.width)[c] = round(value);
    }
    map
}

const SHAPES: [((usize, usize), (usize, usize)); 6] = [
    ((9, 7), (16, 16)),
    ((1, 1), (5, 9)),
    ((33, 2), (32, 32)),
    ((12, 12), (40, 16)),
    ((6, 5), (24, 4)),
    ((8, 3), (64, 33)),
];

#[test]
fn convolutions_and_gradients_equal_the_textbook() {
    for ((w, h), (ci, co)) in SHAPES {
        let (image, weight, bias) = (rounded(ci * w * h, 1), rounded(co * ci * 9, 2), noise(co, 3));
        let delta = rounded(co * w * h, 4);
        let truth = direct(&image, &weight, (w, h), (ci, co));
        let mut mirrored = vec![0.0; ci * co * 9];
        for (n, value) in mirrored.iter_mut().enumerate() {
            let (i, o, tap) = (n / 9 / co, n / 9 % co, n % 9);
            *value = weight[(o * ci + i) * 9 + 8 - tap];
        }
        let back = direct(&delta, &mirrored, (w, h), (co, ci));
        for level in levels() {
            let conv = Conv::new(level, w, h);
            let input = map(&conv, &image, ci);
            let at = |map: &Map, n: usize| {
                let (c, p) = (n / (w * h), n % (w * h));
                f64::from(widen(map.at(conv.grid().row(p / w) + p % w)[c]))
            };
            let mut out = Map::default();
            conv.advance(&input, &Weights::new(&weight, co, ci), &bias, &mut out);
            let mut plain = Vec::new();
            conv.finish(&input, &Weights::new(&weight, co, ci), &bias, &mut plain);
            for (n, sum) in truth.iter().enumerate() {
                let (c, p) = (n / (w * h), n % (w * h));
                let expected = sum + f64::from(bias[c]);
                let stored = plain.len() / (w * h);
                assert!((f64::from(plain[p * stored + c]) - expected).abs() < 1e-3, "{level:?} {ci} {co} {n}");
                let (got, relu) = (at(&out, n), expected.max(0.0));
                assert!((got - relu).abs() < 1e-3 + relu / 200.0, "{level:?} {ci} {co} {n}: {got} {relu}");
            }
            let (deltas, mut passed) = (map(&conv, &delta, co), Map::default());
            conv.retreat(&deltas, &Weights::transposed(&weight, co, ci), &input, &mut passed);
            for (n, sum) in back.iter().enumerate() {
                let expected = if image[n] > 0.0 { *sum } else { 0.0 };
                let got = at(&passed, n);
                assert!(
                    (got - expected).abs() < 1e-3 + expected.abs() / 200.0,
                    "{level:?} {ci} {co} {n}: {got} {expected}"
                );
            }
        }
    }
}

#[test]
fn weight_gradients_are_the_correlation_with_the_input() {
    for ((w, h), (ci, co)) in SHAPES {
        let (image, delta) = (rounded(ci * w * h, 5), rounded(co * w * h, 6));
        for level in levels() {
            let conv = Conv::new(level, w, h);
            let (mut planes, mut pairs) = (Planes::default(), Pairs::default());
            conv.planes(&map(&conv, &image, ci), &mut planes);
            conv.pairs(&map(&conv, &delta, co), &mut pairs);
            let mut out = vec![f32::NAN; ci * co * 9];
            conv.weight_gradient(&planes, &pairs, (ci, co), &mut out);
            let sums = conv.sums(&pairs);
            for n in (0..out.len()).step_by(5) {
                let (o, i, tap) = (n / 9 / ci, n / 9 % ci, n % 9);
                let mut unit = [0.0; 9];
                unit[tap] = 1.0;
                let shifted = direct(&image[i * w * h..][..w * h], &unit, (w, h), (1, 1));
                let truth: f64 = shifted.iter().zip(&delta[o * w * h..]).map(|(x, d)| x * f64::from(*d)).sum();
                assert!((f64::from(out[n]) - truth).abs() < 1e-3, "{level:?} {ci} {co} {n}: {} {truth}", out[n]);
                let total: f32 = delta[o * w * h..][..w * h].iter().sum();
                assert!((sums[o] - total).abs() < 1e-3, "{level:?} {o}");
            }
        }
    }
}

#[test]
fn the_first_layer_sees_its_input_nearly_in_full() {
    let (w, h, co) = (11, 6, 16);
    let (image, weight, delta) = (noise(w * h, 7), rounded(co * 9, 8), rounded(co * w * h, 9));
    let truth = direct(&image, &weight, (w, h), (1, co));
    for level in levels() {
        let (conv, mut input) = (Conv::new(level, w, h), Map::default());
        conv.lay(&image, &mut input);
        let mut out = Vec::new();
        conv.finish(&input, &Weights::first(&weight, co), &[], &mut out);
        for (n, sum) in truth.iter().enumerate() {
            // bf16 alone would be off by 1e-2.
            assert!((f64::from(out[n % (w * h) * 16 + n / (w * h)]) - sum).abs() < 1e-4, "{level:?} {n}");
        }
        let (mut planes, mut pairs) = (Planes::default(), Pairs::default());
        conv.planes(&input, &mut planes);
        conv.pairs(&map(&conv, &delta, co), &mut pairs);
        let mut gradient = vec![f32::NAN; co * 9];
        conv.first_gradient(&planes, &pairs, co, &mut gradient);
        for (n, value) in gradient.iter().enumerate() {
            let mut unit = [0.0; 9];
            unit[n % 9] = 1.0;
            let shifted = direct(&image, &unit, (w, h), (1, 1));
            let truth: f64 = shifted.iter().zip(&delta[n / 9 * w * h..]).map(|(x, d)| x * f64::from(*d)).sum();
            assert!((f64::from(*value) - truth).abs() < 1e-3, "{level:?} {n}: {value} {truth}");
        }
    }
}
