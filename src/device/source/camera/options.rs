//! Which camera, and what is wished of it.

use crate::device::shot::Packing;
use crate::error::{Error, Result};
use crate::geometry::Size;
use crate::y4m::Ratio;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A camera and what is wished of it. What is left open is chosen by the best that the camera offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CameraOptions {
    /// The device; the first camera where there is none.
    pub device: Option<PathBuf>,
    /// How frames shall come.
    pub packing: Option<Packing>,
    /// Width and height; the nearest that the camera offers is taken.
    pub size: Option<Size>,
    /// Frames a second; the nearest that the camera offers is taken.
    pub rate: Option<Ratio>,
}

/// The most frames a second that can be asked for.
const MOST_RATE: f64 = 1000.0;

fn fourcc(text: &str) -> Result<Packing> {
    let upper = text.to_ascii_uppercase();
    let name = match upper.as_str() {
        "MJPEG" => "MJPG",
        "YUYV422" | "YUY2" => "YUYV",
        "I420" | "YUV420" => "YU12",
        "GRAY" | "Y8" => "GREY",
        "RGB24" => "RGB3",
        other => other,
    };
    let packing = <[u8; 4]>::try_from(name.as_bytes()).ok().and_then(Packing::from_fourcc);
    packing.ok_or_else(|| {
        let known: Vec<String> = Packing::ALL.iter().map(|(packing, _)| packing.to_string()).collect();
        Error::usage(format!("'{text}' is not a format that is read")).fix(format!("one of {}", known.join(", ")))
    })
}

fn rate(text: &str) -> Result<Ratio> {
    let ratio = match text.split_once(['/', ':']) {
        Some((num, den)) => num.parse().ok().zip(den.parse().ok()).map(|(num, den)| Ratio { num, den }),
        None => text.parse().ok().map(|rate: f64| Ratio { num: (rate * 1000.0).round() as u32, den: 1000 }),
    };
    ratio
        .filter(|ratio| ratio.num > 0 && ratio.den > 0 && f64::from(ratio.num) / f64::from(ratio.den) <= MOST_RATE)
        .map(lowest)
        .ok_or_else(|| {
            Error::usage(format!("'{text}' is not a rate")).fix("write frames a second, such as 30 or 30000/1001")
        })
}

/// The same ratio in lowest terms.
fn lowest(Ratio { num, den }: Ratio) -> Ratio {
    let (mut a, mut b) = (num, den);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    Ratio { num: num / a.max(1), den: den / a.max(1) }
}

impl FromStr for CameraOptions {
    type Err = Error;

    /// Reads `v4l2:/dev/video0?format=MJPG&size=640x480&rate=30`. Every part may be left out, `v4l2:` as well.
    fn from_str(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("v4l2:").unwrap_or(text);
        let rest = rest.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(rest);
        let (device, wishes) = rest.split_once('?').unwrap_or((rest, ""));
        let mut options = Self { device: (!device.is_empty()).then(|| PathBuf::from(device)), ..Self::default() };
        for wish in wishes.split('&').filter(|wish| !wish.is_empty()) {
            let (name, value) = wish.split_once('=').unwrap_or((wish, ""));
            match name {
                "format" => options.packing = Some(fourcc(value)?),
                "size" => options.size = Some(value.parse()?),
                "rate" => options.rate = Some(rate(value)?),
                _ => {
                    return Err(Error::usage(format!("'{name}' is not a wish to a camera"))
                        .fix("v4l2:/dev/video0?format=MJPG&size=640x480&rate=30, each part optional")
                        .at(text));
                }
            }
        }
        Ok(options)
    }
}

impl fmt::Display for CameraOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v4l2:")?;
        if let Some(device) = &self.device {
            write!(f, "{}", device.display())?;
        }
        let wishes = [
            self.packing.map(|packing| format!("format={packing}")),
            self.size.map(|size| format!("size={size}")),
            self.rate.map(|rate| match rate.den {
                1 => format!("rate={}", rate.num),
                den => format!("rate={}/{den}", rate.num),
            }),
        ];
        let mut mark = '?';
        for wish in wishes.into_iter().flatten() {
            write!(f, "{mark}{wish}")?;
            mark = '&';
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> CameraOptions {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_part_may_be_left_out() {
        for text in ["v4l2:", ""] {
            assert_eq!(read(text), CameraOptions::default(), "{text}");
        }
        let all = read("v4l2:/dev/video2?format=MJPG&size=640x480&rate=30");
        assert_eq!(all.device, Some(PathBuf::from("/dev/video2")));
        assert_eq!((all.packing, all.size), (Some(Packing::Jpeg), Some(Size::new(640, 480))));
        assert_eq!(all.rate, Some(Ratio { num: 30, den: 1 }));
        assert_eq!(
            read("v4l2:?rate=7.5"),
            CameraOptions { rate: Some(Ratio { num: 15, den: 2 }), ..Default::default() }
        );
        assert_eq!(read("v4l2:///dev/video1").device, Some(PathBuf::from("/dev/video1")));
        assert_eq!(read("/dev/video1?format=yuy2").packing, Some(Packing::Yuyv));
    }

    #[test]
    fn what_is_written_reads_back() {
        for text in [
            "v4l2:",
            "v4l2:/dev/video0",
            "v4l2:?format=NV12",
            "v4l2:/dev/v4l/by-id/usb-cam?format=GREY&size=320x240&rate=30000/1001",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
    }

    #[test]
    fn mistakes_are_named_with_what_would_do() {
        for (text, said) in [
            ("v4l2:/dev/video0?format=H264", "MJPG, YUYV, NV12, YU12, GREY, RGB3"),
            ("v4l2:/dev/video0?size=640", "such as 320x180"),
            ("v4l2:/dev/video0?rate=0", "30000/1001"),
            ("v4l2:/dev/video0?rate=NaN", "not a rate"),
            ("v4l2:/dev/video0?rate=-5", "not a rate"),
            ("v4l2:/dev/video0?rate=1e9", "not a rate"),
            ("v4l2:/dev/video0?rate=30/0", "not a rate"),
            ("v4l2:/dev/video0?fps=30", "'fps' is not a wish"),
        ] {
            let error = text.parse::<CameraOptions>().err().map(|error| error.to_string());
            assert!(error.as_ref().is_some_and(|error| error.contains(said)), "{text}: {error:?}");
        }
    }
}
