//! The device program as a user runs it.

use std::process::Command;

/// `upres`, as it was built for these tests. What `UPRES_RUNNER` names runs it where this machine cannot: an emulator and its options.
pub(crate) fn upres() -> Command {
    let program = env!("CARGO_BIN_EXE_upres");
    let runner = std::env::var("UPRES_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let Some(emulator) = words.next() else { return Command::new(program) };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}
