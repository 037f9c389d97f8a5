//! Enlarging maps under autograd: pixel shuffle, nearest neighbour, bicubic.

use crate::frame::Plane;
use crate::geometry::Size;
use crate::resample::{Filter, resize};
use candle_core::{Device, Result, Tensor, bail};

/// The pixel shuffle of ESPCN (Shi 2016, equation 4): `[batch, c·r², h, w]` to `[batch, c, h·r, w·r]`; output pixel
/// (x·r + i, y·r + j) of map m comes from channel m·r² + j·r + i at (x, y).
///
/// # Errors
/// Where the channels are no multiple of r².
pub fn shuffle(x: &Tensor, r: usize) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    if r == 0 || channels % (r * r) != 0 {
        bail!("{channels} channels cannot be shuffled by {r}");
    }
    let maps = channels / (r * r);
    x.reshape(&[batch, maps, r, r, height, width])?.permute([0, 1, 4, 2, 5, 3])?.contiguous()?.reshape((
        batch,
        maps,
        height * r,
        width * r,
    ))
}

/// Every sample r × r times: `[batch, c, h, w]` to `[batch, c, h·r, w·r]`.
///
/// # Errors
/// Where the device fails.
pub fn nearest(x: &Tensor, r: usize) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let wide = x.reshape(&[batch * channels, height, 1, width, 1])?;
    wide.broadcast_as(&[batch * channels, height, r, width, r][..])?.contiguous()?.reshape((
        batch,
        channels,
        height * r,
        width * r,
    ))
}

/// Bicubic enlargement (Keys, a = −½, border replicated, as [`crate::resample`] has it) of maps of one size, as a product
/// with a matrix on either side.
#[derive(Debug, Clone)]
pub struct Bicubic {
    rows: Tensor,
    columns: Tensor,
}

impl Bicubic {
    /// For maps of `height × width`, `r` times as large.
    ///
    /// # Errors
    /// Where the device fails.
    pub fn new(height: usize, width: usize, r: usize, device: &Device) -> Result<Self> {
        let matrix = |extent: usize| {
            let identity = Plane::from_fn(Size::new(extent, extent), |x, y| if x == y { 1.0 } else { 0.0 });
            let tall = resize(&identity, Size::new(extent, extent * r), Filter::Bicubic);
            Tensor::from_vec(tall.data, (extent * r, extent), device)
        };
        Ok(Self { rows: matrix(height)?, columns: matrix(width)?.t()?.contiguous()? })
    }

    /// `[batch, c, h, w]` to `[batch, c, h·r, w·r]`.
    ///
    /// # Errors
    /// Where the maps are of another size.
    pub fn enlarge(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.dims4()?;
        let wide = x.reshape((batch * channels * height, width))?.matmul(&self.columns)?;
        let wide = wide.reshape((batch * channels, height, self.columns.dim(1)?))?;
        let tall = self.rows.unsqueeze(0)?.broadcast_matmul(&wide)?;
        tall.reshape((batch, channels, self.rows.dim(0)?, self.columns.dim(1)?))
    }
}
