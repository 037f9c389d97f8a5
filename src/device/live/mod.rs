//! Live: a camera in, the enlarged picture out, for months.

pub mod desk;
mod mailbox;

pub use mailbox::{Found, Mailbox};
