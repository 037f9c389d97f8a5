//! The discriminator's answer to a step of the generator.

use super::Adversary;
use super::run::{Costs, Learner};
use crate::error::{Error, Result};
use crate::host::adversarial::{Game, penalty};
use crate::host::graph::Mode;
use crate::host::peers::Peers;
use crate::host::precision::Precision;
use crate::host::random::Random;
use candle_core::Tensor;

/// How a discriminator is met at a step.
pub(super) struct Encounter<'a> {
    pub(super) adversary: &'a Adversary,
    pub(super) precision: Precision,
    pub(super) step: u64,
    pub(super) steps: u64,
}

impl Encounter<'_> {
    /// One step of the discriminator on `real` and `fake` pictures.
    pub(super) fn oppose(
        &self,
        opponent: &mut Learner,
        (real, fake): (&Tensor, &Tensor),
        random: &mut Random,
        peers: &dyn Peers,
    ) -> Result<Costs> {
        let Self { adversary, precision, step, steps } = *self;
        let weights = opponent.weights.tensors();
        let seen = opponent.graph.run(&weights, &precision.cast(real)?, Mode::Training)?;
        let made = opponent.graph.run(&weights, &precision.cast(fake)?, Mode::Training)?;
        let statistics = seen.statistics.into_iter().chain(made.statistics).collect();
        let (of_real, of_fake) = (&seen.values[0], &made.values[0]);
        let mut cost = adversary.game.discriminator(of_real, of_fake)?;
        if adversary.game == Game::Wasserstein {
            cost = (cost + (penalty(&opponent.graph, &weights, real, fake, random)? * adversary.penalty)?)?;
        }
        let number = |tensor: &Tensor| -> Result<f64> { Ok(f64::from(tensor.to_scalar::<f32>()?)) };
        let costs = Costs::from([
            ("d_loss", peers.mean_number(&cost)?),
            ("d_real", number(&of_real.mean_all()?)?),
            ("d_fake", number(&of_fake.mean_all()?)?),
        ]);
        if !costs["d_loss"].is_finite() {
            return Err(Error::input(format!("the discriminator's loss is no number any more at step {}", step + 1))
                .fix("go on from the checkpoint with a lower rate for the adversary"));
        }
        opponent.learn(&cost, statistics, adversary.optimiser.rate(step, steps), peers)?;
        Ok(costs)
    }
}
