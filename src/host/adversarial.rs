//! What generator and discriminator want of each other.
//!
//! With logits r of real pictures and f of generated ones, and softplus(x) = log(1 + eˣ), so that −log σ(x) = softplus(−x):
//!
//! | | discriminator | generator |
//! |---|---|---|
//! | non-saturating (Goodfellow 2014; Ledig 2017, equation 6) | E softplus(−r) + E softplus(f) | E softplus(−f) |
//! | relativistic average (Wang 2018, equations 1 and 2) | E softplus(−(r − E f)) + E softplus(f − E r) | E softplus(r − E f) + E softplus(−(f − E r)) |
//! | Wasserstein (Gulrajani 2017, equation 3) | E f − E r + λ E (‖∇D(x̂)‖ − 1)² | −E f |

use super::graph::{Graph, Mode};
use super::random::Random;
use candle_core::{Result, Tensor, Var, bail};
use serde::{Deserialize, Serialize};

/// The game that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Game {
    /// SRGAN's −log D.
    NonSaturating,
    /// ESRGAN's: whether real is more real than fake.
    Relativistic,
    /// Wasserstein distance with gradient penalty.
    Wasserstein,
}

/// The variable that lets candle keep the graph of gradients, read by every thread before its first backward pass.
pub const TWICE: &str = "CANDLE_GRAD_DO_NOT_DETACH";

/// log(1 + eˣ) without overflow.
fn softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

impl Game {
    /// The discriminator's loss; for [`Game::Wasserstein`] without its penalty.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn discriminator(self, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
        match self {
            Self::NonSaturating => softplus(&real.neg()?)?.mean_all()? + softplus(fake)?.mean_all()?,
            Self::Relativistic => {
                let (real_gap, fake_gap) = gaps(real, fake)?;
                softplus(&real_gap.neg()?)?.mean_all()? + softplus(&fake_gap)?.mean_all()?
            }
            Self::Wasserstein => fake.mean_all()? - real.mean_all()?,
        }
    }

    /// The generator's loss; `real` counts for [`Game::Relativistic`] alone.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn generator(self, real: &Tensor, fake: &Tensor) -> Result<Tensor> {
        match self {
            Self::NonSaturating => softplus(&fake.neg()?)?.mean_all(),
            Self::Relativistic => {
                let (real_gap, fake_gap) = gaps(real, fake)?;
                softplus(&real_gap)?.mean_all()? + softplus(&fake_gap.neg()?)?.mean_all()?
            }
            Self::Wasserstein => fake.mean_all()?.neg(),
        }
    }

    /// Whether the generator's loss looks at real pictures.
    pub fn compares(self) -> bool {
        self == Self::Relativistic
    }
}

/// How much more real each is than the mean of the others.
fn gaps(real: &Tensor, fake: &Tensor) -> Result<(Tensor, Tensor)> {
    Ok((real.broadcast_sub(&fake.mean_all()?)?, fake.broadcast_sub(&real.mean_all()?)?))
}

/// `E (‖∇D(x̂)‖ − 1)²` over pictures x̂ drawn evenly between real and generated ones (Gulrajani 2017). Its own gradient needs
/// second derivatives: [`TWICE`] must be set in the environment before the thread's first backward pass.
///
/// # Errors
/// Where [`TWICE`] is not set, shapes do not fit or the device fails.
pub fn penalty(
    discriminator: &Graph,
    weights: &[Tensor],
    real: &Tensor,
    fake: &Tensor,
    random: &mut Random,
) -> Result<Tensor> {
    if std::env::var(TWICE).as_deref() != Ok("1") {
        bail!("{TWICE}=1 must be set for second derivatives");
    }
    let batch = real.dim(0)?;
    let shares: Vec<f32> = (0..batch).map(|_| random.unit() as f32).collect();
    let shares = Tensor::from_vec(shares, (batch, 1, 1, 1), real.device())?.to_dtype(real.dtype())?;
    let mixed = (real + (fake - real)?.broadcast_mul(&shares)?)?;
    let mixed = Var::from_tensor(&mixed.detach())?;
    let logits = discriminator.forward(weights, &mixed, &discriminator.outputs, Mode::Twice)?.first()?;
    // A picture's D is the mean of its map, as the game takes it; pictures do not see each other.
    let gradients = logits.flatten_from(1)?.mean(1)?.sum_all()?.backward()?;
    let Some(slope) = gradients.get(&mixed) else { bail!("the discriminator does not look at its input") };
    let norm = (slope.sqr()?.flatten_from(1)?.sum(1)? + 1e-12)?.sqrt()?;
    (norm - 1.0)?.sqr()?.mean_all()
}

#[cfg(test)]
mod tests;
