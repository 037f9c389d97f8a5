//! Which screen, and how the picture lies on it.

use crate::error::{Error, Result};
use crate::geometry::Size;
use std::path::PathBuf;
use std::str::FromStr;

/// How a screen is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScreenOptions {
    /// Which one.
    pub device: ScreenDevice,
    /// How the picture is turned on it.
    pub rotation: Rotation,
    /// The left half shows the picture before, the right half after, with a thin line between.
    pub split: bool,
    /// Figures over the picture.
    pub hud: bool,
    /// The picture covers the screen and loses what stands out; otherwise it is shown whole, with black bars.
    pub fill: bool,
}

/// A screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ScreenDevice {
    /// The first that can be had: every card's first display, then framebuffers.
    #[default]
    Auto,
    /// A display at a graphics card, by the kernel's mode setting.
    Drm(DrmOptions),
    /// A framebuffer device, `/dev/fb0`.
    Framebuffer(PathBuf),
    /// A small panel at an SPI bus.
    Tft(TftOptions),
}

/// Which display of which card.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrmOptions {
    /// `/dev/dri/card1`; `None` takes the first card with a display.
    pub card: Option<PathBuf>,
    /// The plug by its kernel's name, `HDMI-A-2`; `None` takes the first with a display.
    pub connector: Option<String>,
    /// Width and height of the mode; `None` takes the one that the display prefers.
    pub mode: Option<Size>,
}

/// How a picture is turned, clockwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rotation {
    /// As it is.
    #[default]
    None,
    /// A quarter: its top lies at the screen's right.
    Quarter,
    /// Upside down.
    Half,
    /// Three quarters: its top lies at the screen's left.
    ThreeQuarters,
}

/// The chip that drives a small panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TftModel {
    /// 128 × 160.
    Gc9107,
    /// 240 × 240, round.
    Gc9a01,
    /// 240 × 320.
    Ili9341,
    /// 320 × 240.
    Ili9342c,
    /// 132 × 162.
    St7735s,
    /// 240 × 320.
    St7789,
    /// 320 × 480.
    St7796,
}

/// A small panel at an SPI bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TftOptions {
    /// The chip that drives it.
    pub model: TftModel,
    /// `/dev/spidev0.0`, whose chip select the kernel drives.
    pub spi: PathBuf,
    /// The line that tells data from commands, counted on `chip`.
    pub dc: u32,
    /// The line that resets the panel.
    pub reset: Option<u32>,
    /// The line that lights the panel.
    pub backlight: Option<u32>,
    /// Bits a second.
    pub speed: u32,
    /// Width and height, where the panel is smaller than its chip could drive.
    pub size: Size,
    /// Where the panel's first pixel lies in the chip's memory.
    pub offset: (u16, u16),
    /// Colours inverted, as many IPS panels need.
    pub invert: bool,
    /// Blue and red swapped.
    pub bgr: bool,
    /// The GPIO chip, `/dev/gpiochip0`.
    pub chip: PathBuf,
}

/// The chips that can be driven by SPI with 16 bits a pixel, and the pixels that they hold.
pub(super) const MODELS: [(&str, TftModel, Size); 7] = [
    ("gc9107", TftModel::Gc9107, Size::new(128, 160)),
    ("gc9a01", TftModel::Gc9a01, Size::new(240, 240)),
    ("ili9341", TftModel::Ili9341, Size::new(240, 320)),
    ("ili9342c", TftModel::Ili9342c, Size::new(320, 240)),
    ("st7735s", TftModel::St7735s, Size::new(132, 162)),
    ("st7789", TftModel::St7789, Size::new(240, 320)),
    ("st7796", TftModel::St7796, Size::new(320, 480)),
];

/// What panels mostly stand without errors on short wires.
const SPEED: u32 = 32_000_000;

const FORMS: &str = "screens are auto, drm, drm:/dev/dri/card1[,connector=HDMI-A-1][,mode=1920x1080], fb:/dev/fb0, or \
                     tft:ili9341,spi=/dev/spidev0.0,dc=25[,reset=24][,backlight=18][,speed=32000000][,size=240x320]\
                     [,offset=0x0][,invert][,bgr][,chip=/dev/gpiochip0]";

fn bad(text: &str, why: &str) -> Error {
    Error::usage(format!("'{text}' is no screen: {why}")).fix(FORMS)
}

/// `WIDTHxHEIGHT`, at most 65535 each.
fn pair(value: &str) -> Option<(u16, u16)> {
    let (width, height) = value.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

fn size(value: &str) -> Option<Size> {
    let (width, height) = pair(value)?;
    (width > 0 && height > 0).then(|| Size::new(width.into(), height.into()))
}

impl FromStr for ScreenDevice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match (kind, rest) {
            ("auto", "") if !text.contains(':') => Ok(Self::Auto),
            ("drm", _) => drm(text, rest).map(Self::Drm),
            ("fb", "") => Err(bad(text, "the framebuffer is missing")),
            ("fb", path) => Ok(Self::Framebuffer(path.into())),
            ("tft", _) => tft(text, rest).map(Self::Tft),
            _ => Err(bad(text, "it begins like none that is known")),
        }
    }
}

fn drm(text: &str, rest: &str) -> Result<DrmOptions> {
    let mut options = DrmOptions::default();
    for field in rest.split(',').filter(|field| !field.is_empty()) {
        match field.split_once('=') {
            None if options.card.is_none() => options.card = Some(field.into()),
            Some(("connector", name)) if !name.is_empty() => options.connector = Some(name.to_owned()),
            Some(("mode", value)) => {
                options.mode = Some(size(value).ok_or_else(|| bad(text, &format!("'{value}' is no size")))?);
            }
            _ => return Err(bad(text, &format!("'{field}' is not understood"))),
        }
    }
    Ok(options)
}

fn tft(text: &str, rest: &str) -> Result<TftOptions> {
    let mut fields = rest.split(',');
    let name = fields.next().unwrap_or_default();
    let Some(&(_, model, most)) = MODELS.iter().find(|(known, ..)| *known == name) else {
        let names: Vec<&str> = MODELS.iter().map(|(name, ..)| *name).collect();
        return Err(bad(text, &format!("'{name}' is none of the panels {}", names.join(", "))));
    };
    let (mut spi, mut dc) = (None, None);
    let mut options = TftOptions {
        model,
        spi: PathBuf::new(),
        dc: 0,
        reset: None,
        backlight: None,
        speed: SPEED,
        size: most,
        offset: (0, 0),
        invert: false,
        bgr: false,
        chip: "/dev/gpiochip0".into(),
    };
    for field in fields {
        let (key, value) = field.split_once('=').unwrap_or((field, ""));
        let number = || value.parse::<u32>().map_err(|_| bad(text, &format!("'{field}' needs a number")));
        let no_size = || bad(text, &format!("'{field}' needs WIDTHxHEIGHT"));
        match key {
            "spi" if !value.is_empty() => spi = Some(PathBuf::from(value)),
            "dc" => dc = Some(number()?),
            "reset" => options.reset = Some(number()?),
            "backlight" => options.backlight = Some(number()?),
            "speed" => options.speed = number()?,
            "size" => options.size = size(value).ok_or_else(no_size)?,
            "offset" => options.offset = pair(value).ok_or_else(no_size)?,
            "invert" if value.is_empty() => options.invert = true,
            "bgr" if value.is_empty() => options.bgr = true,
            "chip" if !value.is_empty() => options.chip = value.into(),
            _ => return Err(bad(text, &format!("'{field}' is not understood"))),
        }
    }
    let end = |side: usize, offset: u16| side + usize::from(offset);
    if end(options.size.width, options.offset.0) > most.width
        || end(options.size.height, options.offset.1) > most.height
    {
        return Err(bad(text, &format!("{name} drives {most} pixels at most")));
    }
    options.spi = spi.ok_or_else(|| bad(text, "spi= is missing"))?;
    options.dc = dc.ok_or_else(|| bad(text, "dc= is missing"))?;
    Ok(options)
}

impl FromStr for Rotation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "0" => Ok(Self::None),
            "90" => Ok(Self::Quarter),
            "180" => Ok(Self::Half),
            "270" => Ok(Self::ThreeQuarters),
            _ => Err(Error::usage(format!("a picture cannot be turned by '{text}'")).fix("0, 90, 180 or 270 degrees")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;
    use crate::error::Kind;

    #[test]
    fn screens_are_read_as_they_are_written() {
        let read = |text: &str| text.parse::<ScreenDevice>().expect(text);
        assert_eq!(read("auto"), ScreenDevice::Auto);
        assert_eq!(read("drm"), ScreenDevice::Drm(DrmOptions::default()));
        let full = DrmOptions {
            card: Some("/dev/dri/card1".into()),
            connector: Some("HDMI-A-2".into()),
            mode: Some(Size::new(1920, 1080)),
        };
        assert_eq!(read("drm:/dev/dri/card1,connector=HDMI-A-2,mode=1920x1080"), ScreenDevice::Drm(full));
        assert_eq!(read("fb:/dev/fb0"), ScreenDevice::Framebuffer("/dev/fb0".into()));
        let ScreenDevice::Tft(panel) = read("tft:st7789,spi=/dev/spidev0.1,dc=9,size=240x240,offset=0x80,invert")
        else {
            panic!("no panel")
        };
        assert_eq!((panel.model, panel.dc, panel.reset), (TftModel::St7789, 9, None));
        assert_eq!((panel.size, panel.offset, panel.invert), (Size::new(240, 240), (0, 80), true));
        assert_eq!(panel.spi, PathBuf::from("/dev/spidev0.1"));
    }

    #[test]
    fn bad_screens_are_refused_with_all_that_would_do() {
        for (text, why) in [
            ("", "begins"),
            ("hdmi", "begins"),
            ("auto:", "begins"),
            ("fb:", "missing"),
            ("drm:/dev/dri/card0,mode=big", "'big'"),
            ("drm:a,b", "'b'"),
            ("tft:ili9486,spi=/dev/spidev0.0,dc=1", "ili9341"),
            ("tft:ili9341,dc=1", "spi="),
            ("tft:ili9341,spi=/dev/spidev0.0", "dc="),
            ("tft:ili9341,spi=/dev/spidev0.0,dc=-1", "number"),
            ("tft:ili9341,spi=/dev/spidev0.0,dc=1,size=0x9", "WIDTHxHEIGHT"),
            ("tft:ili9341,spi=/dev/spidev0.0,dc=1,size=320x240", "240x320"),
            ("tft:ili9341,spi=/dev/spidev0.0,dc=1,size=240x320,offset=0x1", "240x320"),
            ("tft:ili9341,spi=/dev/spidev0.0,dc=1,light", "'light'"),
        ] {
            let error = text.parse::<ScreenDevice>().expect_err(text);
            assert_eq!(error.kind(), Kind::Usage);
            let message = error.to_string();
            assert!(message.contains(why) && message.contains("fb:/dev/fb0"), "{text}: {message}");
        }
        assert!("45".parse::<Rotation>().is_err());
    }
}
