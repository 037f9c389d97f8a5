//! `upres live` as a user runs it, with the test card for a camera.
#![cfg(feature = "device")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod program;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

const CARD: &str = "pattern:size=160x120,rate=20";

fn live(arguments: &str) -> Command {
    let mut command = program::upres();
    command.arg("live").args(arguments.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null());
    command
}

fn finished(arguments: &str) -> Output {
    live(arguments).output().expect("the program starts")
}

fn report(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// A program in the background; killed where a test fails.
struct Running(Child, BufReader<ChildStderr>);

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let errors = BufReader::new(child.stderr.take().unwrap());
        Self(child, errors)
    }

    /// Reads its log up to the line with `part` in it.
    fn says(&mut self, part: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "it ended without saying '{part}'");
            if line.contains(part) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Its exit code; a minute is enough for everything here.
    fn code(&mut self) -> Option<i32> {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_frame_s_number_is_read_back_from_the_enlarged_picture() {
    for (scene, model, reuse) in
        [("walk", "small-x2", "auto"), ("full", "small-x4-int8", "off"), ("static", "bicubic", "0")]
    {
        let card = format!("{CARD},scene={scene}");
        let report = report(&finished(&format!(
            "--source {card} -m {model} --reuse {reuse} --governor=false --probe --frames 25 --json"
        )));
        let probe = &report["probe"];
        assert_eq!(probe["misread"], 0, "{scene}: {report}");
        assert!(probe["read"].as_u64() >= Some(20) && probe["age"]["p50"].as_f64() > Some(0.0), "{report}");
        assert_eq!(report["input"], serde_json::json!([160, 120]));
        assert!(report["online"] == true && report["model"] == model, "{report}");
    }
}

#[test]
fn only_the_region_of_interest_is_enlarged() {
    let report = report(&finished(&format!("--source {CARD} --crop 64x48+16+8 -m small-x4 --probe --frames 3 --json")));
    assert_eq!((&report["input"], &report["output"]), (&serde_json::json!([64, 48]), &serde_json::json!([256, 192])));
}

#[test]
fn a_model_from_a_file_enlarges_by_its_own_factor() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/small-x4/model.onnx");
    let report = report(&finished(&format!("--source {CARD} -m {} --probe --frames 2 --json", file.display())));
    assert_eq!(report["output"], serde_json::json!([640, 480]));
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out_and_nothing_runs() {
    for (arguments, code, part) in [
        ("--source nonsense:", 2, "sources are"),
        ("--source pattern:size=2x2", 2, "test card"),
        ("--source pattern: -m no-such-model", 2, "no model"),
        ("--source pattern: --scale 9", 2, "1 and 8"),
        ("--source pattern: --crop 0x0", 2, "region"),
        ("--source pattern: --reuse maybe", 2, "threshold"),
        ("--source pattern: --http 0.0.0.0:0", 2, "token"),
        ("--source pattern: --http nowhere", 2, "ADDRESS:PORT"),
        ("--source pattern: --record /no/such/folder", 2, "mkdir"),
        ("--source pattern: --screen tft:none", 2, "tft"),
        ("--source pattern: --rotate 45 --screen", 2, "90"),
        ("--source pattern: --strength 2", 2, "strength"),
        ("--source pattern: -m small-x2 --strength 0.5", 2, "one strength"),
        ("--source pattern: --threads 0", 2, "threads"),
        ("--source pattern: --runner abacus", 2, "runs no network"),
        ("--source pattern: -m small-x2 --runner cuda", 2, "the GPU"),
        ("--source pattern: -m small-x2-int8 --runner cuda", 2, "on the CPU only"),
        ("--config /no/such/file.toml", 1, "/no/such/file.toml"),
        ("--source v4l2:/dev/no-such-camera --probe --seconds 0.4", 1, "no-such-camera"),
    ] {
        let output = finished(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {errors}");
        assert!(errors.contains(part) && !errors.contains("panicked"), "{arguments}: {errors}");
    }
}

#[test]
fn what_was_measured_counts_wherever_it_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("profile.toml");
    let level = upres::kernel::Level::best().name();
    let run = |text: String| {
        fs::write(&file, text).unwrap();
        let arguments = format!("--source {CARD} --board pi-4 --frames 1 --probe --json");
        let output = live(&arguments).env("UPRES_PROFILE", &file).output().unwrap();
        (report(&output), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (_, said) = run("nonsense".into());
    assert_eq!(said.matches("profile.toml").count(), 1, "{said}");
    let (report, said) = run(format!(
        "cpu = \"{level}\"\nsize = \"64x64\"\n[models.small-x2]\nmodel = \"small-x2-int8\"\nthreads = 1\nms = 1.0\n\
         [models.camera-x2]\nmodel = \"small-x2-int8\"\nthreads = 1\nms = 1.0\n"
    ));
    assert_eq!(report["model"], "small-x2-int8", "{report} {said}");
}

#[test]
fn an_unplugged_camera_comes_back_and_it_is_said_once() {
    let output = finished(&format!("--source {CARD},unplug=20 -m small-x2 --probe --frames 50 --json"));
    let report = report(&output);
    assert!(report["reopened"].as_u64() >= Some(2), "{report}");
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = errors.lines().filter(|line| line.contains("unplugged")).count() as u64;
    assert!(said >= 1 && Some(said) <= report["reopened"].as_u64(), "{errors}");
    assert!(errors.contains("the source is back after"), "{errors}");
}

/// The body of an answer.
fn get(address: &str, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let body = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a header");
    answer.split_off(body + 4)
}

#[test]
fn the_page_is_there_and_signals_are_heard() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let command = live(&format!("--source {CARD} -m small-x2 --http 127.0.0.1:0 --snapshots {path} --json"));
    let mut running = Running::start(command);
    let line = running.says("http://");
    let address = line.trim().rsplit("http://").next().unwrap().to_owned();
    until("a JPEG comes", || get(&address, "/snapshot").starts_with(&[0xFF, 0xD8]));
    assert!(String::from_utf8_lossy(&get(&address, "/")).contains("<canvas"));
    until("the camera is there", || {
        let state: Value = serde_json::from_slice(&get(&address, "/state")).unwrap();
        state["result"]["source"]["online"] == true
    });
    assert!(String::from_utf8_lossy(&get(&address, "/metrics")).contains("# TYPE"));
    running.signal("-USR1");
    let jpegs = || fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect::<Vec<_>>();
    until("a snapshot is written", || jpegs().iter().any(|path| path.extension().is_some_and(|e| e == "jpg")));
    running.signal("-TERM");
    assert_eq!(running.code(), Some(0));
}

#[test]
fn a_hang_up_reads_the_configuration_again_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("live.toml");
    let write = |text: &str| fs::write(&file, text).unwrap();
    write(&format!("source = \"{CARD}\"\nmodel = \"small-x2\"\nprobe = true\n"));
    let mut running = Running::start(live(&format!("--config {}", file.display())));
    running.says("full (small-x2)");
    write("source = \"pattern:\"\ncolour = \"red\"\n");
    running.signal("-HUP");
    let line = running.says("the old configuration stays");
    assert!(line.contains("line 2") && line.contains("colour"), "{line}");
    running.says("full (small-x2)");
    // An address that somebody else has.
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    write(&format!("source = \"{CARD}\"\nhttp = \"{}\"\n", other.local_addr().unwrap()));
    running.signal("-HUP");
    assert!(running.says("the old configuration stays").contains("cannot listen"));
    running.says("full (small-x2)");
    // A camera that is not there, and no frame before the next configuration.
    write("source = \"v4l2:/dev/video-none\"\nprobe = true\n");
    running.signal("-HUP");
    running.says("it will be tried again");
    write(&format!("source = \"{CARD}\"\nmodel = \"bicubic\"\nprobe = true\n"));
    running.signal("-HUP");
    running.says("read again");
    running.says("full (bicubic-x2)");
    running.signal("-INT");
    assert_eq!(running.code(), Some(0));
}

#[test]
fn the_service_manager_hears_that_it_is_ready_and_alive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = live(&format!("--source {CARD} -m bicubic --probe"));
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000").env("JOURNAL_STREAM", "1:2");
    let mut running = Running::start(command);
    let (mut heard, mut bytes) = (String::new(), [0; 512]);
    while !(heard.contains("READY=1") && heard.matches("WATCHDOG=1").count() >= 3 && heard.contains("frames/s")) {
        let length = socket.recv(&mut bytes).expect("a word from the program");
        heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    running.signal("-TERM");
    while !heard.contains("STOPPING=1") {
        let length = socket.recv(&mut bytes).expect("a last word");
        heard.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    assert_eq!(running.code(), Some(0));
    let mut log = String::new();
    running.1.read_to_string(&mut log).unwrap();
    assert!(log.lines().all(|line| line.starts_with('<')) && log.contains("<6>source:"), "{log}");
}

#[test]
fn pipes_end_and_recordings_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = live(&format!("--source - -m small-x2 --record {} --json", folder.path().display()));
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut input = running.0.stdin.take().unwrap();
    input.write_all(b"YUV4MPEG2 W64 H48 F20:1 C420jpeg\n").unwrap();
    for frame in 0..20_u8 {
        input.write_all(b"FRAME\n").unwrap();
        input.write_all(&[10 * frame; 64 * 48 * 3 / 2]).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(input);
    assert_eq!(running.code(), Some(0));
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(is_matroska(&files[0]), "{files:?}");
}

fn is_matroska(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "mkv") && fs::read(path).unwrap().starts_with(&[0x1A, 0x45, 0xDF, 0xA3])
}
