//! The web server as its clients meet it: many at once, slow ones, wrong ones, garbage.

#![cfg(feature = "device")]
#![allow(clippy::expect_used)]

mod made_up;

use made_up::{report, scene, shown};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};
use upres::device::desk::{Desk, Wish};
use upres::device::sink::http::{HttpOptions, HttpServer, HttpSink};
use upres::device::sink::{Audience, Sink};
use upres::geometry::Size;

const TOKEN: &str = "a token of the tests";

/// A server with a camera that is made up.
struct Live {
    server: HttpServer,
    sink: HttpSink,
    desk: Arc<Desk>,
    audience: Audience,
}

fn live(change: impl FnOnce(&mut HttpOptions)) -> Live {
    let (desk, audience) = (Arc::new(Desk::default()), Audience::default());
    let mut options = HttpOptions::new("127.0.0.1:0".parse().expect("an address"));
    change(&mut options);
    desk.write(|report| report.models = vec!["camera-x2".to_owned(), "bicubic".to_owned()]);
    let (server, sink) = HttpServer::start(options, desk.clone(), audience.clone()).expect("a server");
    Live { server, sink, desk, audience }
}

/// Sends a request and leaves the answer to be read.
fn send(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    stream.write_all(request.as_bytes()).expect("room for a request");
    stream
}

/// A whole answer; the server is asked to close.
fn ask(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let always = format!("Host: {address}\r\nConnection: close\r\n{length}");
    let (request, mut answer) = (format!("{method} {path} HTTP/1.1\r\n{always}{headers}\r\n{body}"), Vec::new());
    // What came before a reset is an answer, too.
    let _ = send(address, &request).read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// Waits for what must come to pass, however slow the machine.
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come to pass");
        sleep(Duration::from_millis(5));
    }
}

/// What a client has seen: how many pictures, and a number that stands for the last.
#[derive(Debug, Default)]
struct Seen {
    count: AtomicU64,
    last: AtomicU64,
}

/// Reads an MJPEG stream by its own lengths (HTTP/1.0, so nothing is chunked), and keeps book.
fn watch(mut stream: TcpStream, seen: Arc<Seen>) -> JoinHandle<()> {
    spawn(move || {
        let (mut bytes, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
        loop {
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            }
            while let Some(jpeg) = part(&bytes) {
                let mut hasher = DefaultHasher::new();
                bytes[jpeg.clone()].hash(&mut hasher);
                seen.last.store(hasher.finish(), Ordering::SeqCst);
                seen.count.fetch_add(1, Ordering::SeqCst);
                bytes.drain(..jpeg.end);
            }
        }
    })
}

/// Where the first whole picture lies; checks that it is a JPEG file.
fn part(bytes: &[u8]) -> Option<Range<usize>> {
    let find = |what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let length = find(b"Content-Length: ")? + 16;
    let head = length + bytes[length..].windows(4).position(|window| window == b"\r\n\r\n")?;
    let text = String::from_utf8_lossy(&bytes[length..head]);
    let body: usize = text.split("\r\n").next()?.parse().expect("a length");
    assert!(text.contains("\r\nX-Timestamp: "), "{text}");
    let jpeg = bytes.get(head + 4..head + 4 + body)?;
    assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.ends_with(&[0xff, 0xd9]), "no JPEG file");
    Some(head + 4..head + 4 + body)
}

#[test]
fn fifty_clients_of_whom_ten_never_read_do_not_hold_up_the_fastest() {
    let mut live = live(|options| options.clients = 60);
    let address = live.server.address();
    let stream = "GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let stuck: Vec<_> = (0..10).map(|_| send(address, stream)).collect();
    let seen: Vec<_> = (0..40).map(|_| Arc::new(Seen::default())).collect();
    let readers: Vec<_> = seen.iter().map(|seen| watch(send(address, stream), seen.clone())).collect();
    until("fifty clients", || live.audience.count() == 50);
    // More than lies in the buffers of a connection, so that the stuck ones are stuck.
    let frames = 400;
    let mut waits = Vec::new();
    for number in 0..frames {
        let frame = shown(number);
        let begun = Instant::now();
        live.sink.show(&frame).expect("shown");
        // The fastest has each frame before the next is made, whatever the ten do.
        while !seen.iter().any(|seen| seen.count.load(Ordering::SeqCst) > number) {
            assert!(begun.elapsed() < Duration::from_secs(60), "frame {number} came to nobody");
            sleep(Duration::from_micros(200));
        }
        waits.push(begun.elapsed());
    }
    waits.sort();
    println!(
        "the fastest of fifty has a frame, encoded and sent, after {:?} (median), {:?} (19 of 20)",
        waits[200], waits[380]
    );
    let fastest = seen.iter().max_by_key(|seen| seen.count.load(Ordering::SeqCst)).expect("forty");
    assert_eq!(fastest.count.load(Ordering::SeqCst), frames, "each frame once");
    // Those who read have seen the newest in the end.
    let newest = fastest.last.load(Ordering::SeqCst);
    until("everyone's last frame", || seen.iter().all(|seen| seen.last.load(Ordering::SeqCst) == newest));
    // Those who do not are let go, and the others are not.
    let running = Arc::new(AtomicBool::new(true));
    let (mut sink, more) = (live.sink.clone(), running.clone());
    let feeder = spawn(move || {
        let mut number = frames;
        while more.load(Ordering::SeqCst) {
            sink.show(&shown(number)).expect("shown");
            number += 1;
            sleep(Duration::from_millis(20));
        }
    });
    until("the end of the ten", || live.audience.count() <= 40);
    assert_eq!(live.audience.count(), 40);
    running.store(false, Ordering::SeqCst);
    feeder.join().expect("a feeder");
    drop(live.server);
    for reader in readers {
        reader.join().expect("a reader");
    }
    drop(stuck);
}

#[test]
fn nobody_watching_means_no_work_and_the_end_is_clean() {
    let mut live = live(|_| {});
    let address = live.server.address();
    assert_eq!(live.audience.count(), 0);
    live.sink.show(&shown(0)).expect("shown to nobody");
    let seen = Arc::new(Seen::default());
    let reader = watch(send(address, "GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n"), seen.clone());
    until("a client", || live.audience.count() == 1);
    assert_eq!(seen.count.load(Ordering::SeqCst), 0, "what was shown to nobody was encoded");
    live.sink.show(&shown(1)).expect("shown");
    until("a frame", || seen.count.load(Ordering::SeqCst) == 1);
    let begun = Instant::now();
    drop(live.server);
    reader.join().expect("the stream ended");
    assert!(begun.elapsed() < Duration::from_secs(15), "it hung");
    assert_eq!(live.audience.count(), 0);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn records_hold_both_pictures_of_one_frame() {
    let mut live = live(|_| {});
    let mut stream = send(live.server.address(), "GET /frames HTTP/1.0\r\nHost: localhost\r\n\r\n");
    until("a client", || live.audience.count() == 1);
    live.sink.show(&shown(7)).expect("shown");
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
    let record = loop {
        let n = stream.read(&mut chunk).expect("bytes");
        bytes.extend_from_slice(&chunk[..n]);
        let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let body = &bytes[head + 4..];
        if body.len() < 12 {
            continue;
        }
        let length = |at: usize| u32::from_be_bytes(body[at..at + 4].try_into().expect("four bytes")) as usize;
        let (note, before, after) = (length(0), length(4), length(8));
        if body.len() >= 12 + note + before + after && after > 0 {
            let note_text = String::from_utf8_lossy(&body[12..12 + note]).into_owned();
            let at = 12 + note;
            break (note_text, body[at..at + before].to_vec(), body[at + before..at + before + after].to_vec());
        }
    };
    let (note, before, after) = record;
    let note: serde_json::Value = serde_json::from_str(&note).expect("JSON");
    assert_eq!((&note["number"], &note["live"], &note["width"]), (&7.into(), &true.into(), &320.into()));
    assert!(note["age"].as_f64().is_some_and(|age| age >= 0.0));
    let mut decoder = upres::codec::frames::JpegDecoder::default();
    for (jpeg, size) in [(before, Size::new(160, 120)), (after, Size::new(320, 240))] {
        let header = decoder.decode(&jpeg, 1 << 20, &mut Vec::new()).expect("a JPEG file");
        assert_eq!(header.size, size);
    }
}

#[test]
fn strangers_are_turned_away_at_the_door() {
    let live = live(|options| options.token = Some(TOKEN.to_owned()));
    let address = live.server.address();
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let rebound =
        send(address, &format!("GET /state HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n{bearer}\r\n"));
    let mut text = String::new();
    { rebound }.read_to_string(&mut text).expect("an answer");
    assert_eq!(status(&text), 421);
    assert_eq!(status(&ask(address, "GET", "/state", "", "")), 401);
    assert_eq!(status(&ask(address, "GET", "/state", "Authorization: Bearer a token of the testz\r\n", "")), 401);
    assert_eq!(status(&ask(address, "GET", "/state", &bearer, "")), 200);
    assert_eq!(status(&ask(address, "HEAD", "/state", &bearer, "")), 200);
    let json = format!("{bearer}Content-Type: application/json\r\n");
    let control = |headers: &str| status(&ask(address, "POST", "/control", headers, r#"{"model":"bicubic"}"#));
    assert_eq!(control(&format!("{json}Origin: http://evil.example\r\n")), 403);
    assert_eq!(live.desk.take(|_| true), None);
    assert_eq!(control(&format!("{json}Origin: http://{address}\r\n")), 202);
    assert_eq!(live.desk.take(|_| true), Some(Wish::Model("bicubic".to_owned())));
}

#[test]
fn too_much_is_refused_and_the_next_is_served() {
    let live = live(|_| {});
    let address = live.server.address();
    let long = format!("X-Long: {}\r\n", "x".repeat(40 << 10));
    assert_eq!(status(&ask(address, "GET", "/state", &long, "")), 431);
    let many = "X-Many: y\r\n".repeat(200);
    assert_eq!(status(&ask(address, "GET", "/state", &many, "")), 431);
    let path = format!("/{}", "p".repeat(70_000));
    assert!([414, 431, 400].contains(&status(&ask(address, "GET", &path, "", ""))));
    let json = "Content-Type: application/json\r\n";
    assert_eq!(status(&ask(address, "POST", "/control", json, &" ".repeat(100_000))), 413);
    assert_eq!(status(&ask(address, "GET", "/state", "", "")), 200);
    assert_eq!(live.desk.take(|_| true), None);
}

#[test]
fn more_connections_than_there_is_room_for_are_told_so_and_do_not_stay() {
    let live = live(|options| options.clients = 1);
    let address = live.server.address();
    // Two for the client, 32 besides.
    let silent: Vec<_> = (0..34).map(|_| TcpStream::connect(address).expect("a connection")).collect();
    until("no room", || status(&ask(address, "GET", "/state", "", "")) == 503);
    drop(silent);
    until("room", || status(&ask(address, "GET", "/state", "", "")) == 200);
}

/// A sequence that is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
}

/// Damages a request in one to six places.
fn mutate(request: &mut Vec<u8>, dice: &mut Dice) {
    let words: [&[u8]; 12] = [
        b"\r\n",
        b"\r\n\r\n",
        b" ",
        b":",
        b"\0",
        b"%00",
        b"../",
        b"HTTP/1.1",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"\xff\xfe",
    ];
    for _ in 0..=dice.below(6) {
        let at = dice.below(request.len());
        match dice.below(5) {
            0 => request[at] = dice.below(256) as u8,
            1 => drop(request.drain(at..(at + 1 + dice.below(20)).min(request.len()))),
            2 => drop(request.splice(at..at, words[dice.below(words.len())].iter().copied())),
            3 => request.truncate(at.max(1)),
            _ => {
                let end = (at + 1 + dice.below(60)).min(request.len());
                let again = request[at..end].to_vec();
                drop(request.splice(at..at, again));
            }
        }
        if request.is_empty() {
            request.push(b'\n');
        }
    }
}

#[test]
fn garbage_of_thousands_of_kinds_is_survived() {
    let live = live(|options| options.clients = 200);
    let address = live.server.address();
    let valid: Vec<Vec<u8>> = [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "HEAD /stream HTTP/1.1\r\nHost: localhost:80\r\nAccept: */*\r\n\r\n",
        "GET /?action=snapshot HTTP/1.0\r\nHost: 127.0.0.1\r\nCookie: upres_live=0; a=b\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: [::1]:80\r\nAuthorization: Bearer x\r\n\r\n",
        "POST /control HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"snapshot\":true}",
        "POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\ntoken=%41",
        "POST /control HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n11\r\n{\"snapshot\":true}\r\n0\r\n\r\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let mut dice = Dice(2026);
    let mut answered = 0;
    for round in 0..3000 {
        let mut request = valid[round % valid.len()].clone();
        mutate(&mut request, &mut dice);
        let mut stream = TcpStream::connect(address).expect("a connection");
        // It may be closed while we write.
        let _ = stream.write_all(&request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_millis(2))).expect("a time-out");
        let mut head = [0; 12];
        match stream.read(&mut head) {
            Ok(n) if n > 0 => {
                assert!(head.starts_with(b"HTTP/1."), "{head:?} to {}", request.escape_ascii());
                answered += 1;
            }
            Ok(_) => {}
            Err(error) => assert!(!matches!(error.kind(), ErrorKind::ConnectionRefused), "{error}"),
        }
        if round % 500 == 499 {
            while live.desk.take(|_| true).is_some() {}
            until("an answer after garbage", || status(&ask(address, "GET", "/state", "", "")) == 200);
        }
    }
    assert!(answered > 300, "only {answered} were answered");
    until("everyone's end", || live.audience.count() == 0);
}

/// Serves a made-up camera for `UPRES_SERVE` seconds at `UPRES_ADDRESS`, for the tests of the page; `tests/browser/page.mjs`
/// starts it. A line on standard input takes the camera away, and the next brings it back.
#[test]
#[ignore = "serves for the tests of the page"]
fn serve() {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let seconds = variable("UPRES_SERVE", "60").parse().expect("seconds");
    let mut live = live(|options| {
        options.address = variable("UPRES_ADDRESS", "127.0.0.1:0").parse().expect("an address");
        options.token = std::env::var("UPRES_TOKEN").ok();
    });
    println!("serving on {}", live.server.address());
    let away = Arc::new(AtomicBool::new(false));
    let toggled = away.clone();
    spawn(move || {
        for _ in std::io::stdin().lines() {
            toggled.fetch_xor(true, Ordering::SeqCst);
        }
    });
    live.desk.write(|own| *own = report());
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < Duration::from_secs(seconds) {
        while let Some(wish) = live.desk.take(|_| true) {
            live.desk.write(|report| match wish {
                Wish::Model(name) => (report.model, report.running) = (name.clone(), name),
                Wish::Strength(strength) => report.strength = Some(strength),
                Wish::Snapshot => {}
            });
        }
        let is_away = away.load(Ordering::SeqCst);
        live.desk.write(|report| {
            report.online = !is_away;
            report.trouble = is_away.then(|| "the camera /dev/video0 was unplugged; trying again in 4 s".to_owned());
            report.uptime = begun.elapsed().as_secs_f64();
        });
        let shown = if is_away { live.sink.idle() } else { live.sink.show(&scene(number)) };
        shown.expect("shown");
        number += u64::from(!is_away);
        sleep(Duration::from_millis(if is_away { 200 } else { 40 }));
    }
}
