//! The screens of a machine, and the sockets for them, as the kernel lists them.

use crate::device::tree::Tree;
use serde::Serialize;

/// A screen, or a socket for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScreenReport {
    /// `fb:/dev/fb0` or `drm:/dev/dri/card0`.
    pub name: String,
    /// What the system calls it.
    pub card: String,
    /// Width and height now, where that is known.
    pub size: Option<String>,
    /// `HDMI-A-1: connected, 1920x1080`.
    pub connectors: Vec<String>,
}

impl ScreenReport {
    /// Its device, `/dev/dri/card0`.
    pub fn device(&self) -> &str {
        self.name.split_once(':').map_or("", |(_, device)| device)
    }

    /// Whether a display is plugged in; framebuffers do not tell.
    pub fn connected(&self) -> bool {
        !self.is_card() || self.connectors.iter().any(|connector| connector.contains(": connected"))
    }

    /// Whether it is a graphics card and no framebuffer.
    pub fn is_card(&self) -> bool {
        self.name.starts_with("drm:")
    }
}

/// The screens of the machine. Cards without plugs are left out: they compute only, such as the v3d of a Raspberry Pi.
pub fn list(tree: &Tree) -> Vec<ScreenReport> {
    let mut screens: Vec<ScreenReport> = Vec::new();
    let drm = "/sys/class/drm";
    for name in tree.names(drm) {
        let card = name.split('-').next().unwrap_or_default().to_owned();
        if name.strip_prefix("card").is_some_and(|number| number.parse::<u32>().is_ok()) {
            screens.push(ScreenReport {
                name: format!("drm:/dev/dri/{name}"),
                card: tree.linked_name(format!("{drm}/{name}/device/driver")).unwrap_or_default(),
                size: None,
                connectors: Vec::new(),
            });
        } else if let Some(screen) = screens.iter_mut().find(|screen| screen.name == format!("drm:/dev/dri/{card}")) {
            let Some(status) = tree.text(format!("{drm}/{name}/status")) else { continue };
            let modes = tree.text(format!("{drm}/{name}/modes"));
            let mode = modes.as_deref().and_then(|modes| modes.lines().next()).map(|mode| format!(", {mode}"));
            let plug = name.get(card.len() + 1..).unwrap_or_default();
            screen.connectors.push(format!("{plug}: {status}{}", mode.unwrap_or_default()));
        }
    }
    screens.retain(|screen| !screen.connectors.is_empty());
    for (_, name) in tree.numbered("/sys/class/graphics", "fb") {
        let folder = format!("/sys/class/graphics/{name}");
        let size = tree.text(format!("{folder}/virtual_size")).map(|size| size.replace(',', "x"));
        let card = tree.text(format!("{folder}/name")).unwrap_or_default();
        screens.push(ScreenReport { name: format!("fb:/dev/{name}"), card, size, connectors: Vec::new() });
    }
    screens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tree::testing::Made;

    #[test]
    fn screens_are_found_with_what_is_plugged_in() {
        let made = Made::of(&[
            ("/sys/class/drm/card0/dev", "226:0\n"),
            ("/sys/class/drm/card1/dev", "226:1\n"),
            ("/sys/class/drm/card1-HDMI-A-1/status", "connected\n"),
            ("/sys/class/drm/card1-HDMI-A-1/modes", "1920x1080\n1280x720\n"),
            ("/sys/class/drm/card1-HDMI-A-2/status", "disconnected\n"),
            ("/sys/class/drm/card1-HDMI-A-2/modes", ""),
            ("/sys/class/drm/renderD128/dev", "226:128\n"),
            ("/sys/class/drm/version", "drm 1.1.0"),
            ("/sys/class/graphics/fb0/virtual_size", "800,480\n"),
            ("/sys/class/graphics/fb0/name", "vc4drmfb\n"),
            ("/sys/class/graphics/fbcon/rotate", "0\n"),
        ]);
        let found = list(&made.tree());
        assert_eq!(found.len(), 2, "a card without plugs is no screen: {found:?}");
        assert_eq!((found[0].name.as_str(), found[0].device()), ("drm:/dev/dri/card1", "/dev/dri/card1"));
        assert_eq!(found[0].connectors, ["HDMI-A-1: connected, 1920x1080", "HDMI-A-2: disconnected"]);
        assert!(found[0].connected());
        assert_eq!((found[1].name.as_str(), found[1].size.as_deref()), ("fb:/dev/fb0", Some("800x480")));
        made.file("/sys/class/drm/card1-HDMI-A-1/status", "disconnected\n");
        assert!(!list(&made.tree())[0].connected() && list(&made.tree())[1].connected());
        assert_eq!(list(&Made::new().tree()), []);
    }
}
