//! Displays and small panels.

use super::{Case, Finding};
use crate::device::sink::screen::{DrmOptions, ScreenDevice, ScreenReport, list};
use std::path::Path;

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
    // A small panel is looked at by itself.
    let asked = !matches!(wanted, None | Some(ScreenDevice::Tft(_)));
    let missing = |found: String| {
        let fix =
            "plug one in before the system starts; on a Raspberry Pi dtoverlay=vc4-kms-v3d has to be in config.txt";
        vec![if asked { Finding::trouble("display", found).fix(fix) } else { Finding::note("display", found) }]
    };
    if let Some(finding) = wanted.as_ref().and_then(|wanted| absent(case, wanted, &screens)) {
        return vec![finding];
    }
    if screens.is_empty() {
        return missing("there is no screen".into());
    }
    let mut connected = eligible(case, wanted.as_ref(), &screens);
    connected.retain(|screen| screen.connected());
    if let Some(ScreenDevice::Drm(DrmOptions { connector: Some(name), .. })) = &wanted {
        let plugged = format!("{name}: connected");
        connected.retain(|screen| screen.connectors.iter().any(|plug| plug.starts_with(&plugged)));
        if connected.is_empty() {
            return missing(format!("nothing is plugged into {name}, which the screen names"));
        }
    }
    if connected.is_empty() {
        return missing("nothing is plugged into any of the sockets".into());
    }
    let mut findings: Vec<Finding> = connected.iter().map(|screen| usable(case, screen, asked)).collect();
    findings.extend(desktop(case, &connected, asked));
    findings
}

/// What is wrong with the device that the screen names.
fn absent(case: &Case, wanted: &ScreenDevice, screens: &[ScreenReport]) -> Option<Finding> {
    let (ScreenDevice::Framebuffer(path) | ScreenDevice::Drm(DrmOptions { card: Some(path), .. })) = wanted else {
        return None;
    };
    let shown = path.display();
    if !case.tree.exists(path) {
        let fix = "'upres devices' lists screens; drm: is the better choice";
        return Some(Finding::trouble("display", format!("{shown}, which the screen names, is not there")).fix(fix));
    }
    let card = matches!(wanted, ScreenDevice::Drm(_));
    let plugless = card && !screens.iter().any(|screen| is(case, screen, path));
    let found = || format!("{shown}, which the screen names, computes only: it has no plugs");
    plugless.then(|| {
        Finding::trouble("display", found()).fix("take drm: without a card, or one that 'upres devices' lists")
    })
}

/// Whether a screen is the device at `path`.
fn is(case: &Case, screen: &ScreenReport, path: &Path) -> bool {
    Path::new(screen.device()) == case.tree.resolved(path)
}

/// The screens that live work would try. Where a card has plugs, framebuffers are not among those that are taken unnamed.
fn eligible<'a>(case: &Case, wanted: Option<&ScreenDevice>, screens: &'a [ScreenReport]) -> Vec<&'a ScreenReport> {
    let cards = screens.iter().any(ScreenReport::is_card);
    let fits = |screen: &&ScreenReport| match wanted {
        Some(ScreenDevice::Framebuffer(path) | ScreenDevice::Drm(DrmOptions { card: Some(path), .. })) => {
            is(case, screen, path)
        }
        Some(ScreenDevice::Drm(_)) => screen.is_card(),
        Some(ScreenDevice::Auto | ScreenDevice::Tft(_)) | None => screen.is_card() || !cards,
    };
    screens.iter().filter(fits).collect()
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
    let drm = screens.iter().any(|screen| screen.is_card());
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
