//! One picture: from an open source to a finished sink.

use super::budget::Budget;
use super::item::{Item, Outcome};
use crate::codec::{self, EncodeOptions, Format, Limits, PictureInfo, RowSink, RowSource, encoder_bytes};
use crate::error::{Error, Kind, Result};
use crate::frame::Depth;
use crate::geometry::Size;
use crate::progress::Progress;
use crate::upscale::{Factor, Generator, PicturePlan, TileOptions};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// What happens where an output is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// That picture fails; what is there stays.
    #[default]
    Refuse,
    /// That picture is passed over: it is done.
    Skip,
    /// The new picture takes its place once it is whole.
    Overwrite,
}

/// What is to be done with every picture.
pub struct Options {
    /// What enlarges.
    pub generator: Arc<dyn Generator>,
    /// By how much.
    pub factor: Factor,
    /// Longest side of a tile; `None` chooses.
    pub tile: Option<usize>,
    /// Threads for all pictures together.
    pub threads: usize,
    /// Pictures worked on at once.
    pub jobs: usize,
    /// Bits a sample; `None` keeps the picture's own.
    pub depth: Option<Depth>,
    /// How files are written.
    pub encode: EncodeOptions,
    /// What is read at all.
    pub limits: Limits,
    /// Bytes for the whole program.
    pub memory: u64,
    /// What happens where an output is there already.
    pub existing: Existing,
}

/// A picture that was enlarged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enlarged {
    /// Size before.
    pub from: Size,
    /// Size after.
    pub to: Size,
    /// Bytes that were planned for it.
    pub memory: u64,
}

/// Options put to work: what pictures share while they are enlarged.
pub struct Converter {
    options: Options,
    budget: Budget,
}

impl Converter {
    /// A converter that keeps within `options.memory`.
    pub fn new(options: Options) -> Self {
        let budget = Budget::new(options.memory);
        Self { options, budget }
    }

    /// What it works by.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Leads one picture from `source` into the sink that `create` makes for the header of the enlarged one, on `threads`
    /// threads. `format` is what the sink will write.
    ///
    /// # Errors
    /// A limit error where the picture needs more memory than is given, before anything is decoded or written; those of
    /// source, generator and sink. Nothing is left of a sink that was not finished.
    pub fn enlarge(
        &self,
        mut source: Box<dyn RowSource>,
        format: Format,
        create: impl FnOnce(&PictureInfo) -> Result<Box<dyn RowSink>>,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<Enlarged> {
        let Options { generator, factor, tile, depth, encode, .. } = &self.options;
        let info = source.info();
        let (from, to) = (info.size, factor.apply(info.size)?);
        let tiles = TileOptions { side: *tile, threads };
        let plan = PicturePlan::new(generator.clone(), from, info.layout, to, &tiles)?;
        let header = PictureInfo { size: to, depth: depth.unwrap_or(info.depth), ..info.clone() };
        let memory = [source.held_bytes(), plan.memory(), encoder_bytes(&header, encode, format)];
        let memory = memory.into_iter().fold(0, u64::saturating_add);
        let _share = self.budget.take(memory)?;
        if plan.is_padded() {
            log::warn!("a picture of {from} is smaller than '{}' takes: its edge is repeated", generator.card().name);
        }
        let mut sink = create(&header)?;
        plan.run(source.as_mut(), sink.as_mut(), progress)?;
        if progress.stopped() {
            return Err(Error::new(Kind::Interrupted, "interrupted"));
        }
        sink.finish()?;
        Ok(Enlarged { from, to, memory })
    }

    /// Leads the file of `item` to its output. `watch` is given the picture's pixels once they are known and says who
    /// watches.
    pub(super) fn convert<P: Progress>(&self, item: &Item, threads: usize, watch: impl FnOnce(Size) -> P) -> Outcome {
        match (self.options.existing, fs::symlink_metadata(&item.output).is_ok()) {
            (Existing::Skip, true) => return Outcome::Skipped,
            (Existing::Refuse, true) => {
                let what = format!("{} is there already", item.output.display());
                return Outcome::Failed(
                    Error::usage(what).fix("give --skip-existing to keep it or --overwrite to replace it"),
                );
            }
            _ => {}
        }
        self.file(item, threads, watch).map_or_else(Outcome::Failed, Outcome::Done)
    }

    fn file<P: Progress>(&self, item: &Item, threads: usize, watch: impl FnOnce(Size) -> P) -> Result<Enlarged> {
        let encode = &self.options.encode;
        let format = Format::for_output(&item.output, encode.format)?;
        let source = codec::open(&item.input, &self.options.limits)?;
        let progress = watch(source.info().size);
        let create = |header: &PictureInfo| {
            let folder = item.output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            fs::create_dir_all(folder).map_err(|e| Error::io("cannot make the folder", folder, e))?;
            codec::create(&item.output, header, encode)
        };
        self.enlarge(source, format, create, threads, &progress)
    }
}
