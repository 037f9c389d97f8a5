//! The date, by which recordings and snapshots are named.

use super::{Case, Finding};
use std::time::{Duration, UNIX_EPOCH};

/// The first moment of 2025: a clock that says less was never set.
const YOUNG: Duration = Duration::from_secs(1_735_689_600);
/// Programs that keep the clock, beside systemd's own.
const KEEPERS: [&str; 4] = ["chronyd", "ntpd", "ntpsec", "openntpd"];

/// Clocks that come with a battery: chips of small boards that are put on others.
const CHIPS: [&str; 3] = ["rtc-ds", "rtc-pcf", "rtc-rv"];

/// Whether the clock is part of a board, on which the battery is bought apart.
fn needs_battery(case: &Case) -> bool {
    let name = case.tree.text("/sys/class/rtc/rtc0/name").unwrap_or_default();
    !case.machine.model.is_empty() && !CHIPS.iter().any(|chip| name.starts_with(chip))
}

pub(super) fn clock(case: &Case) -> Vec<Finding> {
    let tree = case.tree;
    let since = case.now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let named = case.asked.record.is_some() || case.asked.snapshots.is_some();
    let fix =
        "sudo timedatectl set-ntp true, and let the machine reach the network; or sudo date -s '2026-01-31 12:00'";
    if since < YOUNG {
        let found = "the clock says that it is before 2025: recordings and snapshots would bear wrong dates";
        let finding = if named { Finding::trouble("clock", found) } else { Finding::warning("clock", found) };
        return vec![finding.fix(fix)];
    }
    let own = tree.exists("/sys/class/rtc/rtc0");
    let keeper = tree.processes().into_iter().map(|(_, name)| name).find(|name| KEEPERS.contains(&name.as_str()));
    let finding = if tree.exists("/run/systemd/timesync/synchronized") {
        Finding::ok("clock", "set by the network")
    } else if let Some(keeper) = keeper {
        Finding::ok("clock", format!("kept by {keeper}, which knows how well ('chronyc tracking', 'ntpq -p')"))
    } else if own && needs_battery(case) {
        let found = "not set by the network; the board's own clock goes on while it is off only where it has a battery";
        Finding::warning("clock", found)
            .fix(format!("{fix}; a battery fits the board's socket for it (J5 on a Raspberry Pi 5)"))
    } else if own {
        Finding::note("clock", "not set by the network; it goes on in a clock of its own while the machine is off")
            .fix(fix)
    } else {
        Finding::warning("clock", "not set by the network, and no clock goes on while the machine is off").fix(fix)
    };
    vec![finding]
}
