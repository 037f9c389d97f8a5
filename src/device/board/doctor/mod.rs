//! Looks at the machine and says what stands between it and a live picture, with what to do about each finding.
//!
//! Everything is read through a [`Tree`], so that every finding is tested on machines that are made up.

mod camera;
mod clock;
mod configuration;
mod disk;
mod memory;
mod models;
mod processor;
mod sandbox;
mod screen;
mod system;
mod warmth;

use super::machine::Machine;
use super::{Board, USUAL, frame_size};
use crate::device::tree::{Tree, User};
use crate::geometry::Size;
use crate::trust::Trust;
use serde::Serialize;
use std::path::PathBuf;
use std::time::SystemTime;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Live work runs, but not as well as it could.
    Warning,
    /// What was asked for cannot work.
    Trouble,
}

impl State {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Trouble => "trouble",
        }
    }
}

/// What was found by one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `camera`, `memory` …
    pub id: &'static str,
    /// How much it matters.
    pub state: State,
    /// What was found, on one line.
    pub found: String,
    /// What to do about it, where there is something to do.
    pub fix: Option<String>,
}

impl Finding {
    fn new(id: &'static str, state: State, found: impl Into<String>) -> Self {
        Self { id, state, found: one_line(&found.into()), fix: None }
    }

    fn ok(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, State::Ok, found)
    }

    fn note(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, State::Note, found)
    }

    fn warning(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, State::Warning, found)
    }

    fn trouble(id: &'static str, found: impl Into<String>) -> Self {
        Self::new(id, State::Trouble, found)
    }

    /// Adds what to do about it.
    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(one_line(&fix.into()));
        self
    }
}

/// The first 500 characters, without those that steer terminals: devices and files name themselves.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

/// What is wished of live work, as far as it matters here.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The configuration that was read.
    pub configuration: Option<PathBuf>,
    /// Why it cannot be followed.
    pub refused: Option<String>,
    /// The board that was named.
    pub board: Option<Board>,
    /// As in `upres live --source`, and so on.
    pub source: Option<String>,
    /// The generator.
    pub model: Option<String>,
    /// Output pixels for each input pixel, along each side.
    pub scale: Option<f64>,
    /// Degrees Celsius from which on live work steps down.
    pub hot: Option<f64>,
    /// The screen.
    pub screen: Option<String>,
    /// The virtual camera.
    pub camera_out: Option<String>,
    /// The address of the page.
    pub http: Option<String>,
    /// The file with its token.
    pub token_file: Option<PathBuf>,
    /// The folder of recordings.
    pub record: Option<PathBuf>,
    /// Bytes that they may take.
    pub quota: u64,
    /// The folder of snapshots.
    pub snapshots: Option<PathBuf>,
    /// The folder of further models.
    pub models_dir: Option<PathBuf>,
    /// The keys that must have signed them.
    pub trust: Trust,
}

/// What all checks look at.
struct Case<'a> {
    tree: &'a Tree,
    asked: &'a Asked,
    machine: Machine,
    /// That which was named, or which fits.
    board: Board,
    user: User,
    now: SystemTime,
}

impl Case<'_> {
    /// Where frames come from, as far as it is known.
    fn source(&self) -> &str {
        self.asked.source.as_deref().or(self.board.camera.source.as_deref()).unwrap_or("v4l2:")
    }

    /// How large they are, as far as it is known.
    fn frame(&self) -> Size {
        frame_size(self.source()).unwrap_or(USUAL)
    }

    fn jetson(&self) -> bool {
        self.machine.model.contains("Jetson") || self.machine.compatible.iter().any(|name| name.starts_with("nvidia,"))
    }

    fn raspberry_pi(&self) -> bool {
        self.machine.model.contains("Raspberry Pi")
    }

    /// A device that this user may or may not use: the complaint where it cannot.
    fn denied(&self, id: &'static str, device: &str) -> Option<Finding> {
        if self.tree.may_use(device, &self.user)? {
            return None;
        }
        let group = self.tree.group(device).filter(|group| group != "root");
        let fix = group.map_or_else(
            || format!("the package's udev rules give {device} to a group; without them: sudo chmod a+rw {device}"),
            |group| format!("sudo usermod -aG {group} $USER, then log in again"),
        );
        Some(Finding::trouble(id, format!("{device} may not be used by this user")).fix(fix))
    }
}

/// Makes all checks, in an order that people read.
pub fn examine(tree: &Tree, asked: &Asked, now: SystemTime) -> Vec<Finding> {
    let machine = Machine::read(tree);
    let board = asked.board.clone().or_else(|| Board::of(&machine).ok());
    let Some(board) = board else { return vec![Finding::trouble("board", "the compiled-in profiles are damaged")] };
    let case = Case { tree, asked, machine, board, user: tree.user(), now };
    let checks: [fn(&Case) -> Vec<Finding>; 19] = [
        board_of,
        system::kernel,
        processor::features,
        processor::cores,
        memory::memory,
        warmth::throttling,
        warmth::temperature,
        camera::cameras,
        camera::ribbon,
        screen::displays,
        screen::panel,
        camera::loopback,
        clock::clock,
        disk::folders,
        models::digests,
        configuration::configuration,
        system::programs,
        system::unit,
        sandbox::reach,
    ];
    checks.iter().flat_map(|check| check(&case)).collect()
}

/// Which board this is, and which profile is for it.
fn board_of(case: &Case) -> Vec<Finding> {
    let (name, profile) = (case.machine.name(), &case.board.name);
    let finding = if case.asked.board.is_some() {
        Finding::ok("board", format!("{name}; the profile {profile} was asked for"))
    } else if profile == super::GENERIC && !case.machine.model.is_empty() {
        Finding::note("board", format!("{name} is none of those that there are profiles for"))
            .fix("'upres boards' lists them; copy the nearest (upres boards pi-4 > mine.toml) and give it with --board")
    } else {
        Finding::ok("board", format!("{name}; profile {profile}"))
    };
    vec![finding]
}

#[cfg(test)]
mod tests;
