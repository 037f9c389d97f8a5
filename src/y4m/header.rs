//! The header line: what the frames of a stream look like.

use super::MAX_PIXELS;
use crate::error::{Error, Result};
use crate::geometry::Size;
use std::fmt;

/// A ratio as the header writes it, `NUM:DEN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// Numerator.
    pub num: u32,
    /// Denominator, not zero.
    pub den: u32,
}

/// Where the one chroma sample of a group of pixels lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Siting {
    /// In the middle of the group (JPEG, MPEG-1).
    Centre,
    /// In the middle of the group's left side (MPEG-2, H.264 and later).
    Left,
    /// On the group's top left pixel (DV, BT.2020).
    TopLeft,
}

/// How much chroma there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chroma {
    /// None: luma only.
    Mono,
    /// One chroma sample for 2 × 2 pixels.
    C420(Siting),
    /// One chroma sample for two pixels of a row, on the left one.
    C422,
    /// As much as luma.
    C444,
}

/// Which codes mean black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// 0 to 255 (at 8 bits).
    Full,
    /// 16 to 235, chroma 16 to 240: television, and nearly every video.
    Studio,
}

/// What a stream's header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Width and height of the luma.
    pub size: Size,
    /// Chroma sampling and siting.
    pub chroma: Chroma,
    /// Bits a sample: 8, 9, 10, 12, 14 or 16.
    pub bits: u32,
    /// Frames a second.
    pub rate: Option<Ratio>,
    /// Width to height of one pixel.
    pub aspect: Option<Ratio>,
    /// Black and white; where a stream does not say, studio range is meant.
    pub range: Option<Range>,
    /// Other `X` fields, as they came.
    pub comments: Vec<String>,
}

impl Siting {
    /// How far the sample lies from its group's middle, in luma pixels, across and down.
    pub const fn shift(self) -> (f64, f64) {
        match self {
            Self::Centre => (0.0, 0.0),
            Self::Left => (-0.5, 0.0),
            Self::TopLeft => (-0.5, -0.5),
        }
    }
}

impl Chroma {
    /// Pixels in a group, across and down; `None` where there is no chroma.
    pub const fn group(self) -> Option<(usize, usize)> {
        match self {
            Self::Mono => None,
            Self::C420(_) => Some((2, 2)),
            Self::C422 => Some((2, 1)),
            Self::C444 => Some((1, 1)),
        }
    }

    /// How far a chroma sample lies from its group's middle, in luma pixels, across and down.
    pub const fn shift(self) -> (f64, f64) {
        match self {
            Self::C420(siting) => siting.shift(),
            Self::C422 => (-0.5, 0.0),
            Self::Mono | Self::C444 => (0.0, 0.0),
        }
    }

    /// The nearest size to `size` whose sides are whole groups, so that every encoder takes it.
    #[must_use]
    pub fn whole_groups(self, size: Size) -> Size {
        let (across, down) = self.group().unwrap_or((1, 1));
        Size::new(size.width.next_multiple_of(across), size.height.next_multiple_of(down))
    }
}

impl Range {
    /// Gain and offset that take luma codes of `bits` bits to 0 (black) … 1 (white).
    pub fn luma(self, bits: u32) -> [f32; 2] {
        match self {
            Self::Full => [1.0 / ((1_u32 << bits) - 1) as f32, 0.0],
            Self::Studio => [1.0 / (219_u32 << (bits - 8)) as f32, -16.0 / 219.0],
        }
    }

    /// Gain and offset that take chroma codes of `bits` bits to 0…1, with "no colour" at ½.
    pub fn chroma(self, bits: u32) -> [f32; 2] {
        let middle = (1_u32 << (bits - 1)) as f32;
        let gain = match self {
            Self::Full => 1.0 / ((1_u32 << bits) - 1) as f32,
            Self::Studio => 1.0 / (224_u32 << (bits - 8)) as f32,
        };
        [gain, 0.5 - middle * gain]
    }
}

impl Header {
    /// Reads a header line, without its line end.
    ///
    /// # Errors
    /// An input error where it is no such line, or asks for what is not supported (interlacing, 4:1:1, alpha); a limit
    /// error where frames are too large.
    pub fn parse(line: &str) -> Result<Self> {
        let mut fields = line.split(' ').filter(|field| !field.is_empty());
        if fields.next() != Some("YUV4MPEG2") {
            return Err(not_y4m());
        }
        let mut draft = Draft::default();
        for field in fields {
            draft.take(field)?;
        }
        draft.finish()
    }

    /// The range, studio where nothing is said.
    pub fn effective_range(&self) -> Range {
        self.range.unwrap_or(Range::Studio)
    }

    /// Bytes a sample.
    pub const fn sample_bytes(&self) -> usize {
        if self.bits == 8 { 1 } else { 2 }
    }

    /// The size of a chroma plane; `None` where there is none.
    pub fn chroma_size(&self) -> Option<Size> {
        let (across, down) = self.chroma.group()?;
        Some(Size::new(self.size.width.div_ceil(across), self.size.height.div_ceil(down)))
    }

    /// Bytes of the luma plane.
    pub const fn luma_bytes(&self) -> usize {
        self.size.area() * self.sample_bytes()
    }

    /// Bytes of one chroma plane, 0 where there is none.
    pub fn chroma_bytes(&self) -> usize {
        self.chroma_size().map_or(0, |size| size.area() * self.sample_bytes())
    }

    /// Bytes of a frame: Y, Cb, Cr.
    pub fn frame_bytes(&self) -> usize {
        self.luma_bytes() + 2 * self.chroma_bytes()
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.num, self.den)
    }
}

impl fmt::Display for Header {
    /// The header line, without its line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "YUV4MPEG2 W{} H{}", self.size.width, self.size.height)?;
        if let Some(rate) = self.rate {
            write!(f, " F{rate}")?;
        }
        f.write_str(" Ip")?;
        if let Some(aspect) = self.aspect {
            write!(f, " A{aspect}")?;
        }
        write!(f, " C{}", chroma_name(self.chroma, self.bits))?;
        match self.range {
            Some(Range::Full) => f.write_str(" XCOLORRANGE=FULL")?,
            Some(Range::Studio) => f.write_str(" XCOLORRANGE=LIMITED")?,
            None => {}
        }
        self.comments.iter().try_for_each(|comment| write!(f, " {comment}"))
    }
}

/// What the fields said so far.
#[derive(Default)]
struct Draft<'a> {
    width: Option<usize>,
    height: Option<usize>,
    chroma: Option<&'a str>,
    legacy_chroma: Option<&'a str>,
    rate: Option<Ratio>,
    aspect: Option<Ratio>,
    range: Option<Range>,
    comments: Vec<String>,
}

impl<'a> Draft<'a> {
    fn take(&mut self, field: &'a str) -> Result<()> {
        let value = field.get(1..).unwrap_or_default();
        match field.as_bytes()[0] {
            b'W' => self.width = Some(side(value)?),
            b'H' => self.height = Some(side(value)?),
            b'F' => self.rate = ratio(value)?,
            b'A' => self.aspect = ratio(value)?,
            b'C' => self.chroma = Some(value),
            b'I' => progressive(value)?,
            b'X' => self.comment(field),
            _ => {}
        }
        Ok(())
    }

    fn comment(&mut self, field: &'a str) {
        match field.split_once('=') {
            Some(("XCOLORRANGE", "FULL")) => self.range = Some(Range::Full),
            Some(("XCOLORRANGE", "LIMITED")) => self.range = Some(Range::Studio),
            Some(("XYSCSS", name)) => self.legacy_chroma = Some(name),
            _ => self.comments.push(field.to_owned()),
        }
    }

    fn finish(self) -> Result<Header> {
        let (Some(width), Some(height)) = (self.width, self.height) else {
            return Err(Error::input("the Y4M header does not say how large frames are").fix("it needs W and H"));
        };
        let size = Size::new(width, height);
        if size.checked_area().is_none_or(|area| area > MAX_PIXELS) {
            return Err(Error::limit(format!("Y4M frames of {size} are larger than the limit of {MAX_PIXELS} pixels")));
        }
        let name = self.chroma.or(self.legacy_chroma).unwrap_or("420jpeg").to_ascii_lowercase();
        let (chroma, bits) = chroma(&name)?;
        let Self { rate, aspect, range, comments, .. } = self;
        Ok(Header { size, chroma, bits, rate, aspect, range, comments })
    }
}

/// The complaint about bytes that are no Y4M stream at all.
pub(super) fn not_y4m() -> Error {
    Error::input("this is no Y4M stream").fix("pipe 'ffmpeg -i VIDEO -f yuv4mpegpipe -' into it")
}

fn side(value: &str) -> Result<usize> {
    let side = value.parse().ok().filter(|&side: &usize| side > 0);
    side.ok_or_else(|| Error::input(format!("'{value}' in the Y4M header is no width or height")))
}

/// `NUM:DEN`; zeros mean "unknown".
fn ratio(value: &str) -> Result<Option<Ratio>> {
    let parse = || {
        let (num, den) = value.split_once(':')?;
        Some(Ratio { num: num.parse().ok()?, den: den.parse().ok()? })
    };
    let ratio = parse().ok_or_else(|| Error::input(format!("'{value}' in the Y4M header is no ratio")))?;
    Ok(Some(ratio).filter(|ratio| ratio.num > 0 && ratio.den > 0))
}

fn progressive(value: &str) -> Result<()> {
    match value {
        "p" | "?" => Ok(()),
        _ => Err(Error::input(format!("the Y4M stream is interlaced (I{value}); its fields would be mixed up")).fix(
            "deinterlace it on the way in: ffmpeg -i VIDEO -vf bwdif=mode=send_frame,setfield=prog -f yuv4mpegpipe -",
        )),
    }
}

fn chroma(name: &str) -> Result<(Chroma, u32)> {
    let deep = |prefix: &str| name.strip_prefix(prefix)?.parse().ok().filter(|bits| [9, 10, 12, 14, 16].contains(bits));
    Ok(match name {
        "420" | "420jpeg" => (Chroma::C420(Siting::Centre), 8),
        "420mpeg2" => (Chroma::C420(Siting::Left), 8),
        "420paldv" => (Chroma::C420(Siting::TopLeft), 8),
        "422" => (Chroma::C422, 8),
        "444" => (Chroma::C444, 8),
        "mono" => (Chroma::Mono, 8),
        _ => {
            let sampling = [
                ("420p", Chroma::C420(Siting::Left)),
                ("422p", Chroma::C422),
                ("444p", Chroma::C444),
                ("mono", Chroma::Mono),
            ];
            let known = sampling.into_iter().find_map(|(prefix, chroma)| Some((chroma, deep(prefix)?)));
            known.ok_or_else(|| {
                Error::input(format!("chroma C{name} of the Y4M stream is not supported"))
                    .fix("convert it on the way in: ffmpeg -i VIDEO -pix_fmt yuv420p -f yuv4mpegpipe -")
            })?
        }
    })
}

fn chroma_name(chroma: Chroma, bits: u32) -> String {
    let deep = if bits == 8 { String::new() } else { format!("p{bits}") };
    match (chroma, bits) {
        (Chroma::C420(Siting::Centre), 8) => "420jpeg".to_owned(),
        (Chroma::C420(Siting::Left), 8) => "420mpeg2".to_owned(),
        (Chroma::C420(Siting::TopLeft), 8) => "420paldv".to_owned(),
        (Chroma::C420(_), _) => format!("420{deep}"),
        (Chroma::C422, _) => format!("422{deep}"),
        (Chroma::C444, _) => format!("444{deep}"),
        (Chroma::Mono, 8) => "mono".to_owned(),
        (Chroma::Mono, _) => format!("mono{bits}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;
    use crate::error::Kind;

    #[test]
    fn what_ffmpeg_writes_is_read_and_written_alike() {
        for line in [
            "YUV4MPEG2 W960 H540 F30000:1001 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED",
            "YUV4MPEG2 W7 H5 F30:1 Ip C420jpeg XCOLORRANGE=FULL",
            "YUV4MPEG2 W7 H5 F25:2 Ip C420paldv XNOTE",
            "YUV4MPEG2 W7 H5 F30:1 Ip C420p10 XCOLORRANGE=LIMITED",
            "YUV4MPEG2 W7 H5 F30:1 Ip C422",
            "YUV4MPEG2 W7 H5 Ip C444p12",
            "YUV4MPEG2 W7 H5 F30:1 Ip Cmono",
            "YUV4MPEG2 W7 H5 F30:1 Ip Cmono16",
        ] {
            assert_eq!(Header::parse(line).map(|header| header.to_string()).ok().as_deref(), Some(line));
        }
    }

    #[test]
    fn odd_sides_round_chroma_up() {
        let bytes = |line| Header::parse(line).map(|header| header.frame_bytes()).ok();
        assert_eq!(bytes("YUV4MPEG2 W7 H5"), Some(35 + 2 * 12));
        assert_eq!(bytes("YUV4MPEG2 W7 H5 C422p10"), Some(2 * (35 + 2 * 20)));
        assert_eq!(bytes("YUV4MPEG2 W7 H5 C444"), Some(3 * 35));
        assert_eq!(bytes("YUV4MPEG2 W7 H5 Cmono"), Some(35));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_way_out() {
        let most = format!("YUV4MPEG2 W{0} H{0}", usize::MAX);
        for (line, kind, part) in [
            ("YUV4MPEG2 W7 H5 It", Kind::Input, "bwdif"),
            ("YUV4MPEG2 W7 H5 C411", Kind::Input, "-pix_fmt"),
            ("YUV4MPEG2 W7 H5 C444alpha", Kind::Input, "-pix_fmt"),
            ("YUV4MPEG2 W7 H5 C420p11", Kind::Input, "-pix_fmt"),
            ("YUV4MPEG2 W0 H5", Kind::Input, "width"),
            ("YUV4MPEG2 H5", Kind::Input, "W and H"),
            ("YUV4MPEG2 W7 H5 F30", Kind::Input, "ratio"),
            ("YUV4MPEG2 W99999 H99999", Kind::Limit, "limit"),
            (&most, Kind::Limit, "limit"),
            ("RIFF", Kind::Input, "yuv4mpegpipe"),
        ] {
            match Header::parse(line) {
                Err(error) => {
                    assert_eq!(error.kind(), kind, "{line}");
                    assert!(error.to_string().contains(part), "{line}: {error}");
                }
                Ok(header) => panic!("{line} was read as {header}"),
            }
        }
    }

    #[test]
    fn absent_fields_take_their_defaults() {
        let header = Header::parse("YUV4MPEG2 W8 H8 F0:0 A0:0 XYSCSS=420MPEG2").ok();
        let header = header.expect("a header");
        assert_eq!((header.rate, header.aspect), (None, None));
        assert_eq!(header.chroma, Chroma::C420(Siting::Left));
        assert_eq!(header.effective_range(), Range::Studio);
    }
}
