//! Cameras, screens, panels, virtual cameras, programs.

use super::*;

#[test]
fn cameras_are_told_from_encoders_and_metadata() {
    let made = pi_4();
    assert_eq!(findings(&made, &asked(), "camera").len(), 1);
    says(&made, &asked(), "camera", State::Ok, &["/dev/video0 (HD Webcam C270)"]);
}

#[test]
fn a_camera_that_is_missing_matters_if_it_is_wanted() {
    let made = pi_4();
    let of = |source: &str| Asked { source: Some(source.into()), ..asked() };
    says(&made, &of("v4l2:/dev/video7"), "camera", State::Trouble, &["/dev/video7", "by-id"]);
    made.without("/sys/class/video4linux/video0");
    says(&made, &asked(), "camera", State::Warning, &["none", "plug one in"]);
    says(&made, &of("v4l2:"), "camera", State::Trouble, &["none", "plug one in"]);
    says(&made, &of("rtsp://name:secret@camera/"), "camera", State::Note, &["none is needed", "camera/"]);
    assert!(!format!("{:?}", look(&made, &of("rtsp://name:secret@camera/"))).contains("secret"));
}

#[test]
fn the_device_that_is_named_is_the_one_that_counts() {
    let made = pi_4();
    let of = |source: &str| Asked { source: Some(source.into()), ..asked() };
    let only = |source: &str, state: State, parts: &[&str]| {
        let found = findings(&made, &of(source), "camera");
        assert!(found.len() == 1 && found[0].0 == state, "{source}: {found:?}");
        assert!(parts.iter().all(|part| found[0].1.contains(part)), "{source}: {found:?}");
    };
    only("v4l2:/dev/video1", State::Trouble, &["/dev/video1", "no camera", "metadata"]);
    only("v4l2:/dev/video10", State::Trouble, &["bcm2835-codec-decode", "no camera"]);
    made.link("/dev/v4l/by-id/usb-046d-index0", "../../video0").link("/dev/v4l/by-id/usb-046d-index1", "../../video1");
    only("v4l2:/dev/v4l/by-id/usb-046d-index0", State::Ok, &["/dev/video0 (HD Webcam C270)"]);
    only("v4l2:/dev/v4l/by-id/usb-046d-index1", State::Trouble, &["/dev/video1"]);
    made.device("/dev/video30");
    only("v4l2:/dev/video30", State::Warning, &["/dev/video30", "upres devices"]);
    // A virtual camera, which has to be named, and into which another program writes.
    made.folder("/sys/module/v4l2loopback").file("/sys/class/video4linux/video20/name", "Dummy video device\n");
    made.device("/dev/video20").without("/sys/class/video4linux/video0").without("/sys/class/video4linux/video1");
    made.file("/proc/612/comm", "ffmpeg\n").link("/proc/612/fd/7", "/dev/video20");
    only("v4l2:", State::Trouble, &["none"]);
    only("v4l2:/dev/video20", State::Ok, &["/dev/video20 (Dummy video device)"]);
    made.file("/sys/class/video4linux/video0/name", "unicam-image\n");
    only("v4l2:/dev/video0", State::Trouble, &["raw frames", "libcamera:0"]);
}

#[test]
fn cameras_that_are_not_read_are_no_trouble() {
    let made = pi_4();
    let of = |source: &str| Asked { source: Some(source.into()), ..asked() };
    made.mode("/dev/video0", 0o600);
    says(&made, &of("v4l2:"), "camera", State::Trouble, &["/dev/video0 may not be used"]);
    for source in ["pattern:", "rtsp://camera/", "libcamera:0"] {
        says(&made, &of(source), "camera", State::Note, &["/dev/video0 may not be used"]);
    }
    // Another one, which is taken.
    made.file("/sys/class/video4linux/video2/name", "Other camera\n").device("/dev/video2");
    says(&made, &of("v4l2:"), "camera", State::Note, &["/dev/video0 may not be used"]);
    says(&made, &of("v4l2:"), "camera", State::Ok, &["/dev/video2 (Other camera)"]);
    says(&made, &of("v4l2:/dev/video0"), "camera", State::Trouble, &["/dev/video0 may not be used"]);
}

#[test]
fn permissions_and_other_users_of_a_camera_are_told() {
    let made = pi_4();
    made.user(false);
    says(&made, &asked(), "camera", State::Trouble, &["/dev/video0 may not be used", "usermod -aG video"]);
    made.user(true).file("/proc/612/comm", "motion\n").link("/proc/612/fd/7", "/dev/video0");
    says(&made, &asked(), "camera", State::Warning, &["in use by motion (process 612)", "end it"]);
    made.file("/proc/612/comm", "upres\n");
    says(&made, &asked(), "camera", State::Note, &["read by the upres that runs (process 612)"]);
    made.file("/proc/612/comm", "motion\n");
    made.without("/dev/video0");
    says(&made, &asked(), "camera", State::Trouble, &["not in /dev", "--device"]);
}

#[test]
fn a_sensor_on_a_ribbon_needs_its_program() {
    let made = pi_4();
    assert!(findings(&made, &asked(), "ribbon").is_empty());
    made.file("/sys/class/video4linux/video0/name", "unicam-image\n").without("/sys/class/video4linux/video0/device");
    made.link("/sys/class/video4linux/video0/device/driver", "../../bus/platform/drivers/unicam");
    says(&made, &asked(), "ribbon", State::Ok, &["unicam-image", "libcamera:0"]);
    says(&made, &asked(), "camera", State::Warning, &["none", "--source libcamera:0"]);
    made.without("/usr/bin/rpicam-vid");
    says(&made, &asked(), "ribbon", State::Warning, &["no rpicam-vid", "rpicam-apps-lite"]);
    made.file("/sys/class/video4linux/video0/name", "rp1-cfe-csi2_ch0\n");
    says(&made, &asked(), "ribbon", State::Warning, &["rp1-cfe"]);
    made.file("/proc/device-tree/compatible", "nvidia,tegra210\0");
    says(&made, &asked(), "ribbon", State::Warning, &["gst-launch-1.0", "csi:0"]);
}

#[test]
fn displays_are_told_and_matter_if_one_is_wanted() {
    let made = pi_4();
    let wanted = Asked { screen: Some("auto".into()), ..asked() };
    says(&made, &wanted, "display", State::Ok, &["drm:/dev/dri/card1 (vc4-drm), HDMI-A-1: connected, 1920x1080"]);
    made.user(false);
    says(&made, &wanted, "display", State::Trouble, &["/dev/dri/card1", "usermod"]);
    says(&made, &asked(), "display", State::Note, &["/dev/dri/card1"]);
    made.user(true).file("/proc/700/comm", "labwc\n");
    says(&made, &wanted, "display", State::Trouble, &["labwc, process 700", "multi-user.target"]);
    says(&made, &asked(), "display", State::Note, &["labwc"]);
    made.without("/proc/700").file("/sys/class/drm/card1-HDMI-A-1/status", "disconnected\n");
    says(&made, &wanted, "display", State::Trouble, &["nothing is plugged", "vc4-kms-v3d"]);
    says(&made, &asked(), "display", State::Note, &["nothing is plugged"]);
    made.without("/sys/class/drm");
    says(&made, &wanted, "display", State::Trouble, &["no screen"]);
    let framebuffer = Asked { screen: Some("fb:/dev/fb7".into()), ..asked() };
    says(&made, &framebuffer, "display", State::Trouble, &["/dev/fb7"]);
}

#[test]
fn a_card_that_only_computes_is_no_screen() {
    let made = pi_4();
    let screen = |name: &str| Asked { screen: Some(name.into()), ..asked() };
    // As on a Raspberry Pi 4 or 5: v3d first, and a framebuffer of the card with the plugs.
    made.file("/sys/class/drm/card0/dev", "226:0\n").device("/dev/dri/card0");
    made.link("/sys/class/drm/card0/device/driver", "../../bus/platform/drivers/v3d");
    made.file("/sys/class/graphics/fb0/name", "vc4drmfb\n").device("/dev/fb0");
    let found = findings(&made, &screen("auto"), "display");
    assert!(found.len() == 1 && found[0].1.contains("card1"), "{found:?}");
    says(&made, &screen("drm:/dev/dri/card1"), "display", State::Ok, &["/dev/dri/card1"]);
    made.link("/dev/dri/by-path/platform-gpu-card", "../card1");
    says(&made, &screen("drm:/dev/dri/by-path/platform-gpu-card"), "display", State::Ok, &["/dev/dri/card1"]);
    says(&made, &screen("drm:/dev/dri/card0"), "display", State::Trouble, &["card0", "no plugs", "upres devices"]);
    says(&made, &screen("drm:/dev/dri/card7"), "display", State::Trouble, &["card7", "is not there"]);
    says(&made, &screen("drm:,connector=HDMI-A-2"), "display", State::Trouble, &["HDMI-A-2"]);
    says(&made, &screen("drm:,connector=HDMI-A-1"), "display", State::Ok, &["HDMI-A-1"]);
    made.file("/sys/class/drm/card1-HDMI-A-1/status", "disconnected\n");
    for name in ["auto", "drm", "drm:/dev/dri/card1"] {
        let found = findings(&made, &screen(name), "display");
        assert!(found.len() == 1 && found[0].0 == State::Trouble, "{name}: {found:?}");
    }
    says(&made, &screen("fb:/dev/fb0"), "display", State::Ok, &["fb:/dev/fb0"]);
    // Where no card has plugs at all, the framebuffer is taken.
    made.without("/sys/class/drm/card1-HDMI-A-1");
    says(&made, &screen("auto"), "display", State::Ok, &["fb:/dev/fb0"]);
    says(&made, &screen("drm"), "display", State::Trouble, &["plugged"]);
}

#[test]
fn small_panels_need_their_bus() {
    let made = pi_4();
    let panel = Asked { screen: Some("tft:ili9341,spi=/dev/spidev0.0,dc=25".into()), ..asked() };
    says(&made, &asked(), "spi", State::Note, &["raspi-config"]);
    says(&made, &panel, "spi", State::Trouble, &["/dev/spidev0.0", "raspi-config"]);
    made.device("/dev/spidev0.0").device("/dev/gpiochip0");
    says(&made, &panel, "spi", State::Ok, &["are there"]);
    says(&made, &asked(), "spi", State::Ok, &["/dev/spidev0.0"]);
    made.user(false);
    assert_eq!(findings(&made, &panel, "spi").iter().filter(|(state, _)| *state == State::Trouble).count(), 2);
    says(&made, &asked(), "spi", State::Note, &["may not be used"]);
    made.file("/proc/device-tree/compatible", "nvidia,tegra210\0").without("/dev/spidev0.0");
    says(&made, &panel, "spi", State::Trouble, &["jetson-io"]);
}

#[test]
fn the_virtual_camera_s_module_is_told_as_far_as_it_got() {
    let made = pi_4();
    let wanted = Asked { camera_out: Some("/dev/video20?format=YUYV".into()), ..asked() };
    says(&made, &asked(), "loopback", State::Note, &["not installed", "v4l2loopback-dkms"]);
    says(&made, &wanted, "loopback", State::Trouble, &["/dev/video20", "modprobe"]);
    made.file("/lib/modules/6.12.25+rpt-rpi-v8/updates/dkms/v4l2loopback.ko.xz", "");
    says(&made, &asked(), "loopback", State::Note, &["not loaded", "modprobe"]);
    made.folder("/sys/module/v4l2loopback").device("/dev/video20");
    says(&made, &asked(), "loopback", State::Ok, &["loaded"]);
    says(&made, &wanted, "loopback", State::Ok, &["/dev/video20 is there"]);
    made.user(false);
    says(&made, &wanted, "loopback", State::Trouble, &["usermod"]);
}

#[test]
fn programs_are_missed_only_where_they_are_needed() {
    let made = pi_4();
    says(&made, &asked(), "programs", State::Ok, &["ffmpeg is there"]);
    assert!(findings(&made, &asked(), "programs").iter().all(|(_, text)| !text.contains("gst")), "it is no Jetson");
    made.without("/usr/bin/ffmpeg").without("/usr/bin/rpicam-vid");
    says(&made, &asked(), "programs", State::Note, &["ffmpeg is not there", "apt install ffmpeg"]);
    for (source, program) in [("rtsp://camera/", "ffmpeg"), ("libcamera:0", "rpicam-vid"), ("csi:0", "gst-launch-1.0")]
    {
        let asked = Asked { source: Some(source.into()), ..asked() };
        says(&made, &asked, "programs", State::Trouble, &[program, "apt install"]);
    }
    made.file("/usr/bin/libcamera-vid", "");
    says(&made, &asked(), "programs", State::Ok, &["rpicam-vid"]);
}

#[test]
fn the_service_is_told_of() {
    let made = pi_4();
    says(&made, &asked(), "service", State::Note, &["not installed"]);
    let wanted = "/etc/systemd/system/multi-user.target.wants/upres-live.service";
    made.link(wanted, "/lib/systemd/system/upres-live.service");
    says(&made, &asked(), "service", State::Warning, &["not installed", "disable"]);
    made.file("/lib/systemd/system/upres-live.service", "[Unit]\n");
    says(&made, &asked(), "service", State::Ok, &["starts with the system"]);
    made.without("/etc/systemd");
    says(&made, &asked(), "service", State::Note, &["enable --now"]);
}
