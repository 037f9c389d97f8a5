//! Displays and small panels.

use super::{Case, Finding};
use crate::device::sink::screen::{ScreenDevice, ScreenReport, list};

/// Programs that hold the displays of a desktop.
const DESKTOPS: [&str; 14] = [
    "Xorg",
    "X",
    "labwc",
    "wayfire",
    "gnome-shell",
    "kwin_wayland",
    "kwin_x11",
    "weston",
    "sway",
    "cage",
    "mutter",
    "Hyprland",
    "plasmashell",
    "gdm-x-session",
];

/// The screen that was asked for.
fn wanted(case: &Case) -> Option<ScreenDevice> {
    let asked = case.asked.screen.as_deref()?;
    // As live work does: what is left open is the board's.
    let own = case.board.display.screen.as_deref().filter(|_| asked == "auto");
    own.unwrap_or(asked).parse().ok()
}

pub(super) fn displays(case: &Case) -> Vec<Finding> {
    let (screens, wanted) = (list(case.tree), wanted(case));
    let missing = |found: String| {
        let fix =
            "plug one in before the system starts; on a Raspberry Pi dtoverlay=vc4-kms-v3d has to be in config.txt";
        match wanted {
            Some(ScreenDevice::Auto | ScreenDevice::Drm(_)) => Finding::trouble("display", found).fix(fix),
            _ => Finding::note("display", found),
        }
    };
    if let Some(ScreenDevice::Framebuffer(path)) = &wanted
        && !case.tree.exists(path)
    {
        let found = format!("{}, which the screen names, is not there", path.display());
        return vec![
            Finding::trouble("display", found).fix("'upres devices' lists screens; drm: is the better choice"),
        ];
    }
    if screens.is_empty() {
        return vec![missing("there is no screen".into())];
    }
    let connected: Vec<&ScreenReport> = screens.iter().filter(|screen| screen.connected()).collect();
    if connected.is_empty() {
        return vec![missing("nothing is plugged into any of the sockets".into())];
    }
    let mut findings: Vec<Finding> = connected.iter().map(|screen| usable(case, screen, wanted.is_some())).collect();
    findings.extend(desktop(case, &connected, wanted.is_some()));
    findings
}

/// Whether a screen can be used by this user.
fn usable(case: &Case, screen: &ScreenReport, asked: bool) -> Finding {
    let plugged: Vec<&str> =
        screen.connectors.iter().filter(|plug| plug.contains(": connected")).map(String::as_str).collect();
    let card = if screen.card.is_empty() { String::new() } else { format!(" ({})", screen.card) };
    let mut found = format!("{}{card}", screen.name);
    for detail in plugged.into_iter().chain(screen.size.as_deref()) {
        found.push_str(", ");
        found.push_str(detail);
    }
    match case.denied("display", screen.device()) {
        Some(denied) if asked => denied,
        Some(denied) => Finding { state: super::State::Note, ..denied },
        None => Finding::ok("display", found),
    }
}

/// A desktop holds every display of its card.
fn desktop(case: &Case, screens: &[&ScreenReport], asked: bool) -> Option<Finding> {
    let drm = screens.iter().any(|screen| screen.name.starts_with("drm:"));
    let (id, name) = case.tree.processes().into_iter().find(|(_, name)| DESKTOPS.contains(&name.as_str()))?;
    let found = format!("a desktop ({name}, process {id}) holds the display");
    let fix = "sudo systemctl isolate multi-user.target ends it until the next start, sudo systemctl set-default multi-user.target for \
               good; or watch the page in a browser";
    let finding = if asked { Finding::trouble("display", found) } else { Finding::note("display", found) };
    drm.then(|| finding.fix(fix))
}

/// Small panels at an SPI bus.
pub(super) fn panel(case: &Case) -> Vec<Finding> {
    let wanted = match wanted(case) {
        Some(ScreenDevice::Tft(options)) => Some([options.spi, options.chip]),
        _ => None,
    };
    let enable = if case.jetson() {
        "sudo /opt/nvidia/jetson-io/jetson-io.py, and sudo modprobe spidev"
    } else if case.raspberry_pi() {
        "sudo raspi-config nonint do_spi 0, or dtparam=spi=on in config.txt; then start it again"
    } else {
        "enable the bus in the board's device tree, and sudo modprobe spidev"
    };
    if let Some(devices) = wanted {
        let check = |device: &std::path::Path| {
            let device = device.to_string_lossy();
            if case.tree.exists(device.as_ref()) {
                case.denied("spi", &device)
            } else {
                Some(Finding::trouble("spi", format!("{device}, which the screen names, is not there")).fix(enable))
            }
        };
        let found: Vec<Finding> = devices.iter().filter_map(|device| check(device)).collect();
        return if found.is_empty() { vec![Finding::ok("spi", "the panel's bus and lines are there")] } else { found };
    }
    let buses = case.tree.names("/dev").into_iter().filter(|name| name.starts_with("spidev")).collect::<Vec<_>>();
    let finding = match buses.first() {
        None => Finding::note("spi", "no bus is open to programs, which only small panels need").fix(enable),
        Some(first) => match case.denied("spi", &format!("/dev/{first}")) {
            Some(denied) => Finding { state: super::State::Note, ..denied },
            None => Finding::ok("spi", format!("/dev/{}", buses.join(", /dev/"))),
        },
    };
    vec![finding]
}
