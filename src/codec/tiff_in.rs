//! The reading side of TIFF: the first page, in any of the layouts that scanners and cameras write.

use super::exif::{self, DESCRIPTIVE, EXIF_DIRECTORY, Field, Fields, GPS_DIRECTORY, INTEROP_DIRECTORY, ORIENTATION};
use super::input::{Header, Held, Input, ReadSeek, Samples, check_row, guarded, unreadable};
use super::jpeg::ycc_to_rgb;
use super::orientation::Orientation;
use super::{Limits, PictureInfo, RowSource};
use crate::error::{Error, Result};
use crate::frame::{Depth, Layout};
use crate::geometry::Size;
use std::io::{Cursor, Read};
use tiff::decoder::{ChunkType, Decoder, DecodingResult};
use tiff::tags::{ByteOrder, IfdPointer, PhotometricInterpretation, SampleFormat, Tag, Type, ValueBuffer};
use tiff::{ColorType, Directory, TiffError};

type Reader = Decoder<Box<dyn ReadSeek>>;

/// Bytes up to which a strip counts as a few rows, so that the picture streams.
const SMALL_STRIP: u64 = 32 << 20;

/// Reads the header of a TIFF's first page.
pub(super) fn open(input: Input, limits: &Limits) -> Result<Box<dyn RowSource>> {
    guarded(|| {
        let mut reader = decoder(input.reader, limits)?;
        let photometric = reader.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).map_err(damaged)?;
        let palette = if photometric == Some(PhotometricInterpretation::RGBPalette.to_u16()) {
            let colours = reader.get_tag_u16_vec(Tag::ColorMap).map_err(damaged)?;
            reader = without_palette(reader, limits)?;
            Some(colours)
        } else {
            None
        };
        open_page(reader, palette, limits)
    })
}

fn decoder(reader: Box<dyn ReadSeek>, limits: &Limits) -> Result<Reader> {
    let mut given = tiff::decoder::Limits::default();
    given.decoding_buffer_size = usize::try_from(limits.decoded).unwrap_or(usize::MAX);
    given.intermediate_buffer_size = given.decoding_buffer_size;
    given.ifd_value_size = usize::try_from(limits.metadata).unwrap_or(usize::MAX);
    Ok(Decoder::new(reader).map_err(damaged)?.with_limits(given))
}

/// The same file with its palette's indices called grey, since the decoder knows no palettes.
fn without_palette(mut reader: Reader, limits: &Limits) -> Result<Reader> {
    let inner = reader.inner();
    let mut bytes = Vec::new();
    inner.rewind().map_err(unreadable)?;
    Read::take(&mut *inner, limits.input.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    limits.check_input(bytes.len() as u64)?;
    let grey = PhotometricInterpretation::BlackIsZero.to_u16().into();
    exif::set_first(&mut bytes, Tag::PhotometricInterpretation.to_u16(), grey);
    decoder(Box::new(Cursor::new(bytes)), limits)
}

fn open_page(mut reader: Reader, palette: Option<Vec<u16>>, limits: &Limits) -> Result<Box<dyn RowSource>> {
    let (width, height) = reader.dimensions().map_err(damaged)?;
    let size = limits.check_size(width.into(), height.into())?;
    let kind = Kind::of(&mut reader, palette)?;
    let icc = read_icc(&mut reader, limits)?;
    let exif = read_fields(&mut reader).to_block();
    let mut header = Header::new((size, kind.layout(), kind.depth()), icc, exif, limits)?;
    let orientation = reader.find_tag_unsigned::<u16>(Tag::from_u16_exhaustive(ORIENTATION)).ok().flatten();
    header.orientation = Orientation::from_exif(orientation.unwrap_or(1));
    let strip_rows = reader.chunk_dimensions().1.min(height) as usize;
    let strip = header.decoded_bytes() / u64::from(height) * strip_rows as u64;
    let in_strips =
        reader.get_chunk_type() == ChunkType::Strip && reader.image_buffer_layout().map_err(damaged)?.planes == 1;
    if in_strips && header.orientation == Orientation::UPRIGHT && strip <= SMALL_STRIP {
        return Ok(Box::new(Strips {
            info: header.into_info(true),
            reader,
            kind,
            strip_rows,
            strip: Samples::Eight(Vec::new()),
            next: 0,
        }));
    }
    // Beside the picture: its samples as stored, before inks, bits, palettes or planes are made rows of.
    let stored = reader.image_buffer_layout().map_err(damaged)?;
    let working = if kind.is_plain() { 0 } else { stored.complete_len as u64 };
    let planes = stored.planes;
    Held::source(header, working, limits, move || {
        let mut samples = DecodingResult::U8(Vec::new());
        let layout = reader.read_image_to_buffer(&mut samples).map_err(damaged)?;
        if samples.as_buffer(0).as_bytes().len() < layout.complete_len {
            return Err(Error::limit("the TIFF's planes take more memory than given").fix("raise --max-decoded"));
        }
        kind.rows(samples, planes.max(layout.planes), size)
    })
}

/// A page that is read strip by strip.
struct Strips {
    info: PictureInfo,
    reader: Reader,
    kind: Kind,
    /// Rows in every strip but the last.
    strip_rows: usize,
    strip: Samples,
    next: usize,
}

impl RowSource for Strips {
    fn info(&self) -> &PictureInfo {
        &self.info
    }

    fn next_row(&mut self, row: &mut [f32]) -> Result<()> {
        check_row(row, &self.info, self.next)?;
        let (index, within) = (self.next / self.strip_rows, self.next % self.strip_rows);
        if within == 0 {
            let rows = self.strip_rows.min(self.info.size.height - self.next);
            let (reader, kind, size) = (&mut self.reader, &self.kind, Size::new(self.info.size.width, rows));
            self.strip = guarded(|| kind.rows(reader.read_chunk(index as u32).map_err(damaged)?, 1, size))?;
            if self.strip.len() != rows * row.len() {
                return Err(Error::input("a strip of the TIFF holds fewer pixels than its header says"));
            }
        }
        self.strip.copy_row(within * self.info.size.width, 1, self.info.layout.channels(), row);
        self.next += 1;
        Ok(())
    }
}

/// How the samples of a page are to be understood.
struct Kind {
    colour: ColorType,
    /// Red, then green, then blue of every index.
    palette: Option<Vec<u16>>,
    float: bool,
    /// Whether colours have been multiplied by alpha.
    premultiplied: bool,
}

impl Kind {
    fn of(reader: &mut Reader, palette: Option<Vec<u16>>) -> Result<Self> {
        const ASSOCIATED_ALPHA: u16 = 1;
        let colour = reader.colortype().map_err(damaged)?;
        let formats = reader.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).map_err(damaged)?.unwrap_or_default();
        let float = formats.first() == Some(&SampleFormat::IEEEFP.to_u16());
        let whole = formats.iter().all(|&f| f == SampleFormat::Uint.to_u16());
        let extra = reader.find_tag_unsigned_vec::<u16>(Tag::ExtraSamples).map_err(damaged)?.unwrap_or_default();
        let bits_fit = match colour {
            ColorType::Gray(bits) if palette.is_some() => matches!(bits, 1 | 2 | 4 | 8),
            ColorType::Gray(bits) => matches!(bits, 1 | 2 | 4 | 8 | 16) || float && bits == 32,
            ColorType::RGB(bits) | ColorType::RGBA(bits) => matches!(bits, 8 | 16) || float && bits == 32,
            ColorType::CMYK(bits) | ColorType::Multiband { bit_depth: bits, num_samples: 2 } => matches!(bits, 8 | 16),
            ColorType::YCbCr(bits) => bits == 8,
            _ => false,
        };
        if !bits_fit || !(whole || float) {
            return Err(Error::input(format!("a TIFF of the kind {colour:?} is not read"))
                .fix("convert it to grey or RGB with 8 or 16 bits"));
        }
        Ok(Self { colour, palette, float, premultiplied: extra.first() == Some(&ASSOCIATED_ALPHA) })
    }

    fn layout(&self) -> Layout {
        match self.colour {
            ColorType::Gray(_) if self.palette.is_none() => Layout::Grey,
            ColorType::Multiband { .. } => Layout::GreyAlpha,
            ColorType::RGBA(_) => Layout::Rgba,
            _ => Layout::Rgb,
        }
    }

    fn depth(&self) -> Depth {
        if self.float || self.colour.bit_depth() == 16 { Depth::Sixteen } else { Depth::Eight }
    }

    /// Whether the stored samples are the rows.
    fn is_plain(&self) -> bool {
        let plain = match self.colour {
            ColorType::Gray(bits) => bits >= 8 && self.palette.is_none(),
            ColorType::RGB(_) | ColorType::RGBA(_) | ColorType::Multiband { .. } => true,
            _ => false,
        };
        plain && !self.float && !self.premultiplied
    }

    /// Rows of [`Kind::layout`] and [`Kind::depth`] from what the decoder gives.
    fn rows(&self, samples: DecodingResult, planes: usize, size: Size) -> Result<Samples> {
        let samples = match samples {
            DecodingResult::U8(v) if self.bits() < 8 => {
                Samples::Eight(unpack(&v, self.bits(), size, self.palette.is_none()))
            }
            DecodingResult::U8(v) => Samples::Eight(interleave(v, planes, size.area())),
            DecodingResult::U16(v) => Samples::Sixteen(interleave(v, planes, size.area())),
            DecodingResult::F32(v) => {
                let rounded = v.into_iter().map(|v| Depth::Sixteen.quantise(v)).collect();
                Samples::Sixteen(interleave(rounded, planes, size.area()))
            }
            _ => return Err(Error::internal("a TIFF sample type that was to be refused")),
        };
        let mut samples = match (self.colour, &self.palette, samples) {
            (_, Some(palette), Samples::Eight(indices)) => Samples::Eight(look_up(&indices, palette)),
            (ColorType::YCbCr(_), _, Samples::Eight(v)) => {
                Samples::Eight(v.chunks_exact(3).flat_map(|pixel| ycc_to_rgb([pixel[0], pixel[1], pixel[2]])).collect())
            }
            (ColorType::CMYK(_), _, Samples::Eight(v)) => Samples::Eight(reflect(&v, 255).map(|v| v as u8).collect()),
            (ColorType::CMYK(_), _, Samples::Sixteen(v)) => {
                Samples::Sixteen(reflect(&v, 65535).map(|v| v as u16).collect())
            }
            (_, _, samples) => samples,
        };
        if self.premultiplied && self.layout().has_alpha() {
            let channels = self.layout().channels();
            match &mut samples {
                Samples::Eight(v) => divide_by_alpha(v, channels, 255),
                Samples::Sixteen(v) => divide_by_alpha(v, channels, 65535),
            }
        }
        Ok(samples)
    }

    fn bits(&self) -> u8 {
        self.colour.bit_depth()
    }
}

/// Whole bytes from samples of 1, 2 or 4 bits whose rows begin at a byte; stretched to 0…255 where they are shades.
fn unpack(packed: &[u8], bits: u8, size: Size, shades: bool) -> Vec<u8> {
    let stride = (size.width * usize::from(bits)).div_ceil(8);
    let largest = (1_u8 << bits) - 1;
    let factor = if shades { 255 / largest } else { 1 };
    let each = usize::from(8 / bits);
    let row = |row: &[u8]| -> Vec<u8> {
        let sample = |x: usize| (row[x / each] >> (8 - bits * (x % each + 1) as u8)) & largest;
        (0..size.width).map(|x| sample(x) * factor).collect()
    };
    packed.chunks_exact(stride.max(1)).flat_map(row).collect()
}

/// One plane after another made pixel after pixel.
fn interleave<T: Copy>(samples: Vec<T>, planes: usize, pixels: usize) -> Vec<T> {
    if planes <= 1 || samples.len() < planes * pixels {
        return samples;
    }
    (0..pixels).flat_map(|i| (0..planes).map(move |p| (i, p))).map(|(i, p)| samples[p * pixels + i]).collect()
}

/// Colours of indices. Palettes have 16 bits, but some writers left the upper half empty.
fn look_up(indices: &[u8], palette: &[u16]) -> Vec<u8> {
    let entries = palette.len() / 3;
    let shift = if palette.iter().all(|&v| v < 256) { 0 } else { 8 };
    let shade = |index: usize, channel: usize| {
        palette.get(channel * entries + index).filter(|_| index < entries).map_or(0, |&v| (v >> shift) as u8)
    };
    indices.iter().flat_map(|&i| [0, 1, 2].map(|channel| shade(i.into(), channel))).collect()
}

/// Red, green and blue that paper reflects through inks of 0 to `full`.
fn reflect<T: Copy + Into<u32>>(inks: &[T], full: u32) -> impl Iterator<Item = u32> {
    inks.chunks_exact(4).flat_map(move |pixel| {
        let black = full - pixel[3].into();
        [0, 1, 2].map(|i| (u64::from(full - pixel[i].into()) * u64::from(black) + u64::from(full) / 2) as u32 / full)
    })
}

fn divide_by_alpha<T: Copy + Into<u32> + TryFrom<u32>>(samples: &mut [T], channels: usize, full: u32) {
    for pixel in samples.chunks_exact_mut(channels) {
        let Some((alpha, colours)) = pixel.split_last_mut() else { continue };
        let alpha: u32 = (*alpha).into();
        for colour in colours.iter_mut().filter(|_| alpha > 0) {
            let value: u32 = (*colour).into();
            let straight = (u64::from(value) * u64::from(full) + u64::from(alpha) / 2) / u64::from(alpha);
            if let Ok(straight) = T::try_from(straight.min(full.into()) as u32) {
                *colour = straight;
            }
        }
    }
}

fn read_icc(reader: &mut Reader, limits: &Limits) -> Result<Option<Vec<u8>>> {
    let entry = reader.image_ifd().find_entry(Tag::IccProfile);
    limits.check_metadata("colour profile", entry.map_or(0, |entry| entry.count()))?;
    Ok(reader.get_tag_u8_vec(Tag::IccProfile).ok())
}

/// The page's own tags and directories that an EXIF block would hold. What cannot be read is left out.
fn read_fields(reader: &mut Reader) -> Fields {
    let mut fields = Fields::default();
    let mut page = reader.image_ifd();
    for tag in DESCRIPTIVE {
        let mut value = ValueBuffer::empty(Type::BYTE);
        if let Ok(Some(_)) = page.find_tag_buf(Tag::from_u16_exhaustive(tag), &mut value) {
            fields.first.extend(field_of(tag, value));
        }
    }
    fields.exif = read_directory(reader, EXIF_DIRECTORY);
    fields.gps = read_directory(reader, GPS_DIRECTORY);
    fields
}

fn read_directory(reader: &mut Reader, tag: u16) -> Vec<Field> {
    let pointer = reader.find_tag_unsigned::<u64>(Tag::from_u16_exhaustive(tag)).ok().flatten();
    let Some(directory) = pointer.and_then(|p| reader.read_directory(IfdPointer(p)).ok()) else { return Vec::new() };
    fields_of(reader, &directory)
}

fn fields_of(reader: &mut Reader, directory: &Directory) -> Vec<Field> {
    let mut tags = reader.read_directory_tags(directory);
    let field = |tag: Tag| {
        let mut value = ValueBuffer::empty(Type::BYTE);
        tags.find_tag_buf(tag, &mut value).ok().flatten()?;
        field_of(tag.to_u16(), value)
    };
    directory.iter().map(|(tag, _)| tag).filter(|tag| tag.to_u16() != INTEROP_DIRECTORY).filter_map(field).collect()
}

/// Types that only BigTIFF has find no room in an EXIF block.
fn field_of(tag: u16, mut value: ValueBuffer) -> Option<Field> {
    let kind = value.data_type().to_u16();
    value.set_byte_order(ByteOrder::LittleEndian);
    (kind <= 13).then(|| Field { tag, kind, value: value.as_bytes().to_vec() })
}

fn damaged(error: TiffError) -> Error {
    match error {
        TiffError::IoError(e) => unreadable(e),
        TiffError::LimitsExceeded => Error::limit("the TIFF's blocks take more memory than given")
            .fix("raise --max-decoded or --max-metadata if the file is to be trusted"),
        TiffError::UnsupportedError(e) => Error::input("a TIFF of this kind is not read")
            .caused_by(e)
            .fix("save it as grey or RGB, packed with LZW, Deflate or not at all"),
        other => Error::input("the TIFF is damaged").caused_by(other),
    }
}
