//! Video without end: Y4M in, Y4M out, a frame at a time, with the same few buffers going round.

mod chroma;
mod enlarger;
mod sparing;

pub use enlarger::{Enlarger, FrameStages, Matrix, StreamOptions};
pub use sparing::{Sparing, SparingOptions, Threshold, TileCount};

use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::y4m::{Reader, Writer};
use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Frames that may wait on either side of the generator.
const WAITING: usize = 2;

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The input ended.
    Finished,
    /// Whoever read the output wanted no more.
    Closed,
    /// The one who watches said stop.
    Stopped,
}

/// Enlarges a Y4M stream; one unit of progress is one frame. Gives the number of frames that were written.
///
/// # Errors
/// An input error where the stream is damaged or ends inside a frame: the frames before it are written. A limit error
/// where frames do not fit the options' memory. The generator's errors. A broken pipe at the output is no error.
pub fn run(
    input: impl Read + Send,
    output: impl Write + Send,
    options: &StreamOptions,
    progress: &dyn Progress,
) -> Result<(u64, End)> {
    let mut reader = Reader::new(input)?;
    let mut enlarger = Enlarger::new(reader.header(), options)?;
    let mut writer = match Writer::new(output, enlarger.output()) {
        Ok(writer) => writer,
        Err(error) => return closed(error).map(|_| (0, End::Closed)),
    };
    let mut frames = 0;
    let end = pump(
        |frame| reader.next_frame(frame),
        &mut enlarger,
        |frame| match writer.write_frame(frame) {
            Ok(()) => {
                frames += 1;
                Ok(true)
            }
            Err(error) => closed(error),
        },
        progress,
    )?;
    Ok((frames, end))
}

/// A broken pipe is a wish to end; anything else is an error.
fn closed(error: std::io::Error) -> Result<bool> {
    if error.kind() == ErrorKind::BrokenPipe {
        return Ok(false);
    }
    Err(Error::new(Kind::Io, "cannot write the Y4M stream").caused_by(error))
}

/// Leads frames from `source` (`false`: no more) through the enlarger to `sink` (`false`: enough), reading and writing
/// on threads of their own. Buffers go round: empty ones to the reader and back through the enlarger, likewise at the
/// output.
pub(crate) fn pump(
    source: impl FnMut(&mut Frame) -> Result<bool> + Send,
    enlarger: &mut Enlarger,
    sink: impl FnMut(&[u8]) -> Result<bool> + Send,
    progress: &dyn Progress,
) -> Result<End> {
    let (used, unused) = ring(enlarger.input().frame_bytes());
    let (written, writable) = ring(enlarger.output().frame_bytes());
    thread::scope(|scope| {
        let (filled, read) = sync_channel(WAITING);
        let (done, to_write) = sync_channel(WAITING);
        let reader = scope.spawn(move || fill(source, unused, filled));
        let writer = scope.spawn(move || drain(sink, to_write, written));
        let middle = enlarge(enlarger, read, used, writable, done, progress);
        let writer = writer.join().map_err(|_| Error::internal("the writing thread failed"))?;
        let reader = reader.join().map_err(|_| Error::internal("the reading thread failed"))?;
        match (middle?, writer?) {
            (_, false) => Ok(End::Closed),
            (end, true) => reader.map(|()| end),
        }
    })
}

type Frame = Vec<u8>;

/// A channel with empty buffers of `bytes` bytes in it.
fn ring(bytes: usize) -> (SyncSender<Frame>, Receiver<Frame>) {
    let (sender, receiver) = sync_channel(WAITING);
    (0..WAITING).for_each(|_| drop(sender.send(vec![0; bytes])));
    (sender, receiver)
}

/// The reading thread: ends with the source, or when nobody takes what it reads.
fn fill(
    mut source: impl FnMut(&mut Frame) -> Result<bool>,
    unused: Receiver<Frame>,
    filled: SyncSender<Frame>,
) -> Result<()> {
    for mut frame in unused {
        if !source(&mut frame)? || filled.send(frame).is_err() {
            break;
        }
    }
    Ok(())
}

/// The writing thread; `false` where the sink wanted no more.
fn drain(
    mut sink: impl FnMut(&[u8]) -> Result<bool>,
    to_write: Receiver<Frame>,
    written: SyncSender<Frame>,
) -> Result<bool> {
    for frame in to_write {
        if !sink(&frame)? {
            return Ok(false);
        }
        // Fails only where no more frames will come.
        let _ = written.send(frame);
    }
    Ok(true)
}

/// The middle: ends when the reader or the writer has.
fn enlarge(
    enlarger: &mut Enlarger,
    read: Receiver<Frame>,
    used: SyncSender<Frame>,
    writable: Receiver<Frame>,
    done: SyncSender<Frame>,
    progress: &dyn Progress,
) -> Result<End> {
    for frame in read {
        let Ok(mut large) = writable.recv() else { break };
        enlarger.run(&frame, &mut large)?;
        // Fails only where the reader has ended, and then needs no buffer.
        let _ = used.send(frame);
        if done.send(large).is_err() {
            break;
        }
        progress.advance(1);
        if progress.stopped() {
            return Ok(End::Stopped);
        }
    }
    Ok(End::Finished)
}

#[cfg(test)]
mod tests;
