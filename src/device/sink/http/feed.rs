//! Streams: each client takes the newest frame when it has room for it.

use super::answer::{self, Content, Feed, Piece, piece};
use super::crowd::{View, Watch};
use super::encoded::{ABSENT, Encoded, large, small};
use super::site::Site;
use crate::device::desk::ms;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// What stands between the parts of an MJPEG stream, as in ustreamer's.
const BOUNDARY: &str = "boundarydonotcross";
/// The kind of an MJPEG stream.
pub(super) const MJPEG: &str = "multipart/x-mixed-replace;boundary=boundarydonotcross";
/// The kind of a stream of records.
pub(super) const RECORDS: &str = "application/octet-stream";
/// How often a page hears something, frames or not.
const BEAT: Duration = Duration::from_secs(2);

/// A stream for someone who watches: MJPEG of the enlarged picture, or records with both.
pub(super) fn stream(site: Arc<Site>, watch: Watch, view: View) -> Content {
    let (feed, content) = answer::live();
    tokio::spawn(serve(site, watch, view, feed));
    content
}

async fn serve(site: Arc<Site>, watch: Watch, view: View, feed: Feed) {
    let mut newest = site.newest.subscribe();
    newest.mark_changed();
    let mut closing = site.closing.clone();
    let mut is_first = true;
    loop {
        let frame = async {
            feed.wanted().await;
            tokio::select! {
                frame = next(&mut newest) => frame,
                () = sleep(BEAT), if view == View::Both => None,
            }
        };
        let frame = tokio::select! {
            frame = frame => frame,
            () = feed.closed() => return,
            _ = closing.changed() => return,
        };
        let piece = match (&frame, view) {
            (Some(frame), View::Large) => part(frame, is_first),
            (frame, View::Both) => record(frame.as_ref()),
            (None, View::Large) => return,
        };
        if !feed.give(piece).await {
            return;
        }
        if frame.is_some() {
            watch.note();
            is_first = false;
        }
    }
}

/// Waits for a frame that was not seen yet.
async fn next(newest: &mut watch::Receiver<Option<Arc<Encoded>>>) -> Option<Arc<Encoded>> {
    loop {
        newest.changed().await.ok()?;
        let frame = newest.borrow_and_update().clone();
        if let Some(frame) = frame.filter(|frame| frame.is_fresh()) {
            return Some(frame);
        }
    }
}

/// One part of an MJPEG stream. The boundary after it is sent with it, or else browsers would wait for it with showing.
fn part(frame: &Arc<Encoded>, is_first: bool) -> Piece {
    let start = if is_first { format!("--{BOUNDARY}\r\n") } else { String::new() };
    let head = format!(
        "{start}Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Timestamp: {:.6}\r\n\r\n",
        frame.large.len(),
        frame.timestamp()
    );
    piece(Bytes::from(head), large(frame), Bytes::from_static(b"\r\n--boundarydonotcross\r\n"))
}

/// One record: the lengths of three parts as u32, high byte first, then the parts: JSON, before, after. Both pictures may
/// be missing.
fn record(frame: Option<&Arc<Encoded>>) -> Piece {
    let note = frame.map_or_else(
        || serde_json::json!({ "beat": true }),
        |frame| {
            serde_json::json!({
                "number": frame.number,
                "age": ms(frame.age()),
                "live": frame.live,
                "reason": frame.reason,
                "width": frame.size.width,
                "height": frame.size.height,
            })
        },
    );
    let note = note.to_string();
    let (before, after) = frame.map(|frame| (small(frame), large(frame))).unwrap_or_default();
    let mut head = Vec::with_capacity(12 + note.len());
    for length in [note.len(), before.len(), after.len()] {
        head.extend_from_slice(&(length as u32).to_be_bytes());
    }
    head.extend_from_slice(note.as_bytes());
    piece(Bytes::from(head), before, after)
}

/// The newest frame; where none is fresh, since nobody looked, the next one if it comes in time.
pub(super) async fn newest(site: &Arc<Site>, _watch: &Watch) -> Option<Arc<Encoded>> {
    let mut newest = site.newest.subscribe();
    newest.mark_changed();
    timeout(ABSENT, next(&mut newest)).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

    fn bytes(mut piece: Piece) -> Vec<u8> {
        piece.copy_to_bytes(piece.remaining()).to_vec()
    }

    fn frame() -> Arc<Encoded> {
        Arc::new(Encoded {
            number: 7,
            large: b"LARGE".to_vec(),
            small: b"sm".to_vec(),
            live: true,
            ..Encoded::default()
        })
    }

    #[test]
    fn a_part_is_closed_by_the_boundary_that_opens_the_next() {
        let text = |is_first| String::from_utf8(bytes(part(&frame(), is_first))).unwrap_or_else(|e| panic!("{e}"));
        let (first, second) = (text(true), text(false));
        assert!(
            first.starts_with("--boundarydonotcross\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\nX-Timestamp: ")
        );
        assert!(second.starts_with("Content-Type: image/jpeg\r\n"));
        assert!(second.ends_with("\r\n\r\nLARGE\r\n--boundarydonotcross\r\n"));
        assert!(MJPEG.ends_with(BOUNDARY));
    }

    #[test]
    fn a_record_says_how_long_its_parts_are() {
        for (frame, parts) in [(Some(frame()), ["sm", "LARGE"]), (None, ["", ""])] {
            let bytes = bytes(record(frame.as_ref()));
            let length =
                |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize;
            let (note, before, after) = (length(0), length(4), length(8));
            assert_eq!(12 + note + before + after, bytes.len());
            let json: serde_json::Value =
                serde_json::from_slice(&bytes[12..12 + note]).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(json["number"].as_u64(), frame.map(|frame| frame.number));
            assert_eq!(&bytes[12 + note..12 + note + before], parts[0].as_bytes());
            assert_eq!(&bytes[12 + note + before..], parts[1].as_bytes());
        }
    }
}
