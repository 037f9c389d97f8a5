//! The options that name a generator, shared by the subcommands that need one.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use upres::card::Colour;
use upres::error::{Error, Result};
use upres::kernel::Level;
use upres::profile::{Choice, Profile};
use upres::self_exemplar::SelfExemplar;
use upres::session::{Overrides, Runner, TractGenerator};
use upres::trust::Trust;
use upres::upscale::{Factor, Generator, Interpolation};
use upres::zoo::Zoo;

/// Where to look for generators by name.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ZooArgs {
    /// Folder of further models: NAME/model.onnx with NAME/card.toml, or NAME.onnx
    #[arg(long, value_name = "DIR", env = "UPRES_MODELS")]
    models_dir: Option<PathBuf>,
    /// Open models from outside only where this minisign key signed them (FILE.onnx.minisig): its text, or a file with it; may be
    /// given again
    #[arg(long, value_name = "KEY|FILE", env = "UPRES_TRUSTED_KEY", value_delimiter = ',')]
    trusted_key: Vec<String>,
}

impl ZooArgs {
    /// The generators at hand.
    pub(crate) fn zoo(&self) -> Result<Zoo> {
        Ok(Zoo::new(self.models_dir.clone()).trusting(Trust::new(&self.trusted_key)?))
    }

    /// Those of another folder, by the same keys.
    pub(crate) fn zoo_of(&self, folder: &Path) -> Result<Zoo> {
        Ok(Zoo::new(Some(folder.to_path_buf())).trusting(Trust::new(&self.trusted_key)?))
    }
}

/// Corrections to what was worked out from a model's graph.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Corrections to foreign models")]
pub(crate) struct CorrectionArgs {
    /// The factor of the model itself, where its graph does not tell
    #[arg(id = "model_scale", long = "model-scale", value_name = "N")]
    scale: Option<usize>,
    /// What the model is fed with: luma (1 channel) or rgb (3)
    #[arg(id = "model_colour", long = "model-colour", value_name = "COLOUR", value_parser = parse_colour)]
    colour: Option<Colour>,
    /// The numbers that mean black and white to the model, such as 0,255
    #[arg(id = "model_range", long = "model-range", value_name = "BLACK,WHITE", value_parser = parse_range)]
    #[arg(allow_hyphen_values = true)]
    range: Option<[f32; 2]>,
    /// How many pixels around a pixel the model looks at
    #[arg(id = "model_halo", long = "model-halo", value_name = "PIXELS")]
    halo: Option<usize>,
    /// How strongly a model that was trained to look sharp may invent detail: 0 keeps to what is sure, 1 is all it can
    #[arg(long, value_name = "0..1", value_parser = parse_strength, help_heading = "Options")]
    strength: Option<f32>,
    #[command(flatten)]
    runner: RunnerArgs,
}

/// What runs the network.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Arithmetic")]
pub(crate) struct RunnerArgs {
    /// Instructions that the engine may use, such as scalar, avx2 or neon [default: the best that this machine has]
    #[arg(long, value_name = "LEVEL", value_parser = parse_level)]
    cpu: Option<Level>,
    /// What runs the network: engine (what it does not recognise is left to tract), tract, cuda or cuda-f16 (an NVIDIA GPU; needs a
    /// program built with --features jetson) [default: engine]
    #[arg(long, value_name = "RUNNER")]
    runner: Option<Runner>,
}

impl CorrectionArgs {
    /// What was typed, as the library means it.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            scale: self.scale,
            colour: self.colour,
            range: self.range,
            halo: self.halo,
            strength: self.strength,
            cpu: self.runner.cpu,
            runner: self.runner.runner.unwrap_or_default(),
            ..Overrides::default()
        }
    }
}

/// Which generator, and how to understand it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ModelArgs {
    /// Model: a NAME of `upres models`, a FILE.onnx, a plain filter such as bicubic, or selfexsr [default: the nearest to the
    /// factor]
    #[arg(short, long, value_name = "NAME|FILE")]
    model: Option<String>,
    #[command(flatten)]
    zoo: ZooArgs,
    #[command(flatten)]
    corrections: CorrectionArgs,
    #[command(flatten)]
    profile: ProfileArgs,
}

/// Where this machine's measurements are kept.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ProfileArgs {
    /// What `upres tune` measured [default: ~/.config/upres/profile.toml]
    #[arg(long, value_name = "FILE", env = "UPRES_PROFILE", help_heading = "Arithmetic")]
    profile: Option<PathBuf>,
}

impl ProfileArgs {
    /// The file, if there is a place for one.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        self.profile.clone().or_else(Profile::place)
    }

    /// What was measured for the generator `name`; a profile that cannot be read counts only where it was named.
    fn choice(&self, name: &str) -> Result<Option<Choice>> {
        let Some(place) = self.place() else { return Ok(None) };
        match Profile::load(&place, Level::best().name()) {
            Ok(profile) => Ok(profile.and_then(|profile| profile.models.get(name).cloned())),
            Err(error) if self.profile.is_none() => {
                log::warn!("{error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl ModelArgs {
    /// Threads: those asked for, those that were measured best for `generator`, or all there are.
    pub(crate) fn threads(&self, asked: Option<NonZeroUsize>, generator: &dyn Generator) -> Result<usize> {
        if let Some(asked) = asked {
            return Ok(asked.get());
        }
        let name = &generator.card().name;
        let measured = self.profile.choice(name.strip_suffix("-int8").unwrap_or(name))?;
        let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(measured.filter(|choice| &choice.model == name).map_or_else(all, |choice| choice.threads.clamp(1, 256)))
    }

    /// The generator, plain filter or method without weights that was named, or else the generator nearest to `factor` (to 4
    /// where none is asked).
    pub(crate) fn generator(&self, factor: Option<Factor>) -> Result<Arc<dyn Generator>> {
        let factor = factor.map_or(4.0, Factor::value);
        let (name, scale) = (self.model.as_deref().unwrap_or_default(), factor.ceil() as usize);
        if let Some(filter) = Interpolation::by_name(name, scale) {
            return Ok(Arc::new(filter?));
        }
        if let Some(method) = SelfExemplar::by_name(name, scale) {
            return Ok(Arc::new(method?));
        }
        Ok(Arc::new(self.open(factor)?))
    }

    /// The generator that was named, or else the one nearest to `factor`.
    pub(crate) fn open(&self, factor: f64) -> Result<TractGenerator> {
        let zoo = self.zoo.zoo()?;
        let name = if let Some(name) = &self.model {
            name.clone()
        } else {
            let nearest = zoo.nearest(factor)?;
            self.profile.choice(&nearest)?.map_or(nearest, |choice| choice.model)
        };
        zoo.open(&name, &self.corrections.overrides())
    }
}

fn parse_colour(text: &str) -> Result<Colour> {
    match text {
        "luma" | "y" | "grey" => Ok(Colour::Luma),
        "rgb" => Ok(Colour::Rgb),
        _ => Err(Error::usage(format!("'{text}' is not a colour")).fix("write luma or rgb")),
    }
}

fn parse_strength(text: &str) -> Result<f32> {
    text.parse()
        .ok()
        .filter(|strength| (0.0..=1.0).contains(strength))
        .ok_or_else(|| Error::usage(format!("'{text}' is no strength")).fix("write a number from 0 to 1, such as 0.7"))
}

fn parse_range(text: &str) -> Result<[f32; 2]> {
    let number = |t: &str| t.trim().parse::<f32>().ok().filter(|v| v.is_finite());
    text.split_once(',')
        .and_then(|(black, white)| Some([number(black)?, number(white)?]))
        .filter(|[black, white]| black < white)
        .ok_or_else(|| Error::usage(format!("'{text}' is not a range")).fix("write BLACK,WHITE, such as 0,255"))
}

fn parse_level(text: &str) -> Result<Level> {
    Level::named(text).ok_or_else(|| {
        let known: Vec<_> = Level::available().into_iter().map(Level::name).collect();
        Error::usage(format!("'{text}' is nothing that this machine can run"))
            .fix(format!("choose of {}", known.join(", ")))
    })
}
