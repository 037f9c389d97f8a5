//! `upres devices`: what can be looked through and looked at.

use serde_json::json;
use std::process::ExitCode;
use upres::device::sink::screen;
use upres::device::source::camera::{Camera, DeviceReport, FormatReport, Role, SizeReport};
use upres::device::tree::Tree;
use upres::error::Result;

/// Options of `upres devices`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Show encoders, scalers and other devices that are no cameras as well
    #[arg(long)]
    all: bool,
}

/// Runs `upres devices`.
#[allow(clippy::unnecessary_wraps)] // As all commands.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let all = Camera::list();
    let hidden = all.iter().filter(|device| device.role == Role::Other).count();
    let devices: Vec<DeviceReport> = all.into_iter().filter(|device| args.all || device.role != Role::Other).collect();
    let screens = screen::list(&Tree::default());
    if args.json {
        println!("{:#}", json!({ "devices": devices, "screens": screens }));
        return Ok(ExitCode::SUCCESS);
    }
    for device in &devices {
        print(device);
    }
    if devices.is_empty() {
        println!("no cameras: plug one in; a Pi's ribbon camera is read by libcamera:, other programs by pipe:");
    }
    for screen in &screens {
        println!("{}  screen: {}{}", screen.name, screen.card, opt(screen.size.as_deref()));
        for connector in &screen.connectors {
            println!("  {connector}");
        }
    }
    if screens.is_empty() {
        println!("no screens");
    }
    if hidden > 0 && !args.all {
        println!("{hidden} other video devices (encoders, scalers, metadata): --all shows them");
    }
    Ok(ExitCode::SUCCESS)
}

fn opt(size: Option<&str>) -> String {
    size.map(|size| format!(", {size}")).unwrap_or_default()
}

fn print(device: &DeviceReport) {
    let role = match device.role {
        Role::Camera => "camera",
        Role::Virtual => "virtual camera",
        Role::Other => "other",
        Role::Unknown => "cannot be opened",
    };
    let origin = match (device.driver.as_str(), device.bus.as_str()) {
        ("", _) => String::new(),
        (driver, bus) => format!(" ({driver}, {bus})"),
    };
    println!("v4l2:{}  {role}: {}{origin}", device.device.display(), device.card);
    if let Some(trouble) = &device.trouble {
        println!("  {trouble}");
    }
    for format in device.formats.iter().filter(|format| format.known) {
        print_format(format);
    }
    let unread: Vec<&str> = device.formats.iter().filter(|f| !f.known).map(|f| f.fourcc.as_str()).collect();
    if !unread.is_empty() {
        println!("  not read: {}", unread.join(" "));
    }
}

fn print_format(format: &FormatReport) {
    println!("  {}  {}", format.fourcc, format.name);
    // Sizes with the same rates stand together.
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for size in &format.sizes {
        let rates = rates(size);
        match lines.last_mut() {
            Some((last, sizes)) if *last == rates => sizes.push(&size.size),
            _ => lines.push((rates, vec![&size.size])),
        }
    }
    for (rates, sizes) in lines {
        println!("        {}{rates}", sizes.join(" "));
    }
}

fn rates(size: &SizeReport) -> String {
    let number = |rate: &f64| {
        let text = format!("{rate:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let each: Vec<String> = size.rates.iter().map(number).collect();
    match (each.as_slice(), size.any_between) {
        ([], _) => String::new(),
        ([most, .., least], true) => format!(" at {least} to {most} frames/s"),
        (each, _) => format!(" at {} frames/s", each.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_short() {
        let size =
            |rates: &[f64], any_between| SizeReport { size: "640x480".into(), rates: rates.to_vec(), any_between };
        assert_eq!(rates(&size(&[30.0, 29.97, 7.5], false)), " at 30, 29.97, 7.5 frames/s");
        assert_eq!(rates(&size(&[60.0, 5.0], true)), " at 5 to 60 frames/s");
        assert_eq!(rates(&size(&[], false)), "");
    }
}
