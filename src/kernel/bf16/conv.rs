//! Convolutions of maps and their weight gradients.

use super::grid::{Grid, Line, Map, Pairs, Planes, padded};
use super::pack::{Finish, pair, sum_pairs, transpose};
use super::product::{Product, Shape, Steps, Sums, TILE};
use super::{Tiles, round};

/// Which neighbours a layer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taps {
    /// The pixel itself: the first layer, whose map holds the neighbours as channels (see [`Conv::lay`]).
    One,
    /// 3×3.
    Nine,
}

/// Weights as right operands: `[outputs / 16N][steps][N][16][16][2]`.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Stored channels of the map they take and of the one they make.
    inputs: usize,
    outputs: usize,
    taps: Taps,
    lines: Vec<Line>,
}

/// Channels of the first layer's map: nine neighbours, and what rounding them to bf16 left of each.
const NEIGHBOURS: usize = 18;

fn columns(outputs: usize) -> usize {
    if outputs == 16 { 1 } else { 2 }
}

/// Steps of 32 products that a convolution of `inputs` stored channels takes.
fn step_count(inputs: usize, taps: Taps) -> usize {
    match (taps, inputs) {
        (Taps::One, _) => 1,
        (Taps::Nine, 16) => 6,
        (Taps::Nine, _) => 9 * inputs / 32,
    }
}

impl Weights {
    /// For [`Conv::advance`] by `weight` of shape `[outputs][inputs][9]`.
    ///
    /// # Panics
    /// Where the slice has another length.
    pub fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        assert_eq!(weight.len(), outputs * inputs * 9, "weights do not fit their shape");
        Self::fill(inputs, outputs, |i, o, tap| weight[(o * inputs + i) * 9 + tap])
    }

    /// For [`Conv::retreat`]: channels exchanged, taps mirrored.
    ///
    /// # Panics
    /// Where the slice has another length.
    pub fn transposed(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        assert_eq!(weight.len(), outputs * inputs * 9, "weights do not fit their shape");
        Self::fill(outputs, inputs, |o, i, tap| weight[(o * inputs + i) * 9 + 8 - tap])
    }

    /// For the first layer: `weight` is `[outputs][9]`, applied to a neighbour and to what rounding left of it.
    ///
    /// # Panics
    /// Where the slice has another length.
    pub fn first(weight: &[f32], outputs: usize) -> Self {
        assert_eq!(weight.len(), outputs * 9, "weights do not fit their shape");
        let mut weights = Self::empty(padded(NEIGHBOURS), outputs, Taps::One);
        for o in 0..outputs {
            for k in 0..NEIGHBOURS {
                weights.set(0, k, o, weight[o * 9 + k % 9]);
            }
        }
        weights
    }

    fn empty(inputs: usize, outputs: usize, taps: Taps) -> Self {
        let (inputs, outputs) = (padded(inputs), padded(outputs));
        Self { inputs, outputs, taps, lines: vec![Line::ZERO; step_count(inputs, taps) * outputs] }
    }

    fn fill(inputs: usize, outputs: usize, weight: impl Fn(usize, usize, usize) -> f32) -> Self {
        let mut weights = Self::empty(inputs, outputs, Taps::Nine);
        let blocks = weights.inputs.div_ceil(32);
        for o in 0..outputs {
            for i in 0..inputs {
                for tap in 0..9 {
                    // A step of 16-channel maps takes two neighbouring positions: taps -1 and 0, or 1 and nothing.
                    let (step, k) = match weights.inputs {
                        16 => (tap / 3 * 2 + tap % 3 / 2, if tap % 3 == 1 { 16 + i } else { i }),
                        _ => (tap * blocks + i / 32, i % 32),
                    };
                    weights.set(step, k, o, weight(i, o, tap));
                }
            }
        }
        weights
    }

    fn set(&mut self, step: usize, k: usize, output: usize, value: f32) {
        let n = columns(self.outputs);
        let (group, tile, lane) = (output / (16 * n), output / 16 % n, output % 16);
        let steps = step_count(self.inputs, self.taps);
        let line = ((group * steps + step) * n + tile) * 16 + k / 2;
        self.lines[line].0[2 * lane + k % 2] = round(value);
    }
}

/// The arithmetic of one image size.
#[derive(Debug, Clone)]
pub struct Conv {
    tiles: Tiles,
    grid: Grid,
}

impl Conv {
    /// For images of `width × height`.
    ///
    /// # Panics
    /// Where an extent is 0.
    pub fn new(tiles: Tiles, width: usize, height: usize) -> Self {
        assert!(width > 0 && height > 0, "images are not empty");
        Self { tiles, grid: Grid { width, height } }
    }

    /// Where values lie.
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Lays a plane out for the first layer: each pixel's nine neighbours, zero outside, and what rounding left of each.
    ///
    /// # Panics
    /// Where `image` is not `width · height` long.
    pub fn lay(&self, image: &[f32], map: &mut Map) {
        let Grid { width, height } = self.grid;
        assert_eq!(image.len(), width * height, "the image does not fit its shape");
        map.shape(self.grid, NEIGHBOURS);
        for y in 0..height {
            for x in 0..width {
                let channels = map.at_mut(self.grid.row(y) + x);
                for tap in 0..9 {
                    let (nx, ny) = ((x + tap % 3).wrapping_sub(1), (y + tap / 3).wrapping_sub(1));
                    let value = if nx < width && ny < height { image[ny * width + nx] } else { 0.0 };
                    channels[tap] = round(value);
                    channels[9 + tap] = round(value - super::widen(channels[tap]));
                }
            }
        }
    }

    /// Positions that a product's left operand starts at, relative to a row and a pixel before.
    fn steps(&self, weights: &Weights) -> (usize, Steps) {
        let (stride, channels) = (self.grid.stride(), weights.inputs);
        match weights.taps {
            Taps::One => (0, Steps::new(vec![0])),
            Taps::Nine => {
                let offsets = if channels == 16 {
                    (0..6).map(|step| (step / 2 * stride + step % 2 * 2) * 16).collect()
                } else {
                    let blocks = channels / 32;
                    let offset = |step: usize| {
                        let tap = step / blocks;
                        (tap / 3 * stride + tap % 3) * channels + step % blocks * 32
                    };
                    (0..9 * blocks).map(offset).collect()
                };
                (stride + 1, Steps::new(offsets))
            }
        }
    }

    /// Every product of a convolution: `put(sums, position, first output channel, columns)`.
    fn each(&self, map: &Map, weights: &Weights, mut put: impl FnMut(&Sums, usize, usize, usize)) {
        assert_eq!(map.channels, weights.inputs, "channels do not fit");
        let (before, steps) = self.steps(weights);
        let columns = columns(weights.outputs);
        let (shape, positions) = if columns == 1 { (Shape::M4N1, 64) } else { (Shape::M2N2, 32) };
        let mut sums = Sums([0.0; 4 * TILE]);
        for group in 0..weights.outputs / (16 * columns) {
            for q in (0..self.grid.span()).step_by(positions) {
                let product = Product {
                    a: &map.lines,
                    start: (self.grid.origin() + q - before) * map.channels,
                    tile: 16 * map.channels,
                    row: map.channels,
                    steps: &steps,
                    b: &weights.lines,
                    from: group * steps.len() * columns * 16,
                    step: columns * 16,
                };
                product.run(self.tiles, shape, &mut sums);
                put(&sums, self.grid.origin() + q, group * 32, columns);
            }
        }
    }

    /// Convolves `map`, adds `bias`, applies `max(0, ·)` and rounds to bf16: a hidden layer.
    ///
    /// # Panics
    /// Where shapes do not fit each other.
    pub fn advance(&self, map: &Map, weights: &Weights, bias: &[f32], out: &mut Map) {
        self.convolve(map, weights, bias, None, out);
    }

    /// The backward pass: `weights` is transposed, and the result is kept only where `active`, the output of the ReLU before
    /// this layer, is positive.
    ///
    /// # Panics
    /// Where shapes do not fit each other.
    pub fn retreat(&self, delta: &Map, weights: &Weights, active: &Map, out: &mut Map) {
        self.convolve(delta, weights, &[], Some(active), out);
    }

    fn convolve(&self, map: &Map, weights: &Weights, bias: &[f32], active: Option<&Map>, out: &mut Map) {
        out.shape(self.grid, weights.outputs);
        let channels = out.channels;
        let (relu, active) = (active.is_none(), active.map(|map| &map.lines[..]));
        self.each(map, weights, |sums, position, first, columns| {
            let mut lane_bias = [0.0; 32];
            for (lane, value) in lane_bias.iter_mut().enumerate() {
                *value = bias.get(first + if columns == 1 { lane % 16 } else { lane }).copied().unwrap_or(0.0);
            }
            let step = if columns == 1 { 1 } else { channels / 32 };
            let finish = Finish { bias: &lane_bias, relu, active, columns, step };
            finish.run(self.tiles, sums, &mut out.lines, (position * channels + first) / 32);
        });
        out.clear_margins(self.grid);
    }

    /// Convolves `map` and adds `bias`: the last layer, in f32. `out` is `[row][column][16]`, or as many stored channels.
    ///
    /// # Panics
    /// Where shapes do not fit each other.
    pub fn finish(&self, map: &Map, weights: &Weights, bias: &[f32], out: &mut Vec<f32>) {
        let (outputs, stride, Grid { width, height }) = (weights.outputs, self.grid.stride(), self.grid);
        out.resize(width * height * outputs, 0.0);
        self.each(map, weights, |sums, position, first, columns| {
            let from = position - self.grid.origin();
            for p in 0..if columns == 1 { 64 } else { 32 } {
                let (x, y) = ((from + p) % stride, (from + p) / stride);
                if x == width || y >= height {
                    continue;
                }
                for column in 0..columns {
                    let sums = &sums.0[((p / 16 * columns) + column) * TILE + p % 16 * 16..][..16];
                    let channel = first + column * 16;
                    let out = &mut out[(y * width + x) * outputs + channel..][..16];
                    for (lane, (out, sum)) in out.iter_mut().zip(sums).enumerate() {
                        *out = sum + bias.get(channel + lane).copied().unwrap_or(0.0);
                    }
                }
            }
        });
    }

    /// The view of a layer's input that its weight gradient takes.
    pub fn planes(&self, map: &Map, planes: &mut Planes) {
        let step = self.grid.plane_lines();
        planes.channels = map.channels;
        planes.lines.resize(map.channels * step, Line::ZERO);
        let mut block = [Line::ZERO; 16];
        for chunk in 0..self.grid.len() / 32 {
            for channel in (0..map.channels).step_by(16) {
                pair(self.tiles, &map.lines, chunk * 32 * map.channels + channel, map.channels, &mut block);
                transpose(self.tiles, &block, &mut planes.lines, channel * step + chunk, step);
            }
        }
    }

    /// The view of a layer's deltas that its weight gradient takes.
    pub fn pairs(&self, delta: &Map, pairs: &mut Pairs) {
        let (chunks, channels) = (self.grid.span() / 32, delta.channels);
        pairs.channels = channels;
        pairs.lines.resize(chunks * channels, Line::ZERO);
        for (group, block) in pairs.lines.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let (chunk, channel) = (group / (channels / 16), group % (channels / 16) * 16);
            let first = (self.grid.origin() + chunk * 32) * channels + channel;
            pair(self.tiles, &delta.lines, first, channels, block);
        }
    }

    /// The sum of each stored channel of `pairs`: the gradient of the bias.
    pub fn sums(&self, pairs: &Pairs) -> Vec<f32> {
        let groups = pairs.channels / 16;
        let mut sums = vec![[0.0; 16]; groups];
        for (group, sums) in sums.iter_mut().enumerate() {
            sum_pairs(self.tiles, &pairs.lines, group, groups, sums);
        }
        sums.concat()
    }

    /// `out[o][i][tap] = Σ_pixels delta[o] · input[i] shifted by tap`, `[outputs][inputs][9]`.
    ///
    /// # Panics
    /// Where shapes do not fit each other, or more than 16 outputs come from at most 16 inputs.
    pub fn weight_gradient(&self, planes: &Planes, pairs: &Pairs, (inputs, outputs): (usize, usize), out: &mut [f32]) {
        assert_eq!(out.len(), inputs * outputs * 9, "the gradient does not fit its shape");
        self.correlate(planes, pairs, Taps::Nine, |i, o, tap, sum| {
            if i < inputs && o < outputs {
                out[(o * inputs + i) * 9 + tap] = sum;
            }
        });
    }

    /// The same for the first layer, `[outputs][9]`.
    ///
    /// # Panics
    /// Where shapes do not fit each other.
    pub fn first_gradient(&self, planes: &Planes, pairs: &Pairs, outputs: usize, out: &mut [f32]) {
        assert_eq!(out.len(), outputs * 9, "the gradient does not fit its shape");
        out.fill(0.0);
        self.correlate(planes, pairs, Taps::One, |i, o, _, sum| {
            if i < NEIGHBOURS && o < outputs {
                out[o * 9 + i % 9] += sum;
            }
        });
    }

    /// Every tile of sums over positions: `put(input, output, tap, sum)`.
    fn correlate(&self, planes: &Planes, pairs: &Pairs, taps: Taps, mut put: impl FnMut(usize, usize, usize, f32)) {
        let (chunks, stride) = (self.grid.span() / 32, self.grid.stride());
        assert_eq!(pairs.lines.len(), chunks * pairs.channels, "the deltas do not fit the grid");
        let steps = Steps::new((0..chunks).map(|chunk| chunk * 32).collect());
        let plane = self.grid.plane_lines() * 32;
        // Three neighbouring taps at once where there are only 16 channels on both sides, else one.
        let (shape, group) = match (planes.channels, pairs.channels) {
            (16, 16) => (Shape::M3N1, 3),
            (_, 16) => (Shape::M2N1, 1),
            _ => (Shape::M2N2, 1),
        };
        let (rows, columns) = shape.tiles();
        let rows = if group == 3 { 1 } else { rows };
        assert!(
            planes.channels > 16 || pairs.channels == 16,
            "more than 16 channels from at most 16 are not provided for"
        );
        let mut sums = Sums([0.0; 4 * TILE]);
        for tap in (0..if taps == Taps::One { 1 } else { 9 }).step_by(group) {
            let shift = if taps == Taps::One { stride + 1 } else { tap / 3 * stride + tap % 3 };
            for i in (0..planes.channels).step_by(16 * rows) {
                for o in (0..pairs.channels).step_by(16 * columns) {
                    let product = Product {
                        a: &planes.lines,
                        start: i * plane + self.grid.origin() - (stride + 1) + shift,
                        tile: if group == 3 { 1 } else { 16 * plane },
                        row: plane,
                        steps: &steps,
                        b: &pairs.lines,
                        from: o,
                        step: pairs.channels,
                    };
                    product.run(self.tiles, shape, &mut sums);
                    for (tile, sums) in sums.0.chunks_exact(TILE).take(shape.tiles().0 * columns).enumerate() {
                        let (down, across) = (tile / columns, tile % columns);
                        let (tap, i) = if group == 3 { (tap + down, i) } else { (tap, i + 16 * down) };
                        for (n, &sum) in sums.iter().enumerate() {
                            put(i + n / 16, o + 16 * across + n % 16, tap, sum);
                        }
                    }
                }
            }
        }
    }
}
