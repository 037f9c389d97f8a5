//! Planes seen in perspective, found by their vanishing points: how façades and floors repeat (Huang 2015, section 3.2).
//!
//! Parallel lines of a plane meet at a vanishing point, and the vanishing points of a plane lie on its horizon, the line
//! `h₁x + h₂y + 1 = 0`. Dividing by that, `R(x) = x / (1 + h·x)`, makes parallels parallel again; a pattern that repeats on the
//! plane repeats under `T(x + d) = R⁻¹(R(s) + κ (R(x + d) − R(x)))`. Written around the target x with its source s (see
//! [`Transform`]), and with w = 1 + h·x and z = κ (1 + h·s)/w, that has `A = z (I + s hᵀ)(I − x hᵀ/w)` and `p = (1 − z) h/w`.

use super::patch::{STEEPEST, Transform};
use super::search::Random;
use crate::frame::Plane;
use crate::geometry::Size;

/// Vanishing points that are looked for.
const POINTS: usize = 3;
/// Pairs of edges that are tried for each.
const TRIALS: usize = 600;
/// Edges that are looked at, the strongest ones.
const MOST_EDGES: usize = 3000;
/// Fewest edges that make a vanishing point.
const FEWEST_EDGES: f32 = 40.0;
/// The share of the edges left over that makes a vanishing point.
const SHARE: f32 = 0.08;
/// Weakest edge: change of samples of 0..1 from pixel to pixel.
const WEAKEST: f32 = 0.02;
/// How much stronger an edge must be across than along, as a share of both.
const STRAIGHT: f32 = 0.8;
/// The sine of the angle up to which an edge points at a vanishing point, when it is found and when it is refined.
const TOWARDS: [f32; 2] = [0.035, 0.015];
/// Nearest that a plane's horizon may come to the picture, as a share of its largest `1 + h·x`.
const HORIZON: f32 = 0.15;

/// A place where the picture changes along a line.
#[derive(Debug, Clone, Copy)]
struct Edge {
    at: [f32; 2],
    /// Unit normal of the line.
    normal: [f32; 2],
    strength: f32,
}

/// A point in homogeneous coordinates.
type Point = [f32; 3];

/// A plane by its horizon `1 + h·x = 0`, in pixels of some level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Horizon(pub(super) [f32; 2]);

impl Horizon {
    /// 1 + h·x.
    fn depth(self, [x, y]: [f32; 2]) -> f32 {
        1.0 + self.0[0] * x + self.0[1] * y
    }

    /// The same horizon in pixels of a level that has `across` and `down` times as many.
    pub(super) fn refined(self, [across, down]: [f32; 2]) -> Self {
        let h = [self.0[0] / across, self.0[1] / down];
        let one = 1.0 + 0.5 * (h[0] + h[1] - self.0[0] - self.0[1]);
        Self([h[0] / one, h[1] / one])
    }

    /// `found`, of a patch around `at`, as this plane would show it: place and area remain, the shape is the plane's.
    pub(super) fn shape(self, at: [f32; 2], found: &Transform) -> Transform {
        let ([x, y], [s, t], [h, k]) = (at, found.centre, self.0);
        let w = self.depth(at);
        let here = Transform { linear: [1.0 - x * h / w, -x * k / w, -y * h / w, 1.0 - y * k / w], ..*found };
        let plain = here.changed([0.0; 2], [1.0 + s * h, s * k, t * h, 1.0 + t * k]);
        let zoom = (found.area() / plain.area()).sqrt();
        let tilt = |h: f32| ((1.0 - zoom) * h / w).clamp(-STEEPEST, STEEPEST);
        Transform { linear: plain.linear.map(|a| a * zoom), tilt: self.0.map(tilt), ..*found }
    }
}

/// The planes of `picture` that are seen from the side; none where no lines run together.
pub(super) fn horizons(picture: &Plane) -> Vec<Horizon> {
    let points = vanishing_points(picture);
    let pairs = (0..points.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs.filter_map(|(i, j)| horizon(points[i], points[j], picture.size)).collect()
}

/// The horizon through two vanishing points, where the picture lies well on one side of it and is not seen straight on.
fn horizon(a: Point, b: Point, size: Size) -> Option<Horizon> {
    let [x, y, one] = cross(a, b);
    let horizon = Horizon([x / one, y / one]);
    let (right, bottom) = ((size.width - 1) as f32, (size.height - 1) as f32);
    let depths = [[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]].map(|corner| horizon.depth(corner));
    let (least, most) = depths.iter().fold((f32::MAX, f32::MIN), |(low, high), d| (low.min(*d), high.max(*d)));
    (least > HORIZON * most && least < 0.95 * most).then_some(horizon)
}

/// The points to which most edges point, one after the other; the edges of one do not count for the next.
fn vanishing_points(picture: &Plane) -> Vec<Point> {
    let mut edges = edges(picture);
    let mut random = Random::new(1);
    let mut points = Vec::new();
    while points.len() < POINTS {
        let Some((point, support)) = best_point(&edges, TOWARDS[0], &mut random) else { break };
        if support < FEWEST_EDGES.max(SHARE * edges.len() as f32) {
            break;
        }
        let (own, others): (Vec<Edge>, _) = edges.into_iter().partition(|edge| miss(edge, point) < 2.0 * TOWARDS[0]);
        points.extend(best_point(&own, TOWARDS[1], &mut random).map(|(point, _)| point));
        edges = others;
    }
    points
}

/// The best of many points in which two edges meet, and how many edges point there within the sine `towards`.
fn best_point(edges: &[Edge], towards: f32, random: &mut Random) -> Option<(Point, f32)> {
    let support = |point: Point| {
        let near = |edge: &Edge| (1.0 - (miss(edge, point) / towards).powi(2)).max(0.0);
        edges.iter().map(near).sum::<f32>()
    };
    let line = |edge: &Edge| {
        let ([x, y], [a, b]) = (edge.at, edge.normal);
        [a, b, -(a * x + b * y)]
    };
    let mut trial = || {
        let (a, b) = (random.below(edges.len()), random.below(edges.len()));
        let point = cross(line(edges.get(a)?), line(edges.get(b)?));
        Some((point, support(point)))
    };
    (0..TRIALS).filter_map(|_| trial()).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The sine of the angle between an edge's line and the way from it to `point`.
fn miss(edge: &Edge, [x, y, one]: Point) -> f32 {
    let (dx, dy) = (x - one * edge.at[0], y - one * edge.at[1]);
    let length = (dx * dx + dy * dy).sqrt();
    if length > 0.0 { (edge.normal[0] * dx + edge.normal[1] * dy).abs() / length } else { 1.0 }
}

fn cross([a, b, c]: Point, [d, e, f]: Point) -> Point {
    [b * f - c * e, c * d - a * f, a * e - b * d]
}

/// The strongest straight edges, by the tensor of the gradients in windows of 5 × 5 pixels.
fn edges(picture: &Plane) -> Vec<Edge> {
    let Size { width, height } = picture.size;
    let gradient = |x: usize, y: usize| {
        let at = |dx: usize, dy: usize| picture.row(y + dy - 1)[x + dx - 1];
        let across = 2.0 * (at(2, 1) - at(0, 1)) + at(2, 0) - at(0, 0) + at(2, 2) - at(0, 2);
        let down = 2.0 * (at(1, 2) - at(1, 0)) + at(0, 2) - at(0, 0) + at(2, 2) - at(2, 0);
        [across / 8.0, down / 8.0]
    };
    let mut found = Vec::new();
    for y in 3..height.saturating_sub(3) {
        for x in 3..width.saturating_sub(3) {
            let mut tensor = [0.0; 3];
            for (dx, dy) in (0..25).map(|i| (i % 5, i / 5)) {
                let [a, b] = gradient(x + dx - 2, y + dy - 2);
                tensor = [tensor[0] + a * a, tensor[1] + a * b, tensor[2] + b * b];
            }
            let own = gradient(x, y);
            let strength = own[0].hypot(own[1]);
            let (sum, difference, mixed) = (tensor[0] + tensor[2], tensor[0] - tensor[2], 2.0 * tensor[1]);
            let across = difference.hypot(mixed);
            if strength >= WEAKEST && across >= STRAIGHT * sum {
                // Half the angle of (difference, mixed): the normal of the line.
                let normal = [
                    (0.5 * (1.0 + difference / across)).sqrt(),
                    (0.5 * (1.0 - difference / across)).max(0.0).sqrt().copysign(mixed),
                ];
                found.push(Edge { at: [x as f32, y as f32], normal, strength });
            }
        }
    }
    found.sort_by(|a, b| b.strength.total_cmp(&a.strength));
    found.truncate(MOST_EDGES);
    found
}
