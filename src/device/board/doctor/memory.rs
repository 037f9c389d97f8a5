//! Memory that is free, against what live work takes.

use super::system::{serves, unit_changes, unit_file};
use super::{Case, Finding};
use crate::device::tree::Tree;

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
    let own = || super::models::factor(case).map_or(2.0, |factor| factor as f64);
    let scale = case.asked.scale.unwrap_or_else(own);
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
    findings.extend(service(case, need, total));
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

/// What the installed service may take, which is not what this session may.
fn service(case: &Case, need: u64, total: u64) -> Option<Finding> {
    let most = service_limit(case.tree, total)?;
    let found = format!("the service may take {} at most (MemoryMax)", megabytes(most));
    if most >= need {
        return Some(Finding::note("memory", found));
    }
    let found = format!("{found}, live work takes about {}", megabytes(need));
    let fix = "sudo systemctl edit upres-live, with the lines [Service] and MemoryMax=1G; or take smaller frames";
    let finding = if serves(case) { Finding::trouble("memory", found) } else { Finding::warning("memory", found) };
    Some(finding.fix(fix))
}

/// The last `MemoryMax=` of the service's file and of what was laid over it, in bytes; nothing where there is no limit.
fn service_limit(tree: &Tree, total: u64) -> Option<u64> {
    let files = std::iter::once(unit_file(tree)?).chain(unit_changes(tree));
    let texts: Vec<String> = files.filter_map(|file| tree.text(file)).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    let mut said = lines.filter_map(|line| line.trim().strip_prefix("MemoryMax="));
    bytes(said.next_back()?.trim(), total)
}

/// As systemd reads an amount: `512M`, `25%` of all there is, `infinity`.
fn bytes(text: &str, total: u64) -> Option<u64> {
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.trim().parse().ok().filter(|percent| (0.0..=100.0).contains(percent))?;
        return Some((total as f64 * percent / 100.0) as u64);
    }
    let (digits, shift) = match text.char_indices().last()? {
        (at, 'K') => (text.get(..at)?, 10),
        (at, 'M') => (text.get(..at)?, 20),
        (at, 'G') => (text.get(..at)?, 30),
        (at, 'T') => (text.get(..at)?, 40),
        _ => (text, 0),
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(1 << shift)
}
