//! What is asked for, and who answers. No path leads to a file: every place has a name here.

use super::answer::{self, Reply, single};
use super::control::{self, Denied};
use super::crowd::View;
use super::door::{self, Unwelcome};
use super::encoded::{Encoded, large};
use super::page::{self, Asset};
use super::site::Site;
use super::{blank, feed, login, metrics, state};
use crate::codec::frames::JpegEncoder;
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest body that is read, in bytes.
const MOST_BODY: usize = 4 << 10;
/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(5);
/// What a client that finds no room is told to wait, in seconds.
const COME_AGAIN: u64 = 5;

/// What there is.
#[derive(Debug, Clone, Copy)]
enum Place {
    Page,
    Asset(Asset),
    Login,
    Stream,
    Frames,
    Snapshot,
    State,
    Metrics,
    Control,
}

fn place(uri: &Uri) -> Option<Place> {
    // mjpg-streamer's names.
    let action =
        uri.query().into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("action="));
    Some(match (uri.path(), action) {
        ("/stream", _) | ("/", Some("stream")) => Place::Stream,
        ("/snapshot", _) | ("/", Some("snapshot")) => Place::Snapshot,
        ("/", None) => Place::Page,
        ("/frames", _) => Place::Frames,
        ("/state", _) => Place::State,
        ("/metrics", _) => Place::Metrics,
        ("/control", _) => Place::Control,
        ("/login", _) => Place::Login,
        (path, _) => Place::Asset(page::asset(path)?),
    })
}

/// Answers a request.
pub(super) async fn answer<B>(site: Arc<Site>, request: Request<B>) -> Reply
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (uri, headers) = (request.uri(), request.headers());
    let is_post = request.method() == Method::POST;
    let checked =
        site.door.check_host(uri, headers).and_then(|()| if is_post { door::check_origin(headers) } else { Ok(()) });
    if let Err(unwelcome) = checked {
        return turned_away(unwelcome);
    }
    let Some(place) = place(uri) else {
        return answer::refusal(StatusCode::NOT_FOUND, "there is nothing of this name");
    };
    let allowed = match place {
        Place::Control => "POST",
        Place::Login => "GET, HEAD, POST",
        _ => "GET, HEAD",
    };
    if !allowed.split(", ").any(|method| method == request.method().as_str()) {
        let reply = answer::refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("{allowed} is answered here"));
        return answer::with(reply, header::ALLOW, HeaderValue::from_static(allowed));
    }
    let is_open = matches!(place, Place::Asset(_) | Place::Login);
    if !is_open && !site.door.is_known(headers) {
        return match place {
            Place::Page => login::form(StatusCode::UNAUTHORIZED, false),
            _ => unknown(),
        };
    }
    let is_head = request.method() == Method::HEAD;
    match place {
        Place::Page => answer::html(StatusCode::OK, page::PAGE),
        Place::Asset(asset) => answer::whole(StatusCode::OK, asset.kind, asset.bytes),
        Place::Login if !is_post => login::form(StatusCode::OK, false),
        Place::Login | Place::Control => posted(&site, place, request).await,
        Place::Stream => stream(site, View::Large, is_head),
        Place::Frames => stream(site, View::Both, is_head),
        Place::Snapshot => snapshot(&site).await,
        Place::State => answer::json(StatusCode::OK, &state::state(&site)),
        Place::Metrics => answer::whole(StatusCode::OK, metrics::KIND, metrics::metrics(&site)),
    }
}

fn turned_away(unwelcome: Unwelcome) -> Reply {
    match unwelcome {
        Unwelcome::Nameless => answer::refusal(StatusCode::BAD_REQUEST, "the request does not say whom it calls"),
        Unwelcome::Misnamed => answer::refusal(
            StatusCode::MISDIRECTED_REQUEST,
            "this is not the machine of that name; call it by its address, or allow the name where upres is started",
        ),
        Unwelcome::Foreign => answer::refusal(StatusCode::FORBIDDEN, "another site's page may not ask for that"),
    }
}

fn unknown() -> Reply {
    let reply = answer::refusal(StatusCode::UNAUTHORIZED, "the token is needed: 'Authorization: Bearer TOKEN'");
    answer::with(reply, header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"upres\""))
}

fn stream(site: Arc<Site>, view: View, is_head: bool) -> Reply {
    let kind = if view == View::Both { feed::RECORDS } else { feed::MJPEG };
    if is_head {
        return answer::whole(StatusCode::OK, kind, Bytes::new());
    }
    match site.crowd.enter(view) {
        Some(watch) => answer::of(StatusCode::OK, kind, feed::stream(site, watch, view)),
        None => full(&site),
    }
}

fn full(site: &Site) -> Reply {
    answer::busy(COME_AGAIN, &format!("{} watch already, which is all that may", site.clients))
}

async fn snapshot(site: &Arc<Site>) -> Reply {
    if let Some(frame) = site.fresh() {
        return picture(&frame);
    }
    let Some(watch) = site.crowd.enter(View::Large) else { return full(site) };
    match feed::newest(site, &watch).await {
        Some(frame) => picture(&frame),
        None => match blank::jpeg(blank::SIZE, &mut JpegEncoder::new(site.quality)) {
            Ok(large) => picture(&Arc::new(Encoded { large, size: blank::SIZE, ..Encoded::default() })),
            Err(error) => answer::refusal(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        },
    }
}

fn picture(frame: &Arc<Encoded>) -> Reply {
    let mut reply = answer::whole(StatusCode::OK, "image/jpeg", large(frame));
    let headers = [
        ("x-timestamp", format!("{:.6}", frame.timestamp())),
        ("x-ustreamer-online", frame.live.to_string()),
        ("x-ustreamer-width", frame.size.width.to_string()),
        ("x-ustreamer-height", frame.size.height.to_string()),
    ];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            reply.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    reply
}

async fn posted<B>(site: &Site, place: Place, request: Request<B>) -> Reply
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let wanted = match place {
        Place::Login => "application/x-www-form-urlencoded",
        _ => "application/json",
    };
    let kind = single(request.headers(), header::CONTENT_TYPE).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted) {
        return answer::refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, &format!("the content type must be {wanted}"));
    }
    let body = match timeout(BODY_TIME, Limited::new(request.into_body(), MOST_BODY).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return ended(answer::refusal(StatusCode::PAYLOAD_TOO_LARGE, "4 KiB are enough for that"));
        }
        Ok(Err(_)) => return ended(answer::refusal(StatusCode::BAD_REQUEST, "the body is damaged")),
        Err(_) => return ended(answer::refusal(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    };
    match place {
        Place::Login => login::take(&site.door, &body).await,
        _ => control(site, &body),
    }
}

/// A response after which nothing can be read any more.
fn ended(reply: Reply) -> Reply {
    answer::with(reply, header::CONNECTION, HeaderValue::from_static("close"))
}

fn control(site: &Site, body: &[u8]) -> Reply {
    match control::lay(&site.desk, body) {
        Ok(()) => answer::json(StatusCode::ACCEPTED, &serde_json::json!({ "ok": true, "result": {} })),
        Err(Denied::Wrong(why)) => {
            answer::json(StatusCode::BAD_REQUEST, &serde_json::json!({ "ok": false, "error": why }))
        }
        Err(Denied::Busy) => answer::busy(1, "more was asked for than can be done at once"),
    }
}

/// The answer to everyone where too many are connected.
pub(super) fn crowded() -> Reply {
    ended(answer::busy(COME_AGAIN, "too many are connected"))
}
