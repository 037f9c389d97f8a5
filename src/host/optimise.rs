//! Adam, the schedule of its rate, and the moving average of the weights; all of their state can be saved.

use crate::error::Result;
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};

/// How the learning rate runs over the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// The same rate throughout, after the warm-up.
    Constant,
    /// Half a cosine from the peak to a hundredth of it, after the warm-up.
    Cosine,
}

impl Schedule {
    /// The share of the peak rate at `step` of `steps` (from 0), the first `warm_up` of which rise linearly.
    pub fn share(self, step: u64, steps: u64, warm_up: u64) -> f64 {
        if step < warm_up {
            return (step + 1) as f64 / warm_up as f64;
        }
        match self {
            Self::Constant => 1.0,
            Self::Cosine => {
                let progress = (step - warm_up) as f64 / steps.saturating_sub(warm_up).max(1) as f64;
                0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
            }
        }
    }
}

/// Adam (Kingma and Ba, 2015) with an exponential moving average of the weights it makes.
///
/// `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `θ ← θ − rate · m̂ / (√v̂ + ε)` with the bias-corrected m̂ and v̂;
/// `average ← d·average + (1−d)·θ`, where the decay d grows from 0.1 to its final value over the first steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam {
    /// Updates made.
    pub step: u64,
    /// Final decay of the moving average.
    pub decay: f64,
    /// β₁ and β₂.
    pub betas: [f64; 2],
    /// For each variable: first moment, second moment, moving average.
    pub state: Vec<[Vec<f32>; 3]>,
}

/// β₁ and β₂ where nothing else is said.
const BETAS: [f64; 2] = [0.9, 0.99];
const EPSILON: f64 = 1e-8;

impl Adam {
    /// Fresh state for `variables`; the average starts at their present values.
    pub fn new<'a>(variables: impl Iterator<Item = &'a Var>, decay: f64) -> Result<Self> {
        let state = variables.map(|var| {
            let values = var.flatten_all()?.to_vec1::<f32>()?;
            Ok([vec![0.0; values.len()], vec![0.0; values.len()], values])
        });
        Ok(Self { step: 0, decay, betas: BETAS, state: state.collect::<Result<_>>()? })
    }

    /// The same with other β₁ and β₂.
    #[must_use]
    pub fn with_betas(self, betas: [f64; 2]) -> Self {
        Self { betas, ..self }
    }

    /// One update of `variables` (in the order given to [`Adam::new`]) by their gradients; a variable without one is kept.
    pub fn update<'a>(
        &mut self,
        variables: impl Iterator<Item = &'a Var>,
        gradients: &GradStore,
        rate: f64,
    ) -> Result<()> {
        self.step += 1;
        let n = self.step as f64;
        let [beta1, beta2] = self.betas;
        let (correct1, correct2) = (1.0 - beta1.powf(n), 1.0 - beta2.powf(n));
        let decay = self.decay.min((1.0 + n) / (10.0 + n)) as f32;
        let (b1, b2) = (beta1 as f32, beta2 as f32);
        let (pace, scale) = ((rate / correct1) as f32, (1.0 / correct2.sqrt()) as f32);
        for (var, [first, second, average]) in variables.zip(&mut self.state) {
            let Some(gradient) = gradients.get(var.as_tensor()) else { continue };
            let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            for ((((value, g), m), v), mean) in values.iter_mut().zip(gradient).zip(first).zip(second).zip(average) {
                *m = b1 * *m + (1.0 - b1) * g;
                *v = b2 * *v + (1.0 - b2) * g * g;
                *value -= pace * *m / (v.sqrt() * scale + EPSILON as f32);
                *mean = decay * *mean + (1.0 - decay) * *value;
            }
            var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn adam_follows_the_paper() {
        // python3: m=v=0; x=1.0; for t in (1,2,3): g=2*x; m=.9*m+.1*g; v=.99*v+.01*g*g;
        //          x-=.1*(m/(1-.9**t))/((v/(1-.99**t))**.5+1e-8); print(x)
        let expected = [0.9, 0.800_388_6, 0.701_497_2];
        let var = Var::new(&[1.0f32], &Device::Cpu).unwrap();
        let mut adam = Adam::new(std::iter::once(&var), 0.999).unwrap();
        for value in expected {
            let gradients = var.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            adam.update(std::iter::once(&var), &gradients, 0.1).unwrap();
            let got = var.to_vec1::<f32>().unwrap()[0];
            assert!((got - value).abs() < 2e-5, "{got} {value}");
        }
    }

    #[test]
    fn schedules_warm_up_and_fall() {
        let cosine = |step| Schedule::Cosine.share(step, 1000, 100);
        assert!((cosine(0) - 0.01).abs() < 1e-9 && (cosine(99) - 1.0).abs() < 1e-9);
        assert!((cosine(550) - 0.505).abs() < 1e-3 && (cosine(1000) - 0.01).abs() < 1e-9);
        assert!((Schedule::Constant.share(700, 1000, 0) - 1.0).abs() < 1e-9);
    }
}
