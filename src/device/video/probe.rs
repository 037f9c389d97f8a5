//! What a video file holds.

use super::timing::{Clock, Timing};
use super::tools::{Tools, output, url};
use crate::device::stream::Matrix;
use crate::error::{Error, Result};
use crate::y4m::{Range, Ratio, Siting};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Formats that are lists of other files or addresses.
const LISTS: [&str; 8] = ["hls", "concat", "dash", "sdp", "rtsp", "image2", "lavfi", "imf"];

/// A video file: its picture stream and what accompanies it.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The picture stream.
    pub(super) video: Stream,
    /// Audio, subtitles, attachments and cover pictures, in the file's order.
    pub(super) others: Vec<Stream>,
    /// Kinds of streams that are left out: data, second pictures.
    pub(super) left_out: Vec<String>,
    /// When each frame is shown.
    pub(super) timing: Timing,
    /// Frames in all.
    pub(super) frames: u64,
    /// Seconds from the file's beginning to the first frame.
    pub(super) start: f64,
}

/// One stream, as ffprobe tells it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Stream {
    /// Its number in the file.
    pub(super) index: u32,
    #[serde(default)]
    pub(super) codec_type: String,
    #[serde(default)]
    pub(super) codec_name: String,
    #[serde(default)]
    pix_fmt: String,
    r_frame_rate: Option<String>,
    avg_frame_rate: Option<String>,
    time_base: Option<String>,
    color_range: Option<String>,
    color_space: Option<String>,
    color_primaries: Option<String>,
    color_transfer: Option<String>,
    pub(super) chroma_location: Option<String>,
    field_order: Option<String>,
    #[serde(default)]
    disposition: BTreeMap<String, i64>,
    #[serde(default)]
    pub(super) tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Stream>,
    format: Format,
}

#[derive(Deserialize)]
struct Format {
    #[serde(default)]
    format_name: String,
    start_time: Option<String>,
}

impl Stream {
    /// Whether this is a still picture, such as an album's cover.
    pub(super) fn is_cover(&self) -> bool {
        self.disposition.get("attached_pic").is_some_and(|&flag| flag != 0)
    }

    /// Whether frames are made of two fields.
    pub(super) fn is_interlaced(&self) -> bool {
        matches!(self.field_order.as_deref(), Some("tt" | "bb" | "tb" | "bt"))
    }

    /// Codes of black and white; `None` where the file does not say.
    pub(super) fn range(&self) -> Option<Range> {
        match self.color_range.as_deref() {
            Some("pc") => Some(Range::Full),
            Some("tv") => Some(Range::Studio),
            _ => None,
        }
    }

    /// The colours of luma and chroma, where the file says so.
    pub(super) fn matrix(&self) -> Option<Matrix> {
        match self.color_space.as_deref()? {
            "bt709" => Some(Matrix::Bt709),
            "smpte170m" | "bt470bg" | "fcc" => Some(Matrix::Bt601),
            "bt2020nc" | "bt2020c" => Some(Matrix::Bt2020),
            _ => None,
        }
    }

    /// Where chroma lies, where the file says so.
    pub(super) fn siting(&self) -> Option<Siting> {
        match self.chroma_location.as_deref()? {
            "left" => Some(Siting::Left),
            "center" => Some(Siting::Centre),
            "topleft" => Some(Siting::TopLeft),
            _ => None,
        }
    }

    /// Colour tags that are known: range, space, primaries, transfer, in ffmpeg's own names.
    pub(super) fn colour_tags(&self) -> [Option<&str>; 4] {
        [&self.color_range, &self.color_space, &self.color_primaries, &self.color_transfer].map(|tag| {
            let plain = |tag: &&str| tag.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
            tag.as_deref().filter(plain).filter(|tag| !["unknown", "reserved", "gbr", "unspecified"].contains(tag))
        })
    }

    /// The pixel format in which frames are to be handed over, and whether alpha is lost by that.
    pub(super) fn piped_format(&self) -> (String, bool) {
        let name = self.pix_fmt.as_str();
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        let colours = match name {
            _ if name.starts_with("gray") || name.starts_with("ya") || name.starts_with("mono") => "gray",
            _ if has(&["444", "440", "rgb", "bgr", "gbr", "pal8", "nv24", "p41"]) => "444",
            _ if has(&["422", "411", "nv16", "nv20", "p21", "y21"]) => "422",
            _ => "420",
        };
        let deep = deep_bits(name);
        let alpha = has(&["yuva", "rgba", "bgra", "argb", "abgr", "gbrap"]) || name.starts_with("ya");
        let full = name.starts_with("yuvj");
        let format = match (colours, deep) {
            ("gray", None) => "gray".to_owned(),
            ("gray", Some(bits)) => format!("gray{bits}le"),
            (_, Some(bits)) => format!("yuv{colours}p{bits}le"),
            (_, None) => format!("yuv{}{colours}p", if full { "j" } else { "" }),
        };
        (format, alpha)
    }
}

/// Bits a sample of the pixel format `name`, where there are more than eight: the figures at its end.
fn deep_bits(name: &str) -> Option<u32> {
    let name = name.strip_suffix("le").or(name.strip_suffix("be")).unwrap_or(name);
    let digits = name.len() - name.bytes().rev().take_while(u8::is_ascii_digit).count();
    match name[digits..].parse::<u32>().ok()? {
        48 | 64 => Some(16),
        20 if name.starts_with("nv") => Some(10),
        _ if name.starts_with("nv") => None,
        number if name.starts_with('p') || name.starts_with("y2") => Some(number % 100),
        number => Some(number),
    }
    .filter(|bits| [9, 10, 12, 14, 16].contains(bits))
}

/// Looks into the file at `path`.
///
/// # Errors
/// An input error where ffprobe cannot read it, or it holds no video.
pub(super) fn probe(tools: &Tools, path: &Path) -> Result<Source> {
    let mut ask = tools.ffprobe();
    ask.args(["-print_format", "json", "-show_streams", "-show_format", "-i"]).arg(url(path)?);
    let answer: Answer = serde_json::from_slice(&output(&mut ask, "read it").map_err(|e| e.at(path.display()))?)
        .map_err(|error| Error::input("ffprobe's answer cannot be read").caused_by(error).at(path.display()))?;
    if let Some(list) = answer.format.format_name.split(',').find(|name| LISTS.contains(name)) {
        return Err(Error::input(format!("{} is a list of other files ({list}), not a video", path.display()))
            .fix("name the video itself"));
    }
    let (mut others, mut left_out, mut video) = (Vec::new(), Vec::new(), None);
    for stream in answer.streams {
        match stream.codec_type.as_str() {
            "video" if !stream.is_cover() && video.is_none() => video = Some(stream),
            "video" if stream.is_cover() => others.push(stream),
            "audio" | "subtitle" | "attachment" => others.push(stream),
            kind => left_out.push(format!("stream {} ({kind} {})", stream.index, stream.codec_name)),
        }
    }
    let video = video.ok_or_else(|| Error::input(format!("{} holds no video", path.display())))?;
    let (timing, frames, first) = timing(tools, path, &video)?;
    let begin = answer.format.start_time.and_then(|time| time.parse().ok()).unwrap_or(0.0);
    let start = first.map_or(0.0, |first: f64| first - begin);
    Ok(Source { video, others, left_out, timing, frames, start })
}

/// The frames' timing, their number, and when the first is shown.
fn timing(tools: &Tools, path: &Path, video: &Stream) -> Result<(Timing, u64, Option<f64>)> {
    let ratio = |text: &Option<String>| parse_ratio(text.as_deref()?);
    let rates: Vec<Ratio> = [&video.r_frame_rate, &video.avg_frame_rate].into_iter().filter_map(ratio).collect();
    let clock = Clock { unit: ratio(&video.time_base).unwrap_or(Ratio { num: 1, den: 1000 }), rates };
    let ask = |entries: &str| {
        let mut ask = tools.ffprobe();
        let index = video.index.to_string();
        ask.args(["-select_streams", &index, "-show_entries", entries, "-of", "compact=p=0:nk=1", "-i"])
            .arg(url(path)?);
        lines(&mut ask).map_err(|error| error.at(path.display()))
    };
    // Packets are read without decoding, and nearly always come as one frame each at a constant rate.
    let packets = ask("packet=pts,dts,flags")?;
    let shown = packets.lines().filter(|line| !line.rsplit('|').next().is_some_and(|flags| flags.contains('D')));
    let (times, count) = times(shown);
    if let Some(timing) = clock.constant(&times, count) {
        return Ok((timing, count, times.first().map(|&time| clock.seconds(time))));
    }
    let (times, count) = self::times(ask("frame=best_effort_timestamp")?.lines());
    let timing = clock.constant(&times, count).or_else(|| clock.variable(&times, count));
    let timing = timing.ok_or_else(|| {
        Error::input(format!("{}: some frames do not say when they are shown", path.display()))
            .fix("repair it first: ffmpeg -i VIDEO -c copy -fflags +genpts REPAIRED.mkv")
    })?;
    Ok((timing, count, times.first().map(|&time| clock.seconds(time))))
}

fn lines(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&output(command, "list its frames")?).into_owned())
}

/// The first number of every line, in order of time, and the number of lines.
fn times<'a>(lines: impl Iterator<Item = &'a str>) -> (Vec<i64>, u64) {
    let (mut times, mut count) = (Vec::new(), 0);
    for line in lines.filter(|line| !line.is_empty()) {
        count += 1;
        times.extend(line.split('|').take(2).find_map(|field| field.parse::<i64>().ok()));
    }
    times.sort_unstable();
    (times, count)
}

/// `NUM/DEN`, neither of them zero.
fn parse_ratio(text: &str) -> Option<Ratio> {
    let (num, den) = text.split_once('/')?;
    let ratio = Ratio { num: num.parse().ok()?, den: den.parse().ok()? };
    (ratio.num > 0 && ratio.den > 0).then_some(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(pix_fmt: &str) -> Stream {
        let text =
            format!(r#"{{"index": 0, "pix_fmt": "{pix_fmt}", "color_space": "bt709", "color_range": "unknown"}}"#);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn pixel_formats_go_to_the_nearest_that_the_pipe_knows() {
        for (from, to, alpha) in [
            ("yuv420p", "yuv420p", false),
            ("yuvj420p", "yuvj420p", false),
            ("yuvj444p", "yuvj444p", false),
            ("nv12", "yuv420p", false),
            ("nv16", "yuv422p", false),
            ("yuyv422", "yuv422p", false),
            ("yuv411p", "yuv422p", false),
            ("yuv410p", "yuv420p", false),
            ("yuv440p", "yuv444p", false),
            ("yuv420p10le", "yuv420p10le", false),
            ("p010le", "yuv420p10le", false),
            ("p210le", "yuv422p10le", false),
            ("y210le", "yuv422p10le", false),
            ("p416le", "yuv444p16le", false),
            ("nv20le", "yuv422p10le", false),
            ("rgb48le", "yuv444p16le", false),
            ("yuv422p12le", "yuv422p12le", false),
            ("yuva420p", "yuv420p", true),
            ("yuva444p10le", "yuv444p10le", true),
            ("gbrp", "yuv444p", false),
            ("gbrap12le", "yuv444p12le", true),
            ("bgra", "yuv444p", true),
            ("rgb24", "yuv444p", false),
            ("pal8", "yuv444p", false),
            ("gray", "gray", false),
            ("gray10le", "gray10le", false),
            ("ya8", "gray", true),
            ("", "yuv420p", false),
        ] {
            assert_eq!(stream(from).piped_format(), (to.to_owned(), alpha), "{from}");
        }
    }

    #[test]
    fn unknown_tags_are_no_tags() {
        assert_eq!(stream("yuv420p").colour_tags(), [None, Some("bt709"), None, None]);
    }
}
