//! The kernel, the C library, other programs, the service.

use super::{Case, Finding};
use crate::device::tree::Tree;
use std::process::{Command, Stdio};

/// The oldest kernel with the interface to GPIO lines that small panels need.
const OLDEST: (u32, u32) = (4, 8);

const FFMPEG: &str = "sudo apt install ffmpeg";
/// For ribbon cameras of a Raspberry Pi.
pub(super) const RPICAM: &str = "sudo apt install rpicam-apps-lite";
/// For ribbon cameras of a Jetson.
pub(super) const GST: &str = "sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-good nvidia-l4t-gstreamer";

pub(super) fn kernel(case: &Case) -> Vec<Finding> {
    let Some(release) = case.tree.text("/proc/sys/kernel/osrelease") else {
        return vec![Finding::warning("system", "the kernel does not tell its version").fix("mount /proc")];
    };
    let mut words = vec![format!("Linux {release}")];
    words.extend(glibc(case.tree).map(|version| format!("glibc {version}")));
    words.extend(distribution(case.tree));
    let found = words.join(", ");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let finding = if version < OLDEST {
        Finding::warning("system", found).fix("small panels need Linux 4.8 or newer: update the system")
    } else {
        Finding::ok("system", found)
    };
    vec![finding]
}

/// The C library tells of itself; its file's name did so up to 2.33.
fn glibc(tree: &Tree) -> Option<String> {
    if tree.is_this_machine() {
        let asked = Command::new("getconf").arg("GNU_LIBC_VERSION").stdin(Stdio::null()).stderr(Stdio::null()).output();
        let text = asked.ok().and_then(|output| String::from_utf8(output.stdout).ok());
        if let Some(version) = text.as_deref().and_then(|text| text.trim().strip_prefix("glibc ")) {
            return Some(version.to_owned());
        }
    }
    let folders = ["/lib/aarch64-linux-gnu", "/lib/arm-linux-gnueabihf", "/lib/x86_64-linux-gnu"];
    let version = |name: String| name.strip_prefix("libc-")?.strip_suffix(".so").map(str::to_owned);
    folders.iter().flat_map(|folder| tree.names(folder)).find_map(version)
}

fn distribution(tree: &Tree) -> Option<String> {
    let text = tree.text("/etc/os-release")?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

pub(super) fn programs(case: &Case) -> Vec<Finding> {
    let of = |schemes: &[&str]| schemes.iter().any(|scheme| case.source().starts_with(scheme));
    // Its name, for what, whether this machine may want it, whether the source does, and how it is had.
    let known = [
        ("ffmpeg", "videos and network cameras", true, of(&["rtsp:", "rtsps:", "http:", "https:"]), FFMPEG),
        ("rpicam-vid", "ribbon cameras of a Raspberry Pi", case.raspberry_pi(), of(&["libcamera:"]), RPICAM),
        ("gst-launch-1.0", "ribbon cameras of a Jetson", case.jetson(), of(&["csi:"]), GST),
    ];
    let there = |name: &str| case.tree.program(name) || (name == "rpicam-vid" && case.tree.program("libcamera-vid"));
    let finding = |(name, what, likely, needed, install): (&str, &str, bool, bool, &str)| {
        let absent = || format!("{name} is not there, which only {what} need");
        match (there(name), likely, needed) {
            (true, ..) => Some(Finding::ok("programs", format!("{name} is there, for {what}"))),
            (false, _, true) => Some(Finding::trouble("programs", absent()).fix(install)),
            (false, true, false) => Some(Finding::note("programs", absent()).fix(install)),
            (false, false, false) => None,
        }
    };
    known.into_iter().filter_map(finding).collect()
}

/// The service.
const UNIT: &str = "upres-live.service";
/// What it reads.
const CONFIGURATION: &str = "/etc/upres/live.toml";
/// Where units stand; the first counts.
const UNITS: [&str; 4] =
    ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system"];

/// The service's file, where it is installed.
pub(super) fn unit_file(tree: &Tree) -> Option<String> {
    UNITS.iter().map(|folder| format!("{folder}/{UNIT}")).find(|file| tree.exists(file))
}

/// Whether it is the service that will follow what is asked.
pub(super) fn serves(case: &Case) -> bool {
    case.asked.configuration == Some(case.tree.path(CONFIGURATION)) && unit_file(case.tree).is_some()
}

/// Files with changes to the service, in the order in which they are read.
pub(super) fn unit_changes(tree: &Tree) -> Vec<String> {
    let in_folder = |folder: &str| -> Vec<(String, String)> {
        let folder = format!("{folder}/{UNIT}.d");
        let names = tree.names(&folder).into_iter().filter(|name| name.rsplit('.').next() == Some("conf"));
        names.map(|name| (name.clone(), format!("{folder}/{name}"))).collect()
    };
    // By name wherever they stand; of two with one name the first place counts.
    let mut changes: Vec<(String, String)> = UNITS.iter().flat_map(|folder| in_folder(folder)).collect();
    changes.sort_by(|a, b| a.0.cmp(&b.0));
    changes.dedup_by(|later, first| later.0 == first.0);
    changes.into_iter().map(|(_, file)| file).collect()
}

pub(super) fn unit(case: &Case) -> Vec<Finding> {
    let name = UNIT;
    let installed = unit_file(case.tree).is_some();
    let wanted = format!("/etc/systemd/system/multi-user.target.wants/{name}");
    // The link's target is an absolute path, which would lead out of a made-up tree.
    let enabled = case.tree.link(&wanted).is_some() || case.tree.exists(&wanted);
    let finding = match (installed, enabled) {
        (true, true) => Finding::ok("service", format!("{name} starts with the system")),
        (true, false) => Finding::note("service", format!("{name} is installed and does not start with the system"))
            .fix("sudo systemctl enable --now upres-live"),
        (false, true) => {
            Finding::warning("service", format!("{name} is to start with the system, but it is not installed"))
                .fix("install the package again, or: sudo systemctl disable upres-live")
        }
        (false, false) => Finding::note("service", format!("{name} is not installed")),
    };
    vec![finding]
}
