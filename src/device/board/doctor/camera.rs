//! Video devices: cameras, sensors on ribbons, virtual cameras.

use super::system::{GST, RPICAM};
use super::{Case, Finding, State};
use crate::device::source::camera::{BUSY, Camera, CameraOptions, RAW_SENSORS, Role};
use crate::device::source::uri::SourceUri;
use crate::device::tree::Tree;
use std::path::Path;

/// What a video device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Camera,
    /// A sensor without picture processing.
    Sensor,
    /// A camera to other programs.
    Virtual,
    /// An encoder, a scaler, metadata.
    Other,
}

/// A video device.
struct Video {
    /// `/dev/video0`.
    device: String,
    name: String,
    kind: Kind,
    /// What the driver says stands in the way.
    trouble: Option<String>,
}

/// Drivers of devices that are no cameras.
const OTHERS: [&str; 8] = [
    "bcm2835-codec",
    "bcm2835-isp",
    "pispbe",
    "rpivid",
    "rpi-hevc-dec",
    "hantro-vpu",
    "tegra-vde",
    "tegra_camera_capture",
];

/// How Jetsons name what stands behind a ribbon, whose driver is not told by sysfs alone.
const SENSORS: [&str; 2] = ["vi-output", "tegra-capture-vi"];

/// This program's name, as the kernel has it.
const OWN: &str = "upres";

/// The video devices: by sysfs, which needs no permission, and on the machine itself by the drivers too.
fn videos(tree: &Tree) -> Vec<Video> {
    let asked = if tree.is_this_machine() { Camera::list() } else { Vec::new() };
    let found = tree.numbered("/sys/class/video4linux", "video").into_iter().map(|(_, file)| {
        let folder = format!("/sys/class/video4linux/{file}");
        let device = format!("/dev/{file}");
        let name = tree.text(format!("{folder}/name")).unwrap_or_else(|| file.clone());
        let driver = tree.linked_name(format!("{folder}/device/driver")).unwrap_or_default();
        let said = asked.iter().find(|report| report.device == Path::new(&device));
        // Every further device of a webcam is for metadata.
        let first = tree.number(format!("{folder}/index")).unwrap_or(0_u32) == 0;
        let is =
            |drivers: &[&str]| drivers.contains(&driver.as_str()) || drivers.iter().any(|own| name.starts_with(own));
        let kind = match said.map(|report| report.role) {
            _ if is(&OTHERS) => Kind::Other,
            _ if is(&RAW_SENSORS) || is(&SENSORS) => Kind::Sensor,
            Some(Role::Camera) => Kind::Camera,
            Some(Role::Virtual) => Kind::Virtual,
            Some(Role::Other) => Kind::Other,
            _ if driver.is_empty() && tree.exists("/sys/module/v4l2loopback") => Kind::Virtual,
            _ if first => Kind::Camera,
            _ => Kind::Other,
        };
        Video { device, name, kind, trouble: said.and_then(|report| report.trouble.clone()) }
    });
    found.collect()
}

/// The camera by V4L2 that live work would open, if it would.
fn wanted(case: &Case) -> Option<CameraOptions> {
    match case.source().parse().ok()? {
        SourceUri::Camera(rest) => rest.parse().ok(),
        _ => None,
    }
}

pub(super) fn cameras(case: &Case) -> Vec<Finding> {
    let (videos, wanted) = (videos(case.tree), wanted(case));
    if let Some(device) = wanted.as_ref().and_then(|camera| camera.device.as_ref()) {
        return vec![named(case, device, &videos)];
    }
    let cameras: Vec<&Video> = videos.iter().filter(|video| video.kind == Kind::Camera).collect();
    if cameras.is_empty() {
        let fix = match videos.iter().any(|video| video.kind == Kind::Sensor) {
            true if case.jetson() => "take the one on the ribbon, --source csi:0, or plug in a webcam",
            true => "take the one on the ribbon, --source libcamera:0, or plug in a webcam",
            false => {
                "plug one in; 'dmesg' tells whether the system saw it; 'upres live --source pattern:' works without"
            }
        };
        let finding = match (&wanted, &case.asked.source) {
            (None, _) => Finding::note("camera", format!("none, and none is needed: {}", shown(case.source()))),
            (Some(_), None) => Finding::warning("camera", "there is none that gives ready frames").fix(fix),
            (Some(_), Some(_)) => Finding::trouble("camera", "there is none that gives ready frames").fix(fix),
        };
        return vec![finding];
    }
    let mut findings: Vec<Finding> = cameras.into_iter().map(|camera| usable(case, camera)).collect();
    // Unnamed, the first that can be opened is taken; where another source is named, none is.
    if wanted.is_none() || findings.iter().any(|finding| finding.state < State::Trouble) {
        let most = if wanted.is_none() { State::Ok } else { State::Warning };
        let lower = |finding: &mut Finding| finding.state = State::Note;
        findings.iter_mut().filter(|finding| finding.state > most).for_each(lower);
    }
    findings
}

/// The video device that the source names, whichever others there are.
fn named(case: &Case, path: &Path, videos: &[Video]) -> Finding {
    let shown = path.display();
    if !case.tree.exists(path) {
        return Finding::trouble("camera", format!("{shown}, which the source names, is not there"))
            .fix("plug the camera in; 'upres devices' lists them, /dev/v4l/by-id has names that stay the same");
    }
    let device = case.tree.resolved(path);
    let Some(video) = videos.iter().find(|video| Path::new(&video.device) == device) else {
        let denied = case.denied("camera", &path.to_string_lossy());
        let unknown = || Finding::warning("camera", format!("{shown} is no video device that the kernel tells of"));
        return denied.unwrap_or_else(|| unknown().fix("'upres devices' lists them"));
    };
    let Video { device, name, kind, .. } = video;
    match kind {
        Kind::Camera | Kind::Virtual => usable(case, video),
        Kind::Sensor => {
            let source = if case.jetson() { "csi:0" } else { "libcamera:0" };
            Finding::trouble("camera", format!("{device} ({name}) is a sensor that gives raw frames only"))
                .fix(format!("take --source {source}"))
        }
        Kind::Other => {
            let why = video.trouble.as_deref().unwrap_or("metadata, an encoder or a scaler");
            Finding::trouble("camera", format!("{device} ({name}) is no camera that can be read: {why}")).fix(
                "'upres devices' lists cameras; one webcam often has several devices, of which the first gives frames",
            )
        }
    }
}

/// A source without its passwords.
fn shown(source: &str) -> String {
    source.parse::<SourceUri>().map(|uri| uri.to_string()).unwrap_or_default()
}

/// Whether a camera can be used now.
fn usable(case: &Case, camera: &Video) -> Finding {
    let Video { device, name, .. } = camera;
    if !case.tree.exists(device) {
        return Finding::trouble("camera", format!("{device} ({name}) is known to the kernel and not in /dev"))
            .fix("udev makes it; a container has to be given it (--device)");
    }
    if let Some(denied) = case.denied("camera", device) {
        return denied;
    }
    // Who writes into a virtual camera has it open, as it must.
    let holders = if camera.kind == Kind::Virtual { Vec::new() } else { case.tree.holders(Path::new(device)) };
    if let Some((id, _)) = holders.iter().find(|(_, program)| program == OWN) {
        return Finding::note("camera", format!("{device} ({name}) is read by the upres that runs (process {id})"));
    }
    if let Some((id, program)) = holders.first() {
        return Finding::warning("camera", format!("{device} ({name}) is in use by {program} (process {id})"))
            .fix("end it: a camera serves one program at a time; or take the picture from it through --camera-out or the page");
    }
    let running = || case.tree.processes().into_iter().find(|(id, name)| name == OWN && *id != std::process::id());
    match &camera.trouble {
        // Who holds it is for root to see.
        Some(trouble) if trouble == BUSY && running().is_some() => {
            let found =
                format!("{device} ({name}) is in use, it seems by the upres that runs; sudo upres doctor sees it");
            Finding::note("camera", found)
        }
        Some(trouble) => {
            Finding::warning("camera", format!("{device} ({name}): {trouble}")).fix("'upres devices' tells more")
        }
        None => Finding::ok("camera", format!("{device} ({name})")),
    }
}

/// A sensor on a ribbon gives raw frames, of which other programs make pictures.
pub(super) fn ribbon(case: &Case) -> Vec<Finding> {
    let videos = videos(case.tree);
    let Some(sensor) = videos.iter().find(|video| video.kind == Kind::Sensor) else { return Vec::new() };
    let jetson = case.jetson();
    let (programs, source, install): (&[&str], _, _) = if jetson {
        (&["gst-launch-1.0"], "csi:0", GST)
    } else {
        (&["rpicam-vid", "libcamera-vid"], "libcamera:0", RPICAM)
    };
    let found = format!("a sensor on a ribbon ({})", sensor.name);
    let finding = if programs.iter().any(|name| case.tree.program(name)) {
        Finding::ok("ribbon", format!("{found}, read by --source {source}"))
    } else {
        Finding::warning("ribbon", format!("{found}, but no {} that makes pictures of it", programs[0]))
            .fix(format!("{install}, then --source {source}"))
    };
    vec![finding]
}

/// The virtual camera for other programs.
pub(super) fn loopback(case: &Case) -> Vec<Finding> {
    let (tree, asked) = (case.tree, case.asked.camera_out.as_deref());
    if let Some(device) = asked.map(|asked| asked.split('?').next().unwrap_or_default()) {
        if !tree.exists(device) {
            return vec![Finding::trouble("loopback", format!("{device}, which camera-out names, is not there")).fix(
                "sudo modprobe v4l2loopback video_nr=10 exclusive_caps=1 (sudo apt install v4l2loopback-dkms first)",
            )];
        }
        let denied = case.denied("loopback", device);
        return vec![denied.unwrap_or_else(|| Finding::ok("loopback", format!("{device} is there")))];
    }
    let release = tree.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let folders = ["updates/dkms", "updates", "extra"].map(|folder| format!("/lib/modules/{release}/{folder}"));
    let built = folders.iter().any(|folder| tree.names(folder).iter().any(|name| name.starts_with("v4l2loopback.ko")));
    let finding = if tree.exists("/sys/module/v4l2loopback") {
        Finding::ok("loopback", "v4l2loopback is loaded: --camera-out can be a camera to other programs")
    } else if built {
        Finding::note("loopback", "v4l2loopback is installed and not loaded, which only --camera-out needs")
            .fix("sudo modprobe v4l2loopback video_nr=10 exclusive_caps=1")
    } else {
        Finding::note("loopback", "v4l2loopback is not installed, which only --camera-out needs")
            .fix("sudo apt install v4l2loopback-dkms")
    };
    vec![finding]
}
