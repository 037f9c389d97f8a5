//! `upres-host mos`: a page on which people rate pictures from 1 to 5, and what their ratings come to.

use crate::evaluate::{Watch, methods, print};
use crate::model::{CorrectionArgs, ZooArgs};
use std::path::PathBuf;
use std::process::ExitCode;
use upres::atomic;
use upres::error::{Error, Result};
use upres::evaluate::{Method, Pair, Picture, Set, check_scale};
use upres::geometry::{Rect, Size};
use upres::host::mos::{Choice, Key, MAX_RATERS, NEAREST, ORIGINAL, Plan, Ratings, Study, Tally, Version, choose};
use upres::progress::Progress;
use upres::resample::Filter;

/// What `upres-host mos` can do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Write the page for the raters, and the key to its codes beside it
    Make(Box<MakeArgs>),
    /// Sum up the ratings that came back
    Read(ReadArgs),
}

/// Options of `upres-host mos make`.
#[derive(Debug, clap::Args)]
pub(crate) struct MakeArgs {
    /// What to judge: an .onnx file, the name of a generator, or area, bilinear, bicubic, lanczos; nearest and the originals are
    /// always among them
    #[arg(required = true, value_name = "MODEL")]
    methods: Vec<String>,
    /// A folder of originals, or one with HR/ and perhaps LR_x4/; may be given again
    #[arg(long, required = true, value_name = "DIR")]
    on: Vec<PathBuf>,
    /// The page to write; FILE.key.json beside it is not for the raters
    #[arg(short, long, value_name = "FILE.html")]
    out: PathBuf,
    /// Enlargement; the generator's own where there is one, else 4
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=16))]
    scale: Option<u8>,
    /// How many people are to rate; each has a number from 1 to this, and an order of their own
    #[arg(long, default_value_t = 26, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_RATERS)))]
    raters: u16,
    /// Rate at most this many pictures of each set
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pictures: Option<u16>,
    /// Show the middle of each picture, this wide and high at most
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u16).range(16..=4096))]
    crop: Option<u16>,
    /// Pictures that show the raters what 1 and 5 mean; the test does not show them
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=20))]
    calibration: u8,
    /// A folder of pictures for that [default: what the test leaves over of its own]
    #[arg(long, value_name = "DIR")]
    calibrate: Option<PathBuf>,
    /// Seed of the choice of pictures and of the raters' orders
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The largest page to write
    #[arg(long, default_value_t = 128, value_name = "MIB", value_parser = clap::value_parser!(u16).range(1..=1024))]
    max_size: u16,
    #[command(flatten)]
    zoo: ZooArgs,
    #[command(flatten)]
    corrections: CorrectionArgs,
}

/// Options of `upres-host mos read`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReadArgs {
    /// The ratings that the raters sent, one file each
    #[arg(required = true, value_name = "RATINGS.json")]
    ratings: Vec<PathBuf>,
    /// The key that was written beside the page
    #[arg(long, value_name = "FILE.key.json")]
    key: PathBuf,
    /// Write a page of HTML with the distributions of the ratings
    #[arg(short, long, value_name = "FILE.html")]
    out: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Runs `upres-host mos`.
pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Make(args) => make(args),
        Command::Read(args) => read(args),
    }
}

fn make(args: &MakeArgs) -> Result<ExitCode> {
    let key_path = args.out.with_extension("key.json");
    let methods = all_methods(args)?;
    let scale = args.scale.map(usize::from).or_else(|| methods.iter().find_map(Method::scale)).unwrap_or(4);
    check_scale(&methods, scale)?;
    let sets = args.on.iter().map(|folder| Set::open(folder, scale)).collect::<Result<Vec<_>>>()?;
    let calibrate = args.calibrate.as_ref().map(|folder| Set::open(folder, scale)).transpose()?;
    let pictures = args.pictures.map(usize::from);
    let choice = choose(&sets, calibrate.as_ref(), pictures, args.calibration.into(), args.seed)?;
    let mut study = Study::new(Plan {
        scale,
        seed: args.seed,
        raters: args.raters,
        versions: choice.rated.len() * (methods.len() + 1),
        max_bytes: u64::from(args.max_size) << 20,
    });
    let work = Work { args, scale, methods: &methods };
    let failed = work.fill(&mut study, &choice)?;
    for (name, reason) in &failed {
        eprintln!("upres-host: {name} is left out: {reason}");
    }
    let versions = study.len();
    if versions == 0 {
        return Err(Error::input("no picture could be read and enlarged"));
    }
    let (html, key) = study.finish();
    atomic::write(&key_path, key.to_json()?.as_bytes())?;
    atomic::write(&args.out, html.as_bytes())?;
    eprintln!(
        "{}: {:.1} MiB, {} pictures in {} versions, {} raters",
        args.out.display(),
        html.len() as f64 / f64::from(1 << 20),
        versions / key.methods.len().max(1),
        key.methods.len(),
        args.raters
    );
    eprintln!("{}: which code is which method; keep it from the raters", key_path.display());
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was asked for, after nearest neighbour.
fn all_methods(args: &MakeArgs) -> Result<Vec<Method>> {
    let asked = args.methods.iter().map(String::as_str).filter(|name| ![NEAREST, ORIGINAL].contains(name));
    let methods = methods(std::iter::once(NEAREST).chain(asked), &args.zoo, &args.corrections)?;
    if methods.iter().any(|method| method.name == ORIGINAL) {
        return Err(Error::usage(format!("a generator cannot be called '{ORIGINAL}' here"))
            .fix("name its file, or rename it on its card"));
    }
    Ok(methods)
}

/// Making the versions of each picture.
struct Work<'a> {
    args: &'a MakeArgs,
    scale: usize,
    methods: &'a [Method],
}

impl Work<'_> {
    /// Fills `study` with every picture of `choice`; pictures that cannot be read or enlarged are returned with the reason.
    fn fill(&self, study: &mut Study, choice: &Choice) -> Result<Vec<(String, String)>> {
        let watch = Watch::new((choice.calibration.len() + choice.rated.len()) as u64);
        let mut failed = Vec::new();
        for pair in &choice.calibration {
            let made = self.pair(pair).map_err(|e| e.at(&pair.name));
            let [nearest, original] =
                made.map_err(|e| e.fix("take it out of the folder, or choose with --calibrate"))?;
            study.calibrate(nearest, original)?;
            watch.advance(1);
        }
        for (set, pair) in &choice.rated {
            match self.versions(pair) {
                Ok(versions) => {
                    for (method, png) in versions {
                        study.rate(Version { set: set.clone(), picture: pair.name.clone(), method, png })?;
                    }
                }
                Err(error) => failed.push((format!("{set} / {}", pair.name), error.to_string())),
            }
            watch.advance(1);
        }
        watch.clear();
        Ok(failed)
    }

    /// A calibration pair as PNG files: nearest neighbour, and the original.
    fn pair(&self, pair: &Pair) -> Result<[Vec<u8>; 2]> {
        let (original, small) = pair.read(self.scale)?;
        let nearest = Method::resampler(Filter::Nearest).enlarge(&small, self.scale)?;
        Ok([self.shown(&nearest)?, self.shown(&original)?])
    }

    /// Every method's version of a picture and the original, as names and PNG files.
    fn versions(&self, pair: &Pair) -> Result<Vec<(String, Vec<u8>)>> {
        let (original, small) = pair.read(self.scale)?;
        let mut versions = Vec::with_capacity(self.methods.len() + 1);
        for method in self.methods {
            let large = method.enlarge(&small, self.scale).map_err(|e| e.at(&method.name))?;
            versions.push((method.name.clone(), self.shown(&large)?));
        }
        versions.push((ORIGINAL.to_string(), self.shown(&original)?));
        Ok(versions)
    }

    /// What raters see of `picture`, as a PNG file.
    fn shown(&self, picture: &Picture) -> Result<Vec<u8>> {
        let Some(side) = self.args.crop.map(usize::from) else { return picture.to_png() };
        let size = Size::new(side.min(picture.size.width), side.min(picture.size.height));
        let (x, y) = ((picture.size.width - size.width) / 2, (picture.size.height - size.height) / 2);
        picture.crop(Rect::new(x, y, size)).to_png()
    }
}

fn read(args: &ReadArgs) -> Result<ExitCode> {
    let mut tally = Tally::new(Key::load(&args.key)?);
    for path in &args.ratings {
        let name = path.display().to_string();
        let counted = Ratings::load(path, tally.key()).and_then(|ratings| tally.add(&name, &ratings));
        if let Err(error) = counted {
            eprintln!("upres-host: refused: {error}");
            tally.refuse(&name, &error);
        }
    }
    if tally.raters() == 0 {
        return Err(Error::input("no ratings are left to sum up"));
    }
    for remark in tally.remarks() {
        eprintln!("upres-host: {remark}");
    }
    print(&if args.json { tally.to_json().to_string() } else { tally.table() })?;
    if let Some(path) = &args.out {
        atomic::write(path, tally.page().as_bytes())?;
        eprintln!("report: {}", path.display());
    }
    if tally.refused().is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("upres-host: {} of {} files refused; they are in no mean", tally.refused().len(), args.ratings.len());
    Ok(ExitCode::FAILURE)
}
