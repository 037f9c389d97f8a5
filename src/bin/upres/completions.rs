//! `upres completions`: writes shell completions and the man page.

use clap::{Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use upres::error::{Error, Kind, Result};

/// Options of `upres completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to write to the standard output
    page: Page,
}

/// What can be written.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    /// `source <(upres completions bash)` in ~/.bashrc
    Bash,
    /// `upres completions zsh > ~/.zfunc/_upres`
    Zsh,
    /// `upres completions fish > ~/.config/fish/completions/upres.fish`
    Fish,
    /// `upres completions elvish >> ~/.config/elvish/rc.elv`
    Elvish,
    /// `upres completions powershell >> $PROFILE`
    Powershell,
    /// `upres completions man > upres.1; man ./upres.1`
    Man,
}

/// Runs `upres completions`.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mut command = crate::Cli::command();
    let page = match args.page {
        Page::Bash => completions(&mut command, Shell::Bash),
        Page::Zsh => completions(&mut command, Shell::Zsh),
        Page::Fish => completions(&mut command, Shell::Fish),
        Page::Elvish => completions(&mut command, Shell::Elvish),
        Page::Powershell => completions(&mut command, Shell::PowerShell),
        Page::Man => man(command).map_err(unwritable)?,
    };
    match std::io::stdout().write_all(&page) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritable(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn unwritable(error: std::io::Error) -> Error {
    Error::new(Kind::Io, "cannot write the page").caused_by(error)
}

fn completions(command: &mut Command, shell: Shell) -> Vec<u8> {
    let mut page = Vec::new();
    clap_complete::generate(shell, command, "upres", &mut page);
    page
}

/// One page for the program and all that it can do: each subcommand is a section with its options.
fn man(mut command: Command) -> std::io::Result<Vec<u8>> {
    command.build();
    let whole = Man::new(command.clone());
    let mut page = Vec::new();
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        writeln!(page, ".SH {}", subcommand.get_name().to_uppercase())?;
        let mut section = Vec::new();
        let man = Man::new(subcommand.clone());
        man.render_description_section(&mut section)?;
        man.render_synopsis_section(&mut section)?;
        man.render_options_section(&mut section)?;
        page.write_all(String::from_utf8_lossy(&section).replace(".SH ", ".SS ").as_bytes())?;
    }
    whole.render_version_section(&mut page)?;
    Ok(page)
}
