//! A small panel at an SPI bus, by mipidsi. Only the rows that changed are sent: the bus is the bottleneck.

use super::Display;
use super::options::{TftModel, TftOptions};
use super::turned::Turned;
use super::windows::Changes;
use crate::error::{Error, Result};
use crate::geometry::Size;
use embedded_graphics::pixelcolor::Rgb565;
use embedded_graphics::pixelcolor::raw::RawU16;
use linux_embedded_hal::Delay;
use linux_embedded_hal::gpio_cdev::{Chip, LineHandle, LineRequestFlags};
use linux_embedded_hal::spidev::{SpiModeFlags, Spidev, SpidevOptions};
use mipidsi::interface::{Interface, InterfaceKind, InterfacePixelFormat};
use mipidsi::models::{self, Model};
use mipidsi::options::{ColorInversion, ColorOrder};
use mipidsi::{Builder, NoResetPin};
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;

/// The most that spidev takes in one transfer, unless the kernel is told otherwise.
const TRANSFER: usize = 4096;

/// The bus and the line that tells data from commands.
struct Wire {
    spi: Spidev,
    dc: LineHandle,
    bytes: Vec<u8>,
}

impl Wire {
    fn line(&self, data: bool) -> io::Result<()> {
        self.dc.set_value(data.into()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        let sent = self.spi.write_all(&self.bytes);
        self.bytes.clear();
        sent
    }

    fn push(&mut self, pixel: &[u8]) -> io::Result<()> {
        if self.bytes.len() + pixel.len() > TRANSFER {
            self.flush()?;
        }
        self.bytes.extend_from_slice(pixel);
        Ok(())
    }
}

impl Interface for Wire {
    type Word = u8;
    type Error = io::Error;

    const KIND: InterfaceKind = InterfaceKind::Serial4Line;

    fn send_command(&mut self, command: u8, args: &[u8]) -> io::Result<()> {
        self.line(false)?;
        self.spi.write_all(&[command])?;
        self.line(true)?;
        self.spi.write_all(args)
    }

    fn send_pixels<const N: usize>(&mut self, pixels: impl IntoIterator<Item = [u8; N]>) -> io::Result<()> {
        pixels.into_iter().try_for_each(|pixel| self.push(&pixel))?;
        self.flush()
    }

    fn send_repeated_pixel<const N: usize>(&mut self, pixel: [u8; N], count: u32) -> io::Result<()> {
        self.send_pixels(std::iter::repeat_n(pixel, count as usize))
    }
}

/// A panel that takes whole rows.
trait Panel: Send {
    fn send(&mut self, rows: Range<usize>, pixels: &[u16]) -> io::Result<()>;
}

impl<M> Panel for mipidsi::Display<Wire, M, NoResetPin>
where
    M: Model<ColorFormat = Rgb565> + Send,
    Rgb565: InterfacePixelFormat<u8>,
{
    fn send(&mut self, rows: Range<usize>, pixels: &[u16]) -> io::Result<()> {
        let Some(right) = (pixels.len() / rows.len().max(1)).checked_sub(1) else { return Ok(()) };
        let colours = pixels.iter().map(|&pixel| Rgb565::from(RawU16::new(pixel)));
        self.set_pixels(0, rows.start as u16, right as u16, (rows.end - 1) as u16, colours)
    }
}

/// The panel, and what it shows.
pub(super) struct Tft {
    panel: Box<dyn Panel>,
    changes: Changes,
    name: String,
    /// Lit until this is dropped.
    backlight: Option<LineHandle>,
}

impl Tft {
    /// Resets the panel and lights it.
    ///
    /// # Errors
    /// Where the bus or a line cannot be had.
    pub(super) fn open(options: &TftOptions) -> Result<Self> {
        let spi_failed = |e| bus(&options.spi, e);
        let mut spi = Spidev::open(&options.spi).map_err(spi_failed)?;
        let settings =
            SpidevOptions::new().bits_per_word(8).max_speed_hz(options.speed).mode(SpiModeFlags::SPI_MODE_0).build();
        spi.configure(&settings).map_err(spi_failed)?;
        let dc = line(&options.chip, options.dc, 1)?;
        if let Some(reset) = options.reset {
            pulse(&options.chip, reset)?;
        }
        let wire = Wire { spi, dc, bytes: Vec::with_capacity(TRANSFER) };
        let panel = panel(wire, options).map_err(|e| Error::io("the panel does not start at", &options.spi, e))?;
        let backlight = options.backlight.map(|number| line(&options.chip, number, 1)).transpose()?;
        let name = format!("{:?} at {}", options.model, options.spi.display());
        Ok(Self { panel, changes: Changes::new(options.size), name, backlight })
    }
}

fn bus(path: &Path, error: io::Error) -> Error {
    Error::io("cannot use the SPI bus", path, error).fix(
        "switch it on: dtparam=spi=on in /boot/firmware/config.txt; and join its group: sudo usermod -aG spi $USER",
    )
}

fn line(chip: &Path, number: u32, value: u8) -> Result<LineHandle> {
    let request = || Chip::new(chip)?.get_line(number)?.request(LineRequestFlags::OUTPUT, value, "upres");
    request().map_err(|e| {
        Error::io(&format!("cannot have line {number} of"), chip, io::Error::other(e))
            .fix("gpioinfo says who has it; join the group gpio: sudo usermod -aG gpio $USER")
    })
}

/// Resets the panel. mipidsi holds the line for 10 µs, which is too short for boards with a capacitor on it.
fn pulse(chip: &Path, number: u32) -> Result<()> {
    let pause = std::time::Duration::from_millis(20);
    let handle = line(chip, number, 1)?;
    let set = |value| handle.set_value(value).map_err(|e| Error::io("cannot reset by", chip, io::Error::other(e)));
    set(0)?;
    std::thread::sleep(pause);
    set(1)?;
    std::thread::sleep(6 * pause);
    Ok(())
}

fn panel(wire: Wire, options: &TftOptions) -> io::Result<Box<dyn Panel>> {
    match options.model {
        TftModel::Gc9107 => start(models::GC9107, wire, options),
        TftModel::Gc9a01 => start(models::GC9A01, wire, options),
        TftModel::Ili9341 => start(models::ILI9341Rgb565, wire, options),
        TftModel::Ili9342c => start(models::ILI9342CRgb565, wire, options),
        TftModel::St7735s => start(models::ST7735s, wire, options),
        TftModel::St7789 => start(models::ST7789, wire, options),
        TftModel::St7796 => start(models::ST7796, wire, options),
    }
}

fn start<M>(model: M, wire: Wire, options: &TftOptions) -> io::Result<Box<dyn Panel>>
where
    M: Model<ColorFormat = Rgb565> + Send + 'static,
    Rgb565: InterfacePixelFormat<u8>,
{
    let display = Builder::new(model, wire)
        .display_size(options.size.width as u16, options.size.height as u16)
        .display_offset(options.offset.0, options.offset.1)
        .invert_colors(if options.invert { ColorInversion::Inverted } else { ColorInversion::Normal })
        .color_order(if options.bgr { ColorOrder::Bgr } else { ColorOrder::Rgb })
        .init(&mut Delay);
    Ok(Box::new(display.map_err(|e| io::Error::other(format!("{e:?}")))?))
}

impl Display for Tft {
    fn size(&self) -> Size {
        self.changes.size()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn present(&mut self, mut picture: Turned<'_>) -> Result<()> {
        picture.rows(|y, row| {
            self.changes.take(y, row);
            Ok(())
        })?;
        let sent = self.changes.send(|rows, pixels| self.panel.send(rows, pixels));
        sent.map_err(|e| Error::io("cannot send to the panel", Path::new(&self.name), e))
    }

    /// A panel cannot be asked.
    fn check(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Drop for Tft {
    fn drop(&mut self) {
        if let Some(backlight) = &self.backlight {
            let _ = backlight.set_value(0);
        }
    }
}
