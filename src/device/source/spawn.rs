//! Frames from a program that this one starts: ffmpeg, rpicam-vid, gst-launch.

use super::feed::Feed;
use super::uri::{redact, shown};
use super::{Next, Source};
use crate::device::clock;
use crate::device::shot::{Format, Shot};
use crate::error::{Error, Kind, Result};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Bytes of a program's complaints that are kept.
const COMPLAINTS: usize = 4096;
/// How long a program may take to end when it is asked to, before it is made to.
const GRACE: Duration = Duration::from_millis(400);

/// What is started, and what to say where it cannot be.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program, or several of which the first that is on this machine is taken.
    pub programs: Vec<PathBuf>,
    /// Its arguments; no shell ever sees them.
    pub arguments: Vec<OsString>,
    /// How to get the program.
    pub install: &'static str,
    /// How long it may give nothing before it is held to be stuck.
    pub patience: Option<Duration>,
}

/// A program whose standard output is frames. Ended, with all it started, when this is dropped.
#[derive(Debug)]
pub struct Spawned {
    child: Child,
    name: String,
    output: Option<ChildStdout>,
    errors: ChildStderr,
    complaints: Vec<u8>,
    /// The URLs among its arguments, which it may repeat.
    urls: Vec<String>,
    status: Option<ExitStatus>,
    patience: Option<Duration>,
    feed: Feed,
}

impl Spawned {
    /// Starts it.
    ///
    /// # Errors
    /// A usage error where the program is not on this machine, an I/O error where it cannot be started.
    pub fn start(launch: &Launch) -> Result<Self> {
        for program in &launch.programs {
            let mut command = Command::new(program);
            // In a group of its own, Ctrl-C ends this program, and this program ends that one.
            command.args(&launch.arguments).process_group(0);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            match command.spawn() {
                Ok(child) => return Self::adopt(child, program, launch),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("cannot run", program, error)),
            }
        }
        let names: Vec<_> = launch.programs.iter().map(|program| program.display().to_string()).collect();
        Err(Error::usage(format!("{} is not on this machine", names.join(" or "))).fix(launch.install))
    }

    fn adopt(mut child: Child, program: &Path, launch: &Launch) -> Result<Self> {
        let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Error::internal("a program was started without its pipes"));
        };
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (output, complaints, patience) = (Some(output), Vec::new(), launch.patience);
        let words = launch.arguments.iter().filter_map(|argument| argument.to_str());
        let urls = words.filter(|word| word.contains("://")).map(str::to_owned).collect();
        let started = Self { child, name, output, errors, complaints, urls, status: None, patience, feed: Feed::new() };
        // Only these ends of the pipes: the program's own stay as they are.
        for end in [started.output.as_ref().map(AsFd::as_fd), Some(started.errors.as_fd())].into_iter().flatten() {
            let set = fcntl_setfl(end, OFlags::NONBLOCK);
            set.map_err(|error| Error::io("cannot read from", program, error.into()))?;
        }
        Ok(started)
    }

    /// Keeps the end of what the program has complained of since the last time, so that it never waits for a reader.
    fn listen(&mut self) {
        let mut chunk = [0; 1024];
        // A bounded number of times: a program may complain faster than it is listened to.
        for _ in 0..64 {
            match rustix::io::read(&self.errors, &mut chunk[..]) {
                Ok(read) if read > 0 => self.complaints.extend_from_slice(&chunk[..read]),
                _ => break,
            }
            let spare = self.complaints.len().saturating_sub(COMPLAINTS);
            self.complaints.drain(..spare);
        }
    }

    /// The error of a program that ended or is stuck, with its last lines.
    fn failed(&mut self, what: &str) -> Error {
        self.listen();
        let text = String::from_utf8_lossy(&self.complaints).into_owned();
        let text = self.urls.iter().fold(text, |text, url| text.replace(url.as_str(), &shown(url)));
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = redact(&lines[lines.len().saturating_sub(3)..].join("; "));
        let last: String = last.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let said = if last.is_empty() { "it said nothing of why" } else { &last };
        Error::new(Kind::Io, format!("{} {what}: {said}", self.name))
    }

    fn ended(&mut self) -> Error {
        let bad = self.end(false).filter(|status| !status.success());
        self.failed(&bad.map_or("ended".to_owned(), |status| format!("ended ({status})")))
    }

    /// Sees to it that the program and what it started are gone. Where `ask`, it is asked first: a camera's server may not
    /// forgive a client that is killed.
    fn end(&mut self, ask: bool) -> Option<ExitStatus> {
        if self.status.is_some() {
            return self.status;
        }
        self.output = None;
        if ask {
            self.signal(Signal::INT);
        }
        let until = clock::now() + GRACE;
        while !self.has_ended() && clock::now() < until {
            sleep(Duration::from_millis(5));
        }
        // Until its end was waited for, the group's number is nobody else's.
        self.signal(Signal::KILL);
        self.status = self.child.wait().ok();
        self.status
    }

    /// Whether the program has ended, of which it stays a zombie.
    fn has_ended(&self) -> bool {
        let Some(pid) = self.pid() else { return true };
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(pid), look), Ok(None) | Err(Errno::INTR))
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.pid() {
            // Already gone is as good.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Source for Spawned {
    fn format(&self) -> Format {
        self.feed.format()
    }

    fn next(&mut self, shot: &mut Shot) -> Result<Next> {
        self.listen();
        let Some(output) = &self.output else { return Ok(Next::End) };
        match self.feed.next(output.as_fd(), shot)? {
            Next::End => Err(self.ended()),
            Next::Nothing if self.patience.is_some_and(|patience| self.feed.silence() > patience) => {
                let silence = self.feed.silence().as_secs();
                Err(self.failed(&format!("has given nothing for {silence} seconds")))
            }
            next => Ok(next),
        }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        self.end(true);
    }
}

#[cfg(test)]
mod tests;
