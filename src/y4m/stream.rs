//! Frames in, frames out.

use super::header::not_y4m;
use super::{Header, MAX_FRAME_HEADER, MAX_HEADER};
use crate::error::{Error, Kind, Result};
use std::io::{BufRead, BufReader, Read, Write};

/// Reads a stream frame by frame.
#[derive(Debug)]
pub struct Reader<R> {
    source: BufReader<R>,
    header: Header,
    frames: u64,
    line: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// As [`Header::parse`]; an input error where the stream is empty or its first line is too long.
    pub fn new(source: R) -> Result<Self> {
        let mut source = BufReader::with_capacity(1 << 16, source);
        let mut line = Vec::with_capacity(MAX_HEADER);
        if !read_line(&mut source, &mut line, MAX_HEADER)? {
            return Err(Error::input("the Y4M stream is empty").fix("the program in front of the pipe wrote nothing"));
        }
        let text = std::str::from_utf8(&line).map_err(|_| not_y4m())?;
        let header = Header::parse(text)?;
        Ok(Self { source, header, frames: 0, line })
    }

    /// What the stream's header says.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Fills `frame` with the next one, [`Header::frame_bytes`] long. `false` at the stream's end.
    ///
    /// # Errors
    /// An input error where the stream ends inside a frame or is damaged; the frames read so far are whole.
    pub fn next_frame(&mut self, frame: &mut Vec<u8>) -> Result<bool> {
        if !read_line(&mut self.source, &mut self.line, MAX_FRAME_HEADER).map_err(|error| self.place(error))? {
            return Ok(false);
        }
        if self.line != b"FRAME" && !self.line.starts_with(b"FRAME ") {
            return Err(self.place(Error::input("the stream is damaged: no frame begins where one should")));
        }
        let bytes = self.header.frame_bytes();
        frame.clear();
        // Memory grows with what comes: a header that promises more than that costs nothing.
        let read = (&mut self.source).take(bytes as u64).read_to_end(frame);
        if read.map_err(|error| self.place(unreadable(error)))? < bytes {
            let cut = Error::input(format!("the stream ends inside this frame of {bytes} bytes"))
                .fix("the frames before it are done; see what ended the program in front of the pipe");
            return Err(self.place(cut));
        }
        self.frames += 1;
        Ok(true)
    }

    fn place(&self, error: Error) -> Error {
        error.at(format_args!("Y4M frame {}", self.frames + 1))
    }
}

/// Reads up to a line end into `line`, which leaves it out; `false` where nothing is left.
fn read_line(source: &mut impl BufRead, line: &mut Vec<u8>, most: usize) -> Result<bool> {
    line.clear();
    let read = source.take(most as u64 + 1).read_until(b'\n', line).map_err(unreadable)?;
    if read == 0 {
        return Ok(false);
    }
    match line.pop() {
        Some(b'\n') => Ok(true),
        _ if read > most => Err(Error::limit(format!("a Y4M header line is longer than {most} bytes"))),
        _ => Err(not_y4m()),
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::new(Kind::Io, "cannot read the Y4M stream").caused_by(error)
}

/// Writes a stream frame by frame. Each frame is handed on whole before the next begins.
#[derive(Debug)]
pub struct Writer<W> {
    sink: W,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    pub fn new(mut sink: W, header: &Header) -> std::io::Result<Self> {
        sink.write_all(format!("{header}\n").as_bytes())?;
        Ok(Self { sink })
    }

    /// Writes a frame of [`Header::frame_bytes`] bytes.
    pub fn write_frame(&mut self, frame: &[u8]) -> std::io::Result<()> {
        self.sink.write_all(b"FRAME\n")?;
        self.sink.write_all(frame)?;
        self.sink.flush()
    }

    /// Gives the sink back.
    pub fn into_inner(self) -> W {
        self.sink
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, Option<Error>) {
        let mut reader = match Reader::new(bytes) {
            Ok(reader) => reader,
            Err(error) => return (Vec::new(), Some(error)),
        };
        let (mut frames, mut frame) = (Vec::new(), Vec::new());
        loop {
            match reader.next_frame(&mut frame) {
                Ok(true) => frames.push(frame.clone()),
                Ok(false) => return (frames, None),
                Err(error) => return (frames, Some(error)),
            }
        }
    }

    fn stream(frames: usize) -> Vec<u8> {
        let header = Header::parse("YUV4MPEG2 W4 H2 C420jpeg").expect("a header");
        let mut writer = Writer::new(Vec::new(), &header).expect("memory");
        for i in 0..frames {
            writer.write_frame(&vec![i as u8; header.frame_bytes()]).expect("memory");
        }
        writer.into_inner()
    }

    #[test]
    fn frames_come_out_as_they_went_in() {
        let (frames, error) = read_all(&stream(3));
        assert!(error.is_none());
        assert_eq!(frames, [[0; 12], [1; 12], [2; 12]]);
    }

    #[test]
    fn a_stream_cut_anywhere_gives_its_whole_frames_and_says_where_it_broke() {
        let whole = stream(3);
        let header = whole.len() - 3 * 18;
        for cut in 0..whole.len() {
            let (frames, error) = read_all(&whole[..cut]);
            assert_eq!(frames.len(), cut.saturating_sub(header) / 18, "cut at {cut}");
            let clean = cut >= header && (cut - header).is_multiple_of(18);
            assert_eq!(error.is_none(), clean, "cut at {cut}");
        }
        let (_, error) = read_all(&whole[..whole.len() - 1]);
        assert!(error.is_some_and(|error| error.to_string().starts_with("Y4M frame 3: the stream ends inside")));
    }

    #[test]
    fn frame_fields_are_passed_over_and_rubbish_is_refused() {
        let mut bytes = b"YUV4MPEG2 W1 H1 Cmono\nFRAME Xabc\n".to_vec();
        bytes.push(9);
        assert_eq!(read_all(&bytes).0, [[9]]);
        bytes.extend_from_slice(b"FRAMES\n0");
        assert!(read_all(&bytes).1.is_some_and(|error| error.kind() == Kind::Input));
        let endless = [b"YUV4MPEG2 W1 H1 Cmono\nFRAME X".as_slice(), &[b'a'; 1000]].concat();
        assert!(read_all(&endless).1.is_some_and(|error| error.kind() == Kind::Limit));
        assert!(read_all(&[b'a'; 10_000]).1.is_some_and(|error| error.kind() == Kind::Limit));
        assert!(read_all(b"\xff\xfe\n").1.is_some_and(|error| error.kind() == Kind::Input));
    }
}
