//! Training by recipe: any generator of the papers, with any sum of losses, alone or against a discriminator.
//!
//! A recipe is data: the named ones stand in `recipes/*.toml` beside this file, every value of them can be overridden, and the
//! whole of it is stored in the checkpoint and told by the model card.

use crate::error::{Error, Result};
use crate::host::adversarial::Game;
use crate::host::degrade::Degradation;
use crate::host::graph::Role;
use crate::host::loss::Loss;
use crate::host::lpips::Lpips;
use crate::host::optimise::Schedule;
use crate::host::papers::{self, Choice};
use crate::host::precision::Precision;
use crate::host::trunk::Kind;
use serde::{Deserialize, Serialize};

mod checkpoint;
mod encounter;
mod named;
mod objective;
mod picture;
mod run;
mod teach;

pub use checkpoint::{Finished, Point};
pub use named::{list, load, set, text};
pub use objective::{Objective, Sources};
pub use picture::Painter;
pub use run::{Costs, Run};
pub use teach::{Observer, Rhythm, Sample, teach};

/// What decides a run's result, step for step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What it is for, in a line.
    pub title: String,
    /// Steps in all.
    pub steps: u64,
    /// Patches a step.
    pub batch: usize,
    /// Low-resolution side of a patch.
    pub patch: usize,
    /// How photographs are made small.
    #[serde(default = "bicubic")]
    pub degradation: String,
    /// Seed of the initialisation and of every batch.
    #[serde(default = "one")]
    pub seed: u64,
    /// Decay of the moving average of the generator's weights.
    #[serde(default = "decay")]
    pub decay: f64,
    /// What the networks compute with while they learn.
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// Digest of the weights that the run started from; fresh ones where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// The network.
    pub generator: Choice,
    /// How it learns.
    pub optimiser: Optimiser,
    /// What it learns.
    pub loss: Losses,
    /// Against whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversary: Option<Adversary>,
}

/// Adam and the course of its rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// Peak learning rate.
    pub rate: f64,
    /// β₁ and β₂.
    #[serde(default = "betas")]
    pub betas: [f64; 2],
    /// Course of the rate.
    #[serde(default = "constant")]
    pub schedule: Schedule,
    /// Steps in which the rate rises to its peak.
    #[serde(default)]
    pub warm_up: u64,
    /// Steps at which the rate is multiplied by `drop`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<u64>,
    /// See `drops`.
    #[serde(default = "half")]
    pub drop: f64,
}

/// The generator's losses; those with weight 0 cost nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Losses {
    /// The mean difference of samples of 0..1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel: Option<Pixel>,
    /// Weight of LPIPS.
    #[serde(default)]
    pub lpips: f64,
    /// Features of a frozen network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Features>,
    /// Distillation from a teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Teacher>,
}

/// A loss of samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pixel {
    /// Its form.
    pub kind: Loss,
    /// Its weight.
    pub weight: f64,
    /// Whether it compares luma alone, as the papers of luma networks do. Of the whole picture, whose chroma such a network
    /// cannot change, the best luma would be one that makes up for wrong chroma.
    #[serde(default, skip_serializing_if = "is_no")]
    pub luma: bool,
}

/// A loss of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Of which network.
    pub trunk: Kind,
    /// Of which of its layers, such as `relu2_2` (after the activation) or `conv5_4` (before it).
    pub layer: String,
    /// Factor on the features before they are compared: 1/12.75 for the papers' VGG losses.
    #[serde(default = "unit")]
    pub factor: f64,
    /// The form of the loss.
    pub kind: Loss,
    /// Its weight.
    pub weight: f64,
    /// Whether each picture's features are divided by their mean first (Sajjadi 2017, section 5.3).
    #[serde(default, skip_serializing_if = "is_no")]
    pub unit_mean: bool,
    /// Weight of the texture loss of the same features (Gatys 2015; Sajjadi 2017, equation 4): the squared difference of
    /// Gram matrices of patches of 16 × 16 samples.
    #[serde(default)]
    pub texture: f64,
}

/// Distillation: the teacher's picture, and where its features answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Weight of the L1 between the two pictures.
    pub output: f64,
    /// Weight of the difference of attention maps (Zagoruyko 2017): squares summed over the last features, divided by
    /// their length.
    #[serde(default)]
    pub attention: f64,
}

/// The discriminator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adversary {
    /// Its name: `srgan`, `vgg128`, `enhancenet` or `patch`.
    pub name: String,
    /// Its channels at first.
    pub channels: usize,
    /// The game.
    pub game: Game,
    /// Weight of the generator's adversarial loss.
    pub weight: f64,
    /// λ of the gradient penalty; for Wasserstein.
    #[serde(default = "lambda")]
    pub penalty: f64,
    /// Steps in which only the discriminator learns.
    #[serde(default)]
    pub head_start: u64,
    /// How it learns.
    pub optimiser: Optimiser,
}

fn bicubic() -> String {
    "bicubic".into()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
const fn is_no(value: &bool) -> bool {
    !*value
}

const fn one() -> u64 {
    1
}

const fn decay() -> f64 {
    0.999
}

const fn betas() -> [f64; 2] {
    [0.9, 0.999]
}

const fn constant() -> Schedule {
    Schedule::Constant
}

const fn half() -> f64 {
    0.5
}

const fn unit() -> f64 {
    1.0
}

const fn lambda() -> f64 {
    10.0
}

impl Optimiser {
    /// The rate at `step` (from 0) of `steps`.
    pub fn rate(&self, step: u64, steps: u64) -> f64 {
        let drops = self.drops.iter().filter(|&&drop| step >= drop).count();
        self.rate * self.schedule.share(step, steps, self.warm_up) * self.drop.powi(drops as i32)
    }

    fn validate(&self) -> Result<()> {
        let betas = self.betas.iter().all(|beta| (0.0..1.0).contains(beta));
        if self.rate > 0.0 && self.rate <= 1.0 && betas && self.drop > 0.0 && self.drop <= 1.0 {
            return Ok(());
        }
        Err(Error::usage("a rate must lie in 0..1, betas below 1, and a drop in 0..1"))
    }
}

impl Recipe {
    /// Checks ranges and names.
    ///
    /// # Errors
    /// A usage error that says what is out of range.
    pub fn validate(&self) -> Result<()> {
        let generator = papers::generator(&self.generator)?;
        if !(8..=512).contains(&self.patch) || !(1..=4096).contains(&self.batch) {
            return Err(
                Error::usage("patch or batch is out of range").fix("use a patch of 8 to 512 and a batch of 1 to 4096")
            );
        }
        if self.steps == 0 {
            return Err(Error::usage("a run of no steps learns nothing").fix("give steps of 1 or more"));
        }
        if !(0.0..1.0).contains(&self.decay) {
            return Err(Error::usage("the decay must lie in 0..1"));
        }
        self.degradation.parse::<Degradation>()?;
        self.optimiser.validate()?;
        self.validate_losses()?;
        let smallest = generator.heads.iter().map(|head| head.scale * self.patch).min().unwrap_or(0);
        if self.loss.lpips > 0.0 && smallest < Lpips::SIDE {
            return Err(Error::usage(format!("LPIPS cannot compare patches of {smallest} pixels"))
                .fix(format!("choose a patch whose enlargement has {} or more", Lpips::SIDE)));
        }
        if let Some(adversary) = &self.adversary {
            adversary.optimiser.validate()?;
            for head in &generator.heads {
                let graph = papers::discriminator(&adversary.name, adversary.channels, self.patch * head.scale)?;
                let normalised = graph.parameters().iter().any(|parameter| parameter.role == Role::Statistic);
                if adversary.game == Game::Wasserstein && normalised {
                    return Err(Error::usage(format!(
                        "the gradient penalty takes each picture by itself, and '{}' normalises over the batch",
                        adversary.name
                    ))
                    .fix("take the discriminator patch or enhancenet, or another game"));
                }
            }
            if generator.heads.len() > 1 && adversary.name != "patch" {
                return Err(Error::usage(format!(
                    "'{}' judges crops of one size, and this network makes several",
                    adversary.name
                ))
                .fix("take the discriminator 'patch'"));
            }
        }
        Ok(())
    }

    /// Weights in range, and one of them above zero.
    fn validate_losses(&self) -> Result<()> {
        let losses = &self.loss;
        let weights = std::iter::once(losses.lpips);
        let weights = weights.chain(losses.pixel.iter().map(|pixel| pixel.weight));
        let weights = weights.chain(losses.features.iter().flat_map(|features| [features.weight, features.texture]));
        let weights = weights.chain(losses.teacher.iter().flat_map(|teacher| [teacher.output, teacher.attention]));
        let weights: Vec<f64> = weights.chain(self.adversary.iter().map(|adversary| adversary.weight)).collect();
        let others = losses.features.iter().map(|features| features.factor);
        let mut others = others.chain(self.adversary.iter().map(|adversary| adversary.penalty));
        let ranged = |weight: f64| (0.0..=1e6).contains(&weight);
        if !weights.iter().all(|&weight| ranged(weight)) || !others.all(ranged) {
            return Err(Error::usage("a loss's weight or factor must lie in 0..1e6"));
        }
        if weights.iter().all(|&weight| weight == 0.0) {
            return Err(Error::usage("the recipe has no loss").fix("give one a weight, such as loss.lpips=1"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
