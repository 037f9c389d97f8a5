//! A network's weights: made, read, written, followed.

use super::{Graph, Parameter, Role, Start, Weight};
use crate::error::{Error, Result};
use crate::host::random::Random;
use candle_core::{Device, Tensor, Var};
use std::collections::BTreeMap;

/// Numbers by the name they have in a file.
pub type Table = BTreeMap<String, Vec<f32>>;

#[derive(Debug)]
enum Held {
    Learned(Var),
    Kept(Tensor),
}

impl Held {
    fn tensor(&self) -> &Tensor {
        match self {
            Self::Learned(var) => var.as_tensor(),
            Self::Kept(tensor) => tensor,
        }
    }
}

/// One tensor for each parameter of a network.
#[derive(Debug)]
pub struct Weights {
    parameters: Vec<Parameter>,
    held: Vec<Held>,
}

impl Weights {
    /// What `graph` starts from; normal numbers are drawn in the parameters' order.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn new(graph: &Graph, random: &mut Random, device: &Device) -> Result<Self> {
        let held = graph.parameters().iter().map(|parameter| {
            let len = parameter.shape.iter().product();
            let values = match &parameter.start {
                Start::Normal(deviation) => (0..len).map(|_| (random.normal() * deviation) as f32).collect(),
                Start::Constant(value) => vec![*value; len],
                Start::Values(values) => values.clone(),
            };
            let tensor = Tensor::from_vec(values, parameter.shape.as_slice(), device)?;
            Ok(match parameter.role {
                Role::Trained => Held::Learned(Var::from_tensor(&tensor)?),
                Role::Statistic | Role::Fixed => Held::Kept(tensor),
            })
        });
        Ok(Self { parameters: graph.parameters().to_vec(), held: held.collect::<Result<_>>()? })
    }

    /// One tensor a parameter, tracked by candle where it is learned.
    pub fn tensors(&self) -> Vec<Tensor> {
        self.held.iter().map(|held| held.tensor().clone()).collect()
    }

    /// One tensor a parameter, none of them tracked.
    pub fn frozen(&self) -> Vec<Tensor> {
        self.held.iter().map(|held| held.tensor().detach()).collect()
    }

    /// What is learned, in an order that never changes.
    pub fn variables(&self) -> impl Iterator<Item = &Var> {
        self.held.iter().filter_map(|held| match held {
            Held::Learned(var) => Some(var),
            Held::Kept(_) => None,
        })
    }

    /// Names of what is learned, in the order of [`Weights::variables`].
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let learned = self.parameters.iter().filter(|parameter| parameter.role == Role::Trained);
        learned.map(|parameter| parameter.name.as_str())
    }

    /// Moves running means and variances by a tenth towards the batch's.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn follow(&mut self, statistics: Vec<(Weight, Tensor)>) -> Result<()> {
        for (weight, seen) in statistics {
            if let Some(Held::Kept(running)) = self.held.get_mut(weight.0) {
                *running = ((&*running * 0.9)? + (seen * 0.1)?)?;
            }
        }
        Ok(())
    }

    /// Everything that belongs in a file: what is learned and what is followed.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn table(&self) -> Result<Table> {
        let kept = self.parameters.iter().zip(&self.held).filter(|(parameter, _)| parameter.role != Role::Fixed);
        kept.map(|(parameter, held)| Ok((parameter.name.clone(), held.tensor().flatten_all()?.to_vec1()?))).collect()
    }

    /// Takes every number from `table`.
    ///
    /// # Errors
    /// A model error where a tensor is missing, has another size, or is none of this network's.
    pub fn fill(&mut self, table: &Table) -> Result<()> {
        let foreign =
            table.keys().find(|name| self.parameters.iter().all(|p| &p.name != *name || p.role == Role::Fixed));
        if let Some(name) = foreign {
            return Err(Error::model(format!("'{name}' belongs to another network"))
                .fix("give weights that were trained for this network, with its channels and blocks"));
        }
        for (parameter, held) in self.parameters.iter().zip(&mut self.held).filter(|(p, _)| p.role != Role::Fixed) {
            let Parameter { name, shape, .. } = parameter;
            let values = table.get(name).ok_or_else(|| Error::model(format!("the tensor '{name}' is missing")))?;
            if values.len() != shape.iter().product::<usize>() {
                return Err(Error::model(format!("the tensor '{name}' has {} numbers, not {shape:?}", values.len()))
                    .fix("give weights that were trained for this network, with its channels and blocks"));
            }
            if values.iter().any(|value| !value.is_finite()) {
                return Err(Error::model(format!("the tensor '{name}' holds what is no number")));
            }
            let tensor = Tensor::from_slice(values, shape.as_slice(), held.tensor().device())?;
            match held {
                Held::Learned(var) => var.set(&tensor)?,
                Held::Kept(kept) => *kept = tensor,
            }
        }
        Ok(())
    }
}
