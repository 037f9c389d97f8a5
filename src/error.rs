//! One error type, sorted by who can fix it, and always able to say how.

use std::fmt;
use std::path::Path;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who can fix an error; the programs turn it into an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The command line asked for something that cannot be: the user changes the command.
    Usage,
    /// A picture, video or data folder is damaged or unsupported: the user changes the file.
    Input,
    /// A generator cannot be read or run: the user changes the model.
    Model,
    /// A stated limit (memory, size, work) would be passed: the user raises it or shrinks the input.
    Limit,
    /// The operating system refused: disk, permission, pipe.
    Io,
    /// The user interrupted the work.
    Interrupted,
    /// A mistake of ours.
    Internal,
}

/// What went wrong, where, and what to do about it.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    fix: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a message that says what was wrong.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), fix: None, source: None }
    }

    /// The command line cannot be followed.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// An input file is damaged or unsupported.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// A generator cannot be read or run.
    pub fn model(message: impl Into<String>) -> Self {
        Self::new(Kind::Model, message)
    }

    /// A stated limit would be passed.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, message)
    }

    /// A mistake of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// The operating system refused something about `path`; `doing` reads like "cannot write".
    pub fn io(doing: &str, path: &Path, source: std::io::Error) -> Self {
        Self::new(Kind::Io, format!("{doing} {}", path.display())).caused_by(source)
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// Keeps the cause for the message's end.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says where it happened, in front of the message.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Who can fix it.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source.as_deref().map(|s| s as &dyn std::error::Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        match &self.fix {
            Some(fix) => write!(f, " ({fix})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_place_cause_and_fix_in_that_order() {
        let error = Error::input("not a picture")
            .caused_by(std::io::Error::other("bad magic"))
            .fix("open it in a viewer")
            .at("cat.png");
        assert_eq!(error.to_string(), "cat.png: not a picture: bad magic (open it in a viewer)");
        assert_eq!(error.kind(), Kind::Input);
    }
}
