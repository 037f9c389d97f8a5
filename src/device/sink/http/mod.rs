//! The browser: a page with the live picture, an MJPEG stream, snapshots, state and metrics, on one thread of its own.
//!
//! Frames are encoded by the sink's thread, once for all clients, and only while somebody looks. They lie in a place that
//! holds one; each client takes the newest when it has room for it, so that slow ones skip frames and nobody waits for them.

mod answer;
mod blank;
mod control;
mod crowd;
mod door;
mod encoded;
mod feed;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod login;
mod metrics;
mod options;
mod pace;
mod page;
mod patient;
mod route;
mod serve;
mod show;
mod site;
mod state;

#[cfg(test)]
mod tests;

pub use options::HttpOptions;
pub use show::HttpSink;

use super::Audience;
use crate::device::desk::Desk;
use crate::error::{Error, Kind, Result};
use site::Site;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What the kernel holds for a client that is behind, in bytes: two or three pictures, not seconds of them.
const SEND_BUFFER: u32 = 128 << 10;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 256;

/// The server; its end is the end of all connections.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    closing: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Listens at once and serves on a thread called `http`. Who looks is counted in `audience`; what pages ask for is laid
    /// on `desk`. The sink may be cloned; all clones show to the same clients.
    ///
    /// # Errors
    /// As [`HttpOptions::check`]; an I/O error where the address cannot be listened on.
    pub fn start(options: HttpOptions, desk: Arc<Desk>, audience: Audience) -> Result<(Self, HttpSink)> {
        options.check()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| Error::new(Kind::Io, "cannot start the web server").caused_by(e))?;
        let listener = listen(&runtime, options.address)?;
        let address = listener.local_addr().unwrap_or(options.address);
        let (closing, closes) = watch::channel(false);
        let site = Arc::new(Site::new(options, desk, audience, closes));
        let sink = HttpSink::new(site.clone());
        let thread = Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(serve::run(listener, site));
            // Connections that are left are cut.
            runtime.shutdown_background();
        });
        let thread = thread.map_err(|e| Error::new(Kind::Io, "cannot start the web server's thread").caused_by(e))?;
        Ok((Self { address, closing, thread: Some(thread) }, sink))
    }

    /// The address that is listened on, with the port that was chosen where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(runtime: &Runtime, address: SocketAddr) -> Result<TcpListener> {
    let _inside = runtime.enter();
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        // Accepted connections inherit it.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|error| {
        Error::new(Kind::Io, format!("cannot listen on {address}"))
            .caused_by(error)
            .fix("name another port, or an address of this machine")
    })
}
