//! Text over a picture: figures in a corner, and a notice in the middle while no picture comes.
//!
//! Text is drawn twice a second at most, to a strip of its own, which is blended over every frame.

mod canvas;
mod face;
mod lines;
mod strip;

pub use canvas::Canvas;

use super::desk::Report;
use crate::geometry::Size;
use face::Face;
use std::time::Duration;
use strip::Strip;

/// How long drawn figures stand.
const REDRAW: Duration = Duration::from_millis(500);

/// Figures in the upper left corner, large enough to be read from two metres.
#[derive(Debug)]
pub struct Hud {
    strip: Strip,
    face: Face,
    screen: Size,
    drawn: Option<Duration>,
}

impl Hud {
    /// For a canvas of `screen` pixels.
    pub fn new(screen: Size) -> Self {
        let face = Face::of_height((screen.height / 26).min(screen.width / 24));
        Self { strip: Strip::default(), face, screen, drawn: None }
    }

    /// Writes the figures anew where the last ones have stood for half a second; `now` is on [`super::clock`].
    pub fn refresh(&mut self, now: Duration, report: &Report) {
        if self.drawn.is_some_and(|drawn| now.saturating_sub(drawn) < REDRAW) {
            return;
        }
        self.drawn = Some(now);
        let columns = self.face.columns(self.screen.width.saturating_sub(4 * self.face.pad()));
        let lines = lines::wrapped(lines::figures(report), columns);
        self.strip.write(&lines, &[self.face], 0);
        let margin = self.face.pad();
        self.strip.place(margin, margin);
    }

    /// Blends the figures over the canvas.
    pub fn lay(&mut self, canvas: &mut Canvas) {
        self.strip.lay(canvas);
    }

    /// Gives the canvas back what was under the figures.
    pub fn lift(&mut self, canvas: &mut Canvas) {
        self.strip.lift(canvas);
    }
}

/// Why there is no picture, in the middle of the screen.
#[derive(Debug)]
pub struct Notice {
    strip: Strip,
    faces: [Face; 2],
    screen: Size,
    said: String,
}

impl Notice {
    /// For a canvas of `screen` pixels.
    pub fn new(screen: Size) -> Self {
        let face = |share: usize| Face::of_height((screen.height / share).min(screen.width / share));
        Self { strip: Strip::default(), faces: [face(14), face(26)], screen, said: String::new() }
    }

    /// Writes what the report says about the source; `seen` is whether a picture was shown before. Nothing is to be said
    /// (`false`) where pictures come.
    pub fn refresh(&mut self, report: &Report, seen: bool) -> bool {
        let Some((title, reason)) = lines::notice(report, seen) else {
            self.said.clear();
            return false;
        };
        let said = format!("{title}\n{reason}");
        if said != self.said {
            self.write(title, &reason);
            self.said = said;
        }
        true
    }

    fn write(&mut self, title: &str, reason: &str) {
        let width = self.screen.width.saturating_sub(4 * self.faces[0].pad());
        let mut lines = lines::wrapped(vec![lines::Line::plain(title)], self.faces[0].columns(width));
        let large = lines.len();
        if !reason.is_empty() {
            lines.extend(lines::wrapped(vec![lines::Line::warning(reason)], self.faces[1].columns(width)));
        }
        let faces: Vec<Face> = (0..lines.len()).map(|line| self.faces[usize::from(line >= large)]).collect();
        self.strip.write(&lines, &faces, width);
        let size = self.strip.size();
        let middle = |whole: usize, part: usize| whole.saturating_sub(part) / 2;
        self.strip.place(middle(self.screen.width, size.width), middle(self.screen.height, size.height));
    }

    /// Blends the notice over the canvas.
    pub fn lay(&mut self, canvas: &mut Canvas) {
        self.strip.lay(canvas);
    }

    /// Gives the canvas back what was under the notice.
    pub fn lift(&mut self, canvas: &mut Canvas) {
        self.strip.lift(canvas);
    }
}

#[cfg(test)]
mod tests;
