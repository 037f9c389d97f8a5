#![allow(clippy::unwrap_used)]

use super::*;
use crate::device::shot::{Packing, Shot};
use crate::device::source::Next;
use std::process::Command;

fn text(launch: &Launch) -> String {
    let words: Vec<_> = launch.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    words.join(" ")
}

fn sensor(text: &str) -> Sensor {
    match text.parse().unwrap() {
        SourceUri::Libcamera(sensor) | SourceUri::Csi(sensor) => sensor,
        other => panic!("{other} has no sensor"),
    }
}

/// Where ffmpeg is not on this machine, what needs it is left out; tests/record.rs says so aloud.
fn ffmpeg_is_here() -> bool {
    Command::new("ffmpeg").arg("-version").output().is_ok()
}

#[test]
fn board_cameras_are_asked_for_what_was_asked_for() {
    let launch = libcamera(&sensor("libcamera:1?size=1280x720&rate=25"), &Programs::default().rpicam);
    assert_eq!(
        text(&launch),
        "--codec mjpeg --timeout 0 --nopreview --flush --camera 1 --width 1280 --height 720 --framerate 25 --output -"
    );
    assert_eq!(launch.programs, ["rpicam-vid", "libcamera-vid"].map(PathBuf::from));
    let launch = csi(&sensor("csi:0"), Path::new("gst"));
    assert_eq!(
        text(&launch),
        "-q nvarguscamerasrc sensor-id=0 ! video/x-raw(memory:NVMM),format=NV12,width=640,height=480,framerate=30/1 ! \
         nvvidconv ! video/x-raw,format=I420 ! y4menc ! fdsink fd=1 sync=false"
    );
}

#[test]
fn a_url_is_one_argument_and_reaches_no_files() {
    if !ffmpeg_is_here() {
        return;
    }
    for (url, protocols) in [
        ("rtsp://u:p@h/a?b=$(x)`y`;z", "rtsp,rtp,udp,tcp"),
        ("RTSPS://h/", "rtsps,rtsp,rtp,srtp,udp,tcp,tls"),
        ("http://h/-i", "http,https,tcp,tls"),
    ] {
        let launch = network(url, Path::new("ffmpeg")).unwrap();
        let place = launch.arguments.iter().position(|word| word == "-i").unwrap();
        assert_eq!(launch.arguments[place + 1], url);
        let place = launch.arguments.iter().position(|word| word == "-protocol_whitelist").unwrap();
        assert_eq!(launch.arguments[place + 1], protocols);
        assert!(launch.patience.is_some());
    }
    assert!(network("ftp://h/", Path::new("ffmpeg")).is_err());
}

#[test]
fn cameras_and_patterns_are_opened_elsewhere() {
    for uri in ["v4l2:/dev/video0", "pattern:"] {
        assert!(open(&uri.parse().unwrap(), &Programs::default()).unwrap().is_none());
    }
}

#[test]
fn a_missing_ffmpeg_is_said() {
    let programs = Programs { ffmpeg: "/nowhere/ffmpeg".into(), ..Programs::default() };
    let error = open(&"http://localhost/".parse().unwrap(), &programs).err().unwrap();
    assert!(error.to_string().contains("sudo apt install ffmpeg"), "{error}");
}

#[test]
fn a_video_comes_through_ffmpeg_over_and_over() {
    if !ffmpeg_is_here() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("-i http:x.mkv");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args("-nostdin -v error -f lavfi -i testsrc2=size=32x24:rate=50 -frames:v 4 -c:v mjpeg".split(' '));
    assert!(ffmpeg.arg(format!("file:{}", path.display())).status().unwrap().success());
    let uri = SourceUri::File(path);
    let mut source = open(&uri, &Programs::default()).unwrap().unwrap();
    let mut shot = Shot::empty();
    let mut frames = 0;
    while frames < 10 {
        frames += usize::from(source.next(&mut shot).unwrap() == Next::Frame);
    }
    assert!(matches!(shot.format.packing, Packing::Planar(_)));
    assert_eq!((shot.format.size.width, shot.bytes.len()), (32, 32 * 24 * 3 / 2));
    let missing = open(&SourceUri::File("/nowhere.mp4".into()), &Programs::default());
    assert_eq!(missing.err().unwrap().kind(), crate::error::Kind::Io);
}

#[test]
fn a_server_that_is_not_there_is_said_without_the_password() {
    if !ffmpeg_is_here() {
        return;
    }
    // Port 9 of this machine: nobody is at home, and ffmpeg must have understood all options to notice.
    for scheme in ["http", "rtsp"] {
        refused(&format!("{scheme}://me:secret@127.0.0.1:9/video"));
    }
}

fn refused(uri: &str) {
    let uri: SourceUri = uri.parse().unwrap();
    let mut source = open(&uri, &Programs::default()).unwrap().unwrap();
    let error = loop {
        match source.next(&mut Shot::empty()) {
            Ok(next) => assert_eq!(next, Next::Nothing),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.starts_with("ffmpeg ended") && error.contains("refused") && !error.contains("secret"), "{error}");
}
