//! `upres doctor`: what stands between this machine and a live picture.

use crate::boards;
use crate::limits::parse_bytes;
use crate::live::{self, settings::Settings};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;
use upres::device::board::Board;
use upres::device::board::doctor::{Asked, Finding, State, examine};
use upres::device::tree::Tree;
use upres::error::{Error, Kind, Result};
use upres::trust::Trust;
use upres::zoo::Zoo;

/// Options of `upres doctor`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration of `upres live` to look at [default: /etc/upres/live.toml, if it is there]
    #[arg(long, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    /// What this machine is: a NAME of `upres boards` or a FILE.toml like theirs [default: by what it says of itself]
    #[arg(long, value_name = "NAME|FILE", env = "UPRES_BOARD")]
    board: Option<String>,
    /// Folder of further models
    #[arg(long, value_name = "DIR", env = "UPRES_MODELS")]
    models_dir: Option<PathBuf>,
    /// Look at models from outside as if only those were opened that this minisign key signed: its text, or a file with it; may be given
    /// again
    #[arg(long, value_name = "KEY|FILE", env = "UPRES_TRUSTED_KEY", value_delimiter = ',')]
    trusted_key: Vec<String>,
    /// Print JSON: an array of objects with id, state, found and fix
    #[arg(long)]
    json: bool,
    /// Look at a folder that looks like a machine's files
    #[arg(long, value_name = "DIR", hide = true)]
    root: Option<PathBuf>,
}

/// Where the service has its configuration.
const CONFIGURATION: &str = "/etc/upres/live.toml";
/// Where it keeps what is its own.
const SERVICE: &str = "/var/lib/upres";
/// What recordings may take where nothing is said.
const QUOTA: &str = "2GB";

/// Runs `upres doctor`. It fails where something is in trouble; warnings do not count.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let tree = boards::tree(args.root.as_deref())?;
    let findings = examine(&tree, &asked(args, &tree)?, SystemTime::now());
    if args.json {
        let text = serde_json::to_string_pretty(&findings)
            .map_err(|e| Error::internal("the findings cannot be written as JSON").caused_by(e))?;
        println!("{text}");
    } else {
        findings.iter().for_each(print);
        let count = |state: State| findings.iter().filter(|finding| finding.state == state).count();
        println!("{} in trouble, {} warnings", count(State::Trouble), count(State::Warning));
    }
    let trouble = findings.iter().any(|finding| finding.state == State::Trouble);
    Ok(if trouble { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(finding: &Finding) {
    println!("{:8} {:13}  {}", finding.state.name(), finding.id, finding.found);
    if let Some(fix) = &finding.fix {
        println!("{:22}  do this: {fix}", "");
    }
}

/// What live work would be asked for: by the configuration, and by what was typed.
fn asked(args: &Args, tree: &Tree) -> Result<Asked> {
    let usual = tree.path(CONFIGURATION);
    let file = args.config.clone().or_else(|| usual.is_file().then_some(usual));
    let told =
        Settings { models_dir: args.models_dir.clone(), trusted_key: args.trusted_key.clone(), ..Settings::default() };
    let (mut settings, mut refused) = match &file {
        None => (told, None),
        Some(file) => match follow(&told, file) {
            Err(error) => (told, Some(error.to_string())),
            Ok(settings) => {
                let checked = if tree.is_this_machine() { check(args, &settings) } else { Ok(()) };
                (settings, checked.err().map(|error| error.at(file.display()).to_string()))
            }
        },
    };
    let quota = parse_bytes(settings.quota.as_deref().unwrap_or(QUOTA)).unwrap_or_else(|error| {
        refused.get_or_insert(error.to_string());
        0
    });
    let board = match (&args.board, &settings.board) {
        (Some(board), _) => Some(Board::open(board)?),
        (None, Some(board)) => {
            Board::open(board).map_err(|error| refused.get_or_insert(error.to_string()).clone()).ok()
        }
        (None, None) => None,
    };
    let trust = Trust::new(&settings.trusted_key).unwrap_or_else(|error| {
        refused.get_or_insert(error.to_string());
        // Without the keys no file may be opened.
        (settings.model, settings.models_dir) = (None, None);
        Trust::default()
    });
    // As live work, which looks from where it is started; below another root all begins there.
    let place = |path: PathBuf| {
        let whole = tree.is_this_machine().then(|| std::path::absolute(&path).ok()).flatten();
        whole.unwrap_or(path)
    };
    Ok(Asked {
        configuration: file,
        refused,
        board,
        source: settings.source,
        model: settings.model,
        scale: settings.scale,
        hot: settings.hot,
        screen: settings.screen,
        camera_out: settings.camera_out,
        http: settings.http,
        token_file: settings.http_token_file.map(place),
        record: settings.record.map(place),
        quota,
        snapshots: settings.snapshots.map(place),
        models_dir: settings.models_dir.map(place),
        trust,
    })
}

/// The configuration below what was typed, with its words looked at.
fn follow(told: &Settings, file: &Path) -> Result<Settings> {
    /// As bounded as all that is read here.
    const MOST: u64 = 1 << 20;
    let metadata = std::fs::metadata(file).map_err(|e| Error::io("cannot read", file, e))?;
    if !metadata.is_file() || metadata.len() > MOST {
        return Err(Error::new(Kind::Input, format!("{} is no configuration", file.display())));
    }
    let settings = told.over_file(file)?;
    settings.check().map_err(|e| e.at(file.display()))?;
    Ok(settings)
}

/// Whether `upres live` could follow `settings` on this machine. Models that only the service may see are left to it.
fn check(args: &Args, settings: &Settings) -> Result<()> {
    let closed = |path: &Path| {
        let denied = |error: std::io::Error| error.kind() == ErrorKind::PermissionDenied;
        path.starts_with(SERVICE) && std::fs::metadata(path).is_err_and(denied)
    };
    let mut own = Settings { board: args.board.clone().or(settings.board.clone()), ..settings.clone() };
    let folder = own.models_dir.take_if(|folder| closed(folder));
    let hidden =
        |model: &mut String| closed(Path::new(model)) || folder.is_some() && Zoo::default().find(model).is_err();
    if own.model.take_if(hidden).is_some() {
        own.strength = None;
    }
    live::check(&own)
}
