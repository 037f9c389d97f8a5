//! Networks and pictures for tests, and what comes of them by the plainest arithmetic: whole maps, one after the other.

#![allow(clippy::unwrap_used)]

use super::{Border, Ends, Format, Make, Map, MapId, Network, Output, Packed, Spread, Stream};
use crate::geometry::Size;
use crate::kernel::stream::{Activation, ByteFilter, Filter, PixelShuffle, Quantum, Samples, SamplesMut};
use std::ops::Range;
use std::sync::Arc;

/// Repeatable values from -1 to 1.
pub(crate) struct Noise(pub(crate) u32);

impl Noise {
    pub(crate) fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
    }

    pub(crate) fn list(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * size).collect()
    }
}

pub(crate) fn map(channels: usize, factor: usize, make: Make, from: &[MapId]) -> Map {
    Map { channels, factor, border: Border::Zero, format: Format::Float, make, from: from.to_vec(), add: None }
}

pub(crate) fn filter(noise: &mut Noise, side: usize, sources: &[usize], outputs: usize) -> Filter {
    let inputs: usize = sources.iter().sum();
    let scale = (3.0 / (inputs * side * side) as f32).sqrt();
    Filter {
        side,
        sources: sources.to_vec(),
        outputs,
        weights: noise.list(outputs * inputs * side * side, scale),
        bias: noise.list(outputs, 0.1),
        activation: Activation::None,
        add_first: false,
    }
}

/// A plain chain with the base picture repeated: `layers` 3×3 convolutions of `channels`, ReLU between them.
pub(crate) fn chain(planes: usize, channels: usize, layers: usize, scale: usize) -> Network {
    let mut noise = Noise(7);
    let mut maps = vec![map(planes, 1, Make::Input(0), &[])];
    for layer in 0..layers {
        let (inputs, last) = (maps[layer].channels, layer + 1 == layers);
        let outputs = if last { planes * scale * scale } else { channels };
        let mut filter = filter(&mut noise, 3, &[inputs], outputs);
        filter.activation = if last { Activation::None } else { Activation::Rectify };
        maps.push(map(outputs, 1, Make::Convolve(filter), &[layer]));
    }
    let shuffle = PixelShuffle { factor: scale, planes, channels_first: true };
    let terms = vec![(0, Spread::Repeated), (layers, Spread::Phases)];
    Network { inputs: vec![planes], maps, outputs: vec![Output { terms, shuffle }] }
}

/// The same with bytes between the layers.
pub(crate) fn byte_chain(planes: usize, channels: usize, layers: usize, scale: usize) -> Network {
    let mut noise = Noise(9);
    let mut quantum = Quantum { step: 1.0 / 255.0, zero: 0 };
    let mut maps = vec![map(planes, 1, Make::Input(0), &[]), map(planes, 1, Make::Quantise, &[0])];
    maps[1].format = Format::Bytes(quantum);
    for layer in 0..layers {
        let (inputs, last) = (maps[layer + 1].channels, layer + 1 == layers);
        let outputs = if last { planes * scale * scale } else { channels };
        let out = Quantum { step: 0.02 + 0.001 * layer as f32, zero: if last { 121 } else { 3 } };
        // Down to -128, whose products are the largest.
        let byte = |noise: &mut Noise| (noise.next() * 130.0).round() as i8;
        let filter = ByteFilter {
            side: 3,
            inputs,
            outputs,
            weights: (0..outputs * inputs * 9).map(|_| byte(&mut noise)).collect(),
            bias: (0..outputs).map(|_| (noise.next() * 2000.0) as i32).collect(),
            zero_in: quantum.zero,
            scale: (0..outputs).map(|_| 0.0015 * (1.2 + noise.next())).collect(),
            zero_out: out.zero,
            least: if layer == 1 { out.zero } else { 0 },
        };
        quantum = out;
        maps.push(Map { format: Format::Bytes(out), ..map(outputs, 1, Make::ConvolveBytes(filter), &[layer + 1]) });
    }
    let shuffle = PixelShuffle { factor: scale, planes, channels_first: true };
    let terms = vec![(0, Spread::Repeated), (layers + 1, Spread::Phases)];
    Network { inputs: vec![planes], maps, outputs: vec![Output { terms, shuffle }] }
}

/// Everything at once: dense concatenation, skips before and behind the activation, edges, both shuffles, repeats.
pub(crate) fn tangle() -> Network {
    let mut noise = Noise(5);
    let mut maps = vec![map(3, 1, Make::Input(0), &[])];
    maps.push(Map { border: Border::Edge, ..map(3, 1, Make::Input(0), &[]) });
    let mut head = filter(&mut noise, 9, &[3], 20);
    head.activation = Activation::Slopes(noise.list(20, 0.4));
    maps.push(map(20, 1, Make::Convolve(head), &[1]));
    let mut dense = filter(&mut noise, 3, &[20, 3], 17);
    dense.activation = Activation::Clip(-0.1, 0.4);
    maps.push(map(17, 1, Make::Convolve(dense), &[2, 0]));
    let mut block = filter(&mut noise, 3, &[20, 17], 20);
    block.activation = Activation::Rectify;
    maps.push(Map { add: Some(2), ..map(20, 1, Make::Convolve(block), &[2, 3]) });
    let mut block = filter(&mut noise, 1, &[20], 20);
    (block.activation, block.add_first) = (Activation::Rectify, true);
    maps.push(Map { add: Some(4), ..map(20, 1, Make::Convolve(block), &[4]) });
    maps.push(map(20, 1, Make::Combine(Activation::Slopes(noise.list(20, 0.3))), &[5, 2]));
    maps.push(map(36, 1, Make::Convolve(filter(&mut noise, 3, &[20], 36)), &[6]));
    let shuffle = PixelShuffle { factor: 2, planes: 9, channels_first: false };
    maps.push(map(9, 2, Make::Shuffle(shuffle), &[7]));
    maps.push(map(9, 2, Make::Repeat(2), &[6]));
    maps[9].channels = 20;
    let mut tail = filter(&mut noise, 3, &[9, 20], 12);
    tail.activation = Activation::Rectify;
    maps.push(map(12, 2, Make::Convolve(tail), &[8, 9]));
    maps.push(map(27, 2, Make::Convolve(filter(&mut noise, 5, &[12], 27)), &[10]));
    let shuffle = PixelShuffle { factor: 3, planes: 3, channels_first: true };
    let first = Output { terms: vec![(11, Spread::Phases)], shuffle };
    let shuffle = PixelShuffle { factor: 1, planes: 20, channels_first: true };
    let second = Output { terms: vec![(6, Spread::Phases), (5, Spread::Phases)], shuffle };
    Network { inputs: vec![3], maps, outputs: vec![first, second] }
}

/// Large kernels to a few channels, from planes and from blocks, with every activation and a sum.
pub(crate) fn columns() -> Network {
    let mut noise = Noise(15);
    let mut maps = vec![map(3, 1, Make::Input(0), &[])];
    let mut head = filter(&mut noise, 9, &[3], 3);
    head.activation = Activation::Slopes(noise.list(3, 0.4));
    maps.push(map(3, 1, Make::Convolve(head), &[0]));
    let mut body = filter(&mut noise, 9, &[3], 20);
    body.activation = Activation::Clip(-0.3, 0.5);
    maps.push(map(20, 1, Make::Convolve(body), &[1]));
    let mut tail = filter(&mut noise, 9, &[20, 3], 3);
    (tail.activation, tail.add_first) = (Activation::Rectify, true);
    maps.push(Map { add: Some(1), border: Border::Edge, ..map(3, 1, Make::Convolve(tail), &[2, 1]) });
    maps.push(map(1, 1, Make::Convolve(filter(&mut noise, 5, &[3], 1)), &[3]));
    let shuffle = PixelShuffle { factor: 1, planes: 1, channels_first: true };
    Network { inputs: vec![3], maps, outputs: vec![Output { terms: vec![(4, Spread::Phases)], shuffle }] }
}

/// A picture for each input of `network`.
pub(crate) fn pictures(network: &Network, size: Size) -> Vec<Vec<f32>> {
    let mut noise = Noise(3);
    let planes = network.inputs.iter().map(|planes| (0..planes * size.area()).map(|_| noise.next().abs()).collect());
    planes.collect()
}

/// Planes of floats of one size at either end.
pub(crate) struct Planar<'a> {
    pub(crate) inputs: &'a [Vec<f32>],
    pub(crate) size: Size,
    pub(crate) outputs: Vec<Vec<f32>>,
    pub(crate) widths: Vec<usize>,
    pub(crate) heights: Vec<usize>,
}

impl Ends for Planar<'_> {
    fn row(&self, input: usize, plane: usize, y: usize) -> Samples<'_> {
        Samples::Float(&self.inputs[input][(plane * self.size.height + y) * self.size.width..][..self.size.width])
    }

    fn rows_mut(&mut self, output: usize, plane: usize, y: usize, count: usize) -> SamplesMut<'_> {
        let (width, height) = (self.widths[output], self.heights[output]);
        SamplesMut::Float(&mut self.outputs[output][(plane * height + y) * width..][..count * width])
    }
}

/// What the engine makes of `inputs`; rows that are not asked for stay not-a-number.
pub(crate) fn run(packed: &Arc<Packed>, inputs: &[Vec<f32>], size: Size, rows: Range<usize>) -> Vec<Vec<f32>> {
    let mut stream = Stream::new(packed.clone(), size, [0.0, 1.0]);
    run_again(&mut stream, packed.network(), inputs, rows)
}

pub(crate) fn run_again(
    stream: &mut Stream,
    network: &Network,
    inputs: &[Vec<f32>],
    rows: Range<usize>,
) -> Vec<Vec<f32>> {
    let size = stream.size();
    let scales: Vec<usize> = network.outputs.iter().map(|o| network.output_scale(o)).collect();
    let planes = network.outputs.iter().map(|o| o.shuffle.planes);
    let mut ends = Planar {
        inputs,
        size,
        outputs: scales.iter().zip(planes).map(|(s, p)| vec![f32::NAN; p * s * s * size.area()]).collect(),
        widths: scales.iter().map(|s| s * size.width).collect(),
        heights: scales.iter().map(|s| s * size.height).collect(),
    };
    stream.run(rows, &mut ends).unwrap();
    ends.outputs
}

/// A whole map: channels, rows, columns.
struct Whole {
    size: Size,
    data: Vec<f64>,
}

impl Whole {
    fn at(&self, c: usize, y: isize, x: isize, border: Border) -> f64 {
        let (height, width) = (self.size.height as isize, self.size.width as isize);
        let (yc, xc) = (y.clamp(0, height - 1), x.clamp(0, width - 1));
        if border == Border::Zero && (yc, xc) != (y, x) {
            return 0.0;
        }
        self.data[(c * self.size.height + yc as usize) * self.size.width + xc as usize]
    }
}

/// What the network makes of `inputs` by its definition; bytes are kept as what they stand for.
pub(crate) fn define(network: &Network, inputs: &[Vec<f32>], size: Size) -> Vec<Vec<f32>> {
    let mut wholes: Vec<Whole> = Vec::new();
    for map in &network.maps {
        let size = Size::new(size.width * map.factor, size.height * map.factor);
        let mut data = Vec::with_capacity(size.area() * map.channels);
        for c in 0..map.channels {
            for y in 0..size.height {
                for x in 0..size.width {
                    data.push(value(network, map, &wholes, inputs, [c, y, x], size));
                }
            }
        }
        wholes.push(Whole { size, data });
    }
    network.outputs.iter().map(|output| shuffled(network, output, &wholes)).collect()
}

fn value(
    network: &Network,
    map: &Map,
    wholes: &[Whole],
    inputs: &[Vec<f32>],
    [c, y, x]: [usize; 3],
    size: Size,
) -> f64 {
    let (yi, xi) = (y as isize, x as isize);
    let first = map.from.first().map(|&id| &wholes[id]);
    let added = map.add.map_or(0.0, |id| wholes[id].at(c, yi, xi, Border::Zero));
    let over_taps = |side: usize, weight: &dyn Fn(usize, usize, usize) -> f64| {
        let (mut sum, mut base) = (0.0, 0);
        for &id in &map.from {
            let source = &network.maps[id];
            for channel in 0..source.channels {
                for row in 0..side {
                    for column in 0..side {
                        let (v, h) = (yi + row as isize - side as isize / 2, xi + column as isize - side as isize / 2);
                        sum += weight(base + channel, row, column) * wholes[id].at(channel, v, h, source.border);
                    }
                }
            }
            base += source.channels;
        }
        sum
    };
    match &map.make {
        Make::Input(input) => f64::from(inputs[*input][(c * size.height + y) * size.width + x]),
        Make::Convolve(filter) => {
            let count = filter.inputs();
            let weight = |i: usize, row: usize, column: usize| {
                f64::from(filter.weights[((c * count + i) * filter.side + row) * filter.side + column])
            };
            let sum = f64::from(filter.bias[c]) + over_taps(filter.side, &weight);
            if filter.add_first {
                activate(&filter.activation, c, sum + added)
            } else {
                activate(&filter.activation, c, sum) + added
            }
        }
        Make::ConvolveBytes(filter) => {
            let Format::Bytes(from) = network.maps[map.from[0]].format else { panic!("bytes come of bytes") };
            let Format::Bytes(to) = map.format else { panic!("bytes become bytes") };
            let weight = |i: usize, row: usize, column: usize| {
                f64::from(filter.weights[((c * filter.inputs + i) * filter.side + row) * filter.side + column])
            };
            let steps = (over_taps(filter.side, &weight) / f64::from(from.step)).round() as i32 + filter.bias[c];
            let rounded = (steps as f32 * filter.scale[c]).round_ties_even() as i64 + i64::from(to.zero);
            f64::from(to.step) * (rounded.clamp(i64::from(filter.least), 255) - i64::from(to.zero)) as f64
        }
        Make::Quantise => {
            let Format::Bytes(to) = map.format else { panic!("numbers become bytes") };
            let byte = to.byte(first.unwrap().at(c, yi, xi, Border::Zero) as f32);
            f64::from(to.step) * (f64::from(byte) - f64::from(to.zero))
        }
        Make::Dequantise => first.unwrap().at(c, yi, xi, Border::Zero),
        Make::Combine(activation) => {
            let sum = map.from.iter().map(|&id| wholes[id].at(c, yi, xi, Border::Zero)).sum();
            activate(activation, c, sum)
        }
        Make::Shuffle(shuffle) => {
            let channel = shuffle.channel(c, y % shuffle.factor, x % shuffle.factor);
            first.unwrap().at(channel, (y / shuffle.factor) as isize, (x / shuffle.factor) as isize, Border::Zero)
        }
        Make::Repeat(factor) => first.unwrap().at(c, (y / factor) as isize, (x / factor) as isize, Border::Zero),
    }
}

fn activate(activation: &Activation, channel: usize, x: f64) -> f64 {
    match activation {
        Activation::None => x,
        Activation::Rectify => x.max(0.0),
        Activation::Slopes(slopes) => x.max(0.0) + f64::from(slopes[channel]) * x.min(0.0),
        Activation::Clip(low, high) => x.clamp(f64::from(*low), f64::from(*high)),
    }
}

fn shuffled(network: &Network, output: &Output, wholes: &[Whole]) -> Vec<f32> {
    let (factor, small) = (output.shuffle.factor, wholes[output.terms[0].0].size);
    let mut planes = Vec::new();
    for plane in 0..output.shuffle.planes {
        for y in 0..small.height * factor {
            for x in 0..small.width * factor {
                let terms = output.terms.iter().map(|&(id, spread)| {
                    let channel = match spread {
                        Spread::Repeated => plane,
                        Spread::Phases => output.shuffle.channel(plane, y % factor, x % factor),
                    };
                    assert!(channel < network.maps[id].channels);
                    wholes[id].at(channel, (y / factor) as isize, (x / factor) as isize, Border::Zero)
                });
                planes.push(terms.sum::<f64>() as f32);
            }
        }
    }
    planes
}
