//! What the board says of itself: how hot it is, and whether it slows itself down.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a Raspberry Pi tells of low voltage and throttling.
const PI: &str = "devices/platform/soc/soc:firmware/get_throttled";
/// Bits of it that mean "now": frequency capped, throttled, soft temperature limit.
const NOW: u32 = 0b1110;

/// Reads `/sys`, or a tree like it.
#[derive(Debug, Clone)]
pub struct Health {
    root: PathBuf,
}

impl Default for Health {
    fn default() -> Self {
        Self::new(Path::new("/sys"))
    }
}

impl Health {
    /// Reads below `root`.
    pub fn new(root: &Path) -> Self {
        Self { root: root.into() }
    }

    /// Degrees Celsius of the hottest thermal zone, where there is one.
    pub fn temperature(&self) -> Option<f64> {
        let zones = fs::read_dir(self.root.join("class/thermal")).ok()?.flatten();
        let read = |zone: fs::DirEntry| {
            let named = zone.file_name().to_string_lossy().starts_with("thermal_zone");
            let text = named.then(|| fs::read_to_string(zone.path().join("temp")).ok())??;
            let degrees = text.trim().parse::<f64>().ok()? / 1000.0;
            // Zones that are switched off give nonsense.
            (-40.0..200.0).contains(&degrees).then_some(degrees)
        };
        zones.filter_map(read).reduce(f64::max)
    }

    /// Whether the board says that it runs slower than it could.
    pub fn throttled(&self) -> bool {
        let text = fs::read_to_string(self.root.join(PI)).unwrap_or_default();
        u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).is_ok_and(|bits| bits & NOW != 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn zones_and_bits_are_read_and_nonsense_is_not() {
        let tree = tempfile::tempdir().unwrap();
        let health = Health::new(tree.path());
        assert_eq!((health.temperature(), health.throttled()), (None, false));
        for (zone, text) in [("thermal_zone0", "47774\n"), ("thermal_zone1", "81500"), ("thermal_zone2", "-274000")] {
            fs::create_dir_all(tree.path().join("class/thermal").join(zone)).unwrap();
            fs::write(tree.path().join("class/thermal").join(zone).join("temp"), text).unwrap();
        }
        fs::create_dir_all(tree.path().join("class/thermal/cooling_device0")).unwrap();
        assert_eq!(health.temperature(), Some(81.5));
        fs::create_dir_all(tree.path().join(PI).parent().unwrap()).unwrap();
        // Low voltage once, since the start; throttled now.
        for (bits, throttled) in [("50000\n", false), ("0x50004", true), ("zz", false)] {
            fs::write(tree.path().join(PI), bits).unwrap();
            assert_eq!(health.throttled(), throttled, "{bits}");
        }
    }
}
