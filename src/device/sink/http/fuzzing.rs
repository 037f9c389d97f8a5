//! The server without a network: for the targets of `fuzz/` and for tests of what they found.

use super::encoded::Encoded;
use super::options::HttpOptions;
use super::serve;
use super::site::Site;
use crate::device::clock;
use crate::device::desk::Desk;
use crate::device::sink::Audience;
use crate::geometry::Size;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// The token that [`converse`] wants where it wants one.
pub const TOKEN: &str = "sixteen letters!";
/// Bytes of an answer that are taken before the client hangs up.
const MOST: usize = 256 << 10;
/// How long a conversation may take; with a stopped clock that is no time at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that says all it has to say at once, waits, and hangs up when it has heard enough.
struct Client {
    says: Vec<u8>,
    said: usize,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Client {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.said == self.says.len() {
            return Poll::Pending;
        }
        let run = into.remaining().min(self.says.len() - self.said);
        into.put_slice(&self.says[self.said..self.said + run]);
        self.said += run;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() > MOST {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        heard.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What the server answers to a client that sends `bytes`: the very service that listens on a network, on one connection. It
/// listens at 127.0.0.1:8080 by what it knows, has one frame to show, and asks for [`TOKEN`] where `closed`.
pub fn converse(bytes: &[u8], closed: bool) -> Vec<u8> {
    let options = HttpOptions {
        token: closed.then(|| TOKEN.to_owned()),
        clients: 4,
        ..HttpOptions::new(([127, 0, 0, 1], 8080).into())
    };
    let desk = Arc::new(Desk::default());
    desk.write(|report| {
        report.models = vec!["camera-x2".to_owned(), "la\"rge\\\n".to_owned()];
        report.source = String::from("rtsp://me:secret@camera/");
        report.running = String::from("camera-x2");
        report.snapshots = true;
        report.strength = Some(0.5);
    });
    let (_closing, closes) = watch::channel(false);
    let site = Arc::new(Site::new(options, desk, Audience::default(), closes));
    let now = clock::now();
    let large = b"\xff\xd8jpeg\xff\xd9".to_vec();
    let size = Size::new(64, 48);
    site.publish(Arc::new(Encoded { taken: now, published: now, live: true, large, size, ..Encoded::default() }));
    let mut builder = Builder::new_current_thread();
    builder.enable_time();
    // Whoever waits for a time has it at once.
    #[cfg(feature = "fuzzing")]
    builder.start_paused(true);
    let Ok(runtime) = builder.build() else { return Vec::new() };
    let heard = Arc::new(Mutex::new(Vec::new()));
    let client = Client { says: bytes.to_vec(), said: 0, heard: heard.clone() };
    runtime.block_on(async {
        if let Ok(seat) = Arc::new(Semaphore::new(1)).try_acquire_owned() {
            let _ = timeout(PATIENCE, serve::serve(client, site, seat, false)).await;
        }
    });
    drop(runtime);
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &str, closed: bool) -> String {
        String::from_utf8_lossy(&converse(request.as_bytes(), closed)).into_owned()
    }

    #[test]
    fn the_server_answers_as_it_does_on_a_network() {
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost:8080\r\nConnection: close\r\n\r\n");
        assert!(answer(&get("/state"), false).starts_with("HTTP/1.1 200"));
        assert!(answer(&get("/state"), true).starts_with("HTTP/1.1 401"));
        assert!(answer(&get("/nothing"), false).starts_with("HTTP/1.1 404"));
        let two = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n{}", get("/state"));
        assert_eq!(answer(&two, false).matches("HTTP/1.1 200").count(), 2);
        let body = r#"{"model":"camera-x2"}"#;
        let post = format!(
            "POST /control HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert!(answer(&post, true).starts_with("HTTP/1.1 202"), "{}", answer(&post, true));
        assert!(!answer(&get("/state"), false).contains("secret"));
        assert!(answer("\0\0\0\0", false).starts_with("HTTP/1.1 400"));
    }
}
