//! Board, processor, memory, heat, clock.

use super::*;

#[test]
fn a_pi_4_on_which_all_is_well_is_told_so() {
    let made = pi_4();
    let all = look(&made, &asked());
    assert!(all.iter().all(|finding| finding.state < State::Warning), "{all:#?}");
    says(&made, &asked(), "board", State::Ok, &["Raspberry Pi 4 Model B Rev 1.4; profile pi-4"]);
    says(&made, &asked(), "system", State::Ok, &["Linux 6.12.25", "Debian GNU/Linux 12"]);
    says(&made, &asked(), "cpu", State::Ok, &["NEON; the engine takes neon", "no faster than floats"]);
    says(&made, &asked(), "cores", State::Ok, &["4, 3 for frames"]);
    says(&made, &asked(), "frequency", State::Ok, &["'ondemand'", "600 of 1800 MHz"]);
    says(&made, &asked(), "memory", State::Ok, &["3407 MB free of 3977 MB, swap 536 MB", "320x240"]);
    says(&made, &asked(), "throttling", State::Ok, &["none"]);
    says(&made, &asked(), "temperature", State::Ok, &["52 °C (cpu-thermal)", "78"]);
    says(&made, &asked(), "clock", State::Ok, &["network"]);
}

#[test]
fn boards_are_known_named_or_unknown() {
    let made = pi_4();
    let named = Asked { board: Board::open("pi-5").ok(), ..asked() };
    says(&made, &named, "board", State::Ok, &["Pi 4", "pi-5 was asked for"]);
    made.file("/proc/device-tree/model", "Orange Pi Zero\0").without("/proc/device-tree/compatible");
    says(&made, &asked(), "board", State::Note, &["Orange Pi Zero", "upres boards"]);
    made.without("/proc/device-tree/model").file("/sys/class/dmi/id/product_name", "NUC\n");
    says(&made, &asked(), "board", State::Ok, &["NUC; profile generic"]);
}

#[test]
fn instructions_are_told_with_what_the_engine_takes() {
    let made = pi_4();
    let features = |text: &str| format!("Features : {text}\nCPU part : 0xd0b\n");
    made.file("/proc/cpuinfo", features("asimd asimdhp asimddp i8mm"));
    says(&made, &asked(), "cpu", State::Ok, &["NEON, dot products, fp16, i8mm; the engine takes neon-dotprod"]);
    made.file("/proc/cpuinfo", "flags : sse2 avx2 fma avx512f avx512_vnni\n");
    says(&made, &asked(), "cpu", State::Ok, &["AVX2, FMA, AVX-512, AVX512-VNNI; the engine takes avx512-vnni"]);
    made.file("/proc/cpuinfo", "");
    says(&made, &asked(), "cpu", State::Warning, &["scalar", "small-x2"]);
    // A 32-bit system: the kernel tells of the core all the same.
    made.file("/proc/cpuinfo", "Features : half thumb neon vfpv4\nCPU part : 0xd08\n")
        .file("/lib/ld-linux-armhf.so.3", "");
    says(&made, &asked(), "cpu", State::Warning, &["32-bit system on a 64-bit", "arm64"]);
    made.file("/lib/ld-linux-aarch64.so.1", "");
    assert!(findings(&made, &asked(), "cpu").iter().all(|(_, text)| !text.contains("32-bit")), "both are installed");
}

#[test]
fn cores_that_are_off_and_slow_frequencies_are_told() {
    let made = pi_4();
    let governor = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    made.file(governor, "powersave\n");
    says(&made, &asked(), "frequency", State::Warning, &["'powersave'", "schedutil"]);
    for driver in ["intel_pstate\n", "amd-pstate-epp\n"] {
        made.file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", driver);
        says(&made, &asked(), "frequency", State::Ok, &["powersave"]);
    }
    made.file(governor, "schedutil").file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "1000000\n");
    says(&made, &asked(), "frequency", State::Note, &["held below 1000 MHz"]);
    made.file("/sys/devices/system/cpu/online", "0-1,3\n");
    says(&made, &asked(), "cores", State::Note, &["1 of 4 are switched off", "maxcpus"]);
    made.file("/proc/device-tree/compatible", "nvidia,jetson-nano\0");
    says(&made, &asked(), "cores", State::Note, &["nvpmodel"]);
    made.without("/sys/devices/system/cpu");
    says(&made, &asked(), "cores", State::Note, &["does not tell"]);
}

#[test]
fn memory_is_held_against_what_the_frames_take() {
    let made = pi_4();
    let memory = |free: u64| format!("MemTotal: 500000 kB\nMemAvailable: {free} kB\nSwapTotal: 0 kB\n");
    made.file("/proc/meminfo", memory(400_000));
    says(&made, &asked(), "memory", State::Ok, &["swap none"]);
    made.file("/proc/meminfo", memory(100_000));
    says(&made, &asked(), "memory", State::Warning, &["102 MB free", "smaller frames"]);
    made.file("/proc/meminfo", memory(40_000));
    says(&made, &asked(), "memory", State::Trouble, &["40 MB free"]);
    made.file("/proc/meminfo", memory(400_000));
    let large = Asked { source: Some("v4l2:?size=1920x1080".into()), model: Some("small-x4".into()), ..asked() };
    says(&made, &large, "memory", State::Trouble, &["1920x1080"]);
    made.file("/proc/self/cgroup", "1:cpu:/\n0::/user.slice\n")
        .file("/sys/fs/cgroup/user.slice/memory.max", "30000000\n");
    says(&made, &asked(), "memory", State::Trouble, &["30 MB at most", "MemoryMax"]);
    made.file("/sys/fs/cgroup/user.slice/memory.max", "max\n");
    assert_eq!(findings(&made, &asked(), "memory").len(), 1);
    made.without("/proc/meminfo");
    says(&made, &asked(), "memory", State::Note, &["does not tell"]);
}

#[test]
fn each_bit_of_throttling_is_named_now_and_since() {
    let names = [
        ("low voltage", "power supply"),
        ("frequency capped", "fan"),
        ("throttled", "fan"),
        ("soft temperature limit", "fan"),
    ];
    let made = pi_4();
    for (bit, (name, fix)) in names.into_iter().enumerate() {
        made.file(THROTTLED, format!("{:x}\n", 1 << bit));
        says(&made, &asked(), "throttling", State::Trouble, &[name, ", now", fix]);
        made.file(THROTTLED, format!("{:x}\n", 1 << (bit + 16)));
        says(&made, &asked(), "throttling", State::Warning, &[name, "since it was switched on", fix]);
        assert_eq!(findings(&made, &asked(), "throttling").len(), 1);
    }
    made.file(THROTTLED, "50005\n");
    let both = findings(&made, &asked(), "throttling");
    assert_eq!(both.iter().map(|(state, _)| *state).collect::<Vec<_>>(), [State::Trouble; 2], "{both:?}");
    made.without(THROTTLED);
    says(&made, &asked(), "throttling", State::Note, &["vcgencmd"]);
    // A kernel that tells of the voltage alone, and of now alone.
    made.file("/sys/class/hwmon/hwmon1/name", "rpi_volt\n").file("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
    let found = findings(&made, &asked(), "throttling");
    assert!(found.len() == 1 && found[0].0 == State::Note && !found[0].1.contains("since"), "{found:?}");
    says(&made, &asked(), "throttling", State::Note, &["voltage is fine now", "vcgencmd"]);
    made.file("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
    says(&made, &asked(), "throttling", State::Trouble, &["low voltage, now", "power supply"]);
    made.without("/sys/class/hwmon").file("/proc/device-tree/model", "Another board");
    says(&made, &asked(), "throttling", State::Note, &["does not tell"]);
}

#[test]
fn a_jetson_tells_of_over_currents_or_not() {
    let made = Made::of(&[("/proc/device-tree/model", "NVIDIA Jetson Orin Nano Developer Kit\0")]);
    says(&made, &asked(), "throttling", State::Note, &["does not count", "tegrastats"]);
    made.file("/sys/class/hwmon/hwmon2/oc1_event_cnt", "0\n").file("/sys/class/hwmon/hwmon2/oc2_event_cnt", "0\n");
    says(&made, &asked(), "throttling", State::Ok, &["no over-current"]);
    made.file("/sys/class/hwmon/hwmon2/oc2_event_cnt", "12\n");
    says(&made, &asked(), "throttling", State::Warning, &["12 times", "nvpmodel"]);
}

#[test]
fn heat_is_told_by_the_limit_that_counts() {
    let made = pi_4();
    let zone = "/sys/class/thermal/thermal_zone0/temp";
    made.file(zone, "75000");
    says(&made, &asked(), "temperature", State::Warning, &["75 °C", "heat sink"]);
    let cooler = Asked { hot: Some(90.0), ..asked() };
    says(&made, &cooler, "temperature", State::Ok, &["from 90 on"]);
    made.file(zone, "81000");
    says(&made, &asked(), "temperature", State::Trouble, &["81 °C", "heat sink"]);
    made.without("/sys/class/thermal");
    says(&made, &asked(), "temperature", State::Note, &["no thermal zone"]);
}

#[test]
fn clocks_that_would_misname_recordings_are_told() {
    let made = pi_4();
    let recording = Asked { record: Some("/var".into()), ..asked() };
    let early = |asked: &Asked| {
        let found = examine(&made.tree(), asked, UNIX_EPOCH + Duration::from_secs(86_400));
        found.into_iter().find(|finding| finding.id == "clock").map(|finding| (finding.state, finding.fix.is_some()))
    };
    assert_eq!((early(&asked()), early(&recording)), (Some((State::Warning, true)), Some((State::Trouble, true))));
    made.without("/run/systemd/timesync/synchronized");
    says(&made, &asked(), "clock", State::Warning, &["not set by the network", "timedatectl"]);
    // Part of a Raspberry Pi 5, whose battery is bought apart; a chip with a battery; a PC.
    made.file("/sys/class/rtc/rtc0/name", "rpi-rtc soc:rpi_rtc\n");
    says(&made, &asked(), "clock", State::Warning, &["only where it has a battery", "timedatectl", "J5"]);
    made.file("/sys/class/rtc/rtc0/name", "rtc-ds1307 1-0068\n");
    says(&made, &asked(), "clock", State::Note, &["goes on", "timedatectl"]);
    made.file("/sys/class/rtc/rtc0/name", "rtc_cmos 00:01\n").without("/proc/device-tree");
    says(&made, &asked(), "clock", State::Note, &["goes on", "timedatectl"]);
    made.file("/proc/812/comm", "chronyd\n");
    says(&made, &asked(), "clock", State::Ok, &["chronyd"]);
}

#[test]
fn old_kernels_are_told() {
    let made = pi_4();
    made.file("/proc/sys/kernel/osrelease", "4.4.38-tegra\n").file("/lib/aarch64-linux-gnu/libc-2.31.so", "");
    says(&made, &asked(), "system", State::Warning, &["Linux 4.4.38", "glibc 2.31", "4.8"]);
    made.file("/proc/sys/kernel/osrelease", "4.9.337-tegra\n");
    says(&made, &asked(), "system", State::Ok, &["4.9"]);
    made.without("/proc/sys");
    says(&made, &asked(), "system", State::Warning, &["/proc"]);
}
