//! Event files as TensorBoard reads them: records framed as in a TFRecord file, each an `Event` of TensorFlow's
//! `event.proto` with scalars or PNG pictures in the `Summary` of its `summary.proto` (no protoc).
//!
//! ```text
//! record = length (u64, little-endian) · masked crc of length · event · masked crc of event
//! masked crc = rotate_right(crc32c, 15) + 0xa282ead8
//! ```

use crate::error::{Error, Result};
use prost::{Message, Oneof};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A name that TensorBoard takes for an event file: it wants `tfevents` in it.
pub const NAME: &str = "events.out.tfevents.upres";
/// What the first event says of the rest.
const FILE_VERSION: &str = "brain.Event:2";
/// Bytes of a record before its event, and after it.
const HEAD: u64 = 12;
const TAIL: u64 = 4;

/// One event.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    Session(SessionLog),
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    /// The name that charts go by.
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(oneof = "Kind", tags = "2, 4")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(float, tag = "2")]
    Simple(f32),
    #[prost(message, tag = "4")]
    Image(Image),
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 3: red, green and blue.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    /// 1: start.
    #[prost(int32, tag = "1")]
    status: i32,
}

/// An event file that grows. Every record is written at once, so that a reader beside us sees whole ones.
#[derive(Debug)]
pub struct Events {
    file: File,
    path: PathBuf,
}

impl Events {
    /// Opens the event file at `path` to write on behind what it holds, or begins it. A record that a killed run left half
    /// written at the end is cut off.
    ///
    /// # Errors
    /// An I/O error; an input error where `path` holds something else.
    pub fn append(path: &Path) -> Result<Self> {
        let io = |e| Error::io("cannot write the event file", path, e);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        let whole = whole_records(&mut file).map_err(io)?.ok_or_else(|| {
            Error::input("this is no event file, or a damaged one").fix("move it out of the way").at(path.display())
        })?;
        file.set_len(whole).map_err(io)?;
        file.seek(SeekFrom::Start(whole)).map_err(io)?;
        let mut events = Self { file, path: path.to_path_buf() };
        if whole == 0 {
            events.write(0, What::FileVersion(FILE_VERSION.into()))?;
        }
        Ok(events)
    }

    /// Says that a run goes on from `step`: what an earlier one, killed after its last checkpoint, wrote of later steps is
    /// left out by TensorBoard.
    ///
    /// # Errors
    /// An I/O error.
    pub fn resumed(&mut self, step: u64) -> Result<()> {
        self.write(step + 1, What::Session(SessionLog { status: 1 }))
    }

    /// Writes the `value` that `name` has at `step`. A `/` in the name makes groups.
    ///
    /// # Errors
    /// An I/O error.
    pub fn scalar(&mut self, step: u64, name: &str, value: f64) -> Result<()> {
        self.summary(step, name, Kind::Simple(value as f32))
    }

    /// Writes a picture at `step`: a PNG file of `width` × `height` pixels.
    ///
    /// # Errors
    /// An I/O error.
    pub fn image(&mut self, step: u64, name: &str, png: Vec<u8>, width: usize, height: usize) -> Result<()> {
        let side = |pixels: usize| i32::try_from(pixels).unwrap_or(i32::MAX);
        let image = Image { height: side(height), width: side(width), colorspace: 3, encoded: png };
        self.summary(step, name, Kind::Image(image))
    }

    fn summary(&mut self, step: u64, name: &str, kind: Kind) -> Result<()> {
        self.write(step, What::Summary(Summary { value: vec![Value { tag: name.into(), kind: Some(kind) }] }))
    }

    fn write(&mut self, step: u64, what: What) -> Result<()> {
        let wall_time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        let event = Event { wall_time, step: i64::try_from(step).unwrap_or(i64::MAX), what: Some(what) };
        let record = record(&event.encode_to_vec());
        self.file.write_all(&record).map_err(|e| Error::io("cannot write the event file", &self.path, e))
    }
}

/// `event` with its length and its sums around it.
fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(event.len() + (HEAD + TAIL) as usize);
    record.extend_from_slice(&length);
    record.extend_from_slice(&masked_crc(&length).to_le_bytes());
    record.extend_from_slice(event);
    record.extend_from_slice(&masked_crc(event).to_le_bytes());
    record
}

/// Where the whole records of `file` end; `None` where it does not begin as an event file does, or a length is damaged.
/// Of the records only lengths are read.
fn whole_records(file: &mut File) -> std::io::Result<Option<u64>> {
    let size = file.seek(SeekFrom::End(0))?;
    let mut at = 0;
    loop {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; HEAD as usize];
        match file.read_exact(&mut head) {
            // A head that is cut short: the end, or what a killed run left. A file this short may be anything.
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok((at > 0 || size == 0).then_some(at)),
            other => other?,
        }
        let [l0, l1, l2, l3, l4, l5, l6, l7, c0, c1, c2, c3] = head;
        let length = [l0, l1, l2, l3, l4, l5, l6, l7];
        if masked_crc(&length) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Ok(None);
        }
        let next = u64::from_le_bytes(length).checked_add(at + HEAD + TAIL);
        match next.filter(|next| *next <= size) {
            Some(next) => at = next,
            None => return Ok(Some(at)),
        }
    }
}

/// The sum that TFRecord files hold: CRC-32C, rotated and shifted so that sums of data that hold sums stay strong.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), a byte at a time.
fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(!0, |crc, byte| (crc >> 8) ^ TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize])
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Every event of a file, both sums of each record checked.
    fn read(bytes: &[u8]) -> Vec<Event> {
        let (mut events, mut rest) = (Vec::new(), bytes);
        while !rest.is_empty() {
            let (length, tail) = rest.split_at(8);
            let (crc, tail) = tail.split_at(4);
            assert_eq!(masked_crc(length).to_le_bytes(), crc);
            let (event, tail) = tail.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
            let (crc, tail) = tail.split_at(4);
            assert_eq!(masked_crc(event).to_le_bytes(), crc);
            events.push(Event::decode(event).unwrap());
            rest = tail;
        }
        events
    }

    // RFC 3720, B.4, and the check value of the catalogue of CRCs.
    #[test]
    fn sums_are_those_of_the_rfc() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&(0..32).collect::<Vec<u8>>()), 0x46dd_794e);
        assert_eq!(masked_crc(b"123456789"), 0xc78a_b0e5);
    }

    // from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    // from tensorboard.compat.proto.summary_pb2 import Summary as S
    // from tensorboard.summary.writer.record_writer import RecordWriter
    // def show(event): b = io.BytesIO(); RecordWriter(b).write(event.SerializeToString()); print(b.getvalue().hex())
    // show(Event(wall_time=1.5, file_version="brain.Event:2"))
    // show(Event(wall_time=2.5, step=7, summary=S(value=[S.Value(tag="loss", simple_value=0.25)])))
    // show(Event(wall_time=3.5, step=300, summary=S(value=[S.Value(tag="s/p", image=S.Image(
    //     height=4, width=6, colorspace=3, encoded_image_string=b"\x89PNG"))])))
    // show(Event(wall_time=4.5, step=8, session_log=SessionLog(status=1)))
    #[test]
    fn records_are_those_of_tensorboards_own_writer() {
        let summary =
            |tag: &str, kind| What::Summary(Summary { value: vec![Value { tag: tag.into(), kind: Some(kind) }] });
        let image = Image { height: 4, width: 6, colorspace: 3, encoded: b"\x89PNG".to_vec() };
        for (wall_time, step, what, expected) in [
            (
                1.5,
                0,
                What::FileVersion(FILE_VERSION.into()),
                "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c",
            ),
            (
                2.5,
                7,
                summary("loss", Kind::Simple(0.25)),
                "1a00000000000000129bd82d09000000000000044010072a0d0a0b0a046c6f7373150000803ea884b989",
            ),
            (
                3.5,
                300,
                summary("s/p", Kind::Image(image)),
                "2300000000000000b09f7743090000000000000c4010ac022a150a130a03732f70220c080410061803220489504e47dadc223c",
            ),
            (
                4.5,
                8,
                What::Session(SessionLog { status: 1 }),
                "0f000000000000006d532b0909000000000000124010083a0208019e5b0767",
            ),
        ] {
            let event = Event { wall_time, step, what: Some(what) };
            let made =
                record(&event.encode_to_vec()).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            assert_eq!(made, expected);
            assert_eq!(read(&record(&event.encode_to_vec())), [event]);
        }
    }

    #[test]
    fn a_resumed_run_writes_on_and_half_a_record_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut events = Events::append(&path).unwrap();
        events.scalar(10, "loss/l1", 0.25).unwrap();
        events.image(10, "sample", b"png".to_vec(), 6, 4).unwrap();
        drop(events);
        let whole = std::fs::read(&path).unwrap();
        for torn in [0, 1, 11, 12, 20] {
            let mut bytes = whole.clone();
            bytes.extend_from_slice(&record(&[7; 30])[..torn]);
            std::fs::write(&path, bytes).unwrap();
            let mut events = Events::append(&path).unwrap();
            events.resumed(10).unwrap();
            events.scalar(11, "loss/l1", 0.125).unwrap();
            drop(events);
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(&bytes[..whole.len()], whole);
            let events = read(&bytes);
            assert_eq!(events.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 10, 10, 11, 11]);
            assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".into())));
            assert_eq!(events[3].what, Some(What::Session(SessionLog { status: 1 })));
            let value = Value { tag: "loss/l1".into(), kind: Some(Kind::Simple(0.125)) };
            assert_eq!(events[4].what, Some(What::Summary(Summary { value: vec![value] })));
            assert!(events.iter().all(|event| event.wall_time > 1.5e9));
        }
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        for text in ["short", "something that is no event file at all"] {
            std::fs::write(&path, text).unwrap();
            let error = Events::append(&path).unwrap_err().to_string();
            assert!(error.contains("notes.txt: this is no event file"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
