//! Responses: their bodies, their kinds, and the headers that all of them carry.

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

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
    Live(mpsc::Receiver<Piece>),
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
            Self::Live(pieces) => std::task::ready!(pieces.poll_recv(cx)),
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
