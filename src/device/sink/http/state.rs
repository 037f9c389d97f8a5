//! The state as JSON: ustreamer's names, and all of our own under `upres`.

use super::site::Site;
use crate::device::live::desk::Report;
use serde_json::{Map, Value, json};

/// The answer to `/state`.
pub(super) fn state(site: &Site) -> Value {
    let report = shown(site);
    let [width, height] = if report.output[0] > 0 { report.output } else { report.input };
    let rates = site.crowd.rates();
    let client = |fps: u32| {
        json!({
            "fps": fps,
            "extra_headers": false,
            "advance_headers": false,
            "dual_final_frames": false,
            "zero_data": false,
            "key": "",
        })
    };
    let clients: Map<String, Value> = rates.iter().map(|(id, fps)| (format!("{id:016x}"), client(*fps))).collect();
    json!({
        "ok": true,
        "result": {
            "instance_id": "",
            "encoder": { "type": "CPU", "quality": site.quality },
            "source": {
                "resolution": { "width": width, "height": height },
                "online": report.online,
                "desired_fps": report.asked_fps.round() as u64,
                "captured_fps": report.fps_in.round() as u64,
            },
            "stream": { "queued_fps": site.queued_fps(), "clients": rates.len(), "clients_stat": clients },
            "upres": report,
        },
    })
}

/// The report as strangers may see it.
pub(super) fn shown(site: &Site) -> Report {
    let mut report = site.desk.report();
    report.source = without_passwords(&report.source);
    for trouble in report.sinks.iter_mut().map(|sink| &mut sink.trouble).chain([&mut report.trouble]) {
        *trouble = trouble.as_deref().map(without_passwords);
    }
    report
}

/// The text, with what stands for a name and a password in addresses (`rtsp://NAME:PASSWORD@…`) left out.
pub(super) fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        clean.push_str("://");
        let end = part.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(part.len());
        let host = part[..end].rfind('@').map_or(0, |at| at + 1);
        clean.push_str(&part[host..]);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_not_told() {
        for (text, clean) in [
            ("rtsp://me:se@cret@cam:554/a@b", "rtsp://cam:554/a@b"),
            ("http://u:p@a/ and https://v@b, x@y", "http://a/ and https://b, x@y"),
            ("v4l2:/dev/video0", "v4l2:/dev/video0"),
            ("rtsp://me:pw@cam", "rtsp://cam"),
            ("", ""),
        ] {
            assert_eq!(without_passwords(text), clean);
        }
    }
}
