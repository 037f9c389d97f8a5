//! `upres upscale` from outside: files, folders, patterns and pipes, and what happens when something goes wrong.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod program;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use upres::codec::{self, EncodeOptions, Metadata, PictureInfo};
use upres::frame::{Depth, Layout};
use upres::geometry::Size;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Draws a small picture at `name`, whose format is told by its extension.
    fn draw(&self, name: &str, width: u32, height: u32) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixel = |x, y| [(x * 37 + y * 11) as u8, ((x ^ y) * 23) as u8, (x * y) as u8];
        if path.extension().is_some_and(|e| e == "bmp") {
            // A format that is read and not written.
            return image::RgbImage::from_fn(width, height, |x, y| image::Rgb(pixel(x, y))).save(path).unwrap();
        }
        let header = PictureInfo {
            size: Size::new(width as usize, height as usize),
            layout: Layout::Rgb,
            depth: Depth::Eight,
            metadata: Metadata::default(),
            streams: true,
        };
        let mut sink = codec::create(&path, &header, &EncodeOptions::default()).unwrap();
        for y in 0..height {
            let row: Vec<f32> = (0..width).flat_map(|x| pixel(x, y)).map(|v| f32::from(v) / 255.0).collect();
            sink.write_row(&row).unwrap();
        }
        sink.finish().unwrap();
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program::upres();
        command.current_dir(self.0.path()).arg("upscale").args(args).args(["--model", "bicubic"]);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Every file below, but for what lies in `in`.
    fn files(&self, below: &str) -> Vec<String> {
        let mut files = Vec::new();
        let mut waiting = vec![self.at(below)];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    files.push(path.strip_prefix(self.at(below)).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        files.sort();
        files
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn size_of(path: &Path) -> (u32, u32) {
    let mut source = codec::open(path, &codec::Limits::default()).unwrap();
    let (size, channels) = (source.info().size, source.info().layout.channels());
    (0..size.height).for_each(|_| source.next_row(&mut vec![0.0; size.width * channels]).unwrap());
    (size.width as u32, size.height as u32)
}

#[test]
fn the_method_without_weights_takes_the_same_road() {
    let place = Place::new();
    place.draw("in.png", 24, 20);
    let upscale = |output: &str, arguments: &[&str]| {
        let mut command = program::upres();
        command.current_dir(place.0.path()).args(["upscale", "in.png", "-o", output, "--quiet"]).args(arguments);
        command.output().unwrap()
    };
    assert!(upscale("a.png", &["--model", "selfexsr", "--scale", "2.5", "--threads", "1"]).status.success());
    assert!(upscale("b.png", &["--model", "selfexsr-x3", "--scale", "2.5", "--threads", "3"]).status.success());
    let [first, second] = ["a.png", "b.png"].map(|name| fs::read(place.at(name)).unwrap());
    assert_eq!(first, second);
    let refused = upscale("c.png", &["--model", "selfexsr-x2", "--tile", "16"]);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && error.contains("it searches the whole picture"), "{error}");
}

#[test]
fn one_picture_by_any_factor_is_the_same_for_any_tile_and_thread() {
    let place = Place::new();
    place.draw("a.png", 61, 47);
    for (scale, size) in [("4", (244, 188)), ("2.5", (153, 118)), ("8", (488, 376)), ("1.1", (67, 52))] {
        let mut bytes = Vec::new();
        for extra in [&["--threads", "1"][..], &["--tile", "16"], &["--tile", "29", "--threads", "3"]] {
            let output = place.run(&[&["a.png", "-o", "b.png", "--overwrite", "-s", scale], extra].concat());
            assert!(output.status.success(), "{}", said(&output));
            assert_eq!(size_of(&place.at("b.png")), size);
            bytes.push(fs::read(place.at("b.png")).unwrap());
        }
        assert!(bytes.windows(2).all(|pair| pair[0] == pair[1]), "×{scale} depends on tiles or threads");
    }
    assert!(place.run(&["a.png", "-o", "same.png", "-s", "1"]).status.success());
    assert_eq!(image::open(place.at("same.png")).unwrap(), image::open(place.at("a.png")).unwrap());
}

#[test]
fn a_bad_file_is_told_and_the_rest_is_done() {
    let place = Place::new();
    place.draw("in/a.png", 20, 12);
    place.draw("in/sub/b.jpg", 24, 16);
    place.draw("in/sub/deep/c.bmp", 9, 7);
    place.write("in/bad.png", b"this is no picture");
    let mut cut = fs::read(place.at("in/a.png")).unwrap();
    cut.truncate(cut.len() / 2);
    place.write("in/cut.png", &cut);
    let output = place.run(&["in", "gone.png", "-o", "out"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(place.files("out"), ["a.png", "sub/b.jpg", "sub/deep/c.png"]);
    assert_eq!(size_of(&place.at("out/sub/deep/c.png")), (36, 28));
    let text = said(&output);
    for word in ["bad.png", "cut.png", "gone.png", "3 done, 3 failed"] {
        assert!(text.contains(word), "{word} is missing in: {text}");
    }
}

#[test]
fn what_is_there_is_kept_skipped_or_replaced_as_asked() {
    let place = Place::new();
    place.draw("in/a.png", 10, 10);
    place.draw("in/b.png", 10, 10);
    place.write("out/a.png", b"precious");
    let output = place.run(&["in", "-o", "out"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--skip-existing"), "{}", said(&output));
    assert_eq!(fs::read(place.at("out/a.png")).unwrap(), b"precious");
    assert_eq!(size_of(&place.at("out/b.png")), (40, 40));

    assert!(place.run(&["in", "-o", "out", "--skip-existing"]).status.success());
    assert_eq!(fs::read(place.at("out/a.png")).unwrap(), b"precious");
    assert!(place.run(&["in", "-o", "out", "--overwrite"]).status.success());
    assert_eq!(size_of(&place.at("out/a.png")), (40, 40));
    assert_eq!(place.run(&["in", "-o", "out", "--overwrite", "--skip-existing"]).status.code(), Some(2));
}

#[test]
fn no_output_stands_over_an_input_or_another_output() {
    let place = Place::new();
    place.draw("in/a.png", 10, 10);
    place.draw("in/a.jpg", 10, 10);
    let before = fs::read(place.at("in/a.png")).unwrap();
    for args in [
        &["in/a.png", "-o", "in/a.png", "--overwrite"][..],
        &["in/a.png", "-o", "in/../in/a.png", "--overwrite"],
        &["in", "-o", "in", "--overwrite"],
        &["in/a.png", "-o", "in", "--overwrite"],
        &["in", "-o", "out", "--format", "png"],
        &["in/a.png", "in/a.jpg", "-o", "one.png"],
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", said(&output));
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("in/a.png", place.at("link.png")).unwrap();
        fs::hard_link(place.at("in/a.png"), place.at("hard.png")).unwrap();
        for output in ["link.png", "hard.png"] {
            assert_eq!(place.run(&["in/a.png", "-o", output, "--overwrite"]).status.code(), Some(2));
        }
    }
    assert_eq!(fs::read(place.at("in/a.png")).unwrap(), before);
    assert!(place.files("out").is_empty());
    // A pattern tells them apart.
    let output = place.run(&["in", "-o", "out/{name}-{scale}x.{ext}"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(place.files("out"), ["a-4x.jpg", "a-4x.png"]);
}

#[test]
fn json_tells_of_every_picture_and_of_the_batch() {
    let place = Place::new();
    place.draw("in/a.png", 10, 6);
    place.draw("in/b.png", 10, 6);
    place.write("in/c.png", b"no");
    place.write("out/b.png", b"there");
    let output = place.run(&["in", "-o", "out", "--json", "--skip-existing", "--jobs", "1", "-s", "3"]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        (&lines[0]["status"], &lines[1]["status"], &lines[2]["status"]),
        (&"done".into(), &"skipped".into(), &"failed".into())
    );
    assert_eq!((lines[0]["from"].to_string(), lines[0]["to"].to_string()), ("[10,6]".into(), "[30,18]".into()));
    assert_eq!((lines[0]["input"].as_str(), lines[2]["kind"].as_str()), (Some("in/a.png"), Some("input")));
    let summary = &lines[3];
    assert_eq!(summary["event"], "summary");
    assert_eq!((&summary["done"], &summary["skipped"], &summary["failed"]), (&1.into(), &1.into(), &1.into()));
}

#[test]
fn patterns_find_their_pictures_and_names_may_be_any_bytes() {
    let place = Place::new();
    for name in ["in/a1.png", "in/a2.png", "in/b1.png", "in/sub/a3.png"] {
        place.draw(name, 6, 6);
    }
    let output = place.run(&["in/**/a*.png", "-o", "out", "--quiet"]);
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    assert_eq!(place.files("out"), ["a1.png", "a2.png", "sub/a3.png"]);
    assert_eq!(place.run(&["in/z*.png", "-o", "out"]).status.code(), Some(1));
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"\xff \n'\".png"));
        fs::create_dir(place.at("odd")).unwrap();
        fs::copy(place.at("in/a1.png"), place.at("odd").join(odd)).unwrap();
        let output = place.run(&["odd", "-o", "odd-out", "--json"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(size_of(&place.at("odd-out").join(odd)), (24, 24));
        let first: serde_json::Value =
            serde_json::from_slice(output.stdout.split(|&b| b == b'\n').next().unwrap()).unwrap();
        assert!(first["input_bytes"].as_array().unwrap().contains(&255.into()));
    }
}

#[test]
fn kinds_of_pictures_stay_what_they_are() {
    let place = Place::new();
    let noise = |x: u32, y: u32, c: u32| ((x * 7919 + y * 104_729 + c * 1299) % 65_536) as u16;
    image::ImageBuffer::<image::Luma<u16>, _>::from_fn(13, 9, |x, y| image::Luma([noise(x, y, 0)]))
        .save(place.at("grey16.png"))
        .unwrap();
    image::ImageBuffer::<image::Rgba<u16>, _>::from_fn(13, 9, |x, y| image::Rgba([0, 1, 2, 3].map(|c| noise(x, y, c))))
        .save(place.at("rgba16.png"))
        .unwrap();
    image::GrayAlphaImage::from_fn(13, 9, |x, y| image::LumaA([0, 1].map(|c| noise(x, y, c) as u8)))
        .save(place.at("la8.png"))
        .unwrap();
    for (name, kind) in [
        ("grey16.png", image::ColorType::L16),
        ("rgba16.png", image::ColorType::Rgba16),
        ("la8.png", image::ColorType::La8),
    ] {
        let output = place.run(&[name, "-o", "out/"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(image::open(place.at("out").join(name)).unwrap().color(), kind);
    }
    assert!(place.run(&["grey16.png", "-o", "eight.png", "--depth", "8"]).status.success());
    assert_eq!(image::open(place.at("eight.png")).unwrap().color(), image::ColorType::L8);
}

#[test]
fn too_little_memory_is_refused_with_the_figure_that_is_enough() {
    let place = Place::new();
    place.draw("wide.png", 3000, 200);
    let output = place.run(&["wide.png", "-o", "out.png", "--max-memory", "50M", "--threads", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    let figure =
        text.split("--max-memory ").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or_else(|| panic!("{text}"));
    assert!(!place.at("out.png").exists());
    let output = place.run(&["wide.png", "-o", "out.png", "--max-memory", figure, "--threads", "1"]);
    assert!(output.status.success(), "{figure} was not enough: {}", said(&output));
}

#[test]
fn pictures_go_through_pipes() {
    let place = Place::new();
    place.draw("a.png", 17, 15);
    assert!(place.run(&["a.png", "-o", "b.png"]).status.success());
    let through = |args: &[&str]| {
        let mut child =
            place.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&fs::read(place.at("a.png")).unwrap()).unwrap();
        child.wait_with_output().unwrap()
    };
    let piped = through(&["-", "-o", "-"]);
    assert!(piped.status.success(), "{}", said(&piped));
    assert_eq!(piped.stdout, fs::read(place.at("b.png")).unwrap());
    assert_eq!(place.run(&["a.png", "-o", "-"]).stdout, piped.stdout);
    assert!(through(&["-", "-o", "c.webp"]).status.success());
    assert_eq!(size_of(&place.at("c.webp")), (68, 60));
    assert_eq!(through(&["-", "-o", "c.webp"]).status.code(), Some(2), "what is there is kept");
    assert_eq!(through(&["-", "-o", "folder/"]).status.code(), Some(2));
}

/// Waits until `done` pictures stand in `out`.
fn wait_for(place: &Place, done: usize) {
    let begin = Instant::now();
    while place.files("out").iter().filter(|name| !name.ends_with(".partial")).count() < done {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing happens");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_batch_is_resumed_with_the_item_in_hand_lost() {
    let place = Place::new();
    for i in 0..12 {
        place.draw(&format!("in/{i:02}.png"), 300, 300);
    }
    let mut child = place.command(&["in", "-o", "out", "--jobs", "1", "--quiet", "-s", "8"]).spawn().unwrap();
    wait_for(&place, 2);
    child.kill().unwrap();
    child.wait().unwrap();
    let stand: Vec<String> = place.files("out").into_iter().filter(|name| !name.ends_with(".partial")).collect();
    assert!(stand.len() < 12, "the batch was too quick to be killed");
    assert!(place.files("out").len() <= stand.len() + 1, "at most one picture was in hand");
    for name in &stand {
        assert_eq!(size_of(&place.at("out").join(name)), (2400, 2400), "{name} is not whole");
    }
    let output = place.run(&["in", "-o", "out", "--skip-existing", "-s", "8", "--json"]);
    assert!(output.status.success(), "{}", said(&output));
    let summary: serde_json::Value =
        serde_json::from_str(String::from_utf8(output.stdout).unwrap().lines().last().unwrap()).unwrap();
    assert_eq!(
        (summary["skipped"].as_u64(), summary["done"].as_u64()),
        (Some(stand.len() as u64), Some(12 - stand.len() as u64))
    );
    assert_eq!(place.files("out").len(), 12, "what the killed run left behind is swept away: {:?}", place.files("out"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_batch_ends_cleanly() {
    let place = Place::new();
    for i in 0..12 {
        place.draw(&format!("in/{i:02}.png"), 300, 300);
    }
    let child = place.command(&["in", "-o", "out", "--jobs", "2", "-s", "8"]).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&place, 1);
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(said(&output).contains("--skip-existing"), "{}", said(&output));
    for name in place.files("out") {
        assert_eq!(size_of(&place.at("out").join(&name)), (2400, 2400), "{name} is not whole");
    }
}

#[test]
fn y4m_goes_through_pipes_and_files() {
    let place = Place::new();
    let mut stream = b"YUV4MPEG2 W8 H6 F25:1 Ip A1:1 C420jpeg\n".to_vec();
    for frame in 0..3_u8 {
        stream.extend(b"FRAME\n");
        stream.extend((0..8 * 6 * 3 / 2).map(|i| i + 40 * frame));
    }
    place.write("in.y4m", &stream);
    let mut child = place
        .command(&["-", "-o", "-", "-s", "2"])
        .stdin(fs::File::open(place.at("in.y4m")).unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut piped = Vec::new();
    std::io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut piped).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(piped.starts_with(b"YUV4MPEG2 W16 H12"), "{}", String::from_utf8_lossy(&piped[..40]));
    let header = piped.iter().position(|&b| b == b'\n').unwrap() + 1;
    assert_eq!(piped.len() - header, 3 * (6 + 16 * 12 * 3 / 2));

    let output = place.run(&["in.y4m", "-o", "out.y4m", "-s", "2"]);
    assert!(output.status.success() && said(&output).contains("3 frames"), "{}", said(&output));
    assert_eq!(fs::read(place.at("out.y4m")).unwrap(), piped);
    assert_eq!(place.run(&["in.y4m", "-o", "in.y4m", "--overwrite"]).status.code(), Some(2));
    stream.truncate(stream.len() - 5);
    place.write("cut.y4m", &stream);
    let output = place.run(&["cut.y4m", "-o", "cut-out.y4m"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!place.at("cut-out.y4m").exists());
}
