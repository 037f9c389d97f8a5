//! The room: bricks, a window at dusk with lights out of focus, a wooden table.

use super::canvas::{Canvas, Colour};
use super::noise::{Dice, blend, dim, fractal, hash, mix, step, value};

/// Where the table begins.
pub(super) const TABLE: f32 = 0.655;
/// The window's left side and its lower edge.
const WINDOW: (f32, f32) = (0.93, 0.60);

pub(super) fn draw(canvas: &mut Canvas) {
    canvas.paint((-2.0, -2.0), (4.0, TABLE), |x, y, _| Some(wall(x, y)));
    window(canvas);
    canvas.paint((-2.0, TABLE), (4.0, 4.0), |x, y, _| Some(table(x, y)));
    canvas.paint((-2.0, TABLE - 0.001), (4.0, TABLE + 0.004), |_, _, under| Some(dim(under, 0.35)));
}

/// Light falling on the wall from the window.
fn daylight(x: f32, y: f32) -> f32 {
    0.34 + 0.55 * step(-0.5, 1.05, x) - 0.16 * step(0.2, 0.75, y)
}

/// The height of the wall's surface.
fn relief(x: f32, y: f32) -> f32 {
    let (course, joint) = (0.0545, 0.0048);
    let row = (y / course).floor();
    let shift = if (row as i32) % 2 == 0 { 0.0 } else { 0.5 };
    let across = x / 0.142 + shift;
    let brick = across.floor();
    let wander = 0.0035 * (value(x * 40.0, y * 40.0, 3) - 0.5);
    let (dx, dy) = ((across - brick) * 0.142, y - row * course);
    let edge = dx.min(0.142 - dx).min(dy).min(course - dy) + wander;
    let body = step(joint * 0.5, joint * 1.25, edge);
    let proud = 0.25 * hash(brick as i32, row as i32, 5);
    body * (0.75 + proud) + 0.44 * fractal(x * 46.0, y * 46.0, 5, 7)
}

fn wall(x: f32, y: f32) -> Colour {
    let row = (y / 0.0545).floor();
    let shift = if (row as i32) % 2 == 0 { 0.0 } else { 0.5 };
    let brick = ((x / 0.142 + shift).floor() as i32, row as i32);
    let (h, right, below) = (relief(x, y), relief(x + 0.0012, y), relief(x, y + 0.0012));
    let body = step(0.42, 0.72, h);
    let tone = hash(brick.0, brick.1, 11);
    let clay = blend([0.31, 0.105, 0.060], [0.52, 0.235, 0.135], tone);
    let clay = blend(clay, [0.16, 0.075, 0.060], step(0.80, 0.95, hash(brick.0, brick.1, 12)) * 0.8);
    let clay = dim(clay, 0.45 + 1.10 * fractal(x * 30.0, y * 70.0, 5, 21));
    let chalk = step(0.56, 0.74, fractal(x * 7.0 + 3.0, y * 7.0, 5, 31)) * 0.30;
    let clay = blend(clay, [0.56, 0.50, 0.44], chalk);
    let mortar = dim([0.34, 0.31, 0.275], 0.7 + 0.6 * fractal(x * 90.0, y * 90.0, 3, 41));
    let slope = 1.0 + 2.2 * (right - h) + 2.6 * (h - below);
    dim(blend(mortar, clay, body), daylight(x, y) * slope.clamp(0.45, 1.7))
}

fn dusk(y: f32) -> Colour {
    let sky = blend([0.030, 0.055, 0.150], [0.34, 0.17, 0.19], step(-0.05, 0.42, y));
    blend(sky, [0.78, 0.36, 0.12], step(0.32, 0.60, y))
}

fn window(canvas: &mut Canvas) {
    canvas.paint((WINDOW.0, -2.0), (4.0, WINDOW.1), |_, y, _| Some(dusk(y)));
    lights(canvas);
    let oak = |x: f32, y: f32, light: f32| dim([0.62, 0.56, 0.47], light * (0.86 + 0.28 * fractal(x, y, 4, 61)));
    canvas.paint((WINDOW.0, -2.0), (4.0, WINDOW.1), |x, y, under| {
        let glass = 1.0 - 0.06 * value(x * 9.0, y * 9.0, 77);
        let left = x - WINDOW.0;
        let bar = (x - 1.245).abs();
        let rail = (y - 0.245).abs();
        Some(match () {
            () if left < 0.030 => oak(x * 160.0, y * 9.0, mix(0.34, 0.80, step(0.0, 0.028, left))),
            () if WINDOW.1 - y < 0.030 => oak(x * 9.0, y * 160.0, 0.95 - 0.4 * step(0.012, 0.016, WINDOW.1 - y)),
            () if bar < 0.011 => oak(x * 160.0, y * 9.0, 0.42 + 0.22 * step(-0.011, 0.011, x - 1.245)),
            () if rail < 0.009 => oak(x * 9.0, y * 160.0, 0.52 - 0.2 * step(-0.009, 0.009, y - 0.245)),
            () => dim(under, glass),
        })
    });
    canvas.paint((WINDOW.0 - 0.03, WINDOW.1), (4.0, WINDOW.1 + 0.022), |x, y, _| {
        Some(oak(x * 9.0, y * 160.0, 1.12 - 0.7 * step(WINDOW.1 + 0.006, WINDOW.1 + 0.022, y)))
    });
}

/// Lamps far behind the plane of focus: discs with a slightly brighter rim.
fn lights(canvas: &mut Canvas) {
    let mut dice = Dice::new(123);
    for i in 0..64 {
        let near = dice.roll(0.0, 1.0);
        let radius = 0.012 + 0.040 * near * near;
        let centre = (dice.roll(WINDOW.0, 1.56), 0.60 - 0.56 * dice.roll(0.03, 1.0) * dice.roll(0.25, 1.0));
        let warm = dice.roll(0.0, 1.0);
        let hue = if i % 7 == 0 { [0.10, 0.40, 0.55] } else { blend([0.95, 0.34, 0.06], [0.95, 0.78, 0.42], warm) };
        let power = dice.roll(0.18, 0.62) * (1.25 - near);
        canvas.disc(centre, radius, |x, y, under| {
            let r = x * x + y * y;
            let glow = power * (0.72 + 0.45 * r * r) * (1.0 - step(0.93, 1.0, r));
            [under[0] + hue[0] * glow, under[1] + hue[1] * glow, under[2] + hue[2] * glow]
        });
    }
}

fn table(x: f32, y: f32) -> Colour {
    let depth = 0.42 / (y - TABLE + 0.30);
    let (across, away) = ((x - 0.75) * depth, depth * 2.4);
    let plank = (away * 1.55).floor();
    let seam = (away * 1.55 - plank).min(1.0 - (away * 1.55 - plank));
    let drift = plank * 3.7;
    let warp = 0.22 * fractal(across * 1.5 + drift, away * 3.0, 3, 81);
    let rings = (away * 1.55 - plank + warp) * 9.0;
    let ring = (rings - rings.floor() - 0.5).abs() * 2.0;
    let grain = fractal(across * 5.0 + drift, away * 130.0, 5, 91);
    let pores = step(0.62, 0.80, fractal(across * 16.0, away * 300.0 + drift, 3, 95));
    let tone = 0.72 + 0.30 * hash(plank as i32, 1, 97);
    let wood = blend([0.300, 0.145, 0.060], [0.470, 0.265, 0.120], 0.70 * ring + 1.15 * grain - 0.42);
    let wood = dim(wood, tone * (1.0 - 0.5 * pores) * mix(0.18, 1.0, step(0.004, 0.030, seam)));
    let shine = step(0.75, 1.30, x) * (1.0 - step(TABLE, TABLE + 0.26, y)) * (0.55 + 0.45 * grain);
    let light = 0.62 + 0.42 * step(-0.2, 1.2, x);
    let lit = dim(wood, light);
    [lit[0] + 0.30 * shine, lit[1] + 0.155 * shine, lit[2] + 0.075 * shine]
}
