//! A connection whose other end is given up when it takes too little for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Bytes that a client must take within the time.
const LEAST: usize = 16 << 10;

/// A stream whose writes end in an error when the other end takes neither all that is there nor 16 KiB for a while.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
    waiting: bool,
    taken: usize,
}

impl<S> Patient<S> {
    /// Must be called inside a runtime.
    pub(super) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, deadline: Box::pin(sleep(patience)), waiting: false, taken: 0 }
    }

    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => {
                self.taken = self.taken.saturating_add(bytes);
                self.waiting &= self.taken < LEAST;
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                if !self.waiting {
                    (self.waiting, self.taken) = (true, 0);
                    self.deadline.as_mut().reset(Instant::now() + self.patience);
                }
                match self.deadline.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // All that there was has been taken.
        self.waiting = false;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::runtime::Builder;

    /// Takes as much as it may, then nothing.
    struct Pipe {
        room: usize,
    }

    impl AsyncWrite for Pipe {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn write(room: usize, patience: Duration, bytes: usize) -> io::Result<usize> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(async {
            let mut patient = Patient::new(Pipe { room }, patience);
            let (bytes, mut written) = (vec![0; bytes], 0);
            while written < bytes.len() {
                written += poll_fn(|cx| Pin::new(&mut patient).poll_write(cx, &bytes[written..])).await?;
            }
            Ok(written)
        })
    }

    #[test]
    fn who_takes_nothing_is_given_up_and_who_takes_all_is_not() {
        assert_eq!(write(100_000, Duration::ZERO, 100_000).ok(), Some(100_000));
        let error = write(99_999, Duration::from_millis(20), 100_000).map_err(|e| e.kind());
        assert_eq!(error, Err(io::ErrorKind::TimedOut));
    }

    #[test]
    fn a_trickle_does_not_buy_time_but_real_progress_does() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap_or_else(|e| panic!("{e}"));
        runtime.block_on(async {
            for (step, kept) in [(1, true), (LEAST, false)] {
                let mut patient = Patient::new(Pipe { room: 0 }, Duration::from_secs(3600));
                poll_fn(|cx| Poll::Ready(Pin::new(&mut patient).poll_write(cx, &[0; 8]).is_pending())).await;
                assert!(patient.waiting);
                patient.stream.room = step;
                let bytes = vec![0; LEAST];
                poll_fn(|cx| Poll::Ready(Pin::new(&mut patient).poll_write(cx, &bytes).is_pending())).await;
                assert_eq!(patient.waiting, kept, "{step} bytes taken");
                poll_fn(|cx| Pin::new(&mut patient).poll_flush(cx)).await.unwrap_or_else(|e| panic!("{e}"));
                assert!(!patient.waiting);
            }
        });
    }
}
