//! Pictures in files, one or thousands: what becomes what, in which order, and what to say of each.
//!
//! [`list`] turns what was typed into [`Item`]s, one input and one output each, and refuses before anything is written what
//! could destroy a picture: an output over an input, two inputs to one output. [`run`] leads the items through a generator,
//! several at once within a budget of memory; a bad one is told and the rest goes on. Outputs appear whole or not at all, so
//! a run that was killed is resumed by running it again with [`Existing::Skip`].

mod batch;
mod budget;
mod clash;
mod destination;
mod item;
mod listing;
mod single;

pub use batch::{Report, Summary, Watcher, run};
pub use clash::is_same_file;
pub use destination::Destination;
pub use item::{Item, Outcome};
pub use listing::{Listing, list};
pub use single::{Converter, Enlarged, Existing, Options};
