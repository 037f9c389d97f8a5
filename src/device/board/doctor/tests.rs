//! Every finding, on machines that are made up.

use super::*;
use crate::device::tree::testing::Made;
use std::time::{Duration, UNIX_EPOCH};

mod bent;
mod devices;
mod machine;
mod settings;

/// A day in 2026.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_780_000_000)
}

const THROTTLED: &str = "/sys/devices/platform/soc/soc:firmware/get_throttled";

/// A Raspberry Pi 4 on which all is well, with a webcam and a display.
fn pi_4() -> Made {
    let made = Made::of(&[
        ("/proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
        ("/proc/device-tree/compatible", "raspberrypi,4-model-b\0brcm,bcm2711\0"),
        ("/proc/sys/kernel/osrelease", "6.12.25+rpt-rpi-v8\n"),
        ("/etc/os-release", "NAME=Debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
        ("/proc/cpuinfo", "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n"),
        ("/proc/meminfo", "MemTotal:        3884428 kB\nMemAvailable:    3327480 kB\nSwapTotal:        524284 kB\n"),
        ("/sys/devices/system/cpu/online", "0-3\n"),
        ("/sys/devices/system/cpu/present", "0-3\n"),
        ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "ondemand\n"),
        ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "600000\n"),
        ("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "1800000\n"),
        ("/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "1800000\n"),
        ("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("/sys/class/thermal/thermal_zone0/temp", "52100\n"),
        (THROTTLED, "0\n"),
        ("/sys/class/video4linux/video0/name", "HD Webcam C270\n"),
        ("/sys/class/video4linux/video0/index", "0\n"),
        ("/sys/class/video4linux/video1/name", "HD Webcam C270\n"),
        ("/sys/class/video4linux/video1/index", "1\n"),
        ("/sys/class/video4linux/video10/name", "bcm2835-codec-decode\n"),
        ("/sys/class/drm/card1/dev", "226:1\n"),
        ("/sys/class/drm/card1-HDMI-A-1/status", "connected\n"),
        ("/sys/class/drm/card1-HDMI-A-1/modes", "1920x1080\n"),
        ("/run/systemd/timesync/synchronized", ""),
        ("/usr/bin/ffmpeg", ""),
        ("/usr/bin/rpicam-vid", ""),
    ]);
    for video in ["video0", "video1"] {
        made.link(&format!("/sys/class/video4linux/{video}/device/driver"), "../../../bus/usb/drivers/uvcvideo");
    }
    made.link("/sys/class/drm/card1/device/driver", "../../bus/platform/drivers/vc4-drm");
    made.user(true).device("/dev/video0").device("/dev/video1").device("/dev/video10").device("/dev/dri/card1");
    made
}

fn asked() -> Asked {
    Asked { quota: 1, ..Asked::default() }
}

fn look(made: &Made, asked: &Asked) -> Vec<Finding> {
    let found = examine(&made.tree(), asked, now());
    let helpless = found.iter().find(|finding| finding.state >= State::Warning && finding.fix.is_none());
    assert!(helpless.is_none(), "there is nothing to do about {helpless:?}");
    found
}

/// The states of the findings `id`, with what they found and advise as one text.
fn findings(made: &Made, asked: &Asked, id: &str) -> Vec<(State, String)> {
    let own = look(made, asked).into_iter().filter(|finding| finding.id == id);
    own.map(|finding| (finding.state, format!("{} | {}", finding.found, finding.fix.unwrap_or_default()))).collect()
}

/// Asserts that there is a finding `id` in that state which says all `parts`.
#[track_caller]
fn says(made: &Made, asked: &Asked, id: &str, state: State, parts: &[&str]) {
    let found = findings(made, asked, id);
    let fits = |(own, text): &(State, String)| *own == state && parts.iter().all(|part| text.contains(part));
    assert!(found.iter().any(fits), "no {state:?} with {parts:?} in {found:?}");
}
