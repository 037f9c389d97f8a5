//! A V4L2 device, fenced: the one file that names the `v4l` crate, which panics on odd driver data and while it is dropped.

use super::choose::{Offer, Rates, Sides, SizeOffer};
use crate::device::shot::Packing;
use crate::error::Error;
use crate::geometry::Size;
use crate::y4m::{Range, Ratio};
use log::warn;
use rustix::io::Errno;
use std::io::{self, ErrorKind, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use v4l::buffer::{Flags as BufferFlags, Type};
use v4l::capability::Flags;
use v4l::format::{Colorspace, FieldOrder, Quantization};
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::io::mmap::Stream as Mapped;
use v4l::io::traits::{CaptureStream, Stream as _};
use v4l::video::capture::Parameters;
use v4l::video::{Capture, Output};
use v4l::{Device, FourCC, Fraction};

/// Buffers of a stream: two wait in the driver while one is read.
const BUFFERS: u32 = 3;
/// More than this no driver gives.
const MOST_BUFFERS: usize = 32;

/// Runs a call of the `v4l` crate and makes an error of its panics.
fn fence<T>(call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(io::Error::other("the driver's answer makes no sense")))
}

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::device) struct Identity {
    pub(in crate::device) card: String,
    pub(in crate::device) driver: String,
    pub(in crate::device) bus: String,
    flags: Flags,
}

impl Identity {
    fn has(&self, flags: Flags) -> bool {
        self.flags.intersects(flags)
    }

    /// Gives frames to programs, in buffers that can be mapped.
    pub(in crate::device) fn captures(&self) -> bool {
        self.has(Flags::VIDEO_CAPTURE) && self.has(Flags::STREAMING)
    }

    /// Takes frames from programs. While someone writes, v4l2loopback says that it does not, and sometimes afterwards.
    pub(in crate::device) fn shows(&self) -> bool {
        self.has(Flags::VIDEO_OUTPUT) || self.driver.starts_with("v4l2") && self.driver.ends_with("loopback")
    }

    /// Gives or takes frames in several planes, which the crate cannot do.
    pub(in crate::device) fn planes(&self) -> bool {
        self.has(Flags::VIDEO_CAPTURE_MPLANE | Flags::VIDEO_OUTPUT_MPLANE)
    }

    /// Works on pictures in memory: an encoder, a decoder, a scaler.
    pub(in crate::device) fn codec(&self) -> bool {
        self.has(Flags::VIDEO_M2M | Flags::VIDEO_M2M_MPLANE)
    }

    /// Frames can be written to it as to a file.
    pub(in crate::device) fn writes(&self) -> bool {
        self.has(Flags::READ_WRITE)
    }
}

/// What the driver really gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::device) struct Given {
    pub(in crate::device) fourcc: [u8; 4],
    pub(in crate::device) size: [u32; 2],
    /// Bytes from row to row, or 0.
    pub(in crate::device) stride: u32,
    /// Where the driver says.
    pub(in crate::device) range: Option<Range>,
    /// Whole pictures, not fields.
    pub(in crate::device) progressive: bool,
}

/// What is told of a frame that was copied out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    /// The driver's number.
    pub(super) sequence: u32,
    /// The driver's time, where it is on the monotonic clock.
    pub(super) time: Option<Duration>,
    /// The driver says that its bytes are damaged.
    pub(super) damaged: bool,
}

/// An open device.
pub(in crate::device) struct Node {
    device: Option<Device>,
    /// Of a device that takes frames, where it had to be told that they come.
    told: Option<Buffers>,
}

impl Drop for Node {
    fn drop(&mut self) {
        // Closing panics where the system refuses it; the descriptor is gone all the same.
        let device = self.device.take();
        let _ = catch_unwind(AssertUnwindSafe(move || drop(device)));
    }
}

/// An error of the device at `path`, with what to do about it.
pub(in crate::device) fn refused(doing: &str, path: &Path, error: io::Error) -> Error {
    let fix = match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Some("plug it in; 'upres devices' lists what there is"),
        Some(Errno::ACCESS | Errno::PERM) => {
            Some("add yourself to its group, 'sudo usermod -aG video $USER', and log in again")
        }
        Some(Errno::BUSY) => Some("another program has it; 'fuser -v' and the device's name tell which"),
        Some(Errno::NOTTY) => Some("it is no video device; 'upres devices' lists what there is"),
        _ => None,
    };
    let error = Error::io(doing, path, error);
    match fix {
        Some(fix) => error.fix(fix),
        None => error,
    }
}

fn ratio(Fraction { numerator, denominator }: Fraction) -> Option<Ratio> {
    // Drivers speak of seconds a frame, we of frames a second.
    (numerator > 0 && denominator > 0).then_some(Ratio { num: denominator, den: numerator })
}

fn given(format: v4l::Format) -> Given {
    let rgb = &format.fourcc.repr == b"RGB3";
    let range = match (format.quantization, format.colorspace) {
        (Quantization::FullRange, _) => Some(Range::Full),
        (Quantization::LimitedRange, _) => Some(Range::Studio),
        (Quantization::Default, Colorspace::JPEG) if !rgb => Some(Range::Full),
        (Quantization::Default, _) => None,
    };
    let progressive = matches!(format.field_order, FieldOrder::Any | FieldOrder::Progressive);
    Given { fourcc: format.fourcc.repr, size: [format.width, format.height], stride: format.stride, range, progressive }
}

/// The crate leaves in the name what the buffer held behind its end.
fn described(format: v4l::format::Description) -> ([u8; 4], String) {
    let name = format.description.split('\0').next().unwrap_or_default();
    (format.fourcc.repr, name.trim().to_owned())
}

fn size(width: u32, height: u32) -> Size {
    Size::new(width as usize, height as usize)
}

fn wanted(size: Size, fourcc: [u8; 4]) -> v4l::Format {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let mut format = v4l::Format::new(side(size.width), side(size.height), FourCC::new(&fourcc));
    format.field_order = FieldOrder::Progressive;
    format
}

impl Node {
    /// Opens the device at `path`.
    pub(in crate::device) fn open(path: &Path) -> io::Result<Self> {
        // The crate makes a C string of the path and panics where that cannot be.
        fence(|| Device::with_path(path)).map(|device| Self { device: Some(device), told: None })
    }

    fn ask<T>(&self, call: impl FnOnce(&Device) -> io::Result<T>) -> io::Result<T> {
        let device = self.device.as_ref().ok_or_else(|| io::Error::from(Errno::BADF))?;
        fence(|| call(device))
    }

    /// What it is.
    pub(in crate::device) fn identity(&self) -> io::Result<Identity> {
        let caps = self.ask(Device::query_caps)?;
        Ok(Identity { card: caps.card, driver: caps.driver, bus: caps.bus, flags: caps.capabilities })
    }

    /// The formats that it gives, by fourcc and name.
    pub(super) fn formats(&self) -> io::Result<Vec<([u8; 4], String)>> {
        let formats = self.ask(Capture::enum_formats)?;
        Ok(formats.into_iter().map(described).collect())
    }

    /// The formats that it takes, by fourcc and name.
    pub(super) fn output_formats(&self) -> io::Result<Vec<([u8; 4], String)>> {
        let formats = self.ask(Output::enum_formats)?;
        Ok(formats.into_iter().map(described).collect())
    }

    /// The sizes and rates in one format; rates of stepwise sizes are those at the size nearest to `near`. Nothing where the driver
    /// does not say.
    pub(super) fn sizes(&self, fourcc: [u8; 4], near: Size) -> Vec<SizeOffer> {
        let sizes = self.ask(|device| Capture::enum_framesizes(device, FourCC::new(&fourcc))).unwrap_or_default();
        let sides = sizes.into_iter().map(|found| match found.size {
            FrameSizeEnum::Discrete(found) => Sides::One(size(found.width, found.height)),
            FrameSizeEnum::Stepwise(steps) => Sides::Steps {
                least: size(steps.min_width, steps.min_height),
                most: size(steps.max_width, steps.max_height),
                step: size(steps.step_width, steps.step_height),
            },
        });
        sides.map(|sides| SizeOffer { sides, rates: self.rates(fourcc, sides.nearest(near)) }).collect()
    }

    fn rates(&self, fourcc: [u8; 4], size: Size) -> Vec<Rates> {
        let (width, height) = (size.width as u32, size.height as u32);
        let found = self.ask(|device| Capture::enum_frameintervals(device, FourCC::new(&fourcc), width, height));
        let rates = found.unwrap_or_default().into_iter().filter_map(|found| match found.interval {
            FrameIntervalEnum::Discrete(interval) => ratio(interval).map(Rates::One),
            FrameIntervalEnum::Stepwise(steps) => Some(Rates::Between(ratio(steps.min)?, ratio(steps.max)?)),
        });
        rates.collect()
    }

    /// All that it offers among what is read.
    pub(super) fn offers(&self, near: Size) -> io::Result<Vec<Offer>> {
        let known = self.formats()?.into_iter().filter_map(|(fourcc, _)| Some((fourcc, Packing::from_fourcc(fourcc)?)));
        Ok(known.map(|(fourcc, packing)| Offer { packing, sizes: self.sizes(fourcc, near) }).collect())
    }

    /// Asks for frames of `size` in `fourcc`.
    pub(super) fn set_capture(&self, size: Size, fourcc: [u8; 4]) -> io::Result<Given> {
        self.ask(|device| Capture::set_format(device, &wanted(size, fourcc))).map(given)
    }

    /// Sets again what is set, which drivers refuse while another program has the frames.
    pub(super) fn busy(&self) -> bool {
        let again = self.ask(|device| Capture::set_format(device, &Capture::format(device)?));
        again.err().as_ref().and_then(Errno::from_io_error) == Some(Errno::BUSY)
    }

    /// Asks for `rate`, where there is one, and tells what the driver says then.
    pub(super) fn set_rate(&self, rate: Option<Ratio>) -> Option<Ratio> {
        let params = self.ask(|device| match rate {
            Some(rate) => Capture::set_params(device, &Parameters::new(Fraction::new(rate.den, rate.num))),
            None => Capture::params(device),
        });
        // Many drivers know nothing of rates; what they give then is seen soon enough.
        params.ok().and_then(|params| ratio(params.interval))
    }

    /// Tells a device that takes frames what they will look like.
    pub(in crate::device) fn set_output(&self, size: Size, fourcc: [u8; 4]) -> io::Result<(Given, usize)> {
        let mut format = wanted(size, fourcc);
        format.colorspace = Colorspace::SRGB;
        let took = self.ask(|device| Output::set_format(device, &format))?;
        Ok((given(took), took.size as usize))
    }

    /// Tells a device that takes frames that they come now, which is the driver's business to know; one has to be told.
    pub(in crate::device) fn announce(&mut self) -> io::Result<()> {
        let mut mapped = self.ask(|device| Mapped::with_buffers(device, Type::VideoOutput, 0))?;
        let started = fence(|| mapped.start());
        self.told = Some(Buffers(Some(mapped)));
        started
    }

    /// Writes one frame; `false` where the device was not ready for it within `wait`.
    pub(in crate::device) fn write(&mut self, frame: &[u8], wait: Duration) -> io::Result<bool> {
        let device = self.device.as_mut().ok_or_else(|| io::Error::from(Errno::BADF))?;
        let handle = device.handle();
        fence(|| {
            for _ in 0..2 {
                match device.write(frame) {
                    Ok(taken) if taken == frame.len() => return Ok(true),
                    Ok(taken) => return Err(io::Error::other(format!("{taken} of {} bytes were taken", frame.len()))),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(false),
                    Err(error) => return Err(error),
                }
                ready(&handle, OUT, wait)?;
            }
            Ok(false)
        })
    }

    /// Maps buffers and lets frames come.
    pub(super) fn stream(self) -> io::Result<Stream> {
        let mut mapped = self.ask(|device| Mapped::with_buffers(device, Type::VideoCapture, BUFFERS))?;
        let handle = mapped.handle();
        let started = fence(|| {
            // Buffer 0 is the one that is being read, so to say: `next` gives it to the driver. That the crate waits in it
            // never comes to pass, since it is called when a frame is there; but without a limit it would be for ever.
            mapped.set_timeout(Duration::from_millis(100));
            // Drivers give more or fewer buffers than are asked for; some start only when theirs are all queued.
            CaptureStream::queue(&mut mapped, 1)?;
            (2..MOST_BUFFERS).take_while(|&index| CaptureStream::queue(&mut mapped, index).is_ok()).for_each(drop);
            mapped.start()
        });
        let stream = Stream { buffers: Buffers(Some(mapped)), handle, _node: self };
        started.map(|()| stream)
    }
}

/// Frames that come.
pub(super) struct Stream {
    buffers: Buffers,
    handle: Arc<v4l::device::Handle>,
    _node: Node,
}

const IN: i16 = 1;
const OUT: i16 = 4;

/// Whether the device is ready within `wait`.
fn ready(handle: &v4l::device::Handle, events: i16, wait: Duration) -> io::Result<bool> {
    let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    match fence(|| handle.poll(events, wait)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
        polled => polled.map(|count| count > 0),
    }
}

impl Stream {
    /// Waits for a frame and copies the newest of those that wait into `bytes`; `None` where none came.
    ///
    /// # Errors
    /// Any means that the device has to be opened anew.
    pub(super) fn newest(&mut self, wait: Duration, bytes: &mut Vec<u8>) -> io::Result<Option<Stamp>> {
        if !ready(&self.handle, IN, wait)? {
            return Ok(None);
        }
        let handle = &self.handle;
        let mapped = self.buffers.0.as_mut().ok_or_else(|| io::Error::from(Errno::BADF))?;
        fence(|| {
            let (mut frame, mut meta) = CaptureStream::next(mapped)?;
            while ready(handle, IN, Duration::ZERO)? {
                (frame, meta) = CaptureStream::next(mapped)?;
            }
            bytes.clear();
            bytes.extend_from_slice(&frame[..frame.len().min(meta.bytesused as usize)]);
            let monotonic = meta.flags & BufferFlags::TIMESTAMP_MASK == BufferFlags::TIMESTAMP_MONOTONIC;
            let seconds = u64::try_from(meta.timestamp.sec).ok();
            let micros = u32::try_from(meta.timestamp.usec).ok().filter(|&micros| micros < 1_000_000);
            let time = seconds.zip(micros).map(|(seconds, micros)| Duration::new(seconds, micros * 1000));
            Ok(Some(Stamp {
                sequence: meta.sequence,
                time: time.filter(|_| monotonic),
                damaged: meta.flags.contains(BufferFlags::ERROR),
            }))
        })
    }
}

/// The crate's stream, dropped with care.
struct Buffers(Option<Mapped<'static>>);

impl Drop for Buffers {
    fn drop(&mut self) {
        let Some(mut mapped) = self.0.take() else { return };
        let stopped = fence(|| mapped.stop());
        match stopped.err().map(|error| (Errno::from_io_error(&error), error)) {
            None | Some((Some(Errno::NODEV), _)) => {
                let _ = catch_unwind(AssertUnwindSafe(move || drop(mapped)));
            }
            Some((_, error)) => {
                // Dropping would panic, perhaps twice, which ends the program: the buffers are given up instead.
                warn!("a video device could not be stopped: {error}");
                std::mem::forget(mapped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_crate_is_an_error() {
        let answer: io::Result<()> = fence(|| panic!("as the crate does on odd data"));
        assert!(answer.is_err_and(|error| error.to_string().contains("makes no sense")));
        assert!(Node::open(Path::new("/dev/a\0b")).is_err(), "no path of C");
    }
}
