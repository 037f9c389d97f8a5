//! Bringing bytes to the disk beside the work: a slow card takes a second over it, in which frames go on coming.

use crate::error::{Error, Kind, Result};
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A thread that brings files to the disk, one at a time.
#[derive(Debug)]
pub(super) struct Flusher {
    /// `None` only while this is dropped.
    files: Option<SyncSender<File>>,
    failure: Arc<Mutex<Option<io::Error>>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    /// Starts the thread.
    ///
    /// # Errors
    /// An I/O error where it cannot be started.
    pub(super) fn start() -> Result<Self> {
        let (files, queue) = sync_channel(1);
        let failure = Arc::default();
        let told = Arc::clone(&failure);
        let thread = thread::Builder::new().name("record-flush".into()).spawn(move || work(&queue, &told));
        let thread = thread.map_err(|error| Error::new(Kind::Io, "cannot start a thread").caused_by(error))?;
        Ok(Self { files: Some(files), failure, thread: Some(thread) })
    }

    /// Has what was written to `file` so far brought to the disk soon. Where the disk is behind, the next time will do.
    ///
    /// # Errors
    /// What an earlier time ended in.
    pub(super) fn ask(&self, file: &File) -> io::Result<()> {
        if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        if let Some(files) = &self.files {
            // A full queue is a disk that is behind.
            let _ = files.try_send(file.try_clone()?);
        }
        Ok(())
    }
}

fn work(queue: &Receiver<File>, failure: &Mutex<Option<io::Error>>) {
    for file in queue {
        if let Err(error) = file.sync_data() {
            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        self.files = None;
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked, and there is nothing to do if it had.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_the_next_time_and_once() {
        let flusher = Flusher::start().unwrap();
        // What cannot be synced: a pipe.
        let (reader, _writer) = io::pipe().unwrap();
        let pipe = File::from(std::os::fd::OwnedFd::from(reader));
        let file = tempfile::tempfile().unwrap();
        flusher.ask(&pipe).unwrap();
        while flusher.ask(&file).is_ok() {
            thread::yield_now();
        }
        flusher.ask(&file).unwrap();
    }
}
