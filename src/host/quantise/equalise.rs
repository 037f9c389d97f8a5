//! Channels of one range.
//!
//! All channels of a tensor share one step, so a channel whose values stay small is rounded coarsely. A ReLU does not mind a
//! positive factor: making channel c by 1/s and reading it by s leaves the network as it is (Nagel 2019, "Data-free
//! quantization through weight equalization and bias correction") and lets it use the whole range. The weights that read it
//! shrink, and their step is their row's: the best share of the way is found by trying.

use super::{Options, error_from, quantise};
use crate::error::Result;
use crate::host::calibrate::{Method, Sample};
use crate::host::chain::Chain;
use crate::host::integer::quantise_input;
use rayon::prelude::*;

/// Shares of the way to equal ranges that are tried.
const SHARES: [f32; 4] = [0.0, 0.35, 0.7, 1.0];
/// No channel is scaled by more.
const LEAST: f32 = 1e-3;

/// `chain` scaled so that it is quantised best on `samples`, and the share of the way to equal ranges that this is.
///
/// # Errors
/// Those of [`quantise`].
pub fn equalise(chain: &Chain, samples: &[Sample], options: Options) -> Result<(Chain, f32)> {
    let ranges = ranges(chain, samples);
    let mut best: Option<(f64, Chain, f32)> = None;
    for share in SHARES {
        let scaled = scale(chain, &ranges, share);
        let rough = quantise(&scaled, samples, Options { method: Method::PERCENTILE, ..options })?;
        let inputs: Vec<_> = samples.iter().map(|s| quantise_input(&s.low)).collect();
        let error = error_from(&rough, 0, &inputs, samples);
        log::info!("equalised {share}: squared error {error:.6e}");
        if best.as_ref().is_none_or(|(least, ..)| error < *least) {
            best = Some((error, scaled, share));
        }
    }
    Ok(best.map_or_else(|| (chain.clone(), 0.0), |(_, chain, share)| (chain, share)))
}

/// For each hidden layer, the mean over the samples of each channel's greatest value.
pub(super) fn ranges(chain: &Chain, samples: &[Sample]) -> Vec<Vec<f32>> {
    let hidden = chain.layers.len().saturating_sub(1);
    let each: Vec<Vec<Vec<f32>>> = samples
        .par_iter()
        .map(|sample| {
            let mut greatest = Vec::new();
            chain.residual(&sample.low, |i, maps| {
                if i < hidden {
                    let rows = |c: usize| (0..maps.size.height).flat_map(move |y| maps.row(c, y));
                    greatest.push((0..maps.channels).map(|c| rows(c).copied().fold(0.0, f32::max)).collect());
                }
            });
            greatest
        })
        .collect();
    let mean = |i: usize, c: usize| each.iter().map(|sample| sample[i][c]).sum::<f32>() / each.len().max(1) as f32;
    (0..hidden).map(|i| (0..chain.layers[i].outputs).map(|c| mean(i, c)).collect()).collect()
}

/// Every hidden channel made `share` of the way to its layer's widest.
fn scale(chain: &Chain, ranges: &[Vec<f32>], share: f32) -> Chain {
    let mut chain = chain.clone();
    for (i, ranges) in ranges.iter().enumerate() {
        let widest = ranges.iter().copied().fold(0.0, f32::max);
        let (before, after) = chain.layers.split_at_mut(i + 1);
        let (maker, reader) = (&mut before[i], &mut after[0]);
        for (c, range) in ranges.iter().enumerate().filter(|(_, range)| **range > 0.0) {
            let factor = (range / widest).max(LEAST).powf(share);
            let row = maker.inputs * 9;
            maker.weight[c * row..][..row].iter_mut().for_each(|weight| *weight /= factor);
            maker.bias[c] /= factor;
            for kernels in reader.weight.chunks_exact_mut(reader.inputs * 9) {
                kernels[c * 9..][..9].iter_mut().for_each(|weight| *weight *= factor);
            }
        }
    }
    chain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::frame::Plane;
    use crate::geometry::Size;
    use crate::host::chain::Maps;

    #[test]
    fn uneven_channels_are_evened_out_and_the_network_stays_the_same() {
        let even = Chain::sketch(2, &[8, 8]);
        // The same network with every other hidden channel a hundred times smaller.
        let uneven = scale(&even, &[[1.0, 0.01].repeat(4), [1.0, 0.01].repeat(4)].map(|r| invert(&r)), 1.0);
        let low = Plane::from_fn(Size::new(32, 24), |x, y| 0.5 + 0.5 * ((x * 3 + y * y) as f32 / 15.0).sin());
        let low = Maps::from_plane(&low);
        let samples = [Sample { high: even.forward(&low), low: low.clone() }];
        let close = |a: &Chain, b: &Chain| {
            let (a, b) = (a.forward(&low), b.forward(&low));
            a.samples().iter().zip(&b.samples()).all(|(a, b)| (a - b).abs() < 1e-4)
        };
        assert!(close(&even, &uneven));
        let (evened, share) = equalise(&uneven, &samples, Options::default()).unwrap();
        assert!(share > 0.5 && close(&even, &evened), "{share}");
        let ranges = ranges(&evened, &samples);
        for layer in ranges {
            let (least, most) =
                layer.iter().filter(|r| **r > 0.0).fold((f32::MAX, 0.0f32), |(a, b), &r| (a.min(r), b.max(r)));
            assert!(most / least < 10.0, "{layer:?}");
        }
    }

    /// Ranges that scale a channel down where `factors` are small.
    fn invert(factors: &[f32]) -> Vec<f32> {
        let least = factors.iter().copied().fold(f32::MAX, f32::min);
        factors.iter().map(|factor| least / factor).collect()
    }
}
