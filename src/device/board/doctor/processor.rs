//! The instructions and the cores.

use super::{Case, Finding};
use crate::device::tree::Tree;
use crate::kernel::Level;
use std::collections::BTreeSet;

/// 64-bit cores of ARM's own design, and NVIDIA's Denver and Carmel, by the kernel's numbers for them.
const CORES_64: [&str; 18] = [
    "0xd03", "0xd04", "0xd05", "0xd07", "0xd08", "0xd09", "0xd0a", "0xd0b", "0xd0c", "0xd0d", "0xd40", "0xd41",
    "0xd42", "0xd44", "0xd46", "0xd47", "0x003", "0x004",
];
/// Features of interest, by the kernel's names for them and ours.
const FEATURES: [(&str, &str); 11] = [
    ("asimd", "NEON"),
    ("neon", "NEON"),
    ("asimddp", "dot products"),
    ("asimdhp", "fp16"),
    ("i8mm", "i8mm"),
    ("sve", "SVE"),
    ("avx2", "AVX2"),
    ("fma", "FMA"),
    ("avx512f", "AVX-512"),
    ("avx_vnni", "AVX-VNNI"),
    ("avx512_vnni", "AVX512-VNNI"),
];

/// Words of `/proc/cpuinfo` behind `key`, of the first core that has them.
fn words<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let value = |line: &'a str| line.split_once(':').filter(|(name, _)| name.trim() == key).map(|(_, value)| value);
    text.lines().find_map(value).map(|value| value.split_whitespace().collect()).unwrap_or_default()
}

pub(super) fn features(case: &Case) -> Vec<Finding> {
    let text = case.tree.text("/proc/cpuinfo").unwrap_or_default();
    let mut all = words(&text, "Features");
    all.extend(words(&text, "flags"));
    let has = |name: &str| all.contains(&name);
    let mut names: Vec<&str> = FEATURES.iter().filter(|(flag, _)| has(flag)).map(|(_, name)| *name).collect();
    names.dedup();
    let said = if names.is_empty() { "nothing that the engine knows".to_owned() } else { names.join(", ") };
    if narrow(case.tree, &text) {
        return vec![
            Finding::warning(
                "cpu",
                format!("{said}; a 32-bit system on a 64-bit processor, where the engine has no vectors"),
            )
            .fix("install the 64-bit system (arm64) and the arm64 package: it is several times as fast"),
        ];
    }
    let level = if case.tree.is_this_machine() {
        Level::best().name()
    } else if has("asimddp") {
        "neon-dotprod"
    } else if has("asimd") {
        "neon"
    } else if has("avx512_vnni") {
        "avx512-vnni"
    } else if has("avx512f") {
        "avx512"
    } else if has("avx2") {
        "avx2"
    } else {
        "scalar"
    };
    let found = format!("{said}; the engine takes {level}");
    let finding = match level {
        "scalar" => Finding::warning("cpu", found)
            .fix("without vectors only small frames are live: --source with a small size=, --model small-x2"),
        "neon" => Finding::ok("cpu", format!("{found}, whose bytes are no faster than floats")),
        _ => Finding::ok("cpu", found),
    };
    vec![finding]
}

/// Whether the programs are of 32 bits and the processor is not.
fn narrow(tree: &Tree, cpuinfo: &str) -> bool {
    let wide = words(cpuinfo, "CPU part").first().is_some_and(|part| CORES_64.contains(part));
    let own = tree.is_this_machine() && cfg!(target_pointer_width = "32");
    let loader = tree.exists("/lib/ld-linux-armhf.so.3") && !tree.exists("/lib/ld-linux-aarch64.so.1");
    wide && (own || loader)
}

/// Cores as the kernel lists them: `0-3,6`.
fn list(text: &str) -> BTreeSet<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?);
        Some(first..=last.min(4095))
    };
    text.split(',').filter_map(range).flatten().collect()
}

pub(super) fn cores(case: &Case) -> Vec<Finding> {
    let folder = "/sys/devices/system/cpu";
    let read = |name: &str| case.tree.text(format!("{folder}/{name}")).map(|text| list(&text)).unwrap_or_default();
    let (online, present) = (read("online"), read("present"));
    if online.is_empty() {
        return vec![Finding::note("cores", "the kernel does not tell how many there are")];
    }
    let threads =
        case.board.threads.map(|threads| format!(", {} for frames by the profile", threads.min(online.len())));
    let mut findings = vec![Finding::ok("cores", format!("{}{}", online.len(), threads.unwrap_or_default()))];
    if present.len() > online.len() {
        let off =
            Finding::note("cores", format!("{} of {} are switched off", present.len() - online.len(), present.len()));
        let jetson = case.jetson();
        let fix = if jetson {
            "sudo nvpmodel -q tells the power mode; the one with all cores is MAXN, by its number in /etc/nvpmodel.conf"
        } else {
            "look for maxcpus= in the kernel's command line"
        };
        findings.push(off.fix(fix));
    }
    findings.extend(frequency(case.tree, &online));
    findings
}

/// How the first core's frequency is chosen.
fn frequency(tree: &Tree, online: &BTreeSet<u32>) -> Option<Finding> {
    let folder = format!("/sys/devices/system/cpu/cpu{}/cpufreq", online.first()?);
    let governor = tree.text(format!("{folder}/scaling_governor"))?;
    let megahertz = |name: &str| tree.number::<u64>(format!("{folder}/{name}")).map(|kilohertz| kilohertz / 1000);
    let (now, most, limit) =
        (megahertz("scaling_cur_freq"), megahertz("cpuinfo_max_freq"), megahertz("scaling_max_freq"));
    let speed = now.zip(most).map(|(now, most)| format!(", {now} of {most} MHz now")).unwrap_or_default();
    let found = format!("the frequency is chosen by '{governor}'{speed}");
    let fix = "echo schedutil | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor";
    // Drivers that choose by themselves call their ordinary mode so.
    let own = |driver: String| ["intel_pstate", "amd-pstate-epp"].iter().any(|name| driver.starts_with(name));
    if governor == "powersave" && !tree.text(format!("{folder}/scaling_driver")).is_some_and(own) {
        return Some(Finding::warning("frequency", format!("{found}: always the lowest")).fix(fix));
    }
    if let (Some(limit), Some(most)) = (limit, most)
        && limit < most
    {
        return Some(
            Finding::note("frequency", format!("{found}, and held below {limit} MHz"))
                .fix("the power mode MAXN on a Jetson (sudo nvpmodel -q); else look into what sets scaling_max_freq"),
        );
    }
    Some(Finding::ok("frequency", found))
}
