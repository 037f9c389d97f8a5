//! What the camera says of itself, and its frames.

use crate::options::Options;
use std::fs;
use std::path::Path;

/// The largest payload, its header included.
pub const PAYLOAD: usize = 16384;

/// MJPG, then YUYV: formats count from 1.
const MJPG: u8 = 1;
const YUYV: u8 = 2;

/// The camera's state.
pub struct Camera {
    size: (u16, u16),
    rate: u32,
    /// The format that was agreed on, and the one that is talked about.
    format: u8,
    probed: u8,
    jpegs: Vec<Vec<u8>>,
    others: Vec<Vec<u8>>,
}

fn jpegs(folder: &Path) -> Result<Vec<Vec<u8>>, String> {
    let said = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(said)? {
        paths.push(entry.map_err(said)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|end| end == "jpg"));
    paths.sort();
    let files: Result<Vec<Vec<u8>>, String> = paths.iter().map(|path| fs::read(path).map_err(said)).collect();
    files.and_then(
        |files| if files.is_empty() { Err(format!("{}: no JPEG files", folder.display())) } else { Ok(files) },
    )
}

/// Bytes of a descriptor, numbers with the low byte first.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
    fn short(self, number: usize) -> Self {
        self.raw(&(number as u16).to_le_bytes())
    }
    fn long(self, number: u32) -> Self {
        self.raw(&number.to_le_bytes())
    }
}

impl Camera {
    /// A camera whose frames are read from disk.
    pub fn new(options: &Options) -> Result<Self, String> {
        let others = options.change.as_ref().map_or(Ok(Vec::new()), |(_, folder)| jpegs(folder))?;
        let jpegs = jpegs(&options.jpegs)?;
        Ok(Self { size: options.size, rate: options.rate, format: MJPG, probed: MJPG, jpegs, others })
    }

    fn interval(&self) -> u32 {
        10_000_000 / self.rate
    }

    fn largest(&self) -> u32 {
        u32::from(self.size.0) * u32::from(self.size.1) * 2
    }

    /// One frame size with one interval, and the colour matching behind it.
    fn frame_descriptor(&self, kind: u8) -> Bytes {
        let largest = self.largest();
        Bytes::default()
            .raw(&[30, 0x24, kind, 1, 0])
            .short(self.size.0.into())
            .short(self.size.1.into())
            .long(largest.saturating_mul(8))
            .long(largest.saturating_mul(8 * self.rate))
            .long(largest)
            .long(self.interval())
            .raw(&[1])
            .long(self.interval())
            .raw(&[6, 0x24, 0x0d, 1, 1, 4])
    }

    /// Camera terminal and output terminal.
    fn control_interface(&self) -> Bytes {
        let units = Bytes::default()
            .raw(&[0x12, 0x24, 0x02, 1, 0x01, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0])
            .raw(&[0x09, 0x24, 0x03, 2, 0x01, 0x01, 0, 1, 0]);
        Bytes::default()
            .raw(&[9, 4, 0, 0, 0, 0x0e, 1, 0, 0])
            .raw(&[0x0d, 0x24, 0x01, 0x00, 0x01])
            .short(13 + units.0.len())
            .long(48_000_000)
            .raw(&[1, 1])
            .raw(&units.0)
    }

    /// The two formats and the bulk endpoint.
    fn streaming_interface(&self) -> Bytes {
        let formats = Bytes::default()
            .raw(&[0x0b, 0x24, 0x06, MJPG, 1, 1, 1, 0, 0, 0, 0])
            .raw(&self.frame_descriptor(0x07).0)
            .raw(&[0x1b, 0x24, 0x04, YUYV, 1])
            .raw(b"YUY2\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71")
            .raw(&[16, 1, 0, 0, 0, 0])
            .raw(&self.frame_descriptor(0x05).0);
        Bytes::default()
            .raw(&[9, 4, 1, 0, 1, 0x0e, 2, 0, 0])
            .raw(&[15, 0x24, 0x01, 2])
            .short(15 + formats.0.len())
            .raw(&[0x81, 0, 2, 0, 0, 0, 1, 0, 0])
            .raw(&formats.0)
            .raw(&[7, 5, 0x81, 2, 0, 2, 0])
    }

    fn configuration(&self) -> Vec<u8> {
        let interfaces = Bytes::default()
            .raw(&[8, 0x0b, 0, 2, 0x0e, 0x03, 0, 0])
            .raw(&self.control_interface().0)
            .raw(&self.streaming_interface().0);
        Bytes::default().raw(&[9, 2]).short(9 + interfaces.0.len()).raw(&[2, 1, 0, 0x80, 250]).raw(&interfaces.0).0
    }

    /// What is agreed on in `format`: 26 bytes in UVC 1.0.
    fn agreement(&self, format: u8) -> Vec<u8> {
        Bytes::default()
            .raw(&[1, 0, format, 1])
            .long(self.interval())
            .raw(&[0; 10])
            .long(self.largest())
            .long(PAYLOAD as u32)
            .0
    }

    fn descriptor(&self, kind: u8, index: u8) -> Option<Vec<u8>> {
        match kind {
            1 => Some(vec![18, 1, 0, 2, 0xef, 2, 1, 64, 0x6b, 0x1d, 0x02, 0x01, 0, 1, 1, 2, 0, 1]),
            2 => Some(self.configuration()),
            3 if index == 0 => Some(vec![4, 3, 9, 4]),
            3 => {
                let text = if index == 1 { "upres" } else { "Software UVC camera" };
                let letters: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                Some(Bytes::default().raw(&[2 + letters.len() as u8, 3]).raw(&letters).0)
            }
            _ => None,
        }
    }

    /// The answer to a control request; `None` refuses it.
    pub fn control(&mut self, setup: [u8; 8], data: &[u8]) -> Option<Vec<u8>> {
        let [kind, request, low, high, interface, ..] = setup;
        let about_stream = interface == 1 && matches!(high, 1 | 2);
        match (kind, request) {
            (0x80, 6) => self.descriptor(high, low),
            (0x80..=0x82, 0) => Some(vec![0, 0]),
            (0x00..=0x02, _) => Some(Vec::new()),
            (0xa1, 0x81) if about_stream => Some(self.agreement(if high == 1 { self.probed } else { self.format })),
            (0xa1, 0x82 | 0x83 | 0x87) if about_stream => Some(self.agreement(self.probed)),
            (0xa1, 0x85) if about_stream => Some(vec![26, 0]),
            (0xa1, 0x86) if about_stream => Some(vec![3]),
            (0x21, 1) if about_stream => {
                self.probed = data.get(2).copied().unwrap_or(MJPG).clamp(MJPG, YUYV);
                if high == 2 {
                    self.format = self.probed;
                }
                Some(Vec::new())
            }
            _ => None,
        }
    }

    /// Frame `number`, damaged where it is its turn.
    pub fn frame(&self, number: u64, options: &Options) -> Vec<u8> {
        let turn = |each: Option<u64>| each.is_some_and(|each| number % each == each - 1);
        let changed = options.change.as_ref().is_some_and(|(after, _)| number >= *after);
        let mut frame = match (self.format, changed) {
            (MJPG, true) => self.others[number as usize % self.others.len()].clone(),
            (MJPG, false) => self.jpegs[number as usize % self.jpegs.len()].clone(),
            _ => self.ramp(number),
        };
        if turn(options.garbage) {
            let mut state = number as u32 | 1;
            frame.fill_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            });
        } else if turn(options.truncate) {
            frame.truncate(frame.len() / 2);
        }
        frame
    }

    /// Grey ramps that move, as YUYV.
    fn ramp(&self, number: u64) -> Vec<u8> {
        let luma = |i: usize| (i / 2 + number as usize * 4) as u8;
        (0..self.largest() as usize).map(|i| if i % 2 == 0 { luma(i) } else { 128 }).collect()
    }
}
