//! What can be asked of `upres live`: the flags, and the configuration file with the same names.

use serde::{Deserialize, Deserializer, Serialize};
use std::path::{Path, PathBuf};
use upres::device::board::Board;
use upres::device::unpack::Crop;
use upres::error::{Error, Result};
use upres::written;

const KEYS: &str = "keys are the flags of `upres live` without their dashes in front";

/// Every setting by its flag's name; what is left out is left to the file, and then to the defaults.
#[derive(Debug, Clone, Default, PartialEq, clap::Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    /// Where frames come from: v4l2:/dev/video0?size=640x480&rate=30&format=MJPG, pipe:, rtsp://…, http://…, libcamera:0,
    /// csi:0, file:PATH, pattern:size=640x480,rate=30,scene=walk [default: the board's, or the first camera]
    #[arg(short, long, value_name = "SOURCE")]
    pub(crate) source: Option<String>,
    /// Enlarge a part only: WxH (the middle), WxH+LEFT+TOP, or a factor of digital zoom such as 2
    #[arg(long, value_name = "REGION")]
    pub(crate) crop: Option<String>,
    /// Model: a NAME of `upres models`, a FILE.onnx, or a filter such as bicubic [default: the board's for the size of
    /// the camera's frames, or camera-x2 up to ×2 and else the nearest]
    #[arg(short, long, value_name = "NAME|FILE")]
    pub(crate) model: Option<String>,
    /// Output pixels for each input pixel, along each side, 1 to 8 [default: the model's, or 2]
    #[arg(short = 'x', long, value_name = "FACTOR")]
    pub(crate) scale: Option<f64>,
    /// How strongly a model that was trained to look sharp may invent detail, 0 to 1
    #[arg(long, value_name = "0..1")]
    pub(crate) strength: Option<f32>,
    /// Folder of further models
    #[arg(long, value_name = "DIR", env = "UPRES_MODELS")]
    pub(crate) models_dir: Option<PathBuf>,
    /// Open models from outside only where this minisign key signed them: its text, or a file with it; may be given again, and as a
    /// list in the file
    #[arg(long, value_name = "KEY|FILE", env = "UPRES_TRUSTED_KEY", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub(crate) trusted_key: Vec<String>,
    /// What this machine is: a NAME of `upres boards` or a FILE.toml like theirs [default: by what it says of itself]
    #[arg(long, value_name = "NAME|FILE", env = "UPRES_BOARD")]
    pub(crate) board: Option<String>,
    /// Threads that share a frame [default: what `upres tune` found, the board's, or all cores]
    #[arg(short = 'j', long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// What runs the network: engine, tract, cuda or cuda-f16 (an NVIDIA GPU; needs a program built with --features jetson) [default:
    /// engine]
    #[arg(long, value_name = "RUNNER", help_heading = "Keeping up")]
    pub(crate) runner: Option<String>,
    /// What counts as a change: auto (by the camera's noise), a mean difference in codes, 0 (any), or off (compute everything)
    #[arg(long, value_name = "THRESHOLD", help_heading = "Keeping up")]
    pub(crate) reuse: Option<String>,
    /// Seconds after which unchanged tiles are computed again all the same [default: 10]
    #[arg(long, value_name = "SECONDS", help_heading = "Keeping up")]
    pub(crate) refresh: Option<f64>,
    /// Fall back to a smaller model, half the rate, bicubic where frames come late or the board is hot [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Keeping up")]
    pub(crate) governor: Option<bool>,
    /// Degrees Celsius from which on the governor steps down [default: the board's, or 80]
    #[arg(long, value_name = "DEGREES", help_heading = "Keeping up")]
    pub(crate) hot: Option<f64>,
    /// Show on a screen without a window system: auto, drm[:CARD], fb:/dev/fb0, tft:CHIP,spi=…,dc=…
    #[arg(long, value_name = "DEVICE", num_args = 0..=1, default_missing_value = "auto", help_heading = "Screen")]
    pub(crate) screen: Option<String>,
    /// Turn the picture clockwise: 0, 90, 180 or 270 degrees
    #[arg(long, value_name = "DEGREES", help_heading = "Screen")]
    pub(crate) rotate: Option<u32>,
    /// Left half before, right half after
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Screen")]
    pub(crate) split: Option<bool>,
    /// Figures over the picture
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Screen")]
    pub(crate) hud: Option<bool>,
    /// Cover the screen instead of showing all of the picture
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Screen")]
    pub(crate) fill: Option<bool>,
    /// Serve a page, /stream, /snapshot, /state and /metrics [default: 127.0.0.1:8080 where no other output is asked for]
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:8080",
        help_heading = "Browser"
    )]
    pub(crate) http: Option<String>,
    /// File whose first line visitors must know; needed where ADDRESS is not loopback
    #[arg(long, value_name = "FILE", help_heading = "Browser")]
    pub(crate) http_token_file: Option<PathBuf>,
    /// Names by which browsers may call this machine, beside its address; commas between
    #[arg(long, value_name = "NAMES", help_heading = "Browser")]
    pub(crate) http_hosts: Option<String>,
    /// How many may watch at a time [default: 64]
    #[arg(long, value_name = "N", help_heading = "Browser")]
    pub(crate) http_clients: Option<usize>,
    /// Quality of the JPEGs that are served and recorded, 1 to 100 [default: 80, recordings 85]
    #[arg(long, value_name = "Q", help_heading = "Browser")]
    pub(crate) quality: Option<u8>,
    /// Be a camera to other programs: a v4l2loopback device or any V4L2 output, such as /dev/video10[?format=YUYV|NV12|YU12]
    #[arg(long, value_name = "DEVICE", help_heading = "Virtual camera and files")]
    pub(crate) camera_out: Option<String>,
    /// Record into this folder, in segments
    #[arg(long, value_name = "DIR", help_heading = "Virtual camera and files")]
    pub(crate) record: Option<PathBuf>,
    /// mkv (JPEGs in Matroska) or y4m (raw) [default: mkv]
    #[arg(long, value_name = "FORMAT", help_heading = "Virtual camera and files")]
    pub(crate) record_format: Option<String>,
    /// Seconds of a segment [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = "Virtual camera and files")]
    pub(crate) segment: Option<f64>,
    /// Bytes that recordings may take, such as 2GB; the oldest go first [default: 2GB]
    #[arg(long, value_name = "BYTES", help_heading = "Virtual camera and files")]
    pub(crate) quota: Option<String>,
    /// Folder for snapshots, which SIGUSR1 and POST /control ask for
    #[arg(long, value_name = "DIR", help_heading = "Virtual camera and files")]
    pub(crate) snapshots: Option<PathBuf>,
    /// Measure the latency of the test card's frames from end to end
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Trying")]
    pub(crate) probe: Option<bool>,
    /// End after so many seconds
    #[arg(long, value_name = "SECONDS", help_heading = "Trying")]
    pub(crate) seconds: Option<f64>,
    /// End after so many frames
    #[arg(long, value_name = "N", help_heading = "Trying")]
    pub(crate) frames: Option<u64>,
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
    pub(crate) fn over_file(&self, file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|e| Error::io("cannot read", file, e))?;
        self.over(&text).map_err(|e| e.at(file.display()))
    }

    /// Whether what is named by words can be: source, region, screen and the other outputs, board. Nothing is opened.
    ///
    /// # Errors
    /// A usage error.
    pub(crate) fn check(&self) -> Result<()> {
        self.source.as_deref().map(super::source).transpose()?;
        self.crop.as_deref().map(str::parse::<Crop>).transpose()?;
        super::outputs::check(self)?;
        self.board.as_deref().map(Board::open).transpose()?;
        Ok(())
    }

    fn over(&self, text: &str) -> Result<Self> {
        let wrong = |e: toml::de::Error| written::complaint(text, "configuration", KEYS, &e);
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
        assert_eq!(Settings::default().over(example).unwrap().http.as_deref(), Some("127.0.0.1:8080"));
        let lines = example.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| line.contains(" = "));
        assert!(lines.clone().count() > 15);
        for line in lines {
            assert!(Settings::default().over(line).is_ok(), "{line}");
        }
    }

    /// A key's section of `docs/configuration.md`: the key, and what is said of it.
    fn section(text: &str) -> (&str, &str) {
        let (key, text) = text.split_once('`').unwrap();
        (key, text.split("\n## ").next().unwrap_or(text))
    }

    fn said<'a>(key: &str, text: &'a str, what: &str) -> &'a str {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("- {what}: ")));
        line.unwrap_or_else(|| panic!("docs/configuration.md: `{key}` has no line '- {what}: '"))
    }

    #[test]
    fn the_manual_has_every_key_and_no_other_with_its_type_default_and_example() {
        use clap::Args as _;
        let manual = include_str!("../../../../docs/configuration.md");
        // An empty list is not written down.
        let all = Settings { trusted_key: vec![String::new()], ..Settings::default() };
        let all = serde_json::to_value(all).unwrap();
        let mut missing: Vec<&String> = all.as_object().unwrap().keys().collect();
        let flags = Settings::augment_args(clap::Command::new("live"));
        for (key, text) in manual.split("\n### `").skip(1).map(section) {
            let known = missing.iter().position(|own| *own == key).map(|at| missing.remove(at)).is_some();
            assert!(known, "docs/configuration.md: there is no key `{key}`, or it stands there twice");
            said(key, text, "Range");
            let (kind, default) = (said(key, text, "Type"), said(key, text, "Default"));
            let flag = flags.get_arguments().find(|flag| flag.get_long() == Some(key)).unwrap();
            let help = flag.get_help().unwrap().to_string();
            if let Some((_, told)) = help.split_once("[default: ") {
                let told = told.trim_end_matches(']');
                assert!(
                    default.contains(told),
                    "docs/configuration.md: the default of `{key}` is {told}, not {default}"
                );
            }
            let example = text.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
            let example = example.unwrap_or_else(|| panic!("docs/configuration.md: `{key}` has no example"));
            let read = Settings::default().over(example).unwrap_or_else(|error| panic!("{example}: {error}"));
            let set = toml::Table::try_from(&read).unwrap();
            let kinds: Vec<&str> =
                set.iter().filter(|(own, _)| *own == key).map(|(_, value)| value.type_str()).collect();
            let fits = match kind {
                "text" => ["string"],
                // A single text is a list of one.
                "text, or a list of texts" => ["array"],
                "whole number" => ["integer"],
                "number" => ["float"],
                "true or false" => ["boolean"],
                other => panic!("docs/configuration.md: `{key}` is of no type '{other}'"),
            };
            assert!(set.len() == 1 && kinds == fits, "docs/configuration.md: the example of `{key}` is {example}");
        }
        assert!(missing.is_empty(), "docs/configuration.md has no section for {missing:?}");
    }

    #[test]
    fn what_the_other_pages_write_into_a_configuration_can_be_followed() {
        let pages = [include_str!("../../../../docs/raspberry-pi.md"), include_str!("../../../../docs/security.md")];
        for page in pages {
            let blocks: Vec<&str> =
                page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
            assert!(!blocks.is_empty());
            for block in blocks {
                assert!(Settings::default().over(block).is_ok(), "{block}");
            }
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
