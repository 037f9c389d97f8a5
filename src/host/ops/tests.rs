//! Operators against finite differences and against candle's own where that is right.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::host::random::Random;
use candle_core::{Device, Result, Tensor, Var};

fn noise(random: &mut Random, shape: &[usize]) -> Tensor {
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.normal() as f32).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Holds the gradients of `Σ f(operands) · probe` to central differences.
fn check(operands: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let shape = f(operands).unwrap();
    let probe = noise(&mut Random::new(77), shape.dims());
    let cost = |operands: &[Tensor]| (f(operands).unwrap() * &probe).unwrap().sum_all().unwrap();
    let vars: Vec<Var> = operands.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let gradients = cost(&tensors).backward().unwrap();
    for (which, var) in vars.iter().enumerate() {
        let (gradient, at) = (values(gradients.get(var).unwrap()), values(var));
        for n in (0..at.len()).step_by(3) {
            let moved = |delta: f32| {
                let mut moved = at.clone();
                moved[n] += delta;
                let mut all = operands.to_vec();
                all[which] = Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap();
                f64::from(cost(&all).to_scalar::<f32>().unwrap())
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            let got = f64::from(gradient[n]);
            assert!((got - slope).abs() < 2e-2 * (1.0 + slope.abs()), "operand {which}[{n}]: {got} {slope}");
        }
    }
}

#[test]
fn gradients_equal_differences() {
    let random = &mut Random::new(4);
    let x = noise(random, &[2, 3, 7, 6]);
    // Far from the kink, which lies at 0.
    let away = ((&x.sign().unwrap() * 0.2).unwrap() + &x).unwrap();
    check(&[away, noise(random, &[3])], |t| prelu(&t[0], &t[1]));
    check(std::slice::from_ref(&x), |t| nearest(&t[0], 3));
    check(&[noise(random, &[2, 8, 3, 4])], |t| shuffle(&t[0], 2));
    let bicubic = Bicubic::new(7, 6, 2, &Device::Cpu).unwrap();
    check(std::slice::from_ref(&x), |t| bicubic.enlarge(&t[0]));
    check(std::slice::from_ref(&x), |t| edged(&t[0], 2));
    check(std::slice::from_ref(&x), |t| reflected(&t[0], 2));
    let (w, b) = (noise(random, &[3, 1, 3, 3]), noise(random, &[3]));
    let patches = Patches { side: 3, stride: 1, padding: 1 };
    check(&[x.clone(), w, b], |t| depthwise(&t[0], &t[1], &t[2], patches));
    for (side, stride, padding) in [(3, 2, 1), (3, 2, 0), (4, 2, 1), (1, 2, 0), (5, 3, 2)] {
        let (w, b) = (noise(random, &[4, 3, side, side]), noise(random, &[4]));
        let patches = Patches { side, stride, padding };
        check(&[x.clone(), w.clone(), b.clone()], |t| convolve_patches(&t[0], &t[1], &t[2], patches, None));
        check(&[x.clone(), w, b], |t| convolve_twice(&t[0], &t[1], &t[2], patches));
    }
}

/// Holds what is composed of candle's operators, which runs where ours do not, to ours: result and gradients.
fn same(
    what: &str,
    operands: &[Tensor],
    ours: impl Fn(&[Tensor]) -> Result<Tensor>,
    theirs: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let run = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| {
        let vars: Vec<Var> = operands.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
        let made = f(&vars.iter().map(|var| var.as_tensor().clone()).collect::<Vec<_>>()).unwrap();
        let probe = noise(&mut Random::new(77), made.dims());
        let gradients = (&made * probe).unwrap().sum_all().unwrap().backward().unwrap();
        let mut all = vec![values(&made)];
        all.extend(vars.iter().map(|var| values(gradients.get(var).unwrap())));
        all
    };
    for (part, (a, b)) in run(&ours).iter().zip(run(&theirs)).enumerate() {
        let far = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(a.len() == b.len() && far < 1e-4, "{what}, part {part}: {far}");
    }
}

#[test]
fn composed_operators_equal_ours() {
    let random = &mut Random::new(12);
    let (x, b) = (noise(random, &[2, 3, 11, 8]), noise(random, &[4]));
    let one = std::slice::from_ref(&x);
    for (side, stride, padding) in [(3, 1, 1), (3, 2, 1), (3, 2, 0), (4, 2, 1), (1, 2, 0), (5, 3, 2)] {
        let patches = Patches { side, stride, padding };
        let operands = [x.clone(), noise(random, &[4, 3, side, side]), b.clone()];
        for slope in [None, Some(0.0), Some(0.2)] {
            let ours = |t: &[Tensor]| convolve_patches(&t[0], &t[1], &t[2], patches, slope);
            same("convolution", &operands, ours, |t| convolution::composed(&t[0], &t[1], &t[2], patches, slope));
        }
        same("unfold", one, |t| unfold(&t[0], patches), |t| unfold::composed(&t[0], patches));
    }
    same("leaky", one, |t| leaky(&t[0], 0.2), |t| convolution::sloped(&t[0], 0.2));
    same("prelu", &[x.clone(), noise(random, &[3])], |t| prelu(&t[0], &t[1]), |t| prelu::composed(&t[0], &t[1]));
    for window in [Window { side: 2, stride: 2, ceil: false }, Window { side: 3, stride: 2, ceil: true }] {
        same("max_pool", one, |t| max_pool(&t[0], window), |t| pool::composed(&t[0], window));
    }
    let (other, weights) = (noise(random, &[2, 3, 11, 8]), [0.5, 2.0, 1.0]);
    let distance = |t: &[Tensor]| unit_distance(&t[0], &other, &weights);
    same("unit_distance", one, distance, |t| unit_distance::composed(&t[0], &other, &weights));
}

/// On the CPU what is held in bf16 is computed by candle's operators, for tests.
#[test]
fn bf16_is_f32_rounded() {
    let random = &mut Random::new(13);
    let x = noise(random, &[2, 3, 11, 8]);
    let held = x.to_dtype(candle_core::DType::BF16).unwrap();
    let (w, b) = (noise(random, &[4, 3, 3, 3]), noise(random, &[4]));
    let cast = |tensor: &Tensor| tensor.to_dtype(candle_core::DType::BF16).unwrap();
    let pairs = [
        (convolve(&x, &w, &b, Some(0.2)), convolve(&held, &cast(&w), &cast(&b), Some(0.2))),
        (prelu(&x, &b.narrow(0, 0, 3).unwrap()), prelu(&held, &cast(&b.narrow(0, 0, 3).unwrap()))),
        (
            max_pool(&x, Window { side: 3, stride: 2, ceil: true }),
            max_pool(&held, Window { side: 3, stride: 2, ceil: true }),
        ),
        (leaky(&x, 0.2), leaky(&held, 0.2)),
    ];
    for (exact, coarse) in pairs {
        let (exact, coarse) = (exact.unwrap(), coarse.unwrap());
        assert_eq!(coarse.dtype(), candle_core::DType::BF16);
        let coarse = values(&coarse.to_dtype(candle_core::DType::F32).unwrap());
        assert!(values(&exact).iter().zip(coarse).all(|(a, b)| (a - b).abs() < 0.05 + 0.02 * a.abs()));
    }
}

/// The samples of a pooled picture are distinct and far apart, so that a small step changes no maximum.
#[test]
fn pooling_hands_its_gradient_to_the_greatest() {
    let mut order: Vec<f32> = (0..2 * 2 * 7 * 9).map(|n| (n * 89 % 252) as f32 / 4.0).collect();
    order.rotate_left(31);
    let x = Tensor::from_vec(order, (2, 2, 7, 9), &Device::Cpu).unwrap();
    for window in [Window { side: 2, stride: 2, ceil: false }, Window { side: 3, stride: 2, ceil: true }] {
        check(std::slice::from_ref(&x), |t| max_pool(&t[0], window));
    }
    let pooled = max_pool(&x, Window { side: 3, stride: 2, ceil: false }).unwrap();
    let theirs = x.max_pool2d_with_stride(3, 2).unwrap();
    assert_eq!(values(&pooled), values(&theirs));
    // Of 8 samples, ceil mode has windows at 0, 2, 4 and one at 6 that is cut.
    let line = Tensor::from_vec((0..64).map(|n| n as f32).collect(), (1, 1, 8, 8), &Device::Cpu).unwrap();
    let ceil = max_pool(&line, Window { side: 3, stride: 2, ceil: true }).unwrap();
    assert_eq!(ceil.dims(), [1, 1, 4, 4]);
    assert_eq!(values(&ceil)[..4], [18.0, 20.0, 22.0, 23.0]);
    assert!(max_pool(&line, Window { side: 9, stride: 1, ceil: true }).is_err());
}

#[test]
fn patches_convolve_as_candle_does() {
    let random = &mut Random::new(9);
    let (x, w) = (noise(random, &[2, 5, 11, 8]), noise(random, &[6, 5, 3, 3]));
    let b = Tensor::zeros(6, candle_core::DType::F32, &Device::Cpu).unwrap();
    for (stride, padding) in [(1, 0), (1, 1), (2, 1), (3, 2)] {
        let patches = Patches { side: 3, stride, padding };
        let theirs = x.conv2d(&w, padding, stride, 1, 1).unwrap();
        let leaky = theirs.maximum(&(&theirs * 0.2).unwrap()).unwrap();
        for (ours, theirs) in [
            (convolve_patches(&x, &w, &b, patches, None), &theirs),
            (convolve_patches(&x, &w, &b, patches, Some(0.2)), &leaky),
            (convolve_twice(&x, &w, &b, patches), &theirs),
        ] {
            let far = (ours.unwrap() - theirs).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(far < 1e-4, "{stride} {padding}: {far}");
        }
    }
    let too_small = Patches { side: 9, stride: 1, padding: 0 };
    assert!(convolve_patches(&x, &noise(random, &[1, 5, 9, 9]), &b, too_small, None).is_err());
}

/// By numpy:
/// ```python
/// import numpy as np
/// a = np.sin(np.arange(24.)).reshape(2, 3, 2, 2); b = np.cos(np.arange(24.) * 2).reshape(2, 3, 2, 2)
/// w = np.array([.5, 2, 1]); u = lambda x: x / np.sqrt((x * x).sum(1, keepdims=True))
/// print(((u(a) - u(b)) ** 2 * w[None, :, None, None]).sum(1).mean())
/// ```
#[test]
fn unit_distance_equals_numpy_and_differences() {
    let tensor = |f: fn(f32) -> f32| {
        Tensor::from_vec((0..24).map(|n| f(n as f32)).collect::<Vec<_>>(), (2, 3, 2, 2), &Device::Cpu).unwrap()
    };
    let (a, b) = (tensor(f32::sin), tensor(|n| (2.0 * n).cos()));
    let weights = [0.5, 2.0, 1.0];
    let distance = unit_distance(&a, &b, &weights).unwrap().to_scalar::<f32>().unwrap();
    assert!((distance - 2.081_308).abs() < 1e-5, "{distance}");
    check(std::slice::from_ref(&a), |t| unit_distance(&t[0], &b, &weights));
    let nothing =
        Var::from_tensor(&Tensor::zeros((1, 3, 1, 1), candle_core::DType::F32, &Device::Cpu).unwrap()).unwrap();
    let one = unit_distance(&nothing, &nothing.detach(), &weights).unwrap();
    assert!(values(one.backward().unwrap().get(&nothing).unwrap()).iter().all(|slope| slope.is_finite()));
}

#[test]
fn nearest_repeats_and_shuffle_interleaves() {
    let x = Tensor::from_vec((0..8).map(|n| n as f32).collect::<Vec<_>>(), (1, 4, 1, 2), &Device::Cpu).unwrap();
    assert_eq!(values(&shuffle(&x, 2).unwrap()), [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    let small = x.narrow(1, 0, 1).unwrap();
    assert_eq!(values(&nearest(&small, 2).unwrap()), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0]);
    assert!(shuffle(&x, 3).is_err());
}

#[test]
fn borders_are_repeated_or_mirrored() {
    let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], (1, 1, 3, 3), &Device::Cpu).unwrap();
    assert_eq!(values(&edged(&x, 1).unwrap())[..5], [1.0, 1.0, 2.0, 3.0, 3.0]);
    assert_eq!(values(&reflected(&x, 2).unwrap())[..7], [9.0, 8.0, 7.0, 8.0, 9.0, 8.0, 7.0]);
    assert!(reflected(&x, 3).is_err());
}
