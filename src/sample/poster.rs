//! The test card that leans on the wall: type in many sizes, a zone plate, a star, wedges, colour patches.

use super::canvas::{Canvas, Colour, Point};
use super::font::{Pen, write};
use super::noise::{blend, circle, dim, fractal, step};

/// Top left corner and size of the paper, before it is turned.
const PAPER: (Point, Point) = ((0.115, 0.075), (0.50, 0.605));
const INK: Colour = [0.022, 0.022, 0.030];
const RED: Colour = [0.50, 0.030, 0.020];

/// The card stands a little askew: a turn of about 2°.
fn place((x, y): Point) -> Point {
    let (x, y) = (x - 0.35, y - 0.66);
    (0.35 + x - 0.034 * y, 0.66 + y + 0.034 * x)
}

/// The inverse of [`place`], to first order exact enough for a picture.
fn paper((x, y): Point) -> Point {
    let (x, y) = ((x - 0.35) / 1.001_156, (y - 0.66) / 1.001_156);
    (0.35 + x + 0.034 * y, 0.66 + y - 0.034 * x)
}

pub(super) fn draw(canvas: &mut Canvas) {
    let (corner, size) = PAPER;
    canvas.paint((0.0, 0.0), (0.75, 0.75), |x, y, under| {
        let (x, y) = paper((x - 0.016, y - 0.012));
        let out = |at: f32, from: f32, long: f32| (from - at).max(at - from - long).max(0.0);
        let (dx, dy) = (out(x, corner.0, size.0), out(y, corner.1, size.1 - 0.02));
        Some(dim(under, 0.42 + 0.58 * step(0.0, 0.035, (dx * dx + dy * dy).sqrt())))
    });
    canvas.paint((0.0, 0.0), (0.75, 0.75), |x, y, _| {
        let (x, y) = paper((x, y));
        let (u, v) = (x - corner.0, y - corner.1);
        let inside = u >= 0.0 && v >= 0.0 && u < size.0 && v < size.1;
        let edge = u.min(v).min(size.0 - u).min(size.1 - v);
        inside.then(|| card(u, v, edge))
    });
    type_area(canvas);
}

/// Paper, frame and charts at (u, v) from the card's corner.
fn card(u: f32, v: f32, edge: f32) -> Colour {
    if edge < 0.014 {
        let bevel = if u < 0.014 || v < 0.014 { 1.5 } else { 0.75 };
        return dim([0.075, 0.045, 0.028], bevel * (0.7 + 0.6 * fractal(u * 30.0, v * 30.0, 4, 3)));
    }
    let fibre = 0.955 + 0.05 * fractal(u * 120.0, v * 120.0, 3, 5) + 0.04 * fractal(u * 4.0, v * 4.0, 2, 6);
    let sheet = dim([0.80, 0.775, 0.715], fibre * (0.80 + 0.34 * u) * step(0.010, 0.024, edge).max(0.55));
    let [red, green, blue] = patches(u, v).unwrap_or([1.0; 3]);
    let printed = blend(sheet, INK, charts(u, v));
    [printed[0] * red, printed[1] * green, printed[2] * blue]
}

/// How much ink the charts put at (u, v).
fn charts(u: f32, v: f32) -> f32 {
    let (zx, zy) = (u - 0.125, v - 0.375);
    if zx.abs() < 0.082 && zy.abs() < 0.082 {
        return 0.5 - 0.48 * circle(1500.0 * (zx * zx + zy * zy)).0;
    }
    let (sx, sy) = (u - 0.305, v - 0.375);
    let r = sx * sx + sy * sy;
    if r < 0.082 * 0.082 {
        return if spoke(sx, sy) { 1.0 } else { 0.0 };
    }
    wedge(u - 0.405, v - 0.293)
}

/// Whether (x, y) lies on one of 18 black spokes. Angles are compared, never computed.
fn spoke(x: f32, y: f32) -> bool {
    let side = |i: u32| {
        let (cos, sin) = circle(i as f32 / 36.0);
        cos * y - sin * x >= 0.0
    };
    let half = if y >= 0.0 { 0 } else { 18 };
    let passed = (half..half + 18).take_while(|&i| side(i)).count();
    passed % 2 == 1
}

/// Lines that come closer and closer together, in a box of 0.06 × 0.164.
fn wedge(u: f32, v: f32) -> f32 {
    if !(0.0..0.066).contains(&u) || !(0.0..0.164).contains(&v) {
        return 0.0;
    }
    let narrow = 1.0 - 0.86 * v / 0.164;
    let across = (u - 0.033) / (0.033 * narrow);
    let lines = (across + 1.0) * 4.5;
    if across.abs() < 1.0 && (lines.floor() as i32) % 2 == 0 { 1.0 } else { 0.0 }
}

/// The colour of the patch at (u, v).
fn patches(u: f32, v: f32) -> Option<Colour> {
    const ROW: [Colour; 9] = [
        [0.36, 0.04, 0.03],
        [0.80, 0.27, 0.03],
        [0.90, 0.65, 0.04],
        [0.12, 0.33, 0.07],
        [0.03, 0.28, 0.30],
        [0.03, 0.08, 0.34],
        [0.22, 0.05, 0.25],
        [0.21, 0.21, 0.21],
        [0.03, 0.03, 0.03],
    ];
    let at = (u - 0.043) / 0.047;
    ((0.485..0.525).contains(&v) && (0.0..9.0).contains(&at) && at - at.floor() < 0.88).then(|| ROW[at as usize])
}

fn type_area(canvas: &mut Canvas) {
    let (corner, _) = PAPER;
    let lines: [(&str, Point, f32, f32, Colour); 7] = [
        ("UPRES", (0.046, 0.056), 0.066, 0.0115, INK),
        ("x4", (0.376, 0.056), 0.066, 0.0115, RED),
        ("SUPER-RESOLUTION", (0.045, 0.172), 0.0260, 0.0040, INK),
        ("DRAWN BY A PROGRAM", (0.045, 0.215), 0.0170, 0.0027, RED),
        ("THE QUICK BROWN FOX JUMPS OVER", (0.045, 0.246), 0.0118, 0.0019, INK),
        ("THE LAZY DOG 0123456789", (0.045, 0.266), 0.0118, 0.0019, INK),
        ("ZONE PLATE - STAR - WEDGE - NINE PATCHES OF COLOUR", (0.045, 0.550), 0.0095, 0.0015, INK),
    ];
    for (text, at, height, line, colour) in lines {
        let pen = Pen { height, line, colour };
        write(canvas, text, (corner.0 + at.0, corner.1 + at.1), &pen, place);
    }
}
