//! `upres completions` mentions all that the program can do.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod program;

use std::process::Output;

fn upres(arguments: &[&str]) -> Output {
    program::upres().args(arguments).output().expect("upres starts")
}

/// The subcommands that `upres --help` lists.
fn subcommands() -> Vec<String> {
    let help = String::from_utf8(upres(&["--help"]).stdout).unwrap();
    let (_, list) = help.split_once("Commands:\n").expect("a list of commands");
    let names = list.lines().take_while(|line| line.starts_with("  "));
    let names = names.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_page_mentions_every_subcommand() {
    let names = subcommands();
    assert!(names.len() >= 8, "{names:?}");
    for page in ["bash", "zsh", "fish", "elvish", "powershell", "man"] {
        let output = upres(&["completions", page]);
        assert!(output.status.success(), "{page}");
        let text = String::from_utf8(output.stdout).unwrap();
        for name in &names {
            let name = if page == "man" { format!(".SH {}", name.to_uppercase()) } else { name.clone() };
            assert!(text.contains(&name), "{page} does not mention {name}");
        }
        assert!(text.contains(if page == "man" { "\\-\\-size" } else { "size" }), "{page} has no options");
    }
}

#[test]
fn an_unknown_page_is_a_usage_error_that_lists_the_known_ones() {
    let output = upres(&["completions", "tcsh"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("powershell"));
}
