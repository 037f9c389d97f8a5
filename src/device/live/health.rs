//! What the board says of itself: how hot it is, and whether it slows itself down.

use crate::device::tree::Tree;

/// Bits of [`Health::throttle_bits`] that mean "now slower than it could be": frequency capped, throttled, soft temperature limit.
const NOW: u32 = 0b1110;
/// The power controllers of Jetsons, which say 100 °C as long as they are well.
const FALSE_ZONE: (&str, f64) = ("PMIC-Die", 100.0);

/// Reads `/sys`.
#[derive(Debug, Clone, Default)]
pub struct Health {
    tree: Tree,
}

impl Health {
    /// Reads what is below `/sys` of `tree`.
    pub fn new(tree: Tree) -> Self {
        Self { tree }
    }

    /// The thermal zones that can be believed, with what they measure, in degrees Celsius.
    pub fn zones(&self) -> Vec<(String, f64)> {
        let zones = self.tree.numbered("/sys/class/thermal", "thermal_zone");
        let read = |(_, zone): (u32, String)| {
            let folder = format!("/sys/class/thermal/{zone}");
            let degrees = self.tree.number::<f64>(format!("{folder}/temp"))? / 1000.0;
            let name = self.tree.text(format!("{folder}/type")).unwrap_or(zone);
            let lies = name == FALSE_ZONE.0 && degrees <= FALSE_ZONE.1;
            // Zones that are switched off give nonsense.
            ((-40.0..200.0).contains(&degrees) && !lies).then_some((name, degrees))
        };
        zones.into_iter().filter_map(read).collect()
    }

    /// Degrees Celsius of the hottest thermal zone, where there is one.
    pub fn temperature(&self) -> Option<f64> {
        self.zones().into_iter().map(|(_, degrees)| degrees).reduce(f64::max)
    }

    /// A Raspberry Pi's word about its power and heat: bit 0 low voltage, 1 frequency capped, 2 throttled, 3 soft temperature
    /// limit, and from bit 16 on the same for "since it was switched on". Nothing on other boards.
    ///
    /// It stands in `soc/soc:firmware/get_throttled`, or `soc@107c000000/soc@107c000000:firmware/get_throttled` on newer boards. Only the
    /// foundation's own kernels have it.
    pub fn throttle_bits(&self) -> Option<u32> {
        let platform = "/sys/devices/platform";
        let read = |soc: &str| {
            let text = self.tree.text(format!("{platform}/{soc}/{soc}:firmware/get_throttled"))?;
            u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
        };
        // The usual place first: this is asked once a second.
        let others = || self.tree.names(platform).into_iter().filter(|name| name.starts_with("soc@"));
        read("soc").or_else(|| others().find_map(|soc| read(&soc)))
    }

    /// Whether the board says that it runs slower than it could.
    pub fn throttled(&self) -> bool {
        self.throttle_bits().is_some_and(|bits| bits & NOW != 0)
    }

    /// Whether a Raspberry Pi's voltage is low now, which every kernel tells, and nothing of what was before.
    pub fn low_voltage(&self) -> Option<bool> {
        let read = |folder: String| {
            let name = self.tree.text(format!("{folder}/name"))?;
            let alarm = self.tree.number::<u32>(format!("{folder}/in0_lcrit_alarm"))?;
            (name == "rpi_volt").then_some(alarm != 0)
        };
        self.monitors().find_map(read)
    }

    /// How often a Jetson slowed itself down for too high a current since it was switched on, where its kernel counts (`oc1_event_cnt`
    /// and so on).
    pub fn over_currents(&self) -> Option<u64> {
        let count = |folder: String| {
            let own = |name: &String| name.starts_with("oc") && name.ends_with("_event_cnt");
            let names = self.tree.names(&folder).into_iter().filter(own);
            names.filter_map(|name| self.tree.number(format!("{folder}/{name}"))).reduce(u64::saturating_add)
        };
        self.monitors().filter_map(count).reduce(u64::saturating_add)
    }

    /// The folders of the kernel's monitors.
    fn monitors(&self) -> impl Iterator<Item = String> {
        let monitors = self.tree.numbered("/sys/class/hwmon", "hwmon");
        monitors.into_iter().map(|(_, monitor)| format!("/sys/class/hwmon/{monitor}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tree::testing::Made;

    const OLD: &str = "/sys/devices/platform/soc/soc:firmware/get_throttled";
    const NEW: &str = "/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled";

    #[test]
    fn zones_and_bits_are_read_and_nonsense_is_not() {
        let made = Made::new();
        let health = Health::new(made.tree());
        assert_eq!((health.temperature(), health.throttled(), health.throttle_bits()), (None, false, None));
        for (zone, text) in [("thermal_zone0", "47774\n"), ("thermal_zone1", "81500"), ("thermal_zone2", "-274000")] {
            made.file(&format!("/sys/class/thermal/{zone}/temp"), text);
        }
        made.folder("/sys/class/thermal/cooling_device0");
        assert_eq!(health.temperature(), Some(81.5));
        for place in [OLD, NEW] {
            // Low voltage once, since the start; throttled now.
            for (text, bits, throttled) in
                [("50000\n", Some(0x50000), false), ("0x50004", Some(0x50004), true), ("zz", None, false)]
            {
                made.file(place, text);
                assert_eq!((health.throttle_bits(), health.throttled()), (bits, throttled), "{text}");
            }
        }
    }

    #[test]
    fn a_jetson_s_power_controller_is_not_hot_at_100_degrees() {
        let made = Made::of(&[
            ("/sys/class/thermal/thermal_zone0/type", "CPU-therm\n"),
            ("/sys/class/thermal/thermal_zone0/temp", "41500\n"),
            ("/sys/class/thermal/thermal_zone4/type", "PMIC-Die\n"),
            ("/sys/class/thermal/thermal_zone4/temp", "100000\n"),
        ]);
        let health = Health::new(made.tree());
        assert_eq!(health.zones(), [("CPU-therm".to_owned(), 41.5)]);
        made.file("/sys/class/thermal/thermal_zone4/temp", "120000\n");
        assert_eq!(health.temperature(), Some(120.0), "beyond its first threshold it is");
    }

    #[test]
    fn other_kernels_tell_of_low_voltage_alone() {
        let made = Made::of(&[
            ("/sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
            ("/sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
            ("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n"),
        ]);
        let health = Health::new(made.tree());
        assert_eq!((health.throttle_bits(), health.throttled()), (None, false), "of throttling nothing is known");
        assert_eq!((health.low_voltage(), health.over_currents()), (Some(true), None));
        made.file("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        assert_eq!(health.low_voltage(), Some(false));
    }

    #[test]
    fn a_jetson_counts_its_over_currents() {
        let made = Made::of(&[
            ("/sys/class/hwmon/hwmon0/name", "soctherm_oc\n"),
            ("/sys/class/hwmon/hwmon0/oc1_event_cnt", "0\n"),
            ("/sys/class/hwmon/hwmon0/oc1_throt_en", "1\n"),
            ("/sys/class/hwmon/hwmon0/oc3_event_cnt", "7\n"),
        ]);
        let health = Health::new(made.tree());
        assert_eq!((health.over_currents(), health.low_voltage()), (Some(7), None));
        made.file("/sys/class/hwmon/hwmon0/oc2_event_cnt", format!("{}", u64::MAX));
        assert_eq!(health.over_currents(), Some(u64::MAX));
    }
}
