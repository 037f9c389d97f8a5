//! Which numbers mean black and white to a network that does not say: tried out.
//!
//! A soft picture is enlarged under each usual range; under the right one its block means come out as they went in.

use super::{TractGenerator, enlarged};
use crate::error::Result;
use crate::geometry::Size;
use std::f32::consts::TAU;

/// The ranges in use, the commonest first.
const RANGES: [[f32; 2]; 3] = [UNIT, [0.0, 255.0], [-1.0, 1.0]];
const UNIT: [f32; 2] = [0.0, 1.0];
/// Side of the probing picture.
const SIDE: usize = 48;
/// Pixels at the border that padding disturbs.
const MARGIN: usize = 8;
/// What part of the misfit of [0, 1] another range may have at most to be believed: 0 to 255, −1 to 1.
const CONVICTION: [f32; 2] = [0.3, 0.1];
/// The same for −1 to 1 where the network ends in a hyperbolic tangent.
const CONVICTION_TANH: f32 = 0.7;

/// The range under which `generator` reproduces a soft picture best.
pub(super) fn range(generator: &TractGenerator) -> Result<[f32; 2]> {
    if let Some(range) = generator.analysis.range_hint {
        return Ok(range);
    }
    let side = SIDE.max(generator.analysis.min_side);
    let mut size = Size::new(side, side);
    if generator.plan_freely(size, UNIT).is_err() {
        let Some(fixed) = generator.analysis.fixed_size else { return Ok(UNIT) };
        size = fixed;
    }
    let unit = misfit(generator, size, UNIT)?;
    let conviction = [CONVICTION[0], if generator.analysis.ends_in_tanh { CONVICTION_TANH } else { CONVICTION[1] }];
    let mut best = (1.0, UNIT);
    for (range, conviction) in RANGES.into_iter().skip(1).zip(conviction) {
        let ratio = misfit(generator, size, range)? / unit;
        log::debug!("range {range:?} has {ratio} times the misfit {unit} of [0, 1]");
        if ratio < conviction && ratio < best.0 {
            best = (ratio, range);
        }
    }
    Ok(best.1)
}

/// Mean difference between the picture and the block means of what `range` makes of it.
fn misfit(generator: &TractGenerator, size: Size, range: [f32; 2]) -> Result<f32> {
    let (planes, scale) = (generator.card.colour.planes(), generator.card.scale);
    let sample = |c: usize, x: usize, y: usize| {
        let (c, x, y) = (c as f32, x as f32 / 23.0, y as f32 / 31.0);
        0.5 + 0.25 * (TAU * (x + 0.3 * c)).sin() + 0.15 * (TAU * (y - 0.2 * c)).cos()
    };
    let mut input = Vec::with_capacity(planes * size.area());
    for c in 0..planes {
        for y in 0..size.height {
            input.extend((0..size.width).map(|x| sample(c, x, y)));
        }
    }
    let large = enlarged(size, scale);
    let mut output = vec![0.0; planes * large.area()];
    generator.plan_freely(size, range)?.run(&input, &mut output)?;
    let margin = MARGIN.min((size.width.min(size.height) - 1) / 2);
    let (mut total, mut count) = (0.0, 0.0);
    for (c, plane) in output.chunks_exact(large.area()).enumerate() {
        for y in margin..size.height - margin {
            for x in margin..size.width - margin {
                let rows = (0..scale).map(|j| &plane[(y * scale + j) * large.width + x * scale..][..scale]);
                let mean = rows.flatten().sum::<f32>() / (scale * scale) as f32;
                total += (mean - sample(c, x, y)).abs();
                count += 1.0;
            }
        }
    }
    Ok(total / count)
}
