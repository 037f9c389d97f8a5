//! The documentation, followed: every command is run or says why it cannot be, knows its options, and every link leads somewhere.

#![cfg(all(feature = "device", feature = "host"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod manual;
mod skip;

use manual::commands::{Help, ours};
use manual::is_shell;
use manual::markdown::Page;
use manual::runner::follow;
use std::fs;
use std::path::{Path, PathBuf};

/// Pages whose commands are followed, each by a test of its own.
const FOLLOWED: [&str; 9] = [
    "README.md",
    "docs/README.md",
    "docs/configuration.md",
    "docs/jetson.md",
    "docs/models.md",
    "docs/raspberry-pi.md",
    "docs/security.md",
    "docs/training.md",
    "docs/tuning.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> Page {
    Page::read(&fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// The pages of this project, by their names from its root.
fn pages() -> Vec<String> {
    let mut names = Vec::new();
    for folder in ["", "docs", "models", "benches"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if Path::new(&name).extension().is_some_and(|ending| ending == "md") {
                names.push(if folder.is_empty() { name } else { format!("{folder}/{name}") });
            }
        }
    }
    names.sort();
    names
}

fn follows(name: &str) {
    assert!(FOLLOWED.contains(&name), "{name} is missing in the list");
    let complaints = follow(&read(name));
    assert!(complaints.is_empty(), "{name}:\n{}", complaints.join("\n"));
}

#[test]
fn the_readme_is_followed() {
    follows("README.md");
    follows("docs/README.md");
}

#[test]
fn the_raspberry_pi_is_set_up() {
    follows("docs/raspberry-pi.md");
}

#[test]
fn the_jetson_is_set_up() {
    follows("docs/jetson.md");
}

#[test]
fn a_network_is_trained_and_runs() {
    follows("docs/training.md");
}

#[test]
fn a_model_is_chosen() {
    follows("docs/models.md");
}

#[test]
fn the_program_is_tuned() {
    follows("docs/tuning.md");
}

#[test]
fn the_page_is_guarded() {
    follows("docs/security.md");
}

#[test]
fn it_is_configured() {
    follows("docs/configuration.md");
}

#[test]
fn no_page_is_left_out_and_the_index_names_all() {
    let index = read("docs/README.md");
    for name in pages().iter().filter_map(|page| page.strip_prefix("docs/")) {
        assert!(FOLLOWED.contains(&format!("docs/{name}").as_str()), "docs/{name} is not followed by any test");
        assert!(name == "README.md" || index.links.iter().any(|(_, link)| link == name), "docs/README.md: {name}");
    }
}

/// What `name` says of commands of ours that the programs do not know.
fn unknown(name: &str, page: &Page, help: &mut Help) -> Vec<String> {
    let mut complaints = Vec::new();
    for block in page.blocks.iter().filter(|block| is_shell(block)) {
        for command in &ours(&block.text) {
            complaints.extend(help.unknown(command).iter().map(|what| format!("{name}:{}: {what}", block.line)));
        }
    }
    for (line, span) in &page.spans {
        for command in ours(span) {
            complaints.extend(help.unknown(&command).iter().map(|what| format!("{name}:{line}: {what}")));
        }
    }
    complaints
}

#[test]
fn commands_know_their_options() {
    let names: Vec<String> = pages().into_iter().filter(|name| name != "CHANGELOG.md").collect();
    let mut help = Help::default();
    let complaints: Vec<String> = names.iter().flat_map(|name| unknown(name, &read(name), &mut help)).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Links of a page that lead nowhere: to a file that is not there, or to a heading that its page has not.
fn dead(name: &str, page: &Page) -> Vec<String> {
    let mut dead = Vec::new();
    for (line, link) in page.links.iter().filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:")) {
        let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
        let own = root().join(name);
        let file: PathBuf = if path.is_empty() { own } else { own.parent().unwrap().join(path) };
        if !file.exists() {
            dead.push(format!("{name}:{line}: there is no {path}"));
        } else if let Some(anchor) = anchor.filter(|_| file.extension().is_some_and(|ending| ending == "md")) {
            let other = (!path.is_empty()).then(|| Page::read(&fs::read_to_string(&file).unwrap()));
            let has = other.as_ref().unwrap_or(page).anchors.iter().any(|own| own == anchor);
            dead.extend((!has).then(|| format!("{name}:{line}: {} has no #{anchor}", file.display())));
        }
    }
    dead
}

#[test]
fn links_lead_somewhere() {
    let complaints: Vec<String> = pages().iter().flat_map(|name| dead(name, &read(name))).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn card(name: &str) -> Option<toml::Table> {
    let text = fs::read_to_string(root().join("models").join(name).join("card.toml")).ok()?;
    Some(text.parse().unwrap())
}

/// A score on Set5, where the card has it.
fn score(card: &toml::Table, measure: &str, digits: usize) -> String {
    let score = card.get("scores").and_then(|sets| sets.get("Set5")?.get(measure)?.as_float());
    score.map_or(String::new(), |score| format!("{score:.digits$}").trim_start_matches('0').to_owned())
}

#[test]
fn the_table_of_models_is_that_of_their_cards() {
    let text = fs::read_to_string(root().join("docs/models.md")).unwrap();
    let names =
        fs::read_dir(root().join("models")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| !name.ends_with("-int8") && card(name).is_some()).collect();
    assert!(names.len() > 5);
    for name in names {
        let row = text.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row: Vec<&str> = row.unwrap_or_else(|| panic!("no row for {name}")).split('|').map(str::trim).collect();
        let [own, bytes] = [card(&name).unwrap(), card(&format!("{name}-int8")).unwrap_or_default()];
        let work = own["mac_per_pixel"].as_float().unwrap() / 1e3;
        let work = if work < 100.0 { format!("{work:.1}K") } else { format!("{work:.0}K") };
        let twin = if bytes.is_empty() { "none".to_owned() } else { score(&bytes, "psnr_y", 2) };
        let told = [format!("×{}", own["scale"]), work, score(&own, "psnr_y", 2), twin, score(&own, "lpips", 3)];
        assert_eq!(row[2..7], told, "docs/models.md: {name}");
    }
}

#[test]
fn pictures_are_small() {
    for name in pages().iter().filter(|name| name.starts_with("docs/")) {
        for (line, link) in read(name).links {
            let is_picture = [".png", ".jpg", ".svg"].iter().any(|ending| link.ends_with(ending));
            if is_picture && !link.contains("://") {
                let bytes = fs::metadata(root().join("docs").join(&link)).unwrap().len();
                assert!(bytes < 120_000, "{name}:{line}: {link} has {bytes} bytes");
            }
        }
    }
}

#[test]
fn what_is_wrong_is_found() {
    let wrong = |text: &str| follow(&Page::read(text)).join("\n");
    let output = "<!-- run -->\n```sh\necho one 8080 && touch a\n```\n\n<!-- output -->\n```text\none …\n```\n";
    assert_eq!(wrong(output), "");
    assert_eq!(wrong(&format!("{output}<!-- run -->\n```sh\nrm a\n```\n<!-- run, fails -->\n```sh\nrm a\n```\n")), "");
    for (text, what) in [
        ("```sh\ntrue\n```", "line 1: commands that are neither"),
        ("<!-- not run: no -->\n```sh\ntrue\n```", "line 2: says not why"),
        ("<!-- run -->\nWords between.\n```sh\ntrue\n```", "line 3: commands that are neither"),
        ("\n<!-- run -->\n```sh\necho so\nfalse\n```", "line 3: it failed:\nso"),
        ("<!-- run, fails -->\n```sh\ntrue\n```", "line 2: it did not fail"),
        ("<!-- run, maybe -->\n```sh\ntrue\n```", "'maybe'"),
        ("<!-- run\nexit 3 -->\n```sh\ntrue\n```", "line 3: it failed"),
        (&output.replace("one …", "…two"), "nothing like '…two'"),
        ("<!-- output -->\n```sh\ntrue\n```", "do not go together"),
        ("```\nwhat is this?\n```", "do not go together"),
    ] {
        assert!(wrong(text).contains(what), "{text}: {}", wrong(text));
    }
    let page = Page::read("# A title: `so`\n[a](#a-title-so) [b](#b)\n[c](no.md) [d](docs/tuning.md#nothing)\n");
    let complaints = dead("README.md", &page).join("\n");
    assert!(complaints.contains(":2: ") && complaints.contains("#b") && !complaints.contains("#a-"), "{complaints}");
    assert!(complaints.contains("no.md") && complaints.contains("#nothing"), "{complaints}");
}

#[test]
fn commands_of_ours_are_told_from_others() {
    let found = |text: &str| unknown("page", &Page::read(text), &mut Help::default());
    let good = "```sh\nsudo apt install ./upres_0.1.0_arm64.deb --yes\nls | A=b upres upscale - -o - \\\n  --json # --no\n\
                cargo run --release -- live --source 'pattern:' && upres-host recipes edge-gan\n```\n`upres live --hud`";
    assert!(found(good).is_empty(), "{:?}", found(good));
    for wrong in ["upres live --hu", "true; upres liv", "sudo upres upscale a -z", "x | upres-host train --screen"] {
        assert_eq!(found(&format!("```sh\n{wrong}\n```")).len(), 1, "{wrong}");
        assert_eq!(found(&format!("so `{wrong}` it is")).len(), 1, "{wrong}");
    }
}
