//! Adam, the schedule of its rate, and the moving average of the weights; all of their state can be saved.

use crate::error::{Error, Result};
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
#[derive(Debug)]
pub struct Adam {
    /// Updates made.
    pub step: u64,
    /// Final decay of the moving average.
    pub decay: f64,
    /// β₁ and β₂.
    pub betas: [f64; 2],
    memory: Memory,
}

/// For each variable: first moment, second moment, moving average.
pub type State = Vec<[Vec<f32>; 3]>;

/// What Adam remembers, where it computes.
#[derive(Debug)]
enum Memory {
    /// By loops over numbers on the CPU.
    Host(State),
    /// By candle's operators, beside the variables on their device.
    Device(Flat),
}

/// The state of all variables, one after the other in three long tensors, so that a step takes few launches.
#[derive(Debug)]
struct Flat {
    /// Where each variable starts, and the end.
    starts: Vec<usize>,
    /// First moment, second moment, moving average.
    parts: [Tensor; 3],
}

/// The numbers of one update.
struct Update {
    /// β₁ and β₂.
    betas: [f32; 2],
    /// Of the average.
    decay: f32,
    /// The rate over β₁'s correction.
    pace: f32,
    /// One over the root of β₂'s correction.
    scale: f32,
}

/// β₁ and β₂ where nothing else is said.
const BETAS: [f64; 2] = [0.9, 0.99];
const EPSILON: f64 = 1e-8;

impl Adam {
    /// Fresh state for `variables`; the average starts at their present values. It lies where they lie: on a GPU nothing
    /// is copied to the host for a step.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn new<'a>(variables: impl Iterator<Item = &'a Var>, decay: f64) -> Result<Self> {
        let variables: Vec<&Var> = variables.collect();
        let memory = match variables.first() {
            Some(first) if !first.device().is_cpu() => Memory::Device(Flat::new(&variables)?),
            _ => Memory::Host(fresh(&variables)?),
        };
        Ok(Self { step: 0, decay, betas: BETAS, memory })
    }

    /// The state as numbers, in the variables' order.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn state(&self) -> Result<State> {
        match &self.memory {
            Memory::Host(state) => Ok(state.clone()),
            Memory::Device(flat) => flat.read(),
        }
    }

    /// Takes the state that [`Adam::state`] gave, and the number of updates that it stands after.
    ///
    /// # Errors
    /// An input error where it is of other variables; where the device fails.
    pub fn restore(&mut self, state: State, step: u64) -> Result<()> {
        let lengths = |state: &State| state.iter().map(|parts| parts.each_ref().map(Vec::len)).collect::<Vec<_>>();
        match &mut self.memory {
            Memory::Host(own) if lengths(own) == lengths(&state) => *own = state,
            Memory::Device(flat) if flat.lengths() == lengths(&state) => flat.write(&state)?,
            _ => return Err(Error::input("the optimiser's state is of another network")),
        }
        self.step = step;
        Ok(())
    }

    /// The same with other β₁ and β₂.
    #[must_use]
    pub fn with_betas(self, betas: [f64; 2]) -> Self {
        Self { betas, ..self }
    }

    /// One update of `variables` (in the order given to [`Adam::new`]) by their gradients; a variable without one is kept.
    ///
    /// # Errors
    /// Where the device fails.
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
        let update = Update {
            betas: [beta1 as f32, beta2 as f32],
            decay: self.decay.min((1.0 + n) / (10.0 + n)) as f32,
            pace: (rate / correct1) as f32,
            scale: (1.0 / correct2.sqrt()) as f32,
        };
        match &mut self.memory {
            Memory::Host(state) => update.on_host(state, variables, gradients),
            Memory::Device(flat) => flat.take(&update, &variables.collect::<Vec<_>>(), gradients),
        }
    }
}

/// No moments yet, and the averages at the present values.
fn fresh(variables: &[&Var]) -> Result<State> {
    let state = variables.iter().map(|var| {
        let values = var.flatten_all()?.to_vec1::<f32>()?;
        Ok([vec![0.0; values.len()], vec![0.0; values.len()], values])
    });
    state.collect()
}

impl Update {
    fn on_host<'a>(
        &self,
        state: &mut State,
        variables: impl Iterator<Item = &'a Var>,
        gradients: &GradStore,
    ) -> Result<()> {
        let Self { betas: [b1, b2], decay, pace, scale } = *self;
        for (var, [first, second, average]) in variables.zip(state) {
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

    /// The same for tensors: the values after the update, and the three parts of the state.
    fn on_device(&self, [first, second, average]: [Tensor; 3], values: &Tensor, g: &Tensor) -> Result<[Tensor; 4]> {
        let Self { betas: [b1, b2], decay, pace, scale } = *self;
        let mixed = |old: &Tensor, share: f32, new: &Tensor| {
            old.affine(f64::from(share), 0.0)? + new.affine(f64::from(1.0 - share), 0.0)?
        };
        let m = mixed(&first, b1, g)?;
        let v = mixed(&second, b2, &g.sqr()?)?;
        let step = (m.affine(f64::from(pace), 0.0)? / v.sqrt()?.affine(f64::from(scale), EPSILON)?)?;
        let values = (values - step)?;
        let average = mixed(&average, decay, &values)?;
        Ok([values, m, v, average])
    }
}

impl Flat {
    fn new(variables: &[&Var]) -> Result<Self> {
        let mut starts = vec![0];
        starts.extend(variables.iter().scan(0, |end, var| {
            *end += var.elem_count();
            Some(*end)
        }));
        // A copy: of one variable, candle would give its own numbers.
        let average = long(variables.iter().map(|var| var.as_detached_tensor()))?.copy()?;
        Ok(Self { starts, parts: [average.zeros_like()?, average.zeros_like()?, average] })
    }

    /// Updates every run of neighbours that have gradients at one go: where all of them have, all variables.
    fn take(&mut self, update: &Update, variables: &[&Var], gradients: &GradStore) -> Result<()> {
        let mut from = 0;
        while from < variables.len() {
            let found: Vec<Tensor> = variables[from..].iter().map_while(|var| gradients.get(var)).cloned().collect();
            let to = from + found.len();
            if from < to {
                self.run(update, &variables[from..to], from, long(found.into_iter())?)?;
            }
            from = to.max(from + 1);
        }
        Ok(())
    }

    fn run(&mut self, update: &Update, variables: &[&Var], first: usize, gradient: Tensor) -> Result<()> {
        let (start, len) = (self.starts[first], gradient.elem_count());
        let old = |part: &Tensor| part.narrow(0, start, len);
        let [first_moment, second_moment, average] = &self.parts;
        let old = [old(first_moment)?, old(second_moment)?, old(average)?];
        let values = long(variables.iter().map(|var| var.as_detached_tensor()))?;
        let [values, new @ ..] = update.on_device(old, &values, &gradient)?;
        for (part, new) in self.parts.iter().zip(new) {
            part.slice_set(&new, 0, start)?;
        }
        for (var, start) in variables.iter().zip(&self.starts[first..]) {
            let own = values.narrow(0, start - self.starts[first], var.elem_count())?;
            var.set(&own.reshape(var.shape())?)?;
        }
        Ok(())
    }

    fn lengths(&self) -> Vec<[usize; 3]> {
        self.starts.windows(2).map(|ends| [ends[1] - ends[0]; 3]).collect()
    }

    fn read(&self) -> Result<State> {
        let [first, second, average] = self.parts.each_ref().map(Tensor::to_vec1::<f32>);
        let parts = [first?, second?, average?];
        Ok(self.starts.windows(2).map(|ends| parts.each_ref().map(|part| part[ends[0]..ends[1]].to_vec())).collect())
    }

    fn write(&mut self, state: &State) -> Result<()> {
        for (n, part) in self.parts.iter_mut().enumerate() {
            let values: Vec<f32> = state.iter().flat_map(|parts| &parts[n]).copied().collect();
            *part = Tensor::from_vec(values, part.shape(), part.device())?;
        }
        Ok(())
    }
}

/// All numbers of `tensors`, one after the other.
fn long(tensors: impl Iterator<Item = Tensor>) -> Result<Tensor> {
    let flat = tensors.map(|tensor| tensor.flatten_all()).collect::<candle_core::Result<Vec<_>>>()?;
    Ok(Tensor::cat(&flat, 0)?)
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

    /// Both ways on the CPU, one variable without a gradient between others, and the state read and taken in between.
    #[test]
    fn tensors_follow_the_numbers() {
        let values: Vec<f32> = (0..40).map(|n| (n as f32 * 1.7).sin()).collect();
        let variables = || {
            let tensor = |from: usize, shape: &[usize]| {
                let len = shape.iter().product();
                Var::from_tensor(&Tensor::from_slice(&values[from..][..len], shape, &Device::Cpu).unwrap()).unwrap()
            };
            [tensor(0, &[2, 3, 2]), tensor(12, &[4]), tensor(16, &[5, 1]), tensor(21, &[3, 3])]
        };
        let (own, flat) = (variables(), variables());
        let mut numbers = Adam::new(own.iter(), 0.9).unwrap();
        let mut tensors = Adam::new(flat.iter(), 0.9).unwrap();
        tensors.memory = Memory::Device(Flat::new(&flat.each_ref()).unwrap());
        for step in 0..7u64 {
            for (adam, vars) in [(&mut numbers, &own), (&mut tensors, &flat)] {
                // Variable 1 gets its gradient at every other step.
                let of = |n: usize| (vars[n].sqr().unwrap().sum_all().unwrap() * (n + 1) as f64).unwrap();
                let mut cost = (of(0) + of(2)).unwrap().add(&of(3)).unwrap();
                if step % 2 == 0 {
                    cost = (cost + of(1)).unwrap();
                }
                adam.update(vars.iter(), &cost.backward().unwrap(), 0.05).unwrap();
            }
            let state = tensors.state().unwrap();
            tensors.memory = Memory::Device(Flat::new(&flat.each_ref()).unwrap());
            tensors.restore(state, step + 1).unwrap();
        }
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6 * (1.0 + a.abs()));
        for (a, b) in own.iter().zip(&flat) {
            let [a, b] = [a, b].map(|var| var.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            assert!(near(&a, &b) && a.iter().any(|&value| value != 0.0), "{a:?} {b:?}");
        }
        for (a, b) in numbers.state().unwrap().iter().zip(tensors.state().unwrap()) {
            assert!(a.iter().zip(&b).all(|(a, b)| near(a, b)), "{a:?} {b:?}");
        }
        let mut other = numbers.state().unwrap();
        other[1][2].pop();
        assert!(tensors.restore(other.clone(), 1).is_err() && numbers.restore(other, 1).is_err());
    }

    #[test]
    fn schedules_warm_up_and_fall() {
        let cosine = |step| Schedule::Cosine.share(step, 1000, 100);
        assert!((cosine(0) - 0.01).abs() < 1e-9 && (cosine(99) - 1.0).abs() < 1e-9);
        assert!((cosine(550) - 0.505).abs() < 1e-3 && (cosine(1000) - 0.01).abs() < 1e-9);
        assert!((Schedule::Constant.share(700, 1000, 0) - 1.0).abs() < 1e-9);
    }
}
