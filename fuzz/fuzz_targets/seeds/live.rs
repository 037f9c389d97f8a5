//! Streams, frames, requests, sources.

use super::Seeds;
use upres::codec::frames::JpegEncoder;
use upres::geometry::Size;
use upres::y4m::{Chroma, Header, Range, Siting, Writer};

fn header(chroma: Chroma, bits: u32) -> Header {
    Header { size: Size::new(18, 10), chroma, bits, rate: None, aspect: None, range: Some(Range::Full), comments: Vec::new() }
}

fn y4m(chroma: Chroma, bits: u32) -> Vec<u8> {
    let header = header(chroma, bits);
    let mut writer = Writer::new(Vec::new(), &header).unwrap_or_else(|error| panic!("{error}"));
    for n in 0..2 {
        let frame: Vec<u8> = (0..header.frame_bytes()).map(|at| (at + n) as u8).collect();
        writer.write_frame(&frame).unwrap_or_else(|error| panic!("{error}"));
    }
    writer.into_inner()
}

fn jpeg(chroma: Chroma) -> Vec<u8> {
    let (header, mut bytes) = (header(chroma, 8), Vec::new());
    let frame: Vec<u8> = (0..header.frame_bytes()).map(|at| (at * 3) as u8).collect();
    JpegEncoder::new(60).encode(&header, &frame, &mut bytes).unwrap_or_else(|error| panic!("{error}"));
    bytes
}

const CHROMAS: [Chroma; 4] = [Chroma::Mono, Chroma::C420(Siting::Left), Chroma::C422, Chroma::C444];

fn streams() {
    let (mut raw, mut cutter, mut pipe) = (Seeds::of("y4m"), Seeds::of("mjpeg"), Seeds::of("pipe"));
    let mut frames = Seeds::of("frame");
    for chroma in CHROMAS {
        raw.put(y4m(chroma, 8));
        raw.put(y4m(chroma, 10));
        pipe.put([b"\x07", y4m(chroma, 8).as_slice()].concat());
        let one = jpeg(chroma);
        let two = [b"\x05".as_slice(), &one, b"\r\n--x\r\n\r\n", &one, &one[..99]].concat();
        cutter.put(&two);
        pipe.put(&two);
        frames.put([[0; 15].as_slice(), &one].concat());
    }
    raw.put("YUV4MPEG2 W2 H2 F30000:1001 Ip A1:1 C420paldv XYSCSS=420 XCOLORRANGE=LIMITED\nFRAME Ix\nabcdef");
    for packing in 1..9 {
        let head = [packing, 6, 0, 4, 0, 24, 0, 4, 0, 2, 0, 1, 0, 1, 0];
        frames.put([head.as_slice(), &[77; 160]].concat());
    }
}

fn requests() {
    let mut requests = Seeds::of("request");
    let mut put = |closed: u8, text: &str| requests.put([&[closed], text.as_bytes()].concat());
    for path in ["/", "/stream", "/frames", "/snapshot", "/?action=snapshot", "/state", "/metrics", "/login", "/page.js"] {
        put(0, &format!("GET {path} HTTP/1.1\r\nHost: localhost:8080\r\n\r\n"));
        put(1, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer sixteen letters!\r\n\r\n"));
    }
    put(1, "GET /state HTTP/1.1\r\nHost: localhost\r\nCookie: upres_live=abc; a=b\r\n\r\n");
    put(0, "HEAD /metrics HTTP/1.0\r\nHost: [::1]:8080\r\nConnection: keep-alive\r\n\r\nGET http://localhost/ HTTP/1.1\r\n\r\n");
    for body in ["{\"model\":\"camera-x2\",\"strength\":0.5}", "{\"snapshot\":true}", "{}"] {
        let length = body.len();
        let kind = "Content-Type: application/json; charset=utf-8\r\nOrigin: http://localhost:8080";
        put(0, &format!("POST /control HTTP/1.1\r\nHost: localhost\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}"));
    }
    let kind = "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked";
    put(1, &format!("POST /login HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n\r\n6\r\ntoken=\r\n3\r\na%2\r\n0\r\n\r\n"));
}

pub(crate) fn write() {
    streams();
    requests();
    let mut sources = Seeds::of("source");
    for text in [
        "v4l2:/dev/video0?size=640x480&rate=30&format=MJPG",
        "/dev/video0?rate=30000/1001&format=YUYV",
        "rtsp://me:secret@camera/stream?token=x rest://a@b?c",
        "libcamera:0?size=640x480&rate=30",
        "csi:1?rate=60",
        "pipe:/tmp/x",
        "pattern:size=640x480,rate=30,scene=walk,unplug=9",
        "size=640x480,rate=30,scene=static",
        "drm:/dev/dri/card0,connector=HDMI-A-1,mode=1920x1080",
        "fb:/dev/fb0",
        "tft:st7789,spi=/dev/spidev0.0,dc=25,reset=27,backlight=24,speed=32000000",
        "320x240+64+32",
        "2.5",
    ] {
        sources.put(text);
    }
}
