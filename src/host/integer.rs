//! The quantised chain in whole numbers: what an int8 generator means, bit for bit.
//!
//! The input planes become u8 at a step of 1/255. A layer is ONNX's `QLinearConv`: with inputs q of step s and zero point 0,
//! weights w of step v(o), and outputs of step t and zero point z,
//! `q'(o) = saturate(round_half_even((Σ w·q + b(o)) · (s·v(o)/t)) + z)`,
//! the sum in 32-bit integers, the bracketed factor and the product with it in 32-bit floats as in ONNX Runtime. z is 0
//! after hidden layers, so that saturation is their ReLU, and 128 after the last. The base picture never meets these
//! numbers: `y = shuffle(base(x) + t·(q − 128))`.

use super::chain::{Maps, assemble, fits};
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::kernel::Level;
use crate::kernel::conv::{Conv, Packed, Sheet};

/// Step of the quantised input: luma of 8-bit pictures lies on it, or nearly.
pub const INPUT_STEP: f32 = 1.0 / 255.0;
/// Zero point of the residual.
pub const RESIDUAL_ZERO: u8 = 128;
/// Up to here every whole number is a float32.
const EXACT: usize = 1 << 24;

/// One quantised 3×3 convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegerLayer {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// `[outputs][inputs][3][3]`, from −127 to 127.
    pub weight: Vec<i8>,
    /// Step of each output channel's weights.
    pub weight_step: Vec<f32>,
    /// `[outputs]`, in steps of input step × weight step.
    pub bias: Vec<i32>,
    /// Step of the outputs.
    pub step: f32,
}

/// A quantised [`Chain`](super::chain::Chain): see the module's equations.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegerChain {
    /// Enlargement r.
    pub scale: usize,
    /// The convolutions from input to output.
    pub layers: Vec<IntegerLayer>,
}

impl IntegerChain {
    /// Checks shapes, and that every step is a normal positive number.
    pub fn validate(&self) -> Result<()> {
        let layers = self.layers.iter();
        fits(self.scale, layers.clone().map(|l| (l.inputs, l.outputs, l.weight.len(), l.bias.len())))?;
        let stepped = |layer: &IntegerLayer| {
            let mut steps = layer.weight_step.iter().chain([&layer.step]);
            layer.weight_step.len() == layer.outputs && steps.all(|step| step.is_normal() && *step > 0.0)
        };
        match layers.clone().position(|layer| !stepped(layer)) {
            Some(i) => Err(Error::model(format!("quantised layer {i} has no step, or not one for each channel"))),
            None => Ok(()),
        }
    }

    /// Planes of a picture: what the first layer reads.
    pub fn planes(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Zero point of the outputs of layer `index`.
    pub fn zero(&self, index: usize) -> u8 {
        if index + 1 == self.layers.len() { RESIDUAL_ZERO } else { 0 }
    }

    /// Step of the inputs of layer `index`.
    pub fn input_step(&self, index: usize) -> f32 {
        if index == 0 { INPUT_STEP } else { self.layers[index - 1].step }
    }

    /// Runs layer `index` on its quantised input maps. The chain must be valid.
    pub fn layer(&self, index: usize, input: &Maps<u8>) -> Maps<u8> {
        let zero = self.zero(index);
        let factors = self.layers[index].factors(self.input_step(index));
        self.layers[index].convolve(input, |o, sum| requantise(sum, factors[o], zero))
    }

    /// The sums of layer `index`, bias included, in steps of input step × weight step.
    pub fn sums(&self, index: usize, input: &Maps<u8>) -> Maps<i32> {
        self.layers[index].convolve(input, |_, sum| sum)
    }

    /// Changes the step of what layer `index` gives, and with it the unit of the next layer's bias.
    pub fn set_step(&mut self, index: usize, step: f32) {
        let share = f64::from(self.layers[index].step) / f64::from(step);
        self.layers[index].step = step;
        if let Some(next) = self.layers.get_mut(index + 1) {
            for bias in &mut next.bias {
                *bias = (f64::from(*bias) * share).round_ties_even() as i32;
            }
        }
    }

    /// The quantised residual, r² maps a plane around [`RESIDUAL_ZERO`].
    pub fn residual(&self, picture: &Maps<f32>) -> Maps<u8> {
        (0..self.layers.len()).fold(quantise_input(picture), |maps, i| self.layer(i, &maps))
    }

    /// The residual maps in the picture's unit.
    pub fn dequantise(&self, residual: &Maps<u8>) -> Maps<f32> {
        let step = self.layers.last().map_or(0.0, |last| last.step);
        residual.map(|_, q| (i32::from(q) - i32::from(RESIDUAL_ZERO)) as f32 * step)
    }

    /// The planes of a picture in, as many `scale` times as large out, without clipping. The chain must be valid.
    pub fn forward(&self, picture: &Maps<f32>) -> Maps<f32> {
        self.assemble(picture, &self.residual(picture))
    }

    /// Adds the float base of `picture` to its quantised residual and shuffles.
    pub fn assemble(&self, picture: &Maps<f32>, residual: &Maps<u8>) -> Maps<f32> {
        assemble(picture, &self.dequantise(residual), self.scale)
    }

    /// Weights and biases.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().map(|l| (l.weight.len() + l.bias.len()) as u64).sum()
    }
}

impl IntegerLayer {
    /// `s·v(o)/t` for each output channel, rounded as ONNX Runtime rounds it.
    pub fn factors(&self, input_step: f32) -> Vec<f32> {
        self.weight_step.iter().map(|&v| input_step * v / self.step).collect()
    }

    /// Passes every sum, bias included, with its output channel through `finish`.
    fn convolve<U: Copy + Default>(&self, input: &Maps<u8>, finish: impl Fn(usize, i32) -> U) -> Maps<U> {
        let finish = |o: usize, sum: i32| finish(o, sum.saturating_add(self.bias[o]));
        if self.inputs * 9 * 255 * 127 <= EXACT && input.size.area() > 0 {
            return self.convolve_in_floats(input, finish);
        }
        let weight: Vec<i32> = self.weight.iter().map(|&w| i32::from(w)).collect();
        input.map(|_, q| i32::from(q)).convolve(&weight, self.outputs, finish)
    }

    /// The same by the float kernels, which are faster; every partial sum must be a whole number that float32 holds.
    fn convolve_in_floats<U: Copy + Default>(&self, input: &Maps<u8>, finish: impl Fn(usize, i32) -> U) -> Maps<U> {
        let Size { width, height } = input.size;
        let rows = (0..self.inputs).flat_map(|c| (0..height).map(move |y| (c, y)));
        let image: Vec<f32> = rows.flat_map(|(c, y)| input.row(c, y)).map(|&q| f32::from(q)).collect();
        let weight: Vec<f32> = self.weight.iter().map(|&w| f32::from(w)).collect();
        let kernel = Conv::new(Level::best(), 3, width, height);
        let mut sheet = Sheet::default();
        kernel.lay(&image, None, self.inputs, &mut sheet);
        let mut sums = vec![0.0; self.outputs * width * height];
        let packed = Packed::new(&weight, self.outputs, self.inputs, 3);
        kernel.forward(&sheet, &packed, &vec![0.0; self.outputs], false, &mut Vec::new(), &mut sums);
        let mut out = Maps::new(input.size, self.outputs);
        for (n, sums) in sums.chunks_exact(width).enumerate() {
            for (to, &sum) in out.row_mut(n / height, n % height).iter_mut().zip(sums) {
                *to = finish(n / height, sum as i32);
            }
        }
        out
    }
}

/// `QuantizeLinear` of the input at [`INPUT_STEP`]; what is not a number becomes 0.
pub fn quantise_input(picture: &Maps<f32>) -> Maps<u8> {
    picture.map(|_, x| (x / INPUT_STEP).round_ties_even() as u8)
}

/// Clamping before rounding, as ONNX Runtime does, gives what ONNX's order gives: the bounds are whole numbers. Adding
/// 1.5·2²³ rounds half to even at the units, and leaves the whole number in the low bits.
fn requantise(sum: i32, factor: f32, zero: u8) -> u8 {
    const SHIFT: f32 = 12_582_912.0;
    let zero = i32::from(zero);
    let value = (sum as f32 * factor).clamp(-zero as f32, (255 - zero) as f32) + SHIFT;
    (value.to_bits() as i32 - SHIFT.to_bits() as i32 + zero) as u8
}

#[cfg(test)]
mod tests;
