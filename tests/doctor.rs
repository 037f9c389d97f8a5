//! `upres doctor` and `upres boards` as a user runs them, on boards that are made up; and what a board sets for `upres live`.
#![cfg(feature = "device")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod program;

use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Output, Stdio};
use tempfile::TempDir;

fn upres(arguments: &[&str]) -> Output {
    let mut command = program::upres();
    for own in ["UPRES_BOARD", "UPRES_MODELS", "UPRES_TRUSTED_KEY"] {
        command.env_remove(own);
    }
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn file(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A tree with what all boards have, and a user who is not root but may use devices.
fn machine(files: &[(&str, &str)]) -> TempDir {
    use std::os::unix::fs::MetadataExt;
    let tree = tempfile::tempdir().unwrap();
    let root = tree.path();
    let group = fs::metadata(root).unwrap().gid();
    file(root, "etc/group", &format!("video:x:{group}:pi\n"));
    file(root, "proc/self/status", &format!("Name:\tupres\nUid:\t1000\t1000\t1000\t1000\nGroups:\t1000 {group}\n"));
    file(root, "sys/devices/system/cpu/online", "0-3\n");
    for (path, text) in files {
        file(root, path, text);
        if path.starts_with("dev/") {
            fs::set_permissions(root.join(path), fs::Permissions::from_mode(0o660)).unwrap();
        }
    }
    tree
}

const PI_THROTTLED: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";

/// A Raspberry Pi 4 with a weak power supply and a configuration that wants a camera, a screen and recordings.
fn pi_4() -> TempDir {
    let tree = machine(&[
        ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
        ("proc/device-tree/compatible", "raspberrypi,4-model-b\0brcm,bcm2711\0"),
        ("proc/sys/kernel/osrelease", "6.1.21-v8+\n"),
        ("proc/cpuinfo", "processor : 0\nFeatures : fp asimd evtstrm crc32 cpuid\nCPU part : 0xd08\n"),
        ("proc/meminfo", "MemTotal: 1892512 kB\nMemAvailable: 1320000 kB\nSwapTotal: 102396 kB\n"),
        ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("sys/class/thermal/thermal_zone0/temp", "80816\n"),
        (PI_THROTTLED, "50005\n"),
        ("sys/class/video4linux/video0/name", "HD Webcam C270\n"),
        ("sys/class/video4linux/video0/index", "0\n"),
        ("dev/video0", ""),
        ("sys/class/drm/card1/dev", "226:1\n"),
        ("sys/class/drm/card1-HDMI-A-1/status", "connected\n"),
        ("sys/class/drm/card1-HDMI-A-1/modes", "1920x1080\n"),
        ("dev/dri/card1", ""),
        ("proc/655/comm", "labwc\n"),
        ("usr/bin/ffmpeg", ""),
        (
            "etc/upres/live.toml",
            "screen = \"auto\"\nrecord = \"/var/lib/upres\"\nhttp = \"0.0.0.0:8080\"\nhttp-token-file = \"/etc/upres/token\"\n",
        ),
        ("etc/upres/token", "0123456789abcdef0123456789abcdef\n"),
    ]);
    fs::set_permissions(tree.path().join("dev/video0"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(tree.path().join("etc/upres/token"), fs::Permissions::from_mode(0o644)).unwrap();
    tree
}

/// A Raspberry Pi 5 on which all is well, with a ribbon camera too.
fn pi_5() -> TempDir {
    let tree = machine(&[
        ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
        ("proc/sys/kernel/osrelease", "6.12.25+rpt-rpi-2712\n"),
        ("proc/cpuinfo", "processor : 0\nFeatures : fp asimd fphp asimdhp asimddp\nCPU part : 0xd0b\n"),
        ("proc/meminfo", "MemTotal: 8255840 kB\nMemAvailable: 7400000 kB\nSwapTotal: 524272 kB\n"),
        ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("sys/class/thermal/thermal_zone0/temp", "48700\n"),
        ("sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "0\n"),
        ("sys/class/video4linux/video0/name", "rp1-cfe-csi2_ch0\n"),
        ("sys/class/video4linux/video8/name", "USB Camera\n"),
        ("sys/class/rtc/rtc0/name", "rpi-rtc\n"),
        ("run/systemd/timesync/synchronized", ""),
        ("dev/video0", ""),
        ("dev/video8", ""),
        ("sys/class/drm/card1/dev", "226:1\n"),
        ("sys/class/drm/card1-HDMI-A-1/status", "connected\n"),
        ("dev/dri/card1", ""),
        ("dev/spidev0.0", ""),
        ("usr/bin/rpicam-vid", ""),
        ("usr/bin/ffmpeg", ""),
    ]);
    let driver = tree.path().join("sys/class/video4linux/video0/device");
    fs::create_dir_all(&driver).unwrap();
    symlink("../../bus/platform/drivers/rp1-cfe", driver.join("driver")).unwrap();
    tree
}

/// A Jetson Nano in its mode of two cores, whose power controller says 100 °C as it always does.
fn jetson() -> TempDir {
    machine(&[
        ("proc/device-tree/model", "NVIDIA Jetson Nano Developer Kit\0"),
        ("proc/device-tree/compatible", "nvidia,p3450-0000\0nvidia,jetson-nano\0nvidia,tegra210\0"),
        ("proc/sys/kernel/osrelease", "4.9.337-tegra\n"),
        ("lib/aarch64-linux-gnu/libc-2.27.so", ""),
        ("proc/cpuinfo", "processor : 0\nFeatures : fp asimd evtstrm aes pmull sha1 sha2 crc32\nCPU part : 0xd07\n"),
        ("proc/meminfo", "MemTotal: 4059712 kB\nMemAvailable: 2900000 kB\nSwapTotal: 2029856 kB\n"),
        ("sys/devices/system/cpu/online", "0-1\n"),
        ("sys/devices/system/cpu/present", "0-3\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "schedutil\n"),
        ("sys/class/thermal/thermal_zone1/type", "CPU-therm\n"),
        ("sys/class/thermal/thermal_zone1/temp", "41500\n"),
        ("sys/class/thermal/thermal_zone4/type", "PMIC-Die\n"),
        ("sys/class/thermal/thermal_zone4/temp", "100000\n"),
        ("sys/class/video4linux/video0/name", "vi-output, imx219 7-0010\n"),
        ("dev/video0", ""),
        ("usr/bin/gst-launch-1.0", ""),
    ])
}

/// The findings as JSON, and the exit code.
fn doctor(root: &Path, more: &[&str]) -> (Vec<Value>, Option<i32>) {
    let output = upres(&[&["doctor", "--json", "--root", root.to_str().unwrap()], more].concat());
    let errors = text(&output.stderr);
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"));
    assert!(!errors.contains("panicked"), "{errors}");
    for finding in &findings {
        assert!(finding["id"].is_string() && finding["found"].is_string(), "{finding}");
        assert!(["ok", "note", "warning", "trouble"].contains(&finding["state"].as_str().unwrap()), "{finding}");
    }
    (findings, output.status.code())
}

#[track_caller]
fn says(findings: &[Value], id: &str, state: &str, parts: &[&str]) {
    let fits = |finding: &&Value| {
        let all = format!("{} {}", finding["found"], finding["fix"]);
        finding["id"] == id && finding["state"] == state && parts.iter().all(|part| all.contains(part))
    };
    assert!(findings.iter().any(|finding| fits(&finding)), "no {id} {state} {parts:?} in {findings:#?}");
}

#[test]
fn a_pi_4_in_trouble_is_told_what_to_do_and_the_exit_code_says_so() {
    let tree = pi_4();
    let (found, code) = doctor(tree.path(), &[]);
    assert_eq!(code, Some(1));
    says(&found, "board", "ok", &["Raspberry Pi 4", "pi-4"]);
    says(&found, "throttling", "trouble", &["low voltage, now", "power supply"]);
    says(&found, "throttling", "trouble", &["throttled, now"]);
    says(&found, "temperature", "trouble", &["81 °C"]);
    says(&found, "camera", "trouble", &["/dev/video0 may not be used", "usermod -aG video"]);
    says(&found, "display", "trouble", &["labwc"]);
    says(&found, "disk", "trouble", &["/var/lib/upres", "mkdir"]);
    says(&found, "token", "warning", &["/etc/upres/token", "chmod o-rwx"]);
    says(&found, "http", "ok", &["0.0.0.0:8080"]);
    says(&found, "clock", "warning", &["timedatectl"]);
    // Everything put right, one after the other.
    let root = tree.path();
    file(root, PI_THROTTLED, "0\n");
    file(root, "sys/class/thermal/thermal_zone0/temp", "55000\n");
    fs::set_permissions(root.join("dev/video0"), fs::Permissions::from_mode(0o660)).unwrap();
    fs::remove_dir_all(root.join("proc/655")).unwrap();
    fs::create_dir_all(root.join("var/lib/upres")).unwrap();
    fs::set_permissions(root.join("var/lib/upres"), fs::Permissions::from_mode(0o770)).unwrap();
    let (found, code) = doctor(root, &[]);
    assert_eq!(code, Some(0), "{found:#?}");
    says(&found, "token", "warning", &["every user"]);
}

#[test]
fn a_pi_5_is_fine() {
    let tree = pi_5();
    let (found, code) = doctor(tree.path(), &[]);
    assert_eq!(code, Some(0));
    assert!(found.iter().all(|finding| finding["state"] == "ok" || finding["state"] == "note"), "{found:#?}");
    says(&found, "cpu", "ok", &["dot products", "neon-dotprod"]);
    says(&found, "camera", "ok", &["/dev/video8 (USB Camera)"]);
    says(&found, "ribbon", "ok", &["libcamera:0"]);
    let output = upres(&["doctor", "--root", tree.path().to_str().unwrap()]);
    let (page, lines) = (text(&output.stdout), text(&output.stdout).lines().count());
    assert!(page.starts_with("ok       board          Raspberry Pi 5") && lines > 15, "{page}");
    assert!(
        page.ends_with("0 in trouble, 0 warnings\n") && page.contains("do this: sudo apt install v4l2loopback"),
        "{page}"
    );
}

#[test]
fn a_jetson_is_known_and_its_power_controller_is_not_believed() {
    let tree = jetson();
    let (found, code) = doctor(tree.path(), &[]);
    assert_eq!(code, Some(0), "{found:#?}");
    says(&found, "board", "ok", &["Jetson Nano", "jetson-nano"]);
    says(&found, "temperature", "ok", &["42 °C (CPU-therm)", "85"]);
    says(&found, "cores", "note", &["2 of 4", "nvpmodel"]);
    says(&found, "system", "ok", &["4.9.337-tegra", "glibc 2.27"]);
    says(&found, "ribbon", "ok", &["imx219", "csi:0"]);
    let (found, _) = doctor(tree.path(), &["--board", "pi-5"]);
    says(&found, "board", "ok", &["Jetson", "pi-5 was asked for"]);
}

#[test]
fn configurations_that_cannot_be_followed_are_found() {
    let tree = pi_5();
    let config = tree.path().join("mine.toml");
    let path = config.to_str().unwrap();
    for (written, part) in [
        ("source = \"v4l2:/dev/video8\"\ncolour = 3\n", "line 2"),
        ("source = \"nonsense:\"\n", "no source"),
        ("board = \"pi-6\"\n", "pi-6"),
        ("quota = \"much\"\n", "much"),
        ("screen = \"hologram\"\n", "hologram"),
    ] {
        fs::write(&config, written).unwrap();
        let (found, code) = doctor(tree.path(), &["--config", path]);
        assert_eq!(code, Some(1), "{written}");
        says(&found, "configuration", "trouble", &[part]);
    }
    fs::write(&config, "source = \"v4l2:/dev/video8\"\nboard = \"pi-4\"\n").unwrap();
    let (found, code) = doctor(tree.path(), &["--config", path]);
    assert_eq!(code, Some(0), "{found:#?}");
    says(&found, "board", "ok", &["pi-4 was asked for"]);
    let (found, _) = doctor(tree.path(), &["--config", "/no/such/file.toml"]);
    says(&found, "configuration", "trouble", &["/no/such/file.toml"]);
    for (arguments, part) in [(["--board", "pi-6"], "pi-5"), (["--root", "/no/such"], "no folder")] {
        let output = upres(&[&["doctor"], &arguments[..]].concat());
        assert!(output.status.code() == Some(2) && text(&output.stderr).contains(part), "{arguments:?}");
    }
}

#[test]
fn this_machine_is_looked_at_without_a_crash() {
    let output = upres(&["doctor", "--json"]);
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    for id in ["board", "system", "cpu", "cores", "memory", "camera", "models", "clock"] {
        assert!(found.iter().any(|finding| finding["id"] == id), "{id}: {found:#?}");
    }
    says(&found, "models", "ok", &["are what their cards say"]);
}

#[test]
fn what_live_work_would_refuse_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("live.toml");
    let path = config.to_str().unwrap();
    fs::write(folder.path().join("bent.onnx"), b"no model").unwrap();
    let bent = format!("model = \"{}\"", folder.path().join("bent.onnx").display());
    let of_this_machine = |written: &str| {
        fs::write(&config, format!("source = \"pattern:\"\n{written}\n")).unwrap();
        let output = upres(&["doctor", "--json", "--board", "generic", "--config", path]);
        serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap()
    };
    for (written, part) in [
        ("model = \"nope\"", "no model 'nope'"),
        ("model = \"/opt/no/such.onnx\"", "/opt/no/such.onnx"),
        (bent.as_str(), "bent.onnx"),
        ("runner = \"abacus\"", "abacus"),
        ("screen = \"auto\"\nrotate = 45", "45 degrees"),
        ("threads = 0", "0 threads"),
        ("scale = 99", "99"),
        ("model = \"sharp-x4\"\nstrength = 3", "strength of 3"),
        ("reuse = \"x\"", "x"),
        ("refresh = 0", "refresh"),
        ("record = \"/tmp\"\nrecord-format = \"avi\"", "avi"),
        ("record = \"/tmp\"\nsegment = 0", "segment"),
        ("camera-out = \"/dev/video10?format=PNG\"", "PNG"),
        ("quality = 0", "quality of 0"),
        ("http-clients = 0", "0 clients"),
        ("seconds = -1", "seconds"),
    ] {
        let found = of_this_machine(written);
        says(&found, "configuration", "trouble", &["live.toml", part]);
        let live = upres(&["live", "--frames", "1", "--http", "127.0.0.1:0", "--board", "generic", "--config", path]);
        assert!(!live.status.success(), "{written}: {}", text(&live.stderr));
    }
    // The rest is told all the same.
    let found = of_this_machine("model = \"nope\"\nrecord = \"/no/such/folder\"");
    says(&found, "disk", "trouble", &["/no/such/folder"]);
    says(&found, "models", "trouble", &["no model 'nope'", "upres models"]);
    for whole in ["model = \"bicubic\"\nscale = 3", "http = \"0.0.0.0:8080\"", "model = \"sharp-x4\"\nstrength = 0.5"] {
        says(&of_this_machine(whole), "configuration", "ok", &["can be followed"]);
    }
}

#[test]
fn keys_are_heeded_that_are_typed_or_in_the_environment() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let (models, key) = (tempfile::tempdir().unwrap(), data.join("minisign-ours.pub"));
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/small-x2");
    fs::create_dir(models.path().join("mine")).unwrap();
    for file in ["model.onnx", "card.toml"] {
        fs::copy(built_in.join(file), models.path().join("mine").join(file)).unwrap();
    }
    let of = |arguments: &[&str], key: Option<&Path>| {
        let mut command = program::upres();
        command.args(["doctor", "--json", "--models-dir", models.path().to_str().unwrap()]).args(arguments);
        command.env_remove("UPRES_BOARD").env_remove("UPRES_TRUSTED_KEY").stdin(Stdio::null());
        let output = command.envs(key.map(|key| ("UPRES_TRUSTED_KEY", key))).output().unwrap();
        serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap()
    };
    assert!(of(&[], None).iter().all(|finding| finding["id"] != "models" || finding["state"] == "ok"));
    says(&of(&[], Some(&key)), "models", "trouble", &["mine: not signed"]);
    says(&of(&["--trusted-key", key.to_str().unwrap()], None), "models", "trouble", &["mine: not signed"]);
    // As with live work, what is typed goes before the file.
    let config = models.path().join("live.toml");
    fs::write(&config, "trusted-key = \"none\"\n").unwrap();
    let typed = of(&["--config", config.to_str().unwrap()], Some(&key));
    says(&typed, "configuration", "ok", &["can be followed"]);
    says(&typed, "models", "trouble", &["mine: not signed"]);
    fs::write(&config, "model = \"mine\"\n").unwrap();
    let none = of(&["--config", config.to_str().unwrap(), "--trusted-key", "none"], None);
    says(&none, "configuration", "trouble", &["'none'"]);
    assert!(!format!("{none:?}").contains("mine"), "nothing is opened without the keys: {none:?}");
}

#[test]
fn relative_paths_begin_where_the_doctor_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("models")).unwrap();
    fs::create_dir(root.join("films")).unwrap();
    file(root, "token", "0123456789abcdef0123456789abcdef\n");
    fs::set_permissions(root.join("token"), fs::Permissions::from_mode(0o644)).unwrap();
    file(
        root,
        "live.toml",
        "record = \"films\"\nsnapshots = \"films\"\nquota = \"1KB\"\nhttp = \"127.0.0.1:8080\"\nhttp-token-file = \"token\"\n",
    );
    let arguments = ["doctor", "--json", "--config", "live.toml", "--models-dir", "models"];
    let mut command = program::upres();
    command.current_dir(root).args(arguments).env_remove("UPRES_BOARD").stdin(Stdio::null());
    let output = command.output().unwrap();
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    says(&found, "models", "ok", &["are what their cards say"]);
    says(&found, "disk", "ok", &["/films (record)"]);
    says(&found, "disk", "ok", &["/films (snapshots)"]);
    says(&found, "token", "warning", &["/token can be read"]);
}

#[test]
fn boards_are_listed_and_printed_to_be_changed() {
    let tree = jetson();
    let root = tree.path().to_str().unwrap();
    let list = text(&upres(&["boards", "--root", root]).stdout);
    assert!(list.contains("* jetson-nano") && list.contains("  pi-zero-2-w"), "{list}");
    let list: Value = serde_json::from_slice(&upres(&["boards", "--json", "--root", root]).stdout).unwrap();
    let own: Vec<&Value> = list["boards"].as_array().unwrap().iter().filter(|board| board["this"] == true).collect();
    assert!(
        own.len() == 1 && own[0]["name"] == "jetson-nano" && list["boards"].as_array().unwrap().len() == 8,
        "{list}"
    );
    let printed = text(&upres(&["boards", "pi-4"]).stdout);
    assert!(printed.contains("name = \"pi-4\"") && printed.contains("instructions counted"), "{printed}");
    let output = upres(&["boards", "pi-6"]);
    assert!(output.status.code() == Some(2) && text(&output.stderr).contains("jetson-agx"));
}

#[test]
fn a_board_sets_the_model_by_the_camera_and_says_so_once() {
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine.toml");
    let changed = text(&upres(&["boards", "pi-4"]).stdout).replace("threads = 3", "threads = 1");
    fs::write(&mine, changed.replace("\"320x240\"\nmodel = \"small-x2\"", "\"320x240\"\nmodel = \"small-x2-int8\""))
        .unwrap();
    let config = folder.path().join("live.toml");
    fs::write(&config, format!("board = \"{}\"\n", mine.display())).unwrap();
    let live = |more: &[&str]| {
        let common = ["live", "--probe", "--frames", "2", "--json", "--source"];
        let output = upres(&[&common, more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        (report["model"].as_str().unwrap().to_owned(), text(&output.stderr))
    };
    let (model, said) = live(&["pattern:size=160x120,rate=20", "--board", "pi-4", "--threads", "1"]);
    assert_eq!(model, "camera-x2");
    assert_eq!(said.matches("the board is pi-4").count(), 1, "{said}");
    assert!(said.contains("model camera-x2") && said.contains("hot from 78") && !said.contains("threads"), "{said}");
    let (model, said) = live(&["pattern:size=320x240,rate=20", "--config", config.to_str().unwrap()]);
    assert_eq!(model, "small-x2-int8");
    assert!(said.contains("threads 1"), "{said}");
    let (model, said) = live(&["pattern:size=320x240,rate=20", "--board", "pi-4", "-m", "bicubic"]);
    assert!(model == "bicubic" && !said.contains("model "), "{said}");
    let (model, said) = live(&["pattern:size=160x120,rate=20", "--board", "generic"]);
    assert!(model == "camera-x2" && !said.contains("the board"), "{said}");
    fs::write(&mine, "name = \"mine\"\ndescription = \"x\"\nthreads = 1000\n").unwrap();
    let output = upres(&["live", "--source", "pattern:", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("mine.toml: line 3"), "{}", text(&output.stderr));
}
