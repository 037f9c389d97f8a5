//! What stands on the table: a plant in a pot, yarn, pencils, a woven cloth.

use super::canvas::{Canvas, Colour, Point};
use super::noise::{Dice, bezier, blend, circle, dim, fractal, hash, mix, step};

pub(super) fn draw(canvas: &mut Canvas) {
    cloth(canvas);
    shadow(canvas, (0.80, 0.850), (0.150, 0.035));
    pot(canvas);
    plant(canvas);
    shadow(canvas, (1.165, 0.872), (0.165, 0.040));
    yarn(canvas);
    pencils(canvas);
}

/// Darkens an ellipse on the table, softly.
fn shadow(canvas: &mut Canvas, centre: Point, radii: Point) {
    let (from, to) = ((centre.0 - radii.0, centre.1 - radii.1), (centre.0 + radii.0, centre.1 + radii.1));
    canvas.paint(from, to, |x, y, under| {
        let (x, y) = ((x - centre.0) / radii.0, (y - centre.1) / radii.1);
        Some(dim(under, 1.0 - 0.72 * (1.0 - step(0.25, 1.0, (x * x + y * y).sqrt()))))
    });
}

/// A woven cloth on the right with a fringe, indigo and cream.
fn cloth(canvas: &mut Canvas) {
    let edge = |y: f32| 0.955 - 0.30 * (y - 0.76) + 0.012 * fractal(y * 9.0, 2.0, 3, 15);
    canvas.paint((0.80, 0.765), (4.0, 4.0), |x, y, _| (x > edge(y)).then(|| weave(x, y)));
    let mut dice = Dice::new(7);
    for i in 0..110 {
        let y = 0.768 + 0.0026 * i as f32 + dice.roll(-0.001, 0.001);
        let root = (edge(y) + 0.004, y);
        let tip = (root.0 - dice.roll(0.030, 0.055), y + dice.roll(-0.006, 0.012));
        let bend = (root.0 - 0.025, y + dice.roll(-0.007, 0.009));
        let way: Vec<Point> = (0..=6).map(|k| bezier(root, bend, tip, k as f32 / 6.0)).collect();
        let colour = if i / 11 % 3 == 1 { [0.060, 0.085, 0.190] } else { [0.62, 0.565, 0.455] };
        let light = dice.roll(0.5, 1.05);
        canvas.stroke(&way, |t| 0.0022 - 0.0008 * t, |_, across| dim(colour, light * (0.8 - 0.35 * across)));
    }
}

fn weave(x: f32, y: f32) -> Colour {
    let (u, v) = (x + 0.30 * y, y * 1.25 + 0.010 * fractal(x * 6.0, y * 6.0, 3, 17));
    let pitch = 0.0062;
    let (warp, weft) = ((u / pitch).floor(), (v / pitch).floor());
    let (fu, fv) = (u / pitch - warp - 0.5, v / pitch - weft - 0.5);
    let over = (warp as i32 + weft as i32).rem_euclid(4) < 2;
    let (across, stripe) = if over { (fu, warp as i32) } else { (fv, weft as i32) };
    let check = stripe.rem_euclid(26);
    let indigo = (4..10).contains(&check) || (12..14).contains(&check);
    let thread = if indigo { [0.050, 0.075, 0.200] } else { [0.66, 0.60, 0.48] };
    let thread = if check == 19 { [0.46, 0.055, 0.035] } else { thread };
    let round = 1.0 - 2.3 * across * across;
    let spun = 0.78 + 0.44 * hash(warp as i32, weft as i32, 19) * 0.6 + 0.18 * fractal(u * 260.0, v * 260.0, 2, 23);
    let folds = 0.62 + 0.62 * fractal(x * 3.2 + 1.0, y * 5.0, 2, 29);
    dim(thread, round * spun * folds * (0.78 + 0.2 * step(0.9, 1.5, x)))
}

fn pot(canvas: &mut Canvas) {
    canvas.paint((0.66, 0.62), (0.93, 0.88), |x, y, _| {
        let t = (y - 0.655) / 0.205;
        let half = mix(0.104, 0.074, t.clamp(0.0, 1.0)) + if y < 0.695 { 0.010 } else { 0.0 };
        let across = (x - 0.795) / half;
        let bow = 0.016 * (1.0 - across * across).max(0.0).sqrt();
        if across.abs() >= 1.0 || y < 0.655 - bow * 0.3 || y > 0.845 + bow {
            return None;
        }
        let round = (1.0 - across * across).sqrt();
        let glaze = fractal(x * 60.0, y * 60.0, 4, 51) * 0.35 + 0.82;
        let band = (0.735..0.775).contains(&(y - 0.6 * bow));
        let zigzag = ((x * 42.0 - (x * 42.0).floor() - 0.5).abs() * 0.055 + 0.742 - (y - 0.6 * bow)).abs() < 0.0045;
        let clay = if band { [0.070, 0.20, 0.225] } else { [0.60, 0.50, 0.385] };
        let clay = if band && zigzag { [0.74, 0.66, 0.50] } else { clay };
        let under_rim = 1.0 - 0.45 * step(0.690, 0.696, y) * (1.0 - step(0.696, 0.716, y));
        let light = (0.20 + 0.58 * round + 0.42 * across).clamp(0.10, 1.2) * under_rim;
        let gloss =
            0.55 * step(0.80, 1.0, 1.0 - ((across - 0.52) * (across - 0.52) * 9.0 + (t - 0.3) * (t - 0.3) * 2.0));
        Some(dim(clay, glaze * light).map(|c| c + 0.5 * gloss))
    });
}

/// Long arching leaves, the far ones first, and two fern fronds in front.
fn plant(canvas: &mut Canvas) {
    let mut dice = Dice::new(31);
    for i in 0..34 {
        let depth = i as f32 / 33.0;
        let lean = dice.roll(-1.0, 1.0);
        let long = dice.roll(0.26, 0.44) * (1.0 - 0.30 * lean.abs());
        let root = (0.795 + 0.05 * lean, 0.662);
        let crown = (root.0 + 0.10 * lean, root.1 - long * 1.18);
        let tip = (root.0 + lean * dice.roll(0.20, 0.36), root.1 - long * dice.roll(0.55, 1.05));
        let young = blend([0.030, 0.105, 0.025], [0.20, 0.36, 0.060], dice.roll(0.0, 0.65) + 0.35 * depth);
        leaf(canvas, [root, crown, tip], dice.roll(0.013, 0.024), dim(young, mix(0.5, 1.0, depth)), i);
    }
    for (lean, high) in [(-1.0, 0.13), (0.9, 0.08)] {
        frond(canvas, (0.795 + 0.03 * lean, 0.668), lean, high);
    }
}

fn leaf(canvas: &mut Canvas, [root, crown, tip]: [Point; 3], width: f32, colour: Colour, seed: u32) {
    let way: Vec<Point> = (0..=40).map(|k| bezier(root, crown, tip, k as f32 / 40.0)).collect();
    let profile = |t: f32| width * (4.0 * t * (1.0 - t) * (0.5 + t)).max(0.0).sqrt() + 0.0015;
    canvas.stroke(&way, profile, |t, across| {
        let rib = 1.0 - step(0.06, 0.13, across.abs());
        let vein = fractal(t * 8.0, across * 7.0 + seed as f32, 3, 200 + seed) - 0.5;
        let light = 0.80 + 0.36 * across + 0.55 * vein + 0.45 * rib;
        blend(dim(colour, light), [0.42, 0.46, 0.12], 0.25 * rib + 0.20 * step(0.9, 1.0, t))
    });
}

fn frond(canvas: &mut Canvas, root: Point, lean: f32, high: f32) {
    let (crown, tip) =
        ((root.0 + 0.10 * lean, root.1 - high - 0.10), (root.0 + 0.21 * lean, root.1 + 0.06 - high * 0.2));
    for k in 3..44_u32 {
        let t = k as f32 / 44.0;
        let (stem, ahead) = (bezier(root, crown, tip, t), bezier(root, crown, tip, t + 0.02));
        let (dx, dy) = (ahead.0 - stem.0, ahead.1 - stem.1);
        let unit = 1.0 / (dx * dx + dy * dy).sqrt().max(1e-6);
        let reach = 0.046 * (1.0 - t) * (0.35 + t).min(1.0) + 0.004;
        for side in [-1.0, 1.0] {
            let point = (
                stem.0 + unit * reach * (0.55 * dx - side * dy),
                stem.1 + unit * reach * (0.55 * dy + side * dx) + 0.004,
            );
            let tone = 0.7 + 0.5 * hash(k as i32, side as i32, 71);
            let green = dim([0.13, 0.30, 0.055], tone);
            canvas.stroke(
                &[stem, point],
                |_| 0.0052 * (1.0 - 0.5 * t),
                |along, across| dim(green, 0.65 + 0.45 * along - 0.3 * across),
            );
        }
        canvas.stroke(&[stem, ahead], |_| 0.0028, |_, _| [0.20, 0.22, 0.06]);
    }
}

/// A ball of yarn: strands wound on great circles, drawn from the back to the front, and a loose end.
fn yarn(canvas: &mut Canvas) {
    const WINDINGS: u32 = 15;
    let (centre, radius) = ((1.165, 0.770), 0.112);
    canvas.disc(centre, radius, |_, _, _| [0.10, 0.012, 0.010]);
    let mut dice = Dice::new(55);
    let end: Vec<Point> =
        (0..=30).map(|k| bezier((1.10, 0.862), (0.86, 0.93), (1.02, 0.965), k as f32 / 30.0)).collect();
    strand(canvas, &end, 0.0075, |_| 1.0);
    for winding in 0..WINDINGS {
        let (tilt, turn) = (dice.roll(0.0, 1.0), dice.roll(0.0, 1.0));
        for thread in 0..13 {
            let offset = (thread as f32 - 6.0) * 0.062 + dice.roll(-0.008, 0.008);
            let way = winding_way(centre, radius, tilt, turn, offset);
            let depth = 0.62 + 0.38 * winding as f32 / WINDINGS as f32;
            strand(canvas, &way, 0.0088, |point: Point| {
                let (x, y) = ((point.0 - centre.0) / radius, (point.1 - centre.1) / radius);
                let round = (1.0 - x * x - y * y).max(0.0).sqrt();
                depth * (0.22 + 0.62 * round + 0.30 * x - 0.34 * y).clamp(0.10, 1.25)
            });
        }
    }
}

/// The visible half of a circle around the ball, `offset` radii from its middle.
fn winding_way(centre: Point, radius: f32, tilt: f32, turn: f32, offset: f32) -> Vec<Point> {
    let (cos, sin) = circle(turn);
    let (flat, rise) = circle(0.04 + 0.17 * tilt);
    let ring = (1.0 - offset * offset).max(0.0).sqrt();
    let mut way = Vec::with_capacity(41);
    for k in 0..=40 {
        let (a, b) = circle(k as f32 / 80.0);
        let (x, y) = (a * ring, b * ring * flat + offset * rise);
        way.push((centre.0 + 0.97 * radius * (x * cos - y * sin), centre.1 + 0.97 * radius * (x * sin + y * cos)));
    }
    way
}

/// One twisted thread with a few loose hairs.
fn strand(canvas: &mut Canvas, way: &[Point], width: f32, light: impl Fn(Point) -> f32) {
    let pieces = way.len() as f32 - 1.0;
    canvas.stroke(
        way,
        |_| width,
        |t, across| {
            let at = way[((t * pieces) as usize).min(way.len() - 1)];
            let twist = t * pieces * 1.7 + across * 0.8;
            let ply = (twist - twist.floor() - 0.5).abs() * 2.0;
            dim([0.66, 0.085, 0.055], light(at) * (0.55 + 0.6 * ply) * (1.0 - 0.45 * across * across))
        },
    );
    for (i, pair) in way.windows(2).enumerate().step_by(3) {
        let (a, b) =
            (hash(i as i32, way[0].0.to_bits() as i32, 5) - 0.5, hash(i as i32, way[0].1.to_bits() as i32, 6) - 0.5);
        let hair = (pair[0].0 + 0.022 * a, pair[0].1 + 0.022 * b);
        canvas.line(pair[0], hair, 0.0009, |_, _| dim([0.80, 0.22, 0.16], light(pair[0])));
    }
}

/// Seven pencils, fanned out on the left.
fn pencils(canvas: &mut Canvas) {
    const LEADS: [Colour; 7] = [
        [0.62, 0.035, 0.030],
        [0.80, 0.29, 0.025],
        [0.85, 0.62, 0.050],
        [0.080, 0.32, 0.085],
        [0.035, 0.22, 0.46],
        [0.16, 0.060, 0.34],
        [0.045, 0.045, 0.050],
    ];
    for (i, lead) in LEADS.into_iter().enumerate() {
        let fan = i as f32 - 3.0;
        let tail = (-0.03 + 0.004 * fan, 0.862 + 0.030 * fan);
        let tip = (
            0.500 - 0.016 * fan * fan + 0.030 * hash(i as i32, 2, 3),
            0.838 + 0.0315 * fan + 0.006 * hash(i as i32, 3, 4),
        );
        let below = |p: Point| (p.0 + 0.006, p.1 + 0.011);
        let at = |t: f32| (mix(tail.0, tip.0, t), mix(tail.1, tip.1, t));
        soften(canvas, below(tail), below(at(0.97)));
        canvas.line(tail, at(0.86), 0.0235, |t, across| barrel(lead, t, across));
        cone(canvas, at(0.855), tip, lead);
    }
}

/// The shadow of a pencil.
fn soften(canvas: &mut Canvas, a: Point, b: Point) {
    let slope = (b.1 - a.1) / (b.0 - a.0);
    canvas.paint((a.0, a.1.min(b.1) - 0.02), (b.0, a.1.max(b.1) + 0.02), |x, y, under| {
        let off = (y - a.1 - (x - a.0) * slope).abs();
        let end = step(b.0 - 0.035, b.0, x);
        (off < 0.017).then(|| dim(under, 0.40 + 0.60 * step(0.006, 0.017, off).max(end)))
    });
}

/// Lacquer on three visible faces, a gold ring, and a bright line along the upper edge.
fn barrel(lead: Colour, t: f32, across: f32) -> Colour {
    let face = match across {
        a if a < -0.40 => 1.20,
        a if a < 0.42 => 0.86,
        _ => 0.42,
    };
    let shine = 1.0 - step(0.02, 0.10, (across + 0.42).abs());
    let gold = (0.905..0.915).contains(&t) || (0.925..0.931).contains(&t);
    let coat = if gold { [0.66, 0.46, 0.14] } else { lead };
    dim(coat, face * (0.75 + 0.25 * t)).map(|c| c + 0.28 * shine)
}

/// The sharpened end: bare wood, scalloped where the lacquer begins, and the lead.
fn cone(canvas: &mut Canvas, base: Point, tip: Point, lead: Colour) {
    let (dx, dy) = (tip.0 - base.0, tip.1 - base.1);
    let long = (dx * dx + dy * dy).sqrt().max(1e-6);
    let (dx, dy) = (dx / long, dy / long);
    canvas.paint((base.0 - 0.02, base.1.min(tip.1) - 0.03), (tip.0 + 0.01, base.1.max(tip.1) + 0.03), |x, y, _| {
        let along = ((x - base.0) * dx + (y - base.1) * dy) / long;
        let across = ((y - base.1) * dx - (x - base.0) * dy) / 0.01175;
        let half = 1.0 - along.max(0.0);
        let scallop = 0.10 * (across * across * 6.0 - (across.abs() * 2.4).floor() * 1.1).clamp(-1.0, 1.0);
        if along < scallop || along > 1.0 || across.abs() > half {
            return None;
        }
        let round = 0.95 - 0.45 * across / half.max(0.05);
        let wood = dim([0.66, 0.43, 0.235], 0.8 + 0.4 * fractal(along * 6.0, across * 9.0, 3, 9));
        Some(dim(if along > 0.74 { lead } else { wood }, round))
    });
}
