//! Memory that is free, against what live work takes.

use super::{Case, Finding};
use crate::device::tree::Tree;
use crate::zoo::Zoo;

/// The program itself with a small picture and a page, in bytes: 51 MB were seen (VmHWM).
const PROGRAM: u64 = 64 << 20;
/// Bytes for each enlarged pixel, for frames on their way and on show: four times what was seen between 320x240 and 1280x720.
const PER_PIXEL: u64 = 16;

/// Kilobytes behind `key` of `/proc/meminfo`, in bytes.
fn amount(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?.strip_prefix(':')?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes that live work is taken to need.
fn needed(case: &Case) -> u64 {
    let scale = case.asked.scale.unwrap_or_else(|| {
        let model = case.asked.model.as_deref();
        let named = |model: &str| Zoo::default().list().ok()?.into_iter().find(|entry| entry.card.name == model);
        model.and_then(named).map_or(2.0, |entry| entry.card.scale as f64)
    });
    let scale = if scale.is_finite() { scale.clamp(1.0, 16.0) } else { 2.0 };
    let pixels = case.frame().checked_area().unwrap_or(usize::MAX) as f64 * scale * scale;
    PROGRAM.saturating_add((pixels * PER_PIXEL as f64) as u64)
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

pub(super) fn memory(case: &Case) -> Vec<Finding> {
    let text = case.tree.text("/proc/meminfo").unwrap_or_default();
    let (Some(total), Some(free)) = (amount(&text, "MemTotal"), amount(&text, "MemAvailable")) else {
        return vec![Finding::note("memory", "the kernel does not tell how much there is")];
    };
    let swap = amount(&text, "SwapTotal").unwrap_or(0);
    let need = needed(case);
    let found = format!(
        "{} free of {}, swap {}; live frames of {} take about {}",
        megabytes(free),
        megabytes(total),
        if swap == 0 { "none".to_owned() } else { megabytes(swap) },
        case.frame(),
        megabytes(need)
    );
    let fix = "end other programs, or take smaller frames (size= in the source)";
    let finding = if free < need {
        Finding::trouble("memory", found).fix(fix)
    } else if free < need.saturating_mul(2) {
        Finding::warning("memory", found).fix(fix)
    } else {
        Finding::ok("memory", found)
    };
    let mut findings = vec![finding];
    findings.extend(limit(case.tree, need));
    findings
}

/// What a container or a service may take.
fn limit(tree: &Tree, need: u64) -> Option<Finding> {
    // The line of the unified hierarchy: `0::/system.slice/upres-live.service`.
    let groups = tree.text("/proc/self/cgroup")?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let most = tree.number::<u64>(format!("/sys/fs/cgroup/{}/memory.max", own.trim_start_matches('/')))?;
    let found = format!("this session may take {} at most", megabytes(most));
    if most >= need {
        return Some(Finding::note("memory", found));
    }
    Some(Finding::trouble("memory", found).fix("raise MemoryMax= of the service, or the container's limit"))
}
