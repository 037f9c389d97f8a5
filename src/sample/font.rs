//! Capitals and figures as pen strokes, so that they have no pixels of their own.

use super::canvas::{Canvas, Colour, Point};

/// A pen: where the text stands, how tall its capitals are, how thick its lines, and in which colour.
pub(super) struct Pen {
    /// Height of capitals.
    pub(super) height: f32,
    /// Width of the line.
    pub(super) line: f32,
    pub(super) colour: Colour,
}

/// The strokes of a letter: places on a grid of 7 × 10 (two figures each, across and down), strokes divided by spaces;
/// a `~` in front asks for a smooth curve through the places.
fn strokes(letter: char) -> &'static str {
    match letter {
        'A' => "093069 1656",
        'B' => "30000949 0434 ~30515334 ~34656849",
        'C' => "~62503011040518395967",
        'D' => "20000929 ~205164655829",
        'E' => "50000959 0444",
        'F' => "500009 0444",
        'G' => "~62503011040518395967 356569",
        'H' => "0009 6069 0464",
        'I' => "0009",
        'J' => "4046 ~4638291806",
        'K' => "0009 6005 2369",
        'L' => "000959",
        'M' => "0900366069",
        'N' => "09006960",
        'O' | '0' => "~3011040518395865645130",
        'P' => "090030 0535 ~30625435",
        'Q' => "~3011040518395865645130 4769",
        'R' => "090030 0535 ~30625435 2569",
        'S' => "~625030110213345567593918070",
        'T' => "0060 3039",
        'U' => "0006 ~0618395866 6660",
        'V' => "003960",
        'W' => "0029334960",
        'X' => "0069 6009",
        'Y' => "003460 3439",
        'Z' => "00600969",
        '1' => "023039",
        '2' => "~021050625409 0959",
        '3' => "~013051533424 ~3456674919083",
        '4' => "49400656",
        '5' => "500004 ~04336567491907",
        '6' => "~5021050729496755341506",
        '7' => "006029",
        '8' => "~30111334535130 ~34060839686634",
        '9' => "~1949646230100204264663",
        'x' => "0357 5307",
        '-' => "0545",
        '.' => "0809",
        '/' => "0940",
        ':' => "0304 0809",
        '+' => "0555 3237",
        _ => "",
    }
}

/// Reads a stroke's places.
fn places(stroke: &str) -> Vec<Point> {
    let figures: Vec<f32> = stroke.bytes().filter(u8::is_ascii_digit).map(|c| f32::from(c - b'0')).collect();
    figures.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// A smooth way through `places` (Catmull and Rom's spline), six pieces between two places.
fn smooth(places: &[Point]) -> Vec<Point> {
    let at = |i: usize, by: isize| places[(i as isize + by).clamp(0, places.len() as isize - 1) as usize];
    let spline = |a: f32, b: f32, c: f32, d: f32, t: f32| {
        b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
    };
    let mut way = Vec::with_capacity(places.len() * 6);
    for i in 0..places.len() {
        let (a, b, c, d) = (at(i, -1), at(i, 0), at(i, 1), at(i, 2));
        for k in 0..6 {
            let t = k as f32 / 6.0;
            way.push((spline(a.0, b.0, c.0, d.0, t), spline(a.1, b.1, c.1, d.1, t)));
        }
    }
    way
}

/// Writes `text` from `at` (top left); `place` takes paper to scene. Returns the text's width.
pub(super) fn write(canvas: &mut Canvas, text: &str, at: Point, pen: &Pen, place: impl Fn(Point) -> Point) -> f32 {
    let grid = pen.height / 9.0;
    let mut left = at.0;
    for letter in text.chars() {
        let mut wide: f32 = if letter == ' ' { 3.0 } else { 0.0 };
        for stroke in strokes(letter).split(' ') {
            let points = places(stroke);
            wide = points.iter().fold(wide, |wide, point| wide.max(point.0));
            let way = if stroke.starts_with('~') { smooth(&points) } else { points };
            let way: Vec<Point> = way.iter().map(|p| place((left + p.0 * grid, at.1 + p.1 * grid))).collect();
            let dot = way.len() == 1;
            canvas.stroke(&if dot { [way[0], way[0]].to_vec() } else { way }, |_| pen.line, |_, _| pen.colour);
        }
        left += (wide + 3.0) * grid;
    }
    left - at.0
}
