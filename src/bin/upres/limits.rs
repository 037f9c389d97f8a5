//! Options that bound what is read and how much memory is taken.

use upres::codec::Limits;
use upres::error::{Error, Result};

/// What an input may ask of the machine.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Memory for the whole program, such as 600M or 2GiB; what needs more is refused with the figure
    /// [default: half of this machine's]
    #[arg(long = "max-memory", value_name = "BYTES", value_parser = parse_bytes)]
    memory: Option<u64>,
    /// Pixels of an input picture
    #[arg(long = "max-pixels", value_name = "PIXELS", value_parser = parse_bytes)]
    pixels: Option<u64>,
    /// Pixels in a row or column of an input picture
    #[arg(long = "max-side", value_name = "PIXELS")]
    side: Option<usize>,
    /// Bytes of a decoded picture that cannot be read by rows [default: --max-memory]
    #[arg(long = "max-decoded", value_name = "BYTES", value_parser = parse_bytes)]
    decoded: Option<u64>,
    /// Bytes of one metadata block
    #[arg(long = "max-metadata", value_name = "BYTES", value_parser = parse_bytes)]
    metadata: Option<u64>,
    /// Frames that an animated input may announce
    #[arg(long = "max-frames", value_name = "FRAMES")]
    frames: Option<u64>,
    /// Bytes of an input that must be read whole: JPEG, WebP, pipes
    #[arg(long = "max-input", value_name = "BYTES", value_parser = parse_bytes)]
    input: Option<u64>,
}

impl LimitArgs {
    /// Bytes for the whole program.
    pub(crate) fn memory(&self) -> u64 {
        self.memory.or_else(half_of_memory).unwrap_or(1 << 30)
    }

    /// What codecs are held to.
    pub(crate) fn codec(&self) -> Limits {
        let default = Limits::default();
        Limits {
            side: self.side.unwrap_or(default.side),
            pixels: self.pixels.unwrap_or(default.pixels),
            decoded: self.decoded.unwrap_or(self.memory()),
            metadata: self.metadata.unwrap_or(default.metadata),
            frames: self.frames.unwrap_or(default.frames),
            input: self.input.unwrap_or(default.input),
        }
    }
}

/// Half of the machine's memory where Linux tells it.
pub(crate) fn half_of_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(512)
}

/// Reads `600000`, `600M`, `600MB`, `1.5G` (powers of ten) or `1GiB` (powers of two).
pub(crate) fn parse_bytes(text: &str) -> Result<u64> {
    let wrong = || Error::usage(format!("'{text}' is no amount")).fix("write 600M, 2GB or 1GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1_u64 << 40,
        _ => return Err(wrong()),
    };
    let amount = number.parse::<f64>().map_err(|_| wrong())? * factor as f64;
    if amount.is_finite() && amount < u64::MAX as f64 { Ok(amount as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_refused() {
        let read = |text| parse_bytes(text).ok();
        assert_eq!(
            (read("600M"), read("1.5GB"), read("2GiB"), read("7")),
            (Some(600_000_000), Some(1_500_000_000), Some(2 << 30), Some(7))
        );
        for bad in ["", "M", "-1", "5 apples", "1e9", "9999999999T"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
