//! What can be asked of `upres live`: the flags, and the configuration file with the same names.

use serde::{Deserialize, Deserializer, Serialize};
use std::path::{Path, PathBuf};
use upres::error::{Error, Result};

/// Every setting by its flag's name; what is left out is left to the file, and then to the defaults.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Where frames come from: v4l2:/dev/video0?size=640x480&rate=30&format=MJPG, pipe:, rtsp://…, http://…, libcamera:0,
    /// csi:0, file:PATH, pattern:size=640x480,rate=30,scene=walk [default: the first camera]
    #[arg(short, long, value_name = "SOURCE")]
    pub(super) source: Option<String>,
    /// Enlarge a part only: WxH (the middle), WxH+LEFT+TOP, or a factor of digital zoom such as 2
    #[arg(long, value_name = "REGION")]
    pub(super) crop: Option<String>,
    /// Model: a NAME of `upres models`, a FILE.onnx, or a filter such as bicubic [default: camera-x2 up to ×2, else the nearest]
    #[arg(short, long, value_name = "NAME|FILE")]
    pub(super) model: Option<String>,
    /// Output pixels for each input pixel, along each side, 1 to 8 [default: the model's, or 2]
    #[arg(short = 'x', long, value_name = "FACTOR")]
    pub(super) scale: Option<f64>,
    /// How strongly a model that was trained to look sharp may invent detail, 0 to 1
    #[arg(long, value_name = "0..1")]
    pub(super) strength: Option<f32>,
    /// Folder of further models
    #[arg(long, value_name = "DIR", env = "UPRES_MODELS")]
    pub(super) models_dir: Option<PathBuf>,
    /// Open models from outside only where this minisign key signed them: its text, or a file with it; may be given again, and as a
    /// list in the file
    #[arg(long, value_name = "KEY|FILE", env = "UPRES_TRUSTED_KEY", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub(super) trusted_key: Vec<String>,
    /// Threads that share a frame [default: what `upres tune` found, or all cores]
    #[arg(short = 'j', long, value_name = "N")]
    pub(super) threads: Option<usize>,
    /// What counts as a change: auto (by the camera's noise), a mean difference in codes, 0 (any), or off (compute everything)
    #[arg(long, value_name = "THRESHOLD", help_heading = "Keeping up")]
    pub(super) reuse: Option<String>,
    /// Seconds after which unchanged tiles are computed again all the same [default: 10]
    #[arg(long, value_name = "SECONDS", help_heading = "Keeping up")]
    pub(super) refresh: Option<f64>,
    /// Fall back to a smaller model, half the rate, bicubic where frames come late or the board is hot [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Keeping up")]
    pub(super) governor: Option<bool>,
    /// Degrees Celsius from which on the governor steps down [default: 80]
    #[arg(long, value_name = "DEGREES", help_heading = "Keeping up")]
    pub(super) hot: Option<f64>,
    /// Show on a screen without a window system: auto, drm[:CARD], fb:/dev/fb0, tft:CHIP,spi=…,dc=…
    #[arg(long, value_name = "DEVICE", num_args = 0..=1, default_missing_value = "auto", help_heading = "Screen")]
    pub(super) screen: Option<String>,
    /// Turn the picture clockwise: 0, 90, 180 or 270 degrees
    #[arg(long, value_name = "DEGREES", help_heading = "Screen")]
    pub(super) rotate: Option<u32>,
    /// Left half before, right half after
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Screen")]
    pub(super) split: Option<bool>,
    /// Figures over the picture
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Screen")]
    pub(super) hud: Option<bool>,
    /// Cover the screen instead of showing all of the picture
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Screen")]
    pub(super) fill: Option<bool>,
    /// Serve a page, /stream, /snapshot, /state and /metrics [default: 127.0.0.1:8080 where no other output is asked for]
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:8080",
        help_heading = "Browser"
    )]
    pub(super) http: Option<String>,
    /// File whose first line visitors must know; needed where ADDRESS is not loopback
    #[arg(long, value_name = "FILE", help_heading = "Browser")]
    pub(super) http_token_file: Option<PathBuf>,
    /// Names by which browsers may call this machine, beside its address; commas between
    #[arg(long, value_name = "NAMES", help_heading = "Browser")]
    pub(super) http_hosts: Option<String>,
    /// How many may watch at a time [default: 64]
    #[arg(long, value_name = "N", help_heading = "Browser")]
    pub(super) http_clients: Option<usize>,
    /// Quality of the JPEGs that are served and recorded, 1 to 100 [default: 80, recordings 85]
    #[arg(long, value_name = "Q", help_heading = "Browser")]
    pub(super) quality: Option<u8>,
    /// Be a camera to other programs: a v4l2loopback device or any V4L2 output, such as /dev/video10[?format=YUYV|NV12|YU12]
    #[arg(long, value_name = "DEVICE", help_heading = "Virtual camera and files")]
    pub(super) camera_out: Option<String>,
    /// Record into this folder, in segments
    #[arg(long, value_name = "DIR", help_heading = "Virtual camera and files")]
    pub(super) record: Option<PathBuf>,
    /// mkv (JPEGs in Matroska) or y4m (raw) [default: mkv]
    #[arg(long, value_name = "FORMAT", help_heading = "Virtual camera and files")]
    pub(super) record_format: Option<String>,
    /// Seconds of a segment [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = "Virtual camera and files")]
    pub(super) segment: Option<f64>,
    /// Bytes that recordings may take, such as 2GB; the oldest go first [default: 2GB]
    #[arg(long, value_name = "BYTES", help_heading = "Virtual camera and files")]
    pub(super) quota: Option<String>,
    /// Folder for snapshots, which SIGUSR1 and POST /control ask for
    #[arg(long, value_name = "DIR", help_heading = "Virtual camera and files")]
    pub(super) snapshots: Option<PathBuf>,
    /// Measure the latency of the test card's frames from end to end
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Trying")]
    pub(super) probe: Option<bool>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", help_heading = "Trying")]
    pub(super) seconds: Option<f64>,
    /// End after so many frames
    #[arg(long, value_name = "N", help_heading = "Trying")]
    pub(super) frames: Option<u64>,
}

/// A word, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(given: D) -> std::result::Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a word or a list of words")]
    enum Given {
        One(String),
        More(Vec<String>),
    }
    Ok(match Given::deserialize(given)? {
        Given::One(word) => vec![word],
        Given::More(words) => words,
    })
}

impl Settings {
    /// These settings, and those of `file` where they are silent.
    ///
    /// # Errors
    /// An I/O error where the file cannot be read; a usage error, with its line, where it says what cannot be.
    pub(super) fn over_file(&self, file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|e| Error::io("cannot read", file, e))?;
        self.over(&text).map_err(|e| e.at(file.display()))
    }

    fn over(&self, text: &str) -> Result<Self> {
        let wrong = |e: toml::de::Error| {
            // The whole of toml's own message takes several lines, and a log has one.
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count();
            let said = text.lines().nth(line).unwrap_or_default().trim();
            Error::usage(format!("line {} of this configuration cannot be followed ({said})", line + 1))
                .caused_by(e.message().replace('\n', ", "))
                .fix("keys are the flags of `upres live` without their dashes in front")
        };
        // Once by itself, so that complaints name the file's own line.
        toml::from_str::<Self>(text).map_err(wrong)?;
        let mut table: toml::Table = toml::from_str(text).map_err(wrong)?;
        let own = toml::Table::try_from(self)
            .map_err(|e| Error::usage("a flag cannot be written down").caused_by(e.to_string()))?;
        table.extend(own);
        table.try_into().map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn flags_go_before_the_file_and_unknown_keys_are_refused_with_their_line() {
        let flags = Settings { model: Some("small-x2".into()), hud: Some(true), ..Settings::default() };
        let file = "source = \"pattern:\"\nmodel = \"medium-x2\"\nscale = 2\nhttp-clients = 7\nhud = false\nhot = 70\n";
        let both = flags.over(file).unwrap();
        assert_eq!(both.source.as_deref(), Some("pattern:"));
        assert_eq!((both.model.as_deref(), both.hud), (Some("small-x2"), Some(true)));
        assert_eq!((both.scale, both.http_clients, both.hot), (Some(2.0), Some(7), Some(70.0)));
        for (bad, part) in [
            ("source = \"a\"\ncolour = 3\n", "line 2"),
            ("scale = \"two\"", "scale"),
            ("hud = 1", "hud"),
            ("http-clients = -1", "http-clients"),
            ("[http]\nport = 1", "http"),
            ("source", "line 1"),
        ] {
            let error = flags.over(bad).unwrap_err().to_string();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }

    #[test]
    fn trusted_keys_are_a_word_or_a_list_and_the_flags_count_first() {
        let keys = |flags: &[&str], file: &str| {
            let flags =
                Settings { trusted_key: flags.iter().map(|&key| key.to_owned()).collect(), ..Settings::default() };
            flags.over(file).map(|both| both.trusted_key).map_err(|e| e.to_string())
        };
        assert_eq!(keys(&[], "hot = 70").unwrap(), Vec::<String>::new());
        assert_eq!(keys(&[], "trusted-key = \"a\"").unwrap(), ["a"]);
        assert_eq!(keys(&[], "trusted-key = [\"a\", \"b\"]").unwrap(), ["a", "b"]);
        assert_eq!(keys(&["c"], "trusted-key = [\"a\", \"b\"]").unwrap(), ["c"]);
        let error = keys(&[], "hot = 70\ntrusted-key = 7").unwrap_err();
        assert!(error.contains("line 2") && error.contains("a word or a list"), "{error}");
    }

    #[test]
    fn the_example_is_a_configuration_and_so_is_every_line_that_it_comments_out() {
        let example = include_str!("../../../../board/live.toml");
        assert_eq!(Settings::default().over(example).unwrap().model.as_deref(), Some("camera-x2"));
        let lines = example.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = "));
        assert!(lines.clone().count() > 15);
        for line in lines {
            assert!(Settings::default().over(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn bent_configurations_are_refused_or_read_but_never_crash() {
        let good = b"source = \"v4l2:/dev/video0\"\nscale = 2.5\nhud = true\nquota = \"2GB\"\nthreads = 3\n";
        let mut state = 11_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize
        };
        let mut read = 0;
        for _ in 0..20_000 {
            let mut bytes = good.to_vec();
            for _ in 0..=next() % 4 {
                let at = next() % bytes.len();
                match next() % 3 {
                    0 => bytes[at] = next() as u8,
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b"\"=[]{}\n#.-09ae"[next() % 14]),
                }
            }
            read += usize::from(Settings::default().over(&String::from_utf8_lossy(&bytes)).is_ok());
        }
        assert!(read > 100, "{read}");
    }
}
