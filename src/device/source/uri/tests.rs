#![allow(clippy::unwrap_used)]

use super::*;
use crate::error::Kind;

fn parse(text: &str) -> Result<SourceUri> {
    text.parse()
}

#[test]
fn names_are_read_and_written() {
    let sensor = |camera, width, height, rate| Sensor { camera, size: Size::new(width, height), rate };
    for (text, uri, shown) in [
        ("v4l2:/dev/video0?size=1x1", SourceUri::Camera("/dev/video0?size=1x1".into()), "v4l2:/dev/video0?size=1x1"),
        ("v4l2:", SourceUri::Camera(String::new()), "v4l2:"),
        ("pattern:640x480@30", SourceUri::Pattern("640x480@30".into()), "pattern:640x480@30"),
        ("-", SourceUri::Pipe(None), "pipe:"),
        ("pipe:", SourceUri::Pipe(None), "pipe:"),
        ("pipe:-", SourceUri::Pipe(None), "pipe:"),
        ("pipe:/run/x", SourceUri::Pipe(Some("/run/x".into())), "pipe:/run/x"),
        ("libcamera:", SourceUri::Libcamera(sensor(0, 640, 480, 30)), "libcamera:0?size=640x480&rate=30"),
        ("csi:1?rate=60", SourceUri::Csi(sensor(1, 640, 480, 60)), "csi:1?size=640x480&rate=60"),
        (
            "libcamera:0?size=800x600&rate=5",
            SourceUri::Libcamera(sensor(0, 800, 600, 5)),
            "libcamera:0?size=800x600&rate=5",
        ),
        ("file:a:b.mp4", SourceUri::File("a:b.mp4".into()), "file:a:b.mp4"),
        ("/", SourceUri::File("/".into()), "file:/"),
        ("/dev/null", SourceUri::Camera("/dev/null".into()), "v4l2:/dev/null"),
        ("HTTP://h/x", SourceUri::Network("HTTP://h/x".into()), "HTTP://h/x"),
        // Found by fuzzing: a password that would end the URL in a sentence.
        ("rtsp://u:p'/q@h/x", SourceUri::Network("rtsp://u:p'/q@h/x".into()), "rtsp://h/x"),
        ("rtsp://u:p@h:554/x?k=v", SourceUri::Network("rtsp://u:p@h:554/x?k=v".into()), "rtsp://h:554/x?…"),
    ] {
        assert_eq!(parse(text).unwrap(), uri, "{text}");
        assert_eq!(uri.to_string(), shown);
    }
}

#[test]
fn what_is_no_source_is_refused_with_what_would_be() {
    for (text, part) in [
        ("", "v4l2:/dev/video0"),
        ("nothing-of-this-name", "no file of this name"),
        ("ftp://me:secret@h/", "sources are"),
        ("file:", "names no file"),
        ("http://", "names no host"),
        ("http:///x", "names no host"),
        ("http://h/a b", "%20"),
        ("rtsp://me:my secret@h/", "'rtsp://h/'"),
        ("ftp://me:'my' secret@h/", "'ftp://h/'"),
        ("http://h/a\nb", "%20"),
        ("libcamera:x", "does not number"),
        ("libcamera:4294967296", "does not number"),
        ("csi:0?size=0x4", "no size"),
        ("csi:0?size=99999x4", "no size"),
        ("csi:0?rate=0", "no rate"),
        ("csi:0?rate=-1", "no rate"),
        ("csi:0?colour=red", "no option of csi:"),
        ("csi:0?rate", "no option of csi:"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage, "{text}");
        assert!(error.to_string().contains(part) && !error.to_string().contains("secret"), "{text}: {error}");
    }
}

#[test]
fn secrets_are_left_out_wherever_they_stand() {
    for (text, redacted) in [
        ("no address at all", "no address at all"),
        ("rtsp://u:p@h/x: Connection refused", "rtsp://h/x: Connection refused"),
        ("'http://u@h' and \"https://a:b@c/d?pwd=e\", then", "'http://h' and \"https://c/d?…\", then"),
        ("rtsp://admin:p@ss/w@rd@h/x", "rtsp://h/x"),
        ("rtsp://admin:what?@h/x", "rtsp://h/x"),
        ("http://h:80/x", "http://h:80/x"),
        ("://", "://"),
        ("a://b://c@d", "a://d"),
    ] {
        assert_eq!(redact(text), redacted);
    }
}
