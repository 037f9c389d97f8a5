//! The state as JSON: ustreamer's names, and all of our own under `upres`.

use super::site::Site;
use crate::device::desk::Report;
use crate::device::source::uri::redact;
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
    report.source = redact(&report.source);
    for trouble in report.sinks.iter_mut().map(|sink| &mut sink.trouble).chain([&mut report.trouble]) {
        *trouble = trouble.as_deref().map(redact);
    }
    report
}
