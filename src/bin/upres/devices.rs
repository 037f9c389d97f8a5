//! `upres devices`: what can be looked through and looked at.

use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use upres::device::source::camera::{Camera, DeviceReport, FormatReport, Role, SizeReport};
use upres::error::Result;

/// Options of `upres devices`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show encoders, scalers and other devices that are no cameras as well
    #[arg(long)]
    all: bool,
}

/// A screen, or a socket for one.
#[derive(Debug, PartialEq, Serialize)]
struct Screen {
    /// `fb:/dev/fb0` or `drm:/dev/dri/card0`.
    name: String,
    /// What the system calls it.
    card: String,
    /// Width and height now, where that is known.
    size: Option<String>,
    /// `HDMI-A-1: connected, 1920x1080`.
    connectors: Vec<String>,
}

/// Runs `upres devices`.
#[allow(clippy::unnecessary_wraps)] // As all commands.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let all = Camera::list();
    let hidden = all.iter().filter(|device| device.role == Role::Other).count();
    let devices: Vec<DeviceReport> = all.into_iter().filter(|device| args.all || device.role != Role::Other).collect();
    let screens = screens(Path::new("/sys/class"));
    if args.json {
        println!("{:#}", json!({ "devices": devices, "screens": screens }));
        return Ok(ExitCode::SUCCESS);
    }
    for device in &devices {
        print(device);
    }
    if devices.is_empty() {
        println!("no cameras: plug one in; a Pi's ribbon camera is read by libcamera:, other programs by pipe:");
    }
    for screen in &screens {
        println!("{}  screen: {}{}", screen.name, screen.card, opt(screen.size.as_deref()));
        for connector in &screen.connectors {
            println!("  {connector}");
        }
    }
    if screens.is_empty() {
        println!("no screens");
    }
    if hidden > 0 && !args.all {
        println!("{hidden} other video devices (encoders, scalers, metadata): --all shows them");
    }
    Ok(ExitCode::SUCCESS)
}

fn opt(size: Option<&str>) -> String {
    size.map(|size| format!(", {size}")).unwrap_or_default()
}

fn print(device: &DeviceReport) {
    let role = match device.role {
        Role::Camera => "camera",
        Role::Virtual => "virtual camera",
        Role::Other => "other",
        Role::Unknown => "cannot be opened",
    };
    let origin = match (device.driver.as_str(), device.bus.as_str()) {
        ("", _) => String::new(),
        (driver, bus) => format!(" ({driver}, {bus})"),
    };
    println!("v4l2:{}  {role}: {}{origin}", device.device.display(), device.card);
    if let Some(trouble) = &device.trouble {
        println!("  {trouble}");
    }
    for format in device.formats.iter().filter(|format| format.known) {
        print_format(format);
    }
    let unread: Vec<&str> = device.formats.iter().filter(|f| !f.known).map(|f| f.fourcc.as_str()).collect();
    if !unread.is_empty() {
        println!("  not read: {}", unread.join(" "));
    }
}

fn print_format(format: &FormatReport) {
    println!("  {}  {}", format.fourcc, format.name);
    // Sizes with the same rates stand together.
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for size in &format.sizes {
        let rates = rates(size);
        match lines.last_mut() {
            Some((last, sizes)) if *last == rates => sizes.push(&size.size),
            _ => lines.push((rates, vec![&size.size])),
        }
    }
    for (rates, sizes) in lines {
        println!("        {}{rates}", sizes.join(" "));
    }
}

fn rates(size: &SizeReport) -> String {
    let number = |rate: &f64| {
        let text = format!("{rate:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let each: Vec<String> = size.rates.iter().map(number).collect();
    match (each.as_slice(), size.any_between) {
        ([], _) => String::new(),
        ([most, .., least], true) => format!(" at {least} to {most} frames/s"),
        (each, _) => format!(" at {} frames/s", each.join(", ")),
    }
}

fn read(path: PathBuf) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn entries(folder: PathBuf) -> BTreeMap<String, PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    found.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}

/// The screens by `class`, which is `/sys/class`.
fn screens(class: &Path) -> Vec<Screen> {
    let mut screens: Vec<Screen> = Vec::new();
    for (name, path) in entries(class.join("drm")) {
        let card = name.split('-').next().unwrap_or_default().to_owned();
        if name.strip_prefix("card").is_some_and(|number| number.parse::<u32>().is_ok()) {
            let driver = fs::read_link(path.join("device/driver")).unwrap_or_default();
            let driver = driver.file_name().unwrap_or_default().to_string_lossy().into_owned();
            screens.push(Screen {
                name: format!("drm:/dev/dri/{name}"),
                card: driver,
                size: None,
                connectors: Vec::new(),
            });
        } else if let Some(screen) = screens.iter_mut().find(|screen| screen.name == format!("drm:/dev/dri/{card}")) {
            let Some(status) = read(path.join("status")) else { continue };
            let mode = read(path.join("modes")).and_then(|modes| modes.lines().next().map(str::to_owned));
            screen.connectors.push(format!("{}: {status}{}", &name[card.len() + 1..], opt(mode.as_deref())));
        }
    }
    for (name, path) in entries(class.join("graphics")) {
        if name.strip_prefix("fb").is_some_and(|number| number.parse::<u32>().is_ok()) {
            let size = read(path.join("virtual_size")).map(|size| size.replace(',', "x"));
            let card = read(path.join("name")).unwrap_or_default();
            screens.push(Screen { name: format!("fb:/dev/{name}"), card, size, connectors: Vec::new() });
        }
    }
    screens
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    #[test]
    fn screens_are_found_with_what_is_plugged_in() {
        let class = tempfile::tempdir().expect("a folder");
        let write = |file: &str, text: &str| {
            let path = class.path().join(file);
            fs::create_dir_all(path.parent().expect("has one")).expect("can be made");
            fs::write(path, text).expect("can be written");
        };
        write("drm/card1/dev", "226:1\n");
        write("drm/card1-HDMI-A-1/status", "connected\n");
        write("drm/card1-HDMI-A-1/modes", "1920x1080\n1280x720\n");
        write("drm/card1-HDMI-A-2/status", "disconnected\n");
        write("drm/card1-HDMI-A-2/modes", "");
        write("drm/renderD128/dev", "226:128\n");
        write("drm/version", "drm 1.1.0");
        write("graphics/fb0/virtual_size", "800,480\n");
        write("graphics/fb0/name", "vc4drmfb\n");
        write("graphics/fbcon/rotate", "0\n");
        let found = screens(class.path());
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].name, "drm:/dev/dri/card1");
        assert_eq!(found[0].connectors, ["HDMI-A-1: connected, 1920x1080", "HDMI-A-2: disconnected"]);
        assert_eq!((found[1].name.as_str(), found[1].size.as_deref()), ("fb:/dev/fb0", Some("800x480")));
        assert_eq!(screens(Path::new("/nowhere")), []);
    }

    #[test]
    fn rates_are_short() {
        let size =
            |rates: &[f64], any_between| SizeReport { size: "640x480".into(), rates: rates.to_vec(), any_between };
        assert_eq!(rates(&size(&[30.0, 29.97, 7.5], false)), " at 30, 29.97, 7.5 frames/s");
        assert_eq!(rates(&size(&[60.0, 5.0], true)), " at 5 to 60 frames/s");
        assert_eq!(rates(&size(&[], false)), "");
    }
}
