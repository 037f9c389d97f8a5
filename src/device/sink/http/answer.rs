//! Responses: their bodies, their kinds, and the headers that all of them carry.

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{Notify, mpsc};

/// Up to three runs of bytes that are written one after the other.
pub(super) type Piece = Chain<Chain<Bytes, Bytes>, Bytes>;
/// A response of ours.
pub(super) type Reply = Response<Content>;

/// The body of a response.
#[derive(Debug)]
pub(super) enum Content {
    /// All of it.
    Whole(Bytes),
    /// Pieces as they come, without end.
    Live(Live),
}

/// The reading end of a stream. It asks for each piece when there is room to write it and not before, so that pieces are
/// chosen late and none grows old on its way.
#[derive(Debug)]
pub(super) struct Live {
    pieces: mpsc::Receiver<Piece>,
    wanted: Arc<Notify>,
    has_asked: bool,
}

/// The writing end of a stream.
#[derive(Debug)]
pub(super) struct Feed {
    pieces: mpsc::Sender<Piece>,
    wanted: Arc<Notify>,
}

/// Both ends of a stream.
pub(super) fn live() -> (Feed, Content) {
    let (sender, receiver) = mpsc::channel(1);
    let wanted = Arc::new(Notify::new());
    let feed = Feed { pieces: sender, wanted: wanted.clone() };
    (feed, Content::Live(Live { pieces: receiver, wanted, has_asked: false }))
}

impl Feed {
    /// Waits until the next piece is wanted.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// Waits until nobody reads any more.
    pub(super) async fn closed(&self) {
        self.pieces.closed().await;
    }

    /// Hands over the piece that was wanted; `false` where nobody reads any more.
    pub(super) async fn give(&self, piece: Piece) -> bool {
        self.pieces.send(piece).await.is_ok()
    }
}

impl Live {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        if !self.has_asked {
            self.has_asked = true;
            self.wanted.notify_one();
        }
        let piece = std::task::ready!(self.pieces.poll_recv(cx));
        self.has_asked = false;
        Poll::Ready(piece)
    }
}

/// Three runs as one.
pub(super) fn piece(head: Bytes, middle: Bytes, tail: Bytes) -> Piece {
    head.chain(middle).chain(tail)
}

impl Body for Content {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        let next = match self.get_mut() {
            Self::Live(live) => std::task::ready!(live.poll(cx)),
            Self::Whole(bytes) if bytes.is_empty() => None,
            Self::Whole(bytes) => Some(piece(std::mem::take(bytes), Bytes::new(), Bytes::new())),
        };
        Poll::Ready(next.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Live(_) => SizeHint::default(),
        }
    }
}

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What pages of ours may do: show and ask what comes from here, and nothing else.
const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";

/// Headers of every response.
const COMMON: [(HeaderName, &str); 7] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not "no-referrer", with which browsers send "Origin: null" for our own forms.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// A response with all its bytes.
pub(super) fn whole(status: StatusCode, kind: &'static str, bytes: impl Into<Bytes>) -> Reply {
    of(status, kind, Content::Whole(bytes.into()))
}

/// A response of any kind.
pub(super) fn of(status: StatusCode, kind: &'static str, content: Content) -> Reply {
    let mut reply = Response::new(content);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    for (name, value) in COMMON {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// A page.
pub(super) fn html(status: StatusCode, text: impl Into<Bytes>) -> Reply {
    whole(status, HTML, text)
}

/// A JSON value.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Reply {
    whole(status, JSON, value.to_string())
}

/// A refusal, with a sentence that says why.
pub(super) fn refusal(status: StatusCode, why: &str) -> Reply {
    whole(status, TEXT, format!("{why}\n"))
}

/// Too much of something just now: the client may ask again in `seconds`.
pub(super) fn busy(seconds: u64, why: &str) -> Reply {
    with(refusal(StatusCode::SERVICE_UNAVAILABLE, why), header::RETRY_AFTER, HeaderValue::from(seconds))
}

/// A response with one header more.
pub(super) fn with(mut reply: Reply, name: HeaderName, value: HeaderValue) -> Reply {
    reply.headers_mut().insert(name, value);
    reply
}

/// The one value of a header; `None` where there is none, several, or one that is no text.
pub(super) fn single(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::time::{Duration, timeout};

    #[test]
    fn one_piece_is_asked_for_at_a_time_and_only_by_who_has_room() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.unwrap_or_else(|e| panic!("{e}")).block_on(async {
            let (feed, mut content) = live();
            let wanted = async || timeout(Duration::from_millis(1), feed.wanted()).await.is_ok();
            assert!(!wanted().await, "nobody has room yet");
            for _ in 0..3 {
                let is_pending = |cx: &mut Context<'_>| Poll::Ready(Pin::new(&mut content).poll_frame(cx).is_pending());
                assert!(poll_fn(is_pending).await);
            }
            assert!(wanted().await && !wanted().await, "asked thrice, wanted once");
            assert!(feed.give(piece(Bytes::from_static(b"x"), Bytes::new(), Bytes::new())).await);
            assert!(poll_fn(|cx| Pin::new(&mut content).poll_frame(cx)).await.is_some());
            assert!(!wanted().await, "the piece is being written");
            drop(content);
            feed.closed().await;
            assert!(!feed.give(piece(Bytes::new(), Bytes::new(), Bytes::new())).await);
        });
    }
}
