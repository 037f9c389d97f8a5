//! Connections: accepted, limited, given up when they take too long, closed at the end.

use super::patient::Patient;
use super::route;
use super::site::Site;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

/// Connections of a client: a page has one for its pictures and one for its figures.
const EACH: usize = 2;
/// Connections besides: whoever collects figures, and who is told that no more may watch.
const BESIDES: usize = 32;
/// Connections that get the answer that there is no room. Any more are closed.
const TURNED_AWAY: usize = 32;
/// The longest header, in bytes.
const MOST_HEADER: usize = 16 << 10;
/// The most lines of a header.
const MOST_LINES: usize = 64;
/// How long a header may take to come, and a connection may lie idle.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// How long a client may take nothing of what is written to it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long connections may take to end with the server.
const FAREWELL: Duration = Duration::from_millis(300);

/// Serves until the site closes.
pub(super) async fn run(listener: TcpListener, site: Arc<Site>) {
    let most = EACH * site.clients + BESIDES + TURNED_AWAY;
    let seats = Arc::new(Semaphore::new(most));
    let mut closing = site.closing.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closing.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                if let Ok(seat) = seats.clone().try_acquire_owned() {
                    tokio::spawn(serve(stream, site.clone(), seat, seats.available_permits() < TURNED_AWAY));
                }
            }
            // Out of descriptors, most likely: it gets better when someone leaves.
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
    drop(listener);
    let all = most.try_into().unwrap_or(u32::MAX);
    let _ = timeout(FAREWELL, seats.acquire_many(all)).await;
}

/// Answers all that one client asks for.
pub(super) async fn serve<S>(stream: S, site: Arc<Site>, seat: OwnedSemaphorePermit, is_crowded: bool)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut closing = site.closing.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let site = site.clone();
        async move { Ok::<_, Infallible>(if is_crowded { route::crowded() } else { route::answer(site, request).await }) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(MOST_HEADER)
        .max_headers(MOST_LINES)
        .serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), service);
    let mut connection = std::pin::pin!(connection);
    // A connection's errors are its client's.
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = closing.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
    drop(seat);
}
