//! What the machine says of itself.

use crate::device::tree::Tree;

/// Where the kernel shows the device tree; one is a link to the other, and either may be missing in a sandbox.
const TREES: [&str; 2] = ["/proc/device-tree", "/sys/firmware/devicetree/base"];

/// A machine by its own names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// `Raspberry Pi 4 Model B Rev 1.4`; empty where there is no device tree.
    pub model: String,
    /// `raspberrypi,4-model-b`, `brcm,bcm2711`: the narrowest first.
    pub compatible: Vec<String>,
    /// What the firmware of a PC calls it.
    pub product: Option<String>,
}

impl Machine {
    /// Asks the machine.
    pub fn read(tree: &Tree) -> Self {
        let ask = |name: &str| TREES.iter().find_map(|base| tree.text(format!("{base}/{name}")));
        let words = |text: String| text.split('\0').map(printable).filter(|word| !word.is_empty()).collect();
        Self {
            model: ask("model").map(|text| printable(&text)).unwrap_or_default(),
            compatible: ask("compatible").map(words).unwrap_or_default(),
            product: tree.text("/sys/class/dmi/id/product_name").map(|text| printable(&text)),
        }
    }

    /// Its name for people.
    pub fn name(&self) -> &str {
        match (self.model.as_str(), self.product.as_deref()) {
            ("", None) => "a machine without a name",
            ("", Some(product)) => product,
            (model, _) => model,
        }
    }
}

/// The first 200 characters, without those that steer terminals.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tree::testing::Made;

    #[test]
    fn names_are_read_from_either_place_and_cannot_steer_a_terminal() {
        let made = Made::of(&[("/sys/firmware/devicetree/base/model", "Raspberry Pi 5 Model B Rev 1.0\0")]);
        made.file("/proc/device-tree/compatible", "raspberrypi,5-model-b\0brcm,bcm2712\0");
        let machine = Machine::read(&made.tree());
        assert_eq!(machine.name(), "Raspberry Pi 5 Model B Rev 1.0");
        assert_eq!(machine.compatible, ["raspberrypi,5-model-b", "brcm,bcm2712"]);
        made.file("/proc/device-tree/model", b"\x1b[2JBoard\n\xFF".repeat(100));
        let machine = Machine::read(&made.tree());
        assert!(machine.model.starts_with("[2JBoard") && machine.model.chars().count() == 200);
        let made = Made::of(&[("/sys/class/dmi/id/product_name", "ThinkPad\n")]);
        assert_eq!(Machine::read(&made.tree()).name(), "ThinkPad");
        assert_eq!(Machine::read(&Made::new().tree()).name(), "a machine without a name");
    }
}
