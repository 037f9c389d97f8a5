//! Finer steps from idle channels.
//!
//! A channel that is zero wherever one looks (its ReLU has died in training) still costs its work. It can carry a copy of a
//! busy one, half a step or so apart: n copies whose biases lie evenly over one step, read with an n-th of the weights each,
//! are one channel with n times as fine a step, since `Σ round(u + k/n)` counts u in n-ths. The float network stays
//! the same but for values within half a step of zero.

use crate::host::chain::{Chain, Layer};

/// Which channels of each hidden layer are ever above zero, by their [`super::equalise::ranges`].
pub(super) fn busy(ranges: &[Vec<f32>]) -> Vec<Vec<bool>> {
    ranges.iter().map(|layer| layer.iter().map(|&range| range > 0.0).collect()).collect()
}

/// `chain` with its idle channels as copies of busy ones; `steps` are those that its layers' outputs would have.
pub(super) fn spread(chain: &Chain, busy: &[Vec<bool>], steps: &[f32]) -> Chain {
    let mut chain = chain.clone();
    for (i, (here, &step)) in busy.iter().zip(steps).enumerate() {
        let weight_of = |c: usize| weight(&chain.layers[i + 1], c, busy.get(i + 1));
        let weights: Vec<f64> = (0..here.len()).map(weight_of).collect();
        let (before, after) = chain.layers.split_at_mut(i + 1);
        for copies in shared_out(here, &weights) {
            copy(&mut before[i], &mut after[0], &copies, step);
        }
    }
    chain
}

/// How much the noise of channel `c` counts in what reads it: the squares of its weights towards busy channels.
fn weight(reader: &Layer, c: usize, busy: Option<&Vec<bool>>) -> f64 {
    let listens = |o: usize| busy.is_none_or(|busy| busy[o]);
    let taps = |o: usize| &reader.weight[(o * reader.inputs + c) * 9..][..9];
    (0..reader.outputs).filter(|&o| listens(o)).flat_map(taps).map(|&w| f64::from(w).powi(2)).sum()
}

/// Groups of channels that shall be copies of their first. Every idle channel goes where it lessens the noise most: n copies
/// have an n²-th of it.
fn shared_out(busy: &[bool], weights: &[f64]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = (0..busy.len()).filter(|&c| busy[c]).map(|c| vec![c]).collect();
    for idle in (0..busy.len()).filter(|&c| !busy[c]) {
        let gain = |group: &Vec<usize>| {
            let n = group.len() as f64;
            weights[group[0]] * (n.powi(-2) - (n + 1.0).powi(-2))
        };
        if let Some(group) = groups.iter_mut().max_by(|a, b| gain(a).total_cmp(&gain(b))) {
            group.push(idle);
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

fn copy(maker: &mut Layer, reader: &mut Layer, copies: &[usize], step: f32) {
    let (source, n) = (copies[0], copies.len() as f32);
    let (taps, bias) = (maker.inputs * 9, maker.bias[source]);
    for (k, &to) in copies.iter().enumerate() {
        maker.weight.copy_within(source * taps..(source + 1) * taps, to * taps);
        maker.bias[to] = bias + step * ((k as f32 + 0.5) / n - 0.5);
    }
    for row in reader.weight.chunks_exact_mut(reader.inputs * 9) {
        for tap in 0..9 {
            let share = row[source * 9 + tap] / n;
            for &to in copies {
                row[to * 9 + tap] = share;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::equalise::ranges;
    use super::*;
    use crate::frame::Plane;
    use crate::geometry::Size;
    use crate::host::calibrate::Sample;
    use crate::host::chain::Maps;

    #[test]
    fn idle_channels_go_where_the_noise_counts_most() {
        let groups = shared_out(&[true, false, true, false, false], &[1.0, 9.0, 10.0, 9.0, 9.0]);
        // 10·(1 − 1/4) = 7.5, then 10·(1/4 − 1/9) = 1.4, then 1·(1 − 1/4) = 0.75 against 10·(1/9 − 1/16) = 0.49.
        assert_eq!(groups, [vec![0, 4], vec![2, 1, 3]]);
        assert!(shared_out(&[false, false], &[1.0, 1.0]).is_empty());
    }

    #[test]
    fn the_network_stays_the_same_and_its_rounding_gets_finer() {
        let mut chain = Chain::sketch(2, &[6, 6]);
        // All channels of the first layer but one are dead, and that one is a blurred picture.
        chain.layers[0].weight.fill(0.0);
        chain.layers[0].bias.fill(-1.0);
        chain.layers[0].weight[..9].copy_from_slice(&[0.05, 0.1, 0.05, 0.1, 0.4, 0.1, 0.05, 0.1, 0.05]);
        chain.layers[0].bias[0] = 0.2;
        let low = Plane::from_fn(Size::new(24, 18), |x, y| 0.5 + 0.5 * ((x * 3 + y * y) as f32 / 15.0).sin());
        let low = Maps::from_plane(&low);
        let samples = [Sample { high: chain.forward(&low), low: low.clone() }];
        let busy = busy(&ranges(&chain, &samples));
        assert_eq!(busy[0], [true, false, false, false, false, false]);
        let step = 0.05;
        let finer = spread(&chain, &busy, &[step, step]);
        let (plain, split) = (chain.forward(&low), finer.forward(&low));
        assert!(plain.samples().iter().zip(&split.samples()).all(|(a, b)| (a - b).abs() < 1e-5));
        // Rounding the first layer's outputs to `step` by hand disturbs the second layer six times less.
        let noise = |chain: &Chain| {
            let mut first = None;
            chain.residual(&low, |i, maps| {
                if i == 0 {
                    first = Some(maps.clone());
                }
            });
            let exact = first.unwrap_or_else(|| unreachable!("there is a first layer"));
            let rounded = exact.map(|_, v| (v / step).round() * step);
            let sums = |maps: &Maps<f32>| maps.convolve(&chain.layers[1].weight, 6, |_, sum| sum);
            let (exact, rounded) = (sums(&exact), sums(&rounded));
            let pairs = exact.all_rows().zip(rounded.all_rows()).flat_map(|(a, b)| a.iter().zip(b));
            pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        assert!(noise(&finer) < noise(&chain) / 4.0, "{} {}", noise(&finer), noise(&chain));
    }
}
