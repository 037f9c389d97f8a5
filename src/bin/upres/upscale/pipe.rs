//! One picture, or a Y4M stream, through standard input or output.

use super::show::Show;
use super::{Args, stream};
use std::fs;
use std::io::{BufReader, Cursor, IsTerminal, Read, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;
use upres::codec::{self, Format, PictureInfo, RowSource};
use upres::device::convert::{self, Converter, Destination, Item, Outcome, Report, Watcher};
use upres::error::{Error, Kind, Result};

/// What a Y4M stream begins with.
const Y4M: &[u8] = b"YUV4MPEG2";

/// Bytes that tell what standard input is.
const HEAD: usize = 16;

/// Runs `upres upscale` where input, output or both are `-`.
pub(super) fn run(args: &Args, input: &Path) -> Result<ExitCode> {
    if is_pipe(&args.output) && stdout().is_terminal() {
        return Err(Error::usage("standard output is a terminal").fix("send it to a file or a pipe"));
    }
    if input.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("y4m")) {
        let file = fs::File::open(input).map_err(|e| Error::io("cannot read", input, e))?;
        return stream::run(args, BufReader::new(file), input);
    }
    if !is_pipe(input) {
        let source = codec::open(input, &args.limits.codec())?;
        let own = Format::from_extension(input);
        return picture(args, input, source, own);
    }
    let mut head = Vec::with_capacity(HEAD);
    let unreadable = |e| Error::new(Kind::Io, "cannot read standard input").caused_by(e);
    stdin().take(HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
    let own = Format::sniff(&head);
    let whole = Cursor::new(head.clone()).chain(stdin());
    if head.starts_with(Y4M) {
        return stream::run(args, whole, input);
    }
    let source = codec::read_from(whole, &args.limits.codec());
    picture(args, input, source.map_err(|e| e.at("standard input"))?, own)
}

/// Enlarges one picture; `own` is the input's format.
fn picture(args: &Args, input: &Path, source: Box<dyn RowSource>, own: Option<Format>) -> Result<ExitCode> {
    let options = args.options()?;
    let (threads, encode) = (options.threads, options.encode.clone());
    let pixels = source.info().size.area() as u64;
    let show = Show::new(args.json, args.quiet, 1, pixels);
    let item = Item { input: input.into(), output: args.output.clone(), weight: pixels };
    let converter = Converter::new(options);
    let begin = Instant::now();
    let result = if is_pipe(&item.output) {
        let format = encode.format.or(own.filter(|own| own.can_write())).unwrap_or(Format::Png);
        let create = |header: &PictureInfo| codec::write_to(stdout(), format, header, &encode);
        converter.enlarge(source, format, create, threads, &show)
    } else {
        let format = Format::for_output(&item.output, encode.format)?;
        refuse_existing(args, input)?;
        let create = |header: &PictureInfo| codec::create(&item.output, header, &encode);
        converter.enlarge(source, format, create, threads, &show)
    };
    let (outcome, code) = match result {
        Ok(done) => (Outcome::Done(done), ExitCode::SUCCESS),
        Err(error) if error.kind() == Kind::Interrupted => return Err(error),
        Err(error) => (Outcome::Failed(error), ExitCode::FAILURE),
    };
    show.ended(&Report { item: &item, outcome, time: begin.elapsed(), rest: 0 });
    Ok(code)
}

/// Whether `path` means standard input or output.
pub(super) fn is_pipe(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The rules of a batch, for the one file that is written here.
pub(super) fn refuse_existing(args: &Args, input: &Path) -> Result<()> {
    let output = &args.output;
    if let Destination::Folder(folder) = Destination::new(&args.output, false)? {
        let what = format!("what is piped or streamed has no name to be given in {}", folder.display());
        return Err(Error::usage(what).fix("name the output file"));
    }
    let source = if is_pipe(input) { Path::new("/dev/stdin") } else { input };
    if convert::is_same_file(source, output) {
        let what = format!("the output {} would stand over the input", output.display());
        return Err(Error::usage(what).fix("choose another -o"));
    }
    if !args.existing.overwrite && fs::symlink_metadata(output).is_ok() {
        let what = format!("{} is there already", output.display());
        return Err(Error::usage(what).fix("give --overwrite to replace it"));
    }
    Ok(())
}
