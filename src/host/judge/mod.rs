//! Measures of how pictures look to people, beside PSNR and SSIM. Each needs weights that were learned elsewhere and are
//! not part of this program: the user names a folder that holds them.
//!
//! | file in the folder | measure | better | |
//! |---|---|---|---|
//! | `squeezenet1_1.safetensors`, `lpips_squeeze_heads_v0.1.safetensors` | [`Lpips`] | lower | with reference: the distance of deep features |
//! | `niqe_pris_params.npz` | [`Niqe`] | lower | no reference: how far the picture is from undistorted photographs |
//!
//! The perceptual index of the PIRM challenge (Blau 2018) is `PI = ((10 − Ma) + NIQE)/2`. Ma's measure (2017) is a forest of
//! regression trees that is given away as a MATLAB file with code of its own and cannot be had here, so only NIQE, the other
//! half, is measured. Tables of papers that give PI cannot be compared with it.

mod asymmetric;
pub mod niqe;
mod npz;
mod symmetric;

pub use niqe::Niqe;

use crate::error::{Error, Result};
use crate::evaluate::{Better, Judge, Picture};
use crate::host::lpips::Lpips;
use candle_core::Device;
use std::path::Path;

impl Judge for Lpips {
    fn key(&self) -> &'static str {
        "lpips"
    }

    fn title(&self) -> &'static str {
        "LPIPS"
    }

    fn better(&self) -> Better {
        Better::Lower
    }

    fn judge(&self, picture: &Picture, original: &Picture) -> Result<Option<f64>> {
        let measurable = picture.size.width.min(picture.size.height) >= Self::SIDE;
        measurable.then(|| self.between(picture, original)).transpose()
    }
}

/// The judges whose weights lie in the folder `weights`, in the order of the table above.
///
/// # Errors
/// An input error where the folder holds none of the files, or one that is damaged.
pub fn judges(weights: &Path) -> Result<Vec<Box<dyn Judge>>> {
    let mut judges: Vec<Box<dyn Judge>> = Vec::new();
    if Lpips::at_hand(weights) {
        judges.push(Box::new(Lpips::open(weights, &Device::Cpu)?));
    }
    let niqe = weights.join(niqe::FILE);
    if niqe.is_file() {
        judges.push(Box::new(Niqe::open(&niqe)?));
    }
    if judges.is_empty() {
        return Err(Error::input(format!("{} holds no weights of a measure", weights.display()))
            .fix(format!("name a folder with {}, or with SqueezeNet and the heads of LPIPS", niqe::FILE)));
    }
    Ok(judges)
}
