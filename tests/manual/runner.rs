//! Runs the blocks of a page one after the other, as someone would who follows it.

use super::markdown::{Block, Page};
use super::{Mark, is_shell};
use crate::skip;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// No block takes so long, in seconds.
const MOST: &str = "300";
/// The port of the pages; blocks are run with another, which nobody else has.
const PORT: &str = "8080";

/// Follows the page and says what went wrong.
pub(crate) fn follow(page: &Page) -> Vec<String> {
    let (mut complaints, mut said) = (Vec::new(), None);
    let place = Place::new();
    for block in &page.blocks {
        let mut complain = |what: String| complaints.push(format!("line {}: {what}", block.line));
        match (Mark::of(block), is_shell(block)) {
            (Err(what), _) => complain(what),
            (Ok(None), true) => complain("commands that are neither run nor say why not".into()),
            (Ok(Some(Mark::Run { fails, needs, before })), true) => {
                if let Some(missing) = needs.iter().find(|program| !is_there(program)) {
                    skip::skip(&format!("a block of the manual: there is no {missing}"));
                    said = None;
                    continue;
                }
                match place.run(&format!("{before}\n{}", block.text)) {
                    (failed, text) if failed == fails => said = Some(text),
                    (true, text) => complain(format!("it failed:\n{text}")),
                    (false, text) => complain(format!("it did not fail:\n{text}")),
                }
            }
            (Ok(Some(Mark::Output)), false) => complaints.extend(said.as_deref().and_then(|said| missing(block, said))),
            (Ok(Some(Mark::Leave(_))), true) => {}
            (Ok(None), false) if !block.info.is_empty() => {}
            _ => complain("a block whose mark and kind do not go together".into()),
        }
    }
    complaints
}

/// What the block shows and `said` does not hold, in this order.
fn missing(block: &Block, said: &str) -> Option<String> {
    let mut lines = said.lines();
    let shown = block.text.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "…");
    let lost = shown.into_iter().find(|shown| !lines.by_ref().any(|line| fits(shown, line.trim())));
    lost.map(|lost| format!("line {}: nothing like '{lost}' was said in its turn:\n{said}", block.line))
}

/// Whether `line` is as `shown`, in which `…` stands for anything.
fn fits(shown: &str, line: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (shown, line) = (squeezed(shown), squeezed(line));
    let parts: Vec<&str> = shown.split('…').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    if parts.len() == 1 {
        return line == *first;
    }
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in &parts[1..parts.len() - 1] {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn is_there(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// Where a page is followed: an empty folder, and a home.
struct Place {
    folder: tempfile::TempDir,
    port: String,
    path: std::ffi::OsString,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for a while");
        for name in ["here", "home"] {
            fs::create_dir(folder.path().join(name)).expect("a folder in an empty one");
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let own = [env!("CARGO_BIN_EXE_upres"), env!("CARGO_BIN_EXE_upres-host")];
        let own = own.iter().filter_map(|program| Path::new(program).parent().map(PathBuf::from));
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(own.chain(std::env::split_paths(&paths))).expect("paths without colons");
        Self { folder, port: port.to_string(), path }
    }

    /// Runs a script; gives whether it failed, and all that it said.
    fn run(&self, script: &str) -> (bool, String) {
        let log = self.folder.path().join("log");
        let file = File::create(&log).expect("a file in a folder of ours");
        let other = file.try_clone().expect("a second handle");
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", MOST, "sh", "-euc", &script.replace(PORT, &self.port)]);
        command.current_dir(self.folder.path().join("here")).env("HOME", self.folder.path().join("home"));
        command.env("PATH", &self.path);
        command.env("MODELS", concat!(env!("CARGO_MANIFEST_DIR"), "/models"));
        let own = ["UPRES_BOARD", "UPRES_MODELS", "UPRES_PROFILE", "UPRES_TRUSTED_KEY", "UPRES_WEIGHTS"];
        for name in own.into_iter().chain(["XDG_CONFIG_HOME", "RUST_LOG", "JOURNAL_STREAM"]) {
            command.env_remove(name);
        }
        let status = command.stdin(Stdio::null()).stdout(file).stderr(other).status().expect("timeout is there");
        let said = String::from_utf8_lossy(&fs::read(&log).expect("the log is there")).into_owned();
        (!status.success(), said.replace(&self.port, PORT))
    }
}
