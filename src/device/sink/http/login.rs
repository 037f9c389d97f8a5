//! The form by which a browser shows that it knows the token.

use super::answer::{self, Reply};
use super::door::Door;
use super::page;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use std::time::Duration;

/// What a wrong token costs, so that guessing is slow.
const PENALTY: Duration = Duration::from_millis(300);

/// The form.
pub(super) fn form(status: StatusCode, was_wrong: bool) -> Reply {
    let reply = answer::html(status, page::login(was_wrong));
    match status {
        // A scheme for which browsers open no window of their own.
        StatusCode::UNAUTHORIZED => {
            answer::with(reply, header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"upres\""))
        }
        _ => reply,
    }
}

/// Takes the form's fields: a cookie and the page for the token, the form again for anything else.
pub(super) async fn take(door: &Door, body: &[u8]) -> Reply {
    let cookie = field(body, "token").and_then(|token| door.cookie_for(&token));
    if door.is_closed() && cookie.is_none() {
        tokio::time::sleep(PENALTY).await;
        return form(StatusCode::UNAUTHORIZED, true);
    }
    let mut reply = answer::html(StatusCode::SEE_OTHER, "");
    reply.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/"));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        reply.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    reply
}

/// A field of a form as browsers send it (`application/x-www-form-urlencoded`).
fn field(body: &[u8], name: &str) -> Option<String> {
    let body = std::str::from_utf8(body).ok()?;
    let value = body.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let mut figure = || char::from(rest.next()?).to_digit(16);
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => (figure()? << 4 | figure()?) as u8,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_browsers_write_them() {
        let token = |body: &str| field(body.as_bytes(), "token");
        assert_eq!(token("token=abc").as_deref(), Some("abc"));
        assert_eq!(token("a=b&token=a+b%2B%3d%C3%A9&token=no").as_deref(), Some("a b+=é"));
        assert_eq!(token("token="), Some(String::new()));
        for broken in ["", "token", "tokens=1", "token=%", "token=%2", "token=%zz", "token=%ff"] {
            assert_eq!(token(broken), None, "{broken}");
        }
        assert_eq!(field(&[b't', 0xff], "token"), None);
    }
}
