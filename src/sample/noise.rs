//! Randomness and curves that come out alike everywhere.

/// A number of 0..1 that depends on nothing but (x, y, seed).
pub(super) fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h =
        (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed.wrapping_mul(0xC2B2_AE3D);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    (((h ^ (h >> 15)) >> 8) as f32) * (1.0 / 16_777_216.0)
}

/// Value noise: smooth between the hashes of whole coordinates, 0..1.
pub(super) fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (tx, ty) = (fade(x - fx), fade(y - fy));
    let row = |y: i32| mix(hash(ix, y, seed), hash(ix + 1, y, seed), tx);
    mix(row(iy), row(iy + 1), ty)
}

/// `octaves` of value noise, each twice as fine and half as strong; about 0..1, mean ½.
pub(super) fn fractal(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut sum, mut weight, mut fine) = (0.0, 0.5, 1.0);
    for octave in 0..octaves {
        sum += weight * value(x * fine, y * fine, seed + octave);
        weight *= 0.5;
        fine *= 2.0;
    }
    sum + weight
}

/// From a at t = 0 to b at t = 1.
pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// [`mix`] of colours.
pub(super) fn blend(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)]
}

/// A colour made brighter or darker.
pub(super) fn dim(colour: [f32; 3], by: f32) -> [f32; 3] {
    colour.map(|c| c * by)
}

fn fade(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}

/// 0 up to `from`, 1 beyond `to`, smooth between.
pub(super) fn step(from: f32, to: f32, x: f32) -> f32 {
    fade(((x - from) / (to - from)).clamp(0.0, 1.0))
}

/// Cosine and sine of `turns` full turns, by their series: the C library's differ from machine to machine.
pub(super) fn circle(turns: f32) -> (f32, f32) {
    let quarters = (turns - turns.floor()) * 4.0;
    let quadrant = quarters.floor();
    let a = (quarters - quadrant) * std::f32::consts::FRAC_PI_2;
    let a2 = a * a;
    let cos = 1.0 - a2 / 2.0 * (1.0 - a2 / 12.0 * (1.0 - a2 / 30.0 * (1.0 - a2 / 56.0)));
    let sin = a * (1.0 - a2 / 6.0 * (1.0 - a2 / 20.0 * (1.0 - a2 / 42.0 * (1.0 - a2 / 72.0))));
    match quadrant as u32 {
        0 => (cos, sin),
        1 => (-sin, cos),
        2 => (-cos, -sin),
        _ => (sin, -cos),
    }
}

/// The point at t of 0..1 on the quadratic Bézier curve from a towards b to c.
pub(super) fn bezier(a: (f32, f32), b: (f32, f32), c: (f32, f32), t: f32) -> (f32, f32) {
    let at = |a, b, c| mix(mix(a, b, t), mix(b, c, t), t);
    (at(a.0, b.0, c.0), at(a.1, b.1, c.1))
}

/// A sequence of numbers of 0..1.
pub(super) struct Dice {
    seed: u32,
    drawn: i32,
}

impl Dice {
    pub(super) fn new(seed: u32) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next number, from `low` to `high`.
    pub(super) fn roll(&mut self, low: f32, high: f32) -> f32 {
        self.drawn += 1;
        mix(low, high, hash(self.drawn, 0, self.seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_circle_is_round() {
        for i in -40..40 {
            let turns = i as f32 / 17.0;
            let (cos, sin) = circle(turns);
            let angle = f64::from(turns) * std::f64::consts::TAU;
            assert!((f64::from(cos) - angle.cos()).abs() < 3e-5 && (f64::from(sin) - angle.sin()).abs() < 3e-5);
        }
    }
}
