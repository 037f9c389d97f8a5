//! Which model on how many threads, and what else the board sets: flags and file go first, then what `upres tune` measured, then the
//! board, then what is usual.

use super::settings::Settings;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use upres::card::Precision;
use upres::device::board::machine::Machine;
use upres::device::board::{Board, GENERIC, USUAL, frame_size};
use upres::device::tree::Tree;
use upres::device::unpack::Crop;
use upres::error::{Error, Result};
use upres::geometry::Size;
use upres::kernel::Level;
use upres::profile::{Choice, Profile};
use upres::session::{Overrides, Runner};
use upres::upscale::{Generator, Interpolation};
use upres::zoo::Zoo;

/// The generator for cameras.
const CAMERA: &str = "camera-x2";

/// What was measured on this machine, if it was.
struct Measured(Option<Profile>);

impl Measured {
    /// Live work does not stand still for measurements that cannot be read: `amiss` hears of them.
    fn here(amiss: impl FnOnce(&Error)) -> Self {
        let read = |place: PathBuf| Profile::load(&place, Level::best().name()).inspect_err(amiss).ok().flatten();
        Self(Profile::place().and_then(read))
    }

    /// What was chosen for the generator `name` in floats.
    fn choice(&self, name: &str) -> Option<&Choice> {
        self.0.as_ref()?.models.get(name)
    }

    /// The threads that were measured best for `model`, where it is what was chosen for its family.
    fn threads(&self, model: &str) -> Option<usize> {
        self.choice(floats(model)).filter(|choice| choice.model == model).map(|choice| choice.threads)
    }
}

/// A generator's name in floats.
fn floats(model: &str) -> &str {
    model.strip_suffix("-int8").unwrap_or(model)
}

/// What runs the networks.
pub(super) fn runner(settings: &Settings) -> Result<Runner> {
    Ok(settings.runner.as_deref().map(str::parse).transpose()?.unwrap_or_default())
}

/// The generator that `name` is meant by: in floats for who runs nothing else, or what was measured to be the faster, or `name`.
fn twin<'a>(measured: &'a Measured, name: &'a str, runner: Runner) -> &'a str {
    if !runner.runs(Precision::Int8) {
        return floats(name);
    }
    measured.choice(floats(name)).map_or(name, |choice| &choice.model)
}

/// The board that was named, or else the one that this machine says it is.
pub(super) fn board(settings: &Settings) -> Result<Board> {
    match &settings.board {
        Some(name) => Board::open(name),
        None => Board::of(&Machine::read(&Tree::default())),
    }
}

/// Fills in what the board sets where the settings are silent, and says so.
///
/// # Errors
/// A usage error where there is no such board.
pub(super) fn with_board(settings: Settings) -> Result<Settings> {
    let board = board(&settings)?;
    runner(&settings)?;
    let (filled, said) = fill(settings, &board, &Measured::here(|error| log::warn!("{error}")));
    if board.name != GENERIC || !said.is_empty() {
        let said = if said.is_empty() { "nothing, all is told otherwise".to_owned() } else { said.join(", ") };
        log::info!("the board is {} ({}); it sets {said}", board.name, board.description);
    }
    Ok(filled)
}

fn fill(mut settings: Settings, board: &Board, measured: &Measured) -> (Settings, Vec<String>) {
    let mut said = Vec::new();
    if let (None, Some(source)) = (&settings.source, &board.camera.source) {
        said.push(format!("source {source}"));
        settings.source = Some(source.clone());
    }
    let fits = board.model(settings.scale.unwrap_or(2.0), frame(&settings));
    if let (None, Some(fits)) = (&settings.model, fits) {
        // Measured beats worked out, between floats and bytes of one generator.
        let twin = twin(measured, fits, runner(&settings).unwrap_or_default());
        said.push(format!("model {twin}"));
        settings.model = Some(twin.to_owned());
    }
    let unmeasured = settings.model.as_deref().is_some_and(|model| measured.threads(model).is_none());
    if settings.threads.is_none() && unmeasured && board.threads.is_some() {
        said.push(format!("threads {}", threads(None, None, board.threads)));
    }
    if let (None, Some(hot)) = (settings.hot, board.hot) {
        said.push(format!("hot from {hot} °C"));
        settings.hot = Some(hot);
    }
    if settings.screen.is_some() {
        let left_open = settings.screen.as_deref() == Some("auto");
        if let Some(screen) = board.display.screen.as_ref().filter(|screen| left_open && *screen != "auto") {
            said.push(format!("screen {screen}"));
            settings.screen = Some(screen.clone());
        }
        if let (None, Some(degrees)) = (settings.rotate, board.display.rotate.filter(|&degrees| degrees != 0)) {
            said.push(format!("turned by {degrees} degrees"));
            settings.rotate = Some(degrees);
        }
    }
    (settings, said)
}

/// The size of what is enlarged, where the source says it; the usual one where only the region is known.
fn frame(settings: &Settings) -> Option<Size> {
    let whole = settings.source.as_deref().and_then(frame_size);
    match settings.crop.as_deref().map(str::parse::<Crop>) {
        Some(Ok(crop)) => Some(crop.inside(whole.unwrap_or(USUAL), (1, 1)).size),
        _ => whole,
    }
}

/// Those that were asked for, were measured best, or the board leaves to the network; or one for each core.
fn threads(asked: Option<usize>, measured: Option<usize>, board: Option<usize>) -> usize {
    let all = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    asked.or(measured).or_else(|| board.map(|threads| threads.min(all()))).unwrap_or_else(all)
}

/// By how much `model` enlarges; filters do by any factor.
pub(super) fn factor(zoo: &Zoo, model: &str) -> Result<Option<usize>> {
    if let Some(entry) = zoo.list()?.into_iter().find(|entry| entry.card.name == model) {
        return Ok(Some(entry.card.scale));
    }
    if Interpolation::by_name(model, 2).is_some() {
        return Ok(None);
    }
    Ok(Some(zoo.open(model, &Overrides::default())?.card().scale))
}

/// The model that is named or fits, and the threads for it.
pub(super) fn model(settings: &Settings, zoo: &Zoo) -> Result<(String, usize)> {
    let measured = Measured::here(|_| {});
    let model = match (&settings.model, settings.scale.unwrap_or(2.0)) {
        (Some(model), _) => model.clone(),
        (None, scale) if scale <= 2.0 => CAMERA.to_owned(),
        (None, scale) => {
            let nearest = zoo.nearest(scale)?;
            twin(&measured, &nearest, runner(settings)?).to_owned()
        }
    };
    let threads = threads(settings.threads, measured.threads(&model), board(settings)?.threads);
    if !(1..=256).contains(&threads) {
        return Err(Error::usage(format!("{threads} threads are not between 1 and 256")));
    }
    Ok((model, threads))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn nothing() -> Measured {
        Measured(None)
    }

    fn pi_5() -> Board {
        Board::open("pi-5").unwrap()
    }

    #[test]
    fn the_generic_board_changes_nothing() {
        let board = Board::open(GENERIC).unwrap();
        let asked = Settings { screen: Some("auto".into()), ..Settings::default() };
        for settings in [Settings::default(), asked] {
            assert_eq!(fill(settings.clone(), &board, &nothing()), (settings, Vec::new()));
        }
    }

    #[test]
    fn what_is_said_goes_before_the_board_and_what_was_measured_too() {
        let (filled, said) = fill(Settings::default(), &pi_5(), &nothing());
        assert_eq!(filled.source.as_deref(), Some("v4l2:?size=640x480&rate=15"));
        assert_eq!((filled.model.as_deref(), filled.hot), (Some("small-x2-int8"), Some(80.0)));
        assert_eq!((filled.threads, said.len()), (None, 4));
        let told = Settings {
            source: Some("pattern:size=320x240".into()),
            model: Some("medium-x2".into()),
            threads: Some(7),
            hot: Some(60.0),
            ..Settings::default()
        };
        assert_eq!(fill(told.clone(), &pi_5(), &nothing()), (told, Vec::new()));
        let choice = Choice { model: "small-x2".into(), threads: 2, ms: 1.0 };
        let models = [("small-x2".to_owned(), choice)].into();
        let measured = Measured(Some(Profile { models, ..Profile::default() }));
        let (filled, _) = fill(Settings::default(), &pi_5(), &measured);
        assert_eq!(
            (filled.model.as_deref(), filled.threads),
            (Some("small-x2"), None),
            "threads are the measured ones"
        );
    }

    #[test]
    fn threads_are_asked_for_or_measured_or_the_board_s() {
        assert_eq!(threads(Some(7), Some(2), Some(1)), 7);
        assert_eq!(threads(None, Some(2), Some(1)), 2);
        assert_eq!(threads(None, None, Some(1)), 1);
        assert_eq!(threads(None, None, Some(1000)), threads(None, None, None), "no more than there are cores");
    }

    #[test]
    fn the_model_goes_by_what_is_enlarged() {
        let model = |source: &str, crop: Option<&str>, scale| {
            let crop = crop.map(str::to_owned);
            let settings = Settings { source: Some(source.into()), crop, scale, ..Settings::default() };
            fill(settings, &pi_5(), &nothing()).0.model
        };
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(model("v4l2:?size=320x240", None, None), name("camera-x2"));
        assert_eq!(model("v4l2:?size=640x480", None, None), name("small-x2-int8"));
        assert_eq!(model("v4l2:?size=640x480", Some("2"), None), name("camera-x2"));
        assert_eq!(model("rtsp://camera/", Some("320x200+8+8"), None), name("camera-x2"));
        assert_eq!(model("rtsp://camera/", None, None), name("small-x2-int8"));
        assert_eq!(model("v4l2:?size=320x240", None, Some(4.0)), name("medium-x4-int8"));
        assert_eq!(model("v4l2:?size=320x240", None, Some(6.0)), None);
        let runner = Some("cuda".to_owned());
        let source = Some("v4l2:?size=640x480".to_owned());
        let settings = Settings { source, runner, ..Settings::default() };
        let model = fill(settings, &pi_5(), &nothing()).0.model;
        assert_eq!(model, name("small-x2"), "a GPU runs floats only");
    }

    #[test]
    fn the_board_s_screen_is_for_those_who_ask_for_any() {
        let mut board = pi_5();
        board.display.screen = Some("drm".into());
        board.display.rotate = Some(90);
        let ask = |screen: Option<&str>| {
            let settings = Settings { screen: screen.map(str::to_owned), ..Settings::default() };
            let filled = fill(settings, &board, &nothing()).0;
            (filled.screen, filled.rotate)
        };
        assert_eq!(ask(None), (None, None));
        assert_eq!(ask(Some("auto")), (Some("drm".into()), Some(90)));
        assert_eq!(ask(Some("fb:/dev/fb0")), (Some("fb:/dev/fb0".into()), Some(90)));
    }
}
