//! The games against numpy; the penalty's gradient against finite differences.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::host::graph::Weights;
use crate::host::papers;
use candle_core::{DType, Device};

/// Expected values by numpy:
/// ```python
/// import numpy as np
/// r = np.array([1.5, -0.3, 2.0]); f = np.array([0.2, -1.0, 0.7])
/// sp = lambda x: np.log1p(np.exp(x)); s = lambda x: 1 / (1 + np.exp(-x))
/// print((-np.log(s(r))).mean() + (-np.log(1 - s(f))).mean(), (-np.log(s(f))).mean())
/// dr, df = s(r - f.mean()), s(f - r.mean())
/// print(-np.log(dr).mean() - np.log(1 - df).mean(), -np.log(1 - dr).mean() - np.log(df).mean())
/// print(f.mean() - r.mean(), -f.mean())
/// ```
const EXPECTED: [f32; 6] = [1.132_427_7, 0.771_528_9, 0.716_803_5, 2.916_803_5, -1.1, 0.033_333_3];

#[test]
fn games_equal_numpy() {
    let real = Tensor::new(&[1.5f32, -0.3, 2.0], &Device::Cpu).unwrap();
    let fake = Tensor::new(&[0.2f32, -1.0, 0.7], &Device::Cpu).unwrap();
    for (game, discriminator, generator) in [
        (Game::NonSaturating, EXPECTED[0], EXPECTED[1]),
        (Game::Relativistic, EXPECTED[2], EXPECTED[3]),
        (Game::Wasserstein, EXPECTED[4], EXPECTED[5]),
    ] {
        let d = game.discriminator(&real, &fake).unwrap().to_scalar::<f32>().unwrap();
        let g = game.generator(&real, &fake).unwrap().to_scalar::<f32>().unwrap();
        assert!((d - discriminator).abs() < 1e-5 && (g - generator).abs() < 1e-5, "{game:?}: {d} {g}");
    }
}

#[test]
fn huge_logits_stay_numbers() {
    let real = Tensor::new(&[1e4f32, -1e4], &Device::Cpu).unwrap();
    for game in [Game::NonSaturating, Game::Relativistic] {
        let d = game.discriminator(&real, &real.neg().unwrap()).unwrap().to_scalar::<f32>().unwrap();
        assert!(d.is_finite(), "{game:?}: {d}");
    }
}

/// candle reads its variable when a thread first goes back, so this test runs the one below in a process of its own.
#[test]
fn the_penaltys_gradient_equals_differences() {
    let own = std::env::current_exe().unwrap();
    let mut child = std::process::Command::new(own);
    let name = "host::adversarial::tests::the_penalty_alone";
    let output = child.args([name, "--exact", "--ignored"]).env(TWICE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "run by the test above, in an environment of its own"]
fn the_penalty_alone() {
    let random = &mut Random::new(8);
    let graph = papers::discriminator("patch", 4, 16).unwrap();
    let weights = Weights::new(&graph, random, &Device::Cpu).unwrap();
    let mut noise = || {
        let values: Vec<f32> = (0..2 * 3 * 16 * 16).map(|_| random.unit() as f32).collect();
        Tensor::from_vec(values, (2, 3, 16, 16), &Device::Cpu).unwrap()
    };
    let (real, fake) = (noise(), noise());
    let cost = |tensors: &[Tensor]| penalty(&graph, tensors, &real, &fake, &mut Random::new(5)).unwrap();
    let gradients = cost(&weights.tensors()).backward().unwrap();
    let (mut checked, mut agreed) = (0, 0);
    for (which, tensor) in weights.tensors().iter().enumerate() {
        let at = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let Some(gradient) = gradients.get(tensor) else { continue };
        let gradient = gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for n in (0..at.len()).step_by(at.len() / 5 + 1) {
            let moved = |delta: f32| {
                let (mut all, mut values) = (weights.frozen(), at.clone());
                values[n] += delta;
                all[which] = Tensor::from_vec(values, tensor.shape(), &Device::Cpu).unwrap();
                f64::from(cost(&all).to_scalar::<f32>().unwrap())
            };
            let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            let got = f64::from(gradient[n]);
            checked += usize::from(slope.abs() > 1e-2);
            agreed += usize::from(slope.abs() > 1e-2 && (got - slope).abs() < 0.05 * slope.abs() + 5e-3);
        }
    }
    // Where a small step takes a unit over its kink, the slope of its input jumps, and with it the penalty.
    assert!(checked > 8 && 5 * agreed >= 4 * checked, "{agreed} of {checked}");
    // In f64 run the operators composed of candle's, as on a GPU.
    let wide = |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap();
    let vars: Vec<Var> = weights.tensors().iter().map(|t| Var::from_tensor(&wide(t)).unwrap()).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let cost = penalty(&graph, &tensors, &wide(&real), &wide(&fake), &mut Random::new(5)).unwrap();
    let composed = cost.backward().unwrap();
    let numbers = |t: &Tensor| t.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let mut seen = 0;
    for (tensor, var) in weights.tensors().iter().zip(&vars) {
        let (Some(ours), Some(theirs)) = (gradients.get(tensor), composed.get(var)) else { continue };
        let (ours, theirs) = (numbers(ours), numbers(theirs));
        let length = ours.iter().map(|value| value * value).sum::<f32>().sqrt();
        let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        assert!(off < 1e-3 * length + 1e-4, "{off} {length}");
        seen += usize::from(length > 1e-2);
    }
    assert!(seen > 2, "{seen}");
}
