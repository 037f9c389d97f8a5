use super::super::noise;
use super::*;

/// The textbook sum with zero padding, in f64.
fn direct(image: &[f32], weight: &[f32], bias: &[f32], dims: (usize, usize, usize, usize, usize)) -> Vec<f64> {
    let (ci, co, k, w, h) = dims;
    let mut out = Vec::new();
    for o in 0..co {
        for p in 0..w * h {
            let mut sum = f64::from(bias[o]);
            for i in 0..ci {
                for t in 0..k * k {
                    let (x, y) = ((p % w + t % k) as isize, (p / w + t / k) as isize);
                    let (x, y) = (x - (k / 2) as isize, y - (k / 2) as isize);
                    if (0..w as isize).contains(&x) && (0..h as isize).contains(&y) {
                        let value = image[i * w * h + y as usize * w + x as usize];
                        sum += f64::from(weight[(o * ci + i) * k * k + t]) * f64::from(value);
                    }
                }
            }
            out.push(sum);
        }
    }
    out
}

const SHAPES: [(usize, usize, usize, usize, usize); 8] = [
    (1, 16, 3, 32, 32),
    (3, 5, 3, 1, 1),
    (16, 16, 3, 17, 9),
    (9, 33, 3, 48, 3),
    (2, 3, 1, 7, 5),
    (3, 4, 5, 13, 11),
    (2, 8, 9, 10, 20),
    (32, 4, 3, 31, 2),
];

#[test]
fn every_level_equals_the_scalar_definition_bit_for_bit_and_the_textbook_closely() {
    for dims in SHAPES {
        let (ci, co, k, w, h) = dims;
        let (image, weight, bias) = (noise(ci * w * h, 1), noise(co * ci * k * k, 2), noise(co, 3));
        let truth = direct(&image, &weight, &bias, dims);
        let mut reference: Option<Vec<f32>> = None;
        for level in Level::available() {
            let conv = Conv::new(level, k, w, h);
            let mut sheet = Sheet { channels: 1, stride: 3, data: vec![f32::NAN; 9] };
            conv.lay(&image, None, ci, &mut sheet);
            let mut out = vec![f32::NAN; co * w * h];
            let packed = Packed::new(&weight, co, ci, k);
            conv.forward(&sheet, &packed, &bias, false, &mut vec![f32::NAN; 7], &mut out);
            for (a, b) in out.iter().zip(&truth) {
                assert!((f64::from(*a) - b).abs() < 1e-4, "{level:?} {dims:?}: {a} {b}");
            }
            assert_eq!(reference.get_or_insert_with(|| out.clone()), &out, "{level:?} {dims:?}");
        }
    }
}

#[test]
fn weight_gradient_is_the_correlation_with_the_input() {
    for dims in SHAPES {
        let (ci, co, k, w, h) = dims;
        let (image, delta) = (noise(ci * w * h, 4), noise(co * w * h, 5));
        for level in Level::available() {
            let conv = Conv::new(level, k, w, h);
            let (mut sheet, mut delta_sheet) = (Sheet::default(), Sheet::default());
            conv.lay(&image, None, ci, &mut sheet);
            conv.lay(&delta, None, co, &mut delta_sheet);
            let mut out = vec![0.0; co * ci * k * k];
            conv.weight_gradient(&sheet, &delta_sheet, &mut out);
            for (n, value) in out.iter().enumerate() {
                // The derivative by one weight is the output's sum, weighted by delta, for that weight alone set to one.
                let mut unit = vec![0.0; co * ci * k * k];
                unit[n] = 1.0;
                if n % 7 == 0 {
                    let response = direct(&image, &unit, &vec![0.0; co], dims);
                    let truth: f64 = response.iter().zip(&delta).map(|(r, d)| r * f64::from(*d)).sum();
                    assert!((f64::from(*value) - truth).abs() < 2e-3, "{level:?} {dims:?} {n}: {value} {truth}");
                }
            }
        }
    }
}

#[test]
fn a_laid_mask_stops_what_the_relu_stopped() {
    let conv = Conv::new(Level::best(), 3, 2, 1);
    let mut sheet = Sheet::default();
    conv.lay(&[5.0, 7.0], Some(&[0.0, 1.0]), 1, &mut sheet);
    assert_eq!(&sheet.data[conv.origin()..][..2], &[0.0, 7.0]);
}
