//! The ffmpeg and ffprobe of this machine, and how they are run.

use crate::error::{Error, Kind, Result};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// The two programs and what they can do.
#[derive(Debug, Clone)]
pub struct Tools {
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
    version: String,
}

impl Tools {
    /// Asks `ffmpeg` (or the one in the PATH) for its version; ffprobe is expected beside it.
    ///
    /// # Errors
    /// A usage error that says how to install them.
    pub fn find(ffmpeg: Option<&Path>) -> Result<Self> {
        let ffmpeg = ffmpeg.unwrap_or(Path::new("ffmpeg")).to_path_buf();
        let name = ffmpeg.file_name().unwrap_or_default().to_string_lossy().replace("ffmpeg", "ffprobe");
        let ffprobe = ffmpeg.with_file_name(name);
        version(&ffprobe)?;
        let version = version(&ffmpeg)?;
        Ok(Self { ffmpeg, ffprobe, version })
    }

    /// The version of ffmpeg, as it tells it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The option that hands frames on exactly as they are decoded, no frame doubled or dropped to keep a rate.
    pub(super) fn every_frame(&self) -> [&'static str; 2] {
        every_frame(&self.version)
    }

    /// An ffmpeg that asks nothing, says only what is wrong, and overwrites.
    pub(super) fn ffmpeg(&self) -> Command {
        let mut command = apart(&self.ffmpeg);
        command.args(["-hide_banner", "-nostdin", "-y", "-v", "error"]);
        command
    }

    /// An ffprobe that reads local files only.
    pub(super) fn ffprobe(&self) -> Command {
        let mut command = apart(&self.ffprobe);
        command.args(["-hide_banner", "-v", "error"]).args(LOCAL_ONLY);
        command
    }
}

/// The option that hands frames on exactly as they are decoded, for an ffmpeg of this version.
pub(in crate::device) fn every_frame(version: &str) -> [&'static str; 2] {
    let mut numbers = version.trim_start_matches('n').split(|c: char| !c.is_ascii_digit());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
    match (next(), next()) {
        (Some(major), minor) if (major, minor.unwrap_or(0)) < (5, 1) => ["-vsync", "passthrough"],
        _ => ["-fps_mode", "passthrough"],
    }
}

/// Keeps what a file says from reaching the network.
pub(super) const LOCAL_ONLY: [&str; 2] = ["-protocol_whitelist", "file,pipe"];

/// `path` as ffmpeg understands it: never an option, a protocol or a stream, whatever its name.
pub(in crate::device) fn url(path: &Path) -> Result<OsString> {
    let absolute = std::path::absolute(path).map_err(|error| Error::io("cannot find", path, error))?;
    let mut url = OsString::from("file:");
    url.push(absolute);
    Ok(url)
}

/// A program in a process group of its own: Ctrl-C ends this program, and that one ends when its pipe does.
fn apart(program: &Path) -> Command {
    let mut command = Command::new(program);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.stdin(Stdio::null());
    command
}

/// The version that ffmpeg tells of itself.
///
/// # Errors
/// A usage error where it is not on this machine.
pub(in crate::device) fn version(program: &Path) -> Result<String> {
    let output = apart(program).args(["-hide_banner", "-version"]).output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(program),
        _ => Error::io("cannot run", program, error),
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split_whitespace().skip_while(|word| *word != "version").nth(1);
    version.map(str::to_owned).ok_or_else(|| missing(program))
}

fn missing(program: &Path) -> Error {
    Error::usage(format!("{} is not on this machine; videos are decoded and encoded by it", program.display()))
        .fix("sudo apt install ffmpeg, or name it with --ffmpeg PATH")
}

/// Runs to the end and gives the standard output.
pub(super) fn output(command: &mut Command, doing: &str) -> Result<Vec<u8>> {
    let output = command.output().map_err(|error| unstarted(doing, error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed(doing, output.status, &String::from_utf8_lossy(&output.stderr)))
}

fn unstarted(doing: &str, error: std::io::Error) -> Error {
    Error::new(Kind::Io, format!("cannot start ffmpeg to {doing}")).caused_by(error)
}

/// What a program that failed complained of, its last lines.
fn failed(doing: &str, status: ExitStatus, complaint: &str) -> Error {
    let lines: Vec<&str> = complaint.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(4)..].join("; ");
    let last = if last.is_empty() { status.to_string() } else { last };
    Error::input(format!("ffmpeg could not {doing}: {last}"))
}

/// A program at the other end of a pipe; killed where it is dropped before its end.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    doing: &'static str,
    log: PathBuf,
}

impl Running {
    /// Starts `command`, whose complaints go to the file `log`. `doing` reads like "decode the video".
    pub(super) fn start(command: &mut Command, doing: &'static str, log: PathBuf) -> Result<Self> {
        let complaints = File::create(&log).map_err(|error| Error::io("cannot write", &log, error))?;
        let child = command.stderr(complaints).spawn().map_err(|error| unstarted(doing, error))?;
        Ok(Self { child, doing, log })
    }

    /// The pipe into it, once.
    pub(super) fn stdin(&mut self) -> Result<ChildStdin> {
        self.child.stdin.take().ok_or_else(|| Error::internal("ffmpeg was started without a pipe into it"))
    }

    /// The pipe out of it, once.
    pub(super) fn stdout(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().ok_or_else(|| Error::internal("ffmpeg was started without a pipe out of it"))
    }

    /// Waits for its end; the pipes must be closed.
    ///
    /// # Errors
    /// What it complained of, where it failed.
    pub(super) fn finish(mut self) -> Result<()> {
        let status = self.child.wait().map_err(|error| unstarted(self.doing, error))?;
        if status.success() {
            return Ok(());
        }
        Err(failed(self.doing, status, &fs::read_to_string(&self.log).unwrap_or_default()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // Already gone is as good.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(version: &str) -> Tools {
        Tools { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into(), version: version.to_owned() }
    }

    #[test]
    fn old_versions_are_asked_in_their_own_words() {
        for (version, option) in [
            ("4.4.2-0ubuntu0.22.04.1", "-vsync"),
            ("n5.0", "-vsync"),
            ("5", "-vsync"),
            ("5.1.9-0+deb12u1", "-fps_mode"),
            ("n7.1", "-fps_mode"),
            ("8.0", "-fps_mode"),
            ("N-118000-gabc", "-fps_mode"),
        ] {
            assert_eq!(tools(version).every_frame()[0], option, "{version}");
        }
    }

    #[test]
    fn names_cannot_become_options_or_protocols() {
        for name in ["-i", "http:x.mp4", "concat:a|b", "-", "a b.mp4"] {
            let url = url(Path::new(name)).ok().and_then(|url| url.into_string().ok());
            assert!(url.is_some_and(|url| url.starts_with("file:/") && url.ends_with(name)), "{name}");
        }
    }

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        let error = Tools::find(Some(Path::new("/nowhere/ffmpeg"))).err();
        let error = error.map(|error| (error.kind(), error.to_string()));
        assert!(error.is_some_and(|(kind, text)| kind == Kind::Usage && text.contains("apt install ffmpeg")));
    }
}
