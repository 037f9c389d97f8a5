//! `upres video` from outside: nothing lost, nothing doubled, nothing out of time, and a kill costs little.
//! Needs ffmpeg with libx264; says that it was skipped where there is none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod program;
mod skip;

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use upres::onnx::build::{GraphBuilder, int, name, size};
use upres::onnx::proto::element;

/// A folder with a model that repeats every pixel 2 × 2, so that frames can be told from each other exactly.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    /// `None` where ffmpeg is not on this machine.
    fn new() -> Option<Self> {
        let encoders = Command::new("ffmpeg").args(["-hide_banner", "-encoders"]).output().ok();
        if !encoders.is_some_and(|output| String::from_utf8_lossy(&output.stdout).contains("libx264")) {
            skip::skip("no ffmpeg with libx264 on this machine");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut graph = GraphBuilder::new("repeat");
        graph.input("x", element::F32, &[size(1), size(1), name("h"), name("w")]);
        graph.f32("kernel", &[4, 1, 1, 1], &[1.0; 4]);
        graph.node("Conv", &["x", "kernel"], "four", vec![]);
        graph.node("DepthToSpace", &["four"], "y", vec![int("blocksize", 2)]);
        graph.output("y", element::F32, &[size(1), size(1), name("h2"), name("w2")]);
        fs::write(folder.path().join("repeat.onnx"), graph.finish().to_bytes()).unwrap();
        Some(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a clip; `arguments` stand between the sources (a moving picture, a tone) and the name.
    fn clip(&self, name: &str, picture: &str, arguments: &str) -> PathBuf {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .current_dir(self.folder.path())
            .args(["-nostdin", "-y", "-v", "error", "-f", "lavfi", "-i"])
            .arg(picture);
        ffmpeg.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"]).args(arguments.split_whitespace());
        let path = self.path(name);
        let output = ffmpeg.arg(format!("file:{}", path.display())).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }

    fn command(&self, input: &str, output: &str, options: &str) -> Command {
        let mut upres = program::upres();
        upres.current_dir(self.folder.path()).arg("video").arg(format!("--output={output}"));
        upres.args(["--model", "repeat.onnx", "--scale", "2", "--threads", "1"]).args(options.split_whitespace());
        upres.args(["--", input]);
        upres
    }

    fn upres(&self, input: &str, output: &str, options: &str) -> Output {
        self.command(input, output, options).output().expect("upres starts")
    }

    fn succeed(&self, input: &str, output: &str, options: &str) -> String {
        let ended = self.upres(input, output, options);
        let text = String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{text}");
        text
    }

    /// What is in the folder, hidden folders too.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn work_folders(&self) -> Vec<String> {
        self.names().into_iter().filter(|name| name.ends_with(".segments")).collect()
    }
}

/// Exactly what was enlarged, without loss.
const LOSSLESS: &str = "--encoder-option qp=0 --preset ultrafast";
const PICTURE: &str = "testsrc2=size=32x24:rate=30000/1001";

fn ffprobe(path: &Path, entries: &str, streams: &str) -> String {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-select_streams", streams, "-show_entries", entries, "-of", "csv=p=0"]);
    let output = ffprobe.arg("-i").arg(format!("file:{}", path.display())).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn ffmpeg(path: &Path, arguments: &str) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(format!("file:{}", path.display()));
    ffmpeg.args(arguments.split_whitespace()).arg("-").output().unwrap().stdout
}

/// When every frame is shown, in seconds from the file's beginning, in order.
fn times(path: &Path) -> Vec<f64> {
    let first: f64 = ffprobe(path, "format=start_time", "v:0").lines().last().unwrap().parse().unwrap();
    let text = ffprobe(path, "frame=pts_time", "v:0");
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.trim_end_matches(',').parse::<f64>().unwrap() - first)
        .collect()
}

/// The luma of every frame, as coded.
fn luma(path: &Path) -> Vec<u8> {
    ffmpeg(path, "-map 0:v:0 -vf extractplanes=y -vsync passthrough -f rawvideo")
}

/// Asserts that `large` is `small` with every pixel repeated, frame by frame, and shown at the same times.
fn assert_repeated(small: &Path, large: &Path, width: usize, height: usize) {
    let (before, after) = (luma(small), luma(large));
    assert!(!before.is_empty());
    assert_eq!(after.len(), before.len() * 4, "a frame is lost or doubled");
    let mut at = 0;
    for (n, frame) in before.chunks_exact(width * height).enumerate() {
        for y in 0..2 * height {
            for x in 0..2 * width {
                assert_eq!(after[at], frame[y / 2 * width + x / 2], "frame {n} at ({x}, {y})");
                at += 1;
            }
        }
    }
    let (before, after) = (times(small), times(large));
    assert_eq!(before.len(), after.len());
    for (n, (a, b)) in before.iter().zip(&after).enumerate() {
        assert!((a - b).abs() < 0.0015, "frame {n} is shown at {b} in place of {a}");
    }
}

#[test]
fn a_clip_keeps_frames_times_sound_and_texts() {
    let Some(stage) = Stage::new() else { return };
    fs::write(stage.path("texts.srt"), "1\n00:00:00,200 --> 00:00:01,000\nHello\n").unwrap();
    fs::write(
        stage.path("chapters"),
        ";FFMETADATA1\ntitle=A clip\n[CHAPTER]\nTIMEBASE=1/10\nSTART=0\nEND=9\ntitle=One\n",
    )
    .unwrap();
    let tags = "-color_range tv -colorspace bt709 -color_primaries bt709 -color_trc bt709";
    let inputs = "-i texts.srt -i chapters -map 0:v -map 1:a -map 2:s -map_metadata 3 -t 1.7";
    let small = stage.clip("in.mkv", PICTURE, &format!("{inputs} -c:v libx264 -g 7 -bf 2 {tags} -c:a aac -c:s srt -attach repeat.onnx -metadata:s:t mimetype=application/octet-stream"));
    stage.succeed("in.mkv", "out.mkv", &format!("{LOSSLESS} --segment 0.5"));
    let large = stage.path("out.mkv");
    assert_repeated(&small, &large, 32, 24);
    let sound = |path| ffmpeg(path, "-map 0:a -c copy -f md5");
    assert_eq!(sound(&small), sound(&large));
    assert_eq!(ffprobe(&large, "stream=codec_name", "s"), "subrip");
    assert_eq!(ffprobe(&large, "stream=codec_type", "t"), "attachment");
    assert_eq!(ffprobe(&large, "stream=width,height,r_frame_rate", "v:0"), "64,48,30000/1001");
    let colours = "stream=color_range,color_space,color_transfer,color_primaries";
    assert_eq!(ffprobe(&large, colours, "v:0"), "tv,bt709,bt709,bt709");
    assert!(ffprobe(&large, "format_tags=title:chapter_tags=title", "v:0").contains("A clip"));
    let duration = |path: &Path| ffprobe(path, "format=duration", "v:0").parse::<f64>().unwrap();
    assert!((duration(&small) - duration(&large)).abs() < 0.05);
    assert!(stage.work_folders().is_empty(), "the segments are gone");
    let again = stage.upres("in.mkv", "out.mkv", "");
    assert_eq!(again.status.code(), Some(2), "an output is not replaced unasked");
    assert!(String::from_utf8_lossy(&again.stderr).contains("--overwrite"));
}

#[test]
fn a_kill_costs_the_segment_in_hand_at_most() {
    let Some(stage) = Stage::new() else { return };
    let small = stage.clip("in.mp4", PICTURE, "-t 6 -c:v libx264 -preset ultrafast -c:a aac");
    let options = format!("{LOSSLESS} --segment 0.5 --json");
    let mut child = stage.command("in.mp4", "out.mp4", &options).stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let third = || stage.work_folders().iter().any(|folder| stage.path(folder).join("segment-00002.nut").exists());
    while !third() {
        assert!(begun.elapsed() < Duration::from_secs(120), "no segment appears");
        sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!stage.path("out.mp4").exists(), "nothing half done stands under the output's name");
    let text = stage.succeed("in.mp4", "out.mp4", &options);
    let begin: Value = serde_json::from_str(text.lines().find(|line| line.contains("begin")).unwrap()).unwrap();
    let done = begin["done"].as_u64().unwrap();
    assert!(done >= 30 && done.is_multiple_of(15) && done < 180, "{begin}");
    assert_repeated(&small, &stage.path("out.mp4"), 32, 24);
    let rate: Vec<f64> = times(&stage.path("out.mp4")).windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(rate.iter().all(|gap| (gap - 1001.0 / 30000.0).abs() < 1e-4), "{rate:?}");
}

#[cfg(unix)]
#[test]
fn a_stop_costs_nothing() {
    let Some(stage) = Stage::new() else { return };
    let small = stage.clip("in.mp4", PICTURE, "-t 6 -c:v libx264 -preset ultrafast -an");
    let options = format!("{LOSSLESS} --segment 0.5 --json");
    let mut child = stage.command("in.mp4", "out.mp4", &options).stdout(Stdio::null()).spawn().unwrap();
    while !stage.work_folders().iter().any(|folder| stage.path(folder).join("segment-00000.nut").exists()) {
        sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!stage.path("out.mp4").exists());
    let text = stage.succeed("in.mp4", "out.mp4", &options);
    let begin: Value = serde_json::from_str(text.lines().find(|line| line.contains("begin")).unwrap()).unwrap();
    assert!(begin["done"].as_u64().is_some_and(|done| (15..180).contains(&done)), "{begin}");
    assert_repeated(&small, &stage.path("out.mp4"), 32, 24);
}

#[test]
fn other_options_begin_anew_and_kept_segments_are_joined_again() {
    let Some(stage) = Stage::new() else { return };
    let small = stage.clip("in.mp4", PICTURE, "-t 1 -c:v libx264 -preset ultrafast -an");
    let json = |options: &str| {
        let text = stage.succeed("in.mp4", "out.mp4", &format!("--json --overwrite --keep-segments {options}"));
        serde_json::from_str::<Value>(text.lines().next().unwrap()).unwrap()
    };
    assert_eq!(json("--segment 0.3 --crf 30")["done"], 0);
    let changed = json(&format!("--segment 0.3 {LOSSLESS}"));
    assert!(changed["done"] == 0 && changed["notes"].to_string().contains("other options"), "{changed}");
    assert_eq!(json(&format!("--segment 0.3 {LOSSLESS}"))["done"], 30, "nothing is left to do");
    assert_repeated(&small, &stage.path("out.mp4"), 32, 24);
    assert_eq!(stage.work_folders().len(), 2);
    stage.succeed("in.mp4", "out.mp4", &format!("--overwrite --segment 0.3 {LOSSLESS}"));
    assert!(stage.work_folders().is_empty(), "all segments for this output are gone");
}

#[test]
fn frames_at_uneven_times_keep_them() {
    let Some(stage) = Stage::new() else { return };
    let uneven = "-vf select=lt(mod(n\\,7)\\,4)*not(eq(n\\,11)) -vsync vfr";
    let small = stage.clip("in.mkv", "testsrc2=size=32x24:rate=50", &format!("{uneven} -t 2 -c:v libx264 -bf 3 -an"));
    for output in ["out.mp4", "out.mkv"] {
        stage.succeed("in.mkv", output, &format!("{LOSSLESS} --segment 0.3"));
        assert_repeated(&small, &stage.path(output), 32, 24);
    }
}

#[test]
fn a_picture_that_begins_after_the_sound_still_does() {
    let Some(stage) = Stage::new() else { return };
    let late = "-vf setpts=PTS+0.4/TB -t 1.5 -c:v libx264 -c:a aac";
    let small = stage.clip("in.mkv", "testsrc2=size=32x24:rate=25", late);
    stage.succeed("in.mkv", "out.mp4", LOSSLESS);
    assert!((times(&small)[0] - 0.4).abs() < 0.05);
    assert_repeated(&small, &stage.path("out.mp4"), 32, 24);
}

#[test]
fn deep_colour_full_range_and_other_samplings_survive() {
    let Some(stage) = Stage::new() else { return };
    for format in ["yuv420p10le", "yuvj420p", "yuv422p", "yuv444p", "gray"] {
        stage.clip("in.mkv", PICTURE, &format!("-t 0.3 -pix_fmt {format} -c:v libx264 -qp 0 -an"));
        stage.succeed("in.mkv", "out.mkv", &format!("{LOSSLESS} --overwrite"));
        // Studio range is what no tag means.
        let is = |name: &str| ffprobe(&stage.path(name), "stream=pix_fmt,color_range", "v:0").replace("unknown", "tv");
        assert_eq!(is("out.mkv"), is("in.mkv"));
        if !format.contains("10") {
            assert_repeated(&stage.path("in.mkv"), &stage.path("out.mkv"), 32, 24);
        }
    }
}

#[test]
fn a_turned_video_comes_out_upright_and_an_interlaced_one_whole() {
    let Some(stage) = Stage::new() else { return };
    stage.clip("flat.mp4", PICTURE, "-t 0.5 -c:v libx264 -an");
    let turn = ["-nostdin", "-v", "error", "-i", "flat.mp4", "-c", "copy", "-metadata:s:v", "rotate=90", "in.mp4"];
    assert!(Command::new("ffmpeg").current_dir(stage.folder.path()).args(turn).status().unwrap().success());
    if ffprobe(&stage.path("in.mp4"), "stream_side_data=rotation", "v:0").contains("90") {
        stage.succeed("in.mp4", "out.mp4", LOSSLESS);
        assert_eq!(ffprobe(&stage.path("out.mp4"), "stream=width,height", "v:0"), "48,64");
        assert_eq!(ffprobe(&stage.path("out.mp4"), "stream_side_data=rotation", "v:0"), "");
    } else {
        println!("skipped: this ffmpeg cannot write a turned video in the old way");
    }
    let fields = "-vf tinterlace=4,fieldorder=tff -t 1 -c:v mpeg2video -flags +ilme+ildct -an";
    let fields = stage.clip("fields.mkv", "testsrc2=size=64x48:rate=50", fields);
    let text = stage.succeed("fields.mkv", "whole.mkv", LOSSLESS);
    assert!(text.contains("interlaced"), "{text}");
    assert_eq!(times(&stage.path("whole.mkv")).len(), times(&fields).len());
}

#[test]
fn a_container_that_cannot_hold_a_stream_is_told_before_the_work() {
    let Some(stage) = Stage::new() else { return };
    fs::write(stage.path("texts.srt"), "1\n00:00:00,000 --> 00:00:01,000\nHello\n").unwrap();
    stage.clip("in.mkv", PICTURE, "-i texts.srt -map 0:v -map 1:a -map 2:s -t 0.5 -c:v libx264 -c:a aac -c:s srt");
    let refused = stage.upres("in.mkv", "out.mp4", "");
    let text = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains("stream 2 (subtitle subrip)") && text.contains(".mkv"), "{text}");
    let text = stage.succeed("in.mkv", "out.mp4", "--drop-unsupported");
    assert!(text.contains("subrip) is left out"), "{text}");
    assert_eq!(ffprobe(&stage.path("out.mp4"), "stream=codec_name", "a"), "aac");
}

#[test]
fn what_cannot_be_done_is_said_at_once() {
    let Some(stage) = Stage::new() else { return };
    stage.clip("in.mp4", PICTURE, "-t 0.3 -c:v libx264 -an");
    fs::write(stage.path("text.mp4"), "no video").unwrap();
    fs::write(stage.path("list.mp4"), "#EXTM3U\n#EXTINF:1,\nin.mp4\n#EXT-X-ENDLIST\n").unwrap();
    for (input, output, options, part, code) in [
        ("in.mp4", "in.mp4", "--overwrite", "its own input", 2),
        ("none.mp4", "out.mp4", "", "none.mp4", 1),
        ("text.mp4", "out.mp4", "", "text.mp4", 1),
        ("list.mp4", "out.mp4", "", "list.mp4", 1),
        ("in.mp4", "out.mp4", "--encoder nonsense", "--encoder", 2),
        ("in.mp4", "out.mp4", "--encoder-option=-y=1", "no option of an encoder", 2),
        ("in.mp4", "out.nonsense", "", "ending", 2),
        ("in.mp4", "out.webm", "--encoder libx264", "ending", 2),
        ("in.mp4", "out.mp4", "--ffmpeg /nowhere/ffmpeg", "apt install ffmpeg", 2),
        ("in.mp4", "out.mp4", "--max-memory 0", "--max-memory", 1),
    ] {
        let ended = stage.upres(input, output, options);
        let text = String::from_utf8_lossy(&ended.stderr);
        assert!(text.contains(part), "{input} {output} {options}: {text}");
        assert_eq!(ended.status.code(), Some(code), "{text}");
        assert!(!stage.path("out.mp4").exists());
    }
}

#[test]
fn names_are_names_whatever_they_look_like() {
    let Some(stage) = Stage::new() else { return };
    for name in ["-i.mp4", "http:x%03d 'a\"b.mp4", "concat:a|b.mp4"] {
        let small = stage.clip(name, PICTURE, "-t 0.3 -c:v libx264 -an");
        let output = format!("-out {name}");
        stage.succeed(name, &output, LOSSLESS);
        assert_repeated(&small, &stage.path(&output), 32, 24);
    }
}
