//! Commands of ours within lines of shell, and whether the programs know their options.

use std::collections::HashMap;
use std::process::Command;

/// Words that may stand before a program's name.
const BEFORE: [&str; 7] = ["sudo", "env", "nice", "time", "exec", "nohup", "!"];

/// A command of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ours {
    /// The program.
    pub(crate) program: &'static str,
    /// Its subcommand.
    pub(crate) subcommand: Option<String>,
    /// The word behind that, which is a subcommand too where the first has some.
    second: Option<String>,
    /// Options without their values.
    options: Vec<String>,
}

/// Every command of ours in `text`.
pub(crate) fn ours(text: &str) -> Vec<Ours> {
    let joined = text.replace("\\\n", " ");
    joined.lines().flat_map(parts).filter_map(|part| command(&part)).collect()
}

/// The commands of a line: its comment is left out, quotes are kept together.
fn parts(line: &str) -> Vec<Vec<String>> {
    let (mut parts, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '#') if word.is_empty() => break,
            (None, '|' | '&' | ';' | '(' | ')' | '<' | '>') => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                parts.push(std::mem::take(&mut words));
            }
            (None, _) if c.is_whitespace() => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            _ => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    parts.push(words);
    parts
}

fn command(words: &[String]) -> Option<Ours> {
    let mut words = words.iter().map(String::as_str).skip_while(|word| BEFORE.contains(word) || word.contains('='));
    let program = match words.next()? {
        "upres-host" => "upres-host",
        "cargo" => {
            // `cargo run --release -- upscale`
            let rest: Vec<&str> = words.by_ref().take_while(|word| *word != "--").collect();
            rest.first().filter(|word| **word == "run").map(|_| "upres")?
        }
        "upres" => "upres",
        path => path.ends_with("/upres").then_some("upres")?,
    };
    let rest: Vec<&str> = words.collect();
    let mut leading = rest.iter().take_while(|word| !word.starts_with('-')).map(|&word| word.to_owned());
    let (subcommand, second) = (leading.next(), leading.next());
    let is_option = |word: &&str| {
        let name = word.trim_start_matches('-');
        name.len() < word.len() && name.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    let options = rest.into_iter().filter(is_option).map(|word| word.split('=').next().unwrap_or(word).to_owned());
    Some(Ours { program, subcommand, second, options: options.collect() })
}

/// What the programs say of themselves, by program and subcommands.
#[derive(Debug, Default)]
pub(crate) struct Help(HashMap<Vec<String>, Option<String>>);

impl Help {
    fn page(&mut self, words: &[&str]) -> Option<&str> {
        let ask = || {
            let path = match words[0] {
                "upres" => env!("CARGO_BIN_EXE_upres"),
                _ => env!("CARGO_BIN_EXE_upres-host"),
            };
            let said = Command::new(path).args(&words[1..]).arg("--help").output().expect("the program starts");
            said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
        };
        let key = words.iter().map(|&word| word.to_owned()).collect();
        self.0.entry(key).or_insert_with(ask).as_deref()
    }

    fn of(&mut self, command: &Ours) -> Option<&str> {
        let mut words: Vec<&str> =
            [Some(command.program), command.subcommand.as_deref()].into_iter().flatten().collect();
        if words.len() > 1 && self.page(&words)?.contains("\nCommands:\n") {
            words.extend(command.second.as_deref());
        }
        self.page(&words)
    }

    /// What of `command` the program does not know.
    pub(crate) fn unknown(&mut self, command: &Ours) -> Vec<String> {
        let name = [Some(command.program), command.subcommand.as_deref()].map(Option::unwrap_or_default).join(" ");
        let Some(help) = self.of(command) else { return vec![format!("there is no '{name}'")] };
        let knows = |option: &String| {
            let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
            help.match_indices(option.as_str()).any(|(at, _)| ends(&help[at + option.len()..]) && starts(&help[..at]))
        };
        let missing = command.options.iter().filter(|option| !knows(option));
        missing.map(|option| format!("'{name}' knows no {option}")).collect()
    }
}

/// Whether an option may begin behind `text`.
fn starts(text: &str) -> bool {
    text.is_empty() || text.ends_with([' ', '\n', '[', '\'', '('])
}
