#![allow(clippy::unwrap_used)]

use super::*;
use crate::frame::Plane;
use crate::geometry::Size;

/// Smooth shapes with edges, and as truth what the chain itself makes of them.
fn samples(chain: &Chain) -> Vec<Sample> {
    let plane = |seed: usize| {
        Plane::from_fn(Size::new(40, 36), |x, y| {
            let wave = ((x + seed * 5) as f32 / 6.0).sin() * ((y * (seed + 1)) as f32 / 9.0).cos();
            0.5 + 0.35 * wave + if (x + y * seed) % 23 < 6 { 0.1 } else { -0.1 }
        })
    };
    let picture = |seed: usize| {
        let planes = (0..chain.planes()).flat_map(|n| plane(seed + n).data);
        Maps::from_samples(Size::new(40, 36), &planes.collect::<Vec<_>>())
    };
    let truth = |low: &Maps<f32>| chain.forward(low).map(|_, v| v.clamp(0.0, 1.0));
    (1..4).map(|seed| Sample { high: truth(&picture(seed)), low: picture(seed) }).collect()
}

fn squared_error(quantised: &IntegerChain, samples: &[Sample]) -> f64 {
    let inputs: Vec<_> = samples.iter().map(|s| quantise_input(&s.low)).collect();
    error_from(quantised, 0, &inputs, samples)
}

#[test]
fn every_method_stays_near_the_float_chain() {
    for planes in [1, 3] {
        stays_near(&Chain::sketch_of(planes, 2, &[8, 8]));
    }
}

fn stays_near(chain: &Chain) {
    let samples = samples(chain);
    let residual = chain.residual(&samples[0].low, |_, _| ()).samples();
    let size = (residual.iter().map(|v| f64::from(v * v)).sum::<f64>() / residual.len() as f64).sqrt();
    for method in [Method::MinMax, Method::PERCENTILE, Method::Mse] {
        for weight_bits in [8, 7] {
            let quantised = quantise(chain, &samples, Options { method, weight_bits }).unwrap();
            let most = quantised.layers.iter().flat_map(|l| &l.weight).map(|w| w.unsigned_abs()).max().unwrap();
            assert!(most <= if weight_bits == 8 { 127 } else { 63 });
            // Rounding a signal that fills a quarter of 256 steps costs 0.3/64 of it, and the layers before the last add to that.
            let share = squared_error(&quantised, &samples).sqrt() / size;
            // A residual of three planes is smaller beside the range of what the hidden layers hold.
            assert!(share < 0.011 + 0.001 * chain.planes() as f64, "{method} {weight_bits}: {share}");
        }
    }
}

#[test]
fn least_squares_is_no_worse_than_minmax() {
    let chain = Chain::sketch(3, &[6, 6, 6]);
    let samples = samples(&chain);
    let error = |method| {
        let quantised = quantise(&chain, &samples, Options { method, weight_bits: 8 }).unwrap();
        squared_error(&quantised, &samples)
    };
    let (mse, minmax) = (error(Method::Mse), error(Method::MinMax));
    assert!(mse <= minmax, "{mse} {minmax}");
}

#[test]
fn quantising_twice_gives_the_same_whatever_the_threads() {
    let chain = Chain::sketch(2, &[5]);
    let samples = samples(&chain);
    let once = quantise(&chain, &samples, Options::default()).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let again = pool.install(|| quantise(&chain, &samples, Options::default())).unwrap();
    assert_eq!(once, again);
}

#[test]
fn a_channel_without_weights_keeps_its_bias() {
    let mut chain = Chain::sketch(2, &[3]);
    chain.layers[0].weight[..9].fill(0.0);
    chain.layers[0].bias[0] = 0.25;
    let samples = samples(&chain);
    let quantised = quantise(&chain, &samples, Options { method: Method::MinMax, weight_bits: 8 }).unwrap();
    let maps = quantised.layer(0, &quantise_input(&samples[0].low));
    let value = f32::from(maps.at(0, 3, 3)) * quantised.layers[0].step;
    assert!((value - 0.25).abs() <= quantised.layers[0].step, "{value}");
}

#[test]
fn the_impossible_is_refused() {
    let chain = Chain::sketch(2, &[3]);
    assert!(quantise(&chain, &[], Options::default()).is_err());
    assert!(quantise(&chain, &samples(&chain), Options { method: Method::Mse, weight_bits: 4 }).is_err());
    let mut broken = chain.clone();
    broken.scale = 3;
    assert!(quantise(&broken, &samples(&chain), Options::default()).is_err());
}
