//! What the documentation's tests are made of. A page's commands stand in blocks of `sh`, each with a comment before it that
//! the reader does not see:
//!
//! ```text
//! <!-- run -->                      the block is run, where the blocks before it on its page left off
//! <!-- run, needs: curl ffmpeg -->  so it is where these programs are
//! <!-- run, fails -->               so it is, and its last command must fail
//! <!-- run                          these lines are run before it; $MODELS is this project's folder of models
//! upres sample photo.png -->
//! <!-- not run: it needs a camera --> why not
//! <!-- output -->                   before a block of `text`: the block before it must have said this; `…` stands for anything
//! ```

pub(crate) mod commands;
pub(crate) mod markdown;
pub(crate) mod runner;

use markdown::Block;

/// What a comment asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Run the block.
    Run {
        /// Its last command must fail.
        fails: bool,
        /// Programs without which it cannot be run.
        needs: Vec<String>,
        /// What is run before it.
        before: String,
    },
    /// Leave it, for this reason.
    Leave(String),
    /// Hold it against what the block before it said.
    Output,
}

impl Mark {
    /// The mark of a block; a word of complaint where it has one that is not understood.
    pub(crate) fn of(block: &Block) -> Result<Option<Self>, String> {
        let Some(text) = block.mark.as_deref() else { return Ok(None) };
        if let Some(reason) = text.strip_prefix("not run:") {
            let reason = reason.trim();
            return if reason.len() > 8 {
                Ok(Some(Self::Leave(reason.to_owned())))
            } else {
                Err("says not why".into())
            };
        }
        let (first, before) = text.split_once('\n').unwrap_or((text, ""));
        let mut words = first.split(',').map(str::trim);
        match words.next() {
            Some("output") => return Ok(Some(Self::Output)),
            Some("run") => {}
            _ => return Ok(None),
        }
        let (mut fails, mut needs) = (false, Vec::new());
        for word in words {
            match word.split_once(':') {
                None if word == "fails" => fails = true,
                Some(("needs", programs)) => needs.extend(programs.split_whitespace().map(str::to_owned)),
                _ => return Err(format!("'{word}' is no way to run a block")),
            }
        }
        Ok(Some(Self::Run { fails, needs, before: before.to_owned() }))
    }
}

/// Whether a block holds commands.
pub(crate) fn is_shell(block: &Block) -> bool {
    ["sh", "bash", "shell", "console"].contains(&block.info.as_str())
}
