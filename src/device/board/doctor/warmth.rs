//! Heat and power.

use super::{Case, Finding};
use crate::device::live::governor::GovernorOptions;
use crate::device::live::health::Health;

/// A Raspberry Pi's bits: what they mean, and what to do about it.
const BITS: [(u32, &str, &str); 4] = [
    (0, "low voltage", POWER),
    (1, "frequency capped", COOL),
    (2, "throttled", COOL),
    (3, "at the soft temperature limit", COOL),
];
const POWER: &str =
    "use the power supply that was made for this board (5 V, 3 A; a Pi 5 wants 5 A) and a short, thick cable";
const COOL: &str = "give it a heat sink or a fan and let air to it, or take a smaller model or rate";
const VCGENCMD: &str = "vcgencmd get_throttled tells it";
/// Where the same bits stand that are kept since it was switched on.
const SINCE: u32 = 16;
/// Degrees below the limit at which it is near.
const NEAR: f64 = 5.0;

pub(super) fn throttling(case: &Case) -> Vec<Finding> {
    let health = Health::new(case.tree.clone());
    if let Some(bits) = health.throttle_bits() {
        return told(bits);
    }
    let finding = if let Some(low) = health.low_voltage() {
        voltage(low)
    } else if case.raspberry_pi() {
        Finding::note("throttling", "this kernel tells neither of throttling nor of low voltage").fix(VCGENCMD)
    } else if case.jetson() {
        currents(health.over_currents())
    } else {
        Finding::note("throttling", "this machine does not tell of it")
    };
    vec![finding]
}

/// What the firmware of a Raspberry Pi tells, of now and of before.
fn told(bits: u32) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (bit, name, fix) in BITS {
        if bits >> bit & 1 == 1 {
            findings.push(Finding::trouble("throttling", format!("{name}, now")).fix(fix));
        } else if bits >> (bit + SINCE) & 1 == 1 {
            findings.push(Finding::warning("throttling", format!("{name}, since it was switched on")).fix(fix));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("throttling", "none, and enough voltage, since it was switched on"));
    }
    findings
}

/// What the other kernels of a Raspberry Pi tell.
fn voltage(low: bool) -> Finding {
    if low {
        return Finding::trouble("throttling", "low voltage, now").fix(POWER);
    }
    Finding::note("throttling", "the voltage is fine now; this kernel tells neither of throttling nor of before")
        .fix(VCGENCMD)
}

/// What the kernel of a Jetson counts.
fn currents(events: Option<u64>) -> Finding {
    match events {
        None => Finding::note("throttling", "this kernel does not count over-currents")
            .fix("'sudo tegrastats' shows frequencies and temperatures while live work runs"),
        Some(0) => {
            Finding::ok("throttling", "no over-current since it was switched on; heat is told by the temperature")
        }
        Some(events) => {
            let found = format!("slowed down {events} times by over-current, since it was switched on");
            Finding::warning("throttling", found)
                .fix("take a stronger power supply, or a mode that takes less: sudo nvpmodel -q tells the one it is in")
        }
    }
}

pub(super) fn temperature(case: &Case) -> Vec<Finding> {
    let zones = Health::new(case.tree.clone()).zones();
    let Some((name, degrees)) = zones.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return vec![Finding::note(
            "temperature",
            "there is no thermal zone: live work cannot step down before it is too hot",
        )];
    };
    let hot = case.asked.hot.or(case.board.hot).unwrap_or(GovernorOptions::default().hot);
    let found = format!("{degrees:.0} °C ({name}), live work steps down from {hot:.0} on");
    let finding = if degrees >= hot {
        Finding::trouble("temperature", found).fix(COOL)
    } else if degrees >= hot - NEAR {
        Finding::warning("temperature", found).fix(COOL)
    } else {
        Finding::ok("temperature", found)
    };
    vec![finding]
}
