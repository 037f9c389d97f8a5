//! A display at a graphics card: the kernel's mode setting (DRM/KMS) with two dumb buffers, no window system.

use super::Display;
use super::options::DrmOptions;
use super::turned::Turned;
use crate::error::{Error, Result};
use crate::geometry::Size;
use drm::Device as _;
use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::{
    ClipRect, Device as _, Mode, ModeTypeFlags, PageFlipFlags, ResourceHandles, connector, crtc,
    dumbbuffer::DumbBuffer, framebuffer,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// The longest that a flip may take: three frames of the slowest mode there is, 24 a second.
const FLIP: Timespec = Timespec { tv_sec: 0, tv_nsec: 125_000_000 };

struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

/// Memory that the card can show.
struct Buffer {
    dumb: DumbBuffer,
    frame: framebuffer::Handle,
}

/// A display that is ours until this is dropped.
pub(super) struct Kms {
    card: Card,
    path: PathBuf,
    connector: connector::Handle,
    name: String,
    crtc: crtc::Handle,
    mode: Mode,
    buffers: [Buffer; 2],
    /// The buffer that is shown.
    front: usize,
    /// Whether the card takes page flips.
    flips: bool,
    /// A flip was asked for and has not happened yet.
    waiting: bool,
    /// What the card showed before us.
    before: crtc::Info,
}

/// The cards of this machine, in order.
pub(super) fn cards() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    let is_card = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("card"));
    let mut cards: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_card).collect();
    cards.sort();
    cards
}

/// Whether a card has plugs, as far as it lets us see: others only compute.
pub(super) fn has_plugs(path: &Path) -> bool {
    let card = OpenOptions::new().read(true).write(true).open(path);
    card.map_or(true, |card| Card(card).resource_handles().is_ok())
}

impl Kms {
    /// Takes the display over and makes it black.
    ///
    /// # Errors
    /// Where there is no such card or display, it may not be used, or another program has it.
    pub(super) fn open(path: &Path, options: &DrmOptions) -> Result<Self> {
        let card = OpenOptions::new().read(true).write(true).open(path);
        let card = Card(card.map_err(|e| super::refused(path, e))?);
        let resources = card.resource_handles();
        let resources = resources.map_err(|e| {
            Error::io("no display can be had from", path, e)
                .fix("it computes only; another /dev/dri/card* has the plugs")
        })?;
        card.acquire_master_lock().map_err(|e| taken(path, e))?;
        let plug = plug(&card, path, &resources, options)?;
        let mode = mode(&plug, options.mode)?;
        let crtc = free_crtc(&card, &resources, &plug).ok_or_else(|| {
            Error::new(crate::error::Kind::Io, format!("{} has no unit free for {plug}", path.display()))
        })?;
        let before = card.get_crtc(crtc).map_err(|e| Error::io("cannot read the state of", path, e))?;
        let size = (u32::from(mode.size().0), u32::from(mode.size().1));
        let buffers = [buffer(&card, path, size)?, buffer(&card, path, size)?];
        let (connector, name) = (plug.handle(), plug.to_string());
        let waiting = false;
        let path = path.to_owned();
        let kms = Self { card, path, connector, name, crtc, mode, buffers, front: 0, flips: true, waiting, before };
        kms.set(0)?;
        Ok(kms)
    }

    fn set(&self, buffer: usize) -> Result<()> {
        let frame = self.buffers[buffer].frame;
        let set = self.card.set_crtc(self.crtc, Some(frame), (0, 0), &[self.connector], Some(self.mode));
        set.map_err(|e| self.lost(e))
    }

    /// What a refusal in the midst of things means.
    fn lost(&self, error: io::Error) -> Error {
        match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM | libc::EBUSY) => taken(&self.path, error),
            Some(libc::ENODEV | libc::ENOENT | libc::ENXIO) => self.unplugged(),
            _ => Error::io(&format!("cannot show pictures on {} of", self.name), &self.path, error),
        }
    }

    fn unplugged(&self) -> Error {
        let message = format!("display unplugged: nothing is at {} of {}", self.name, self.path.display());
        Error::new(crate::error::Kind::Io, message)
    }

    /// Waits for the flip that is under way; one that does not come, as when the display sleeps, is given up.
    fn settle(&mut self) -> Result<()> {
        if !self.waiting {
            return Ok(());
        }
        let came = poll(&mut [PollFd::new(&self.card, PollFlags::IN)], Some(&FLIP));
        match came {
            Ok(0) => self.flips = false,
            Ok(_) => {
                self.card.receive_events().map_err(|e| self.lost(e))?;
            }
            // A signal: the event is read before the next frame.
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(self.lost(errno.into())),
        }
        self.waiting = false;
        Ok(())
    }

    /// Brings the buffer that was just drawn before the eyes.
    fn turn_over(&mut self, back: usize) -> Result<()> {
        let frame = self.buffers[back].frame;
        if self.flips {
            match self.card.page_flip(self.crtc, frame, PageFlipFlags::EVENT, None) {
                Ok(()) => {
                    self.waiting = true;
                    self.front = back;
                    return Ok(());
                }
                Err(error) if is_final(&error) => return Err(self.lost(error)),
                Err(error) => {
                    log::debug!("{}: no page flips ({error}); setting the mode for each frame", self.path.display());
                    self.flips = false;
                }
            }
        }
        self.set(back)?;
        self.front = back;
        let (width, height) = self.mode.size();
        // Cards that show what they are given know nothing of this call; those that send it elsewhere need it.
        let _ = self.card.dirty_framebuffer(frame, &[ClipRect::new(0, 0, width, height)]);
        Ok(())
    }
}

impl Display for Kms {
    fn size(&self) -> Size {
        Size::new(self.mode.size().0.into(), self.mode.size().1.into())
    }

    fn name(&self) -> String {
        format!("{} of {}", self.name, self.path.display())
    }

    fn present(&mut self, mut picture: Turned<'_>) -> Result<()> {
        self.settle()?;
        let back = 1 - self.front;
        let dumb = &mut self.buffers[back].dumb;
        let pitch = dumb.pitch() as usize;
        let mut map =
            self.card.map_dumb_buffer(dumb).map_err(|e| Error::io("cannot draw to the memory of", &self.path, e))?;
        picture.rows(|y, row| {
            let to = map.as_mut().get_mut(y * pitch..).unwrap_or_default();
            for (to, from) in to.as_chunks_mut::<4>().0.iter_mut().zip(row) {
                *to = from.to_le_bytes();
            }
            Ok(())
        })?;
        drop(map);
        self.turn_over(back)
    }

    fn check(&mut self) -> Result<()> {
        match self.card.get_connector(self.connector, false) {
            Ok(plug) if plug.state() == connector::State::Disconnected => Err(self.unplugged()),
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(error)),
        }
    }
}

impl Drop for Kms {
    /// Gives the display back as it was. The kernel frees the buffers with the card.
    fn drop(&mut self) {
        let _ = self.settle();
        let before = &self.before;
        let plugs: &[_] = if before.framebuffer().is_some() { &[self.connector] } else { &[] };
        let mode = before.framebuffer().and(before.mode());
        let _ = self.card.set_crtc(self.crtc, before.framebuffer(), before.position(), plugs, mode);
    }
}

/// Whether trying another way is of no use.
fn is_final(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EACCES | libc::EPERM | libc::ENODEV | libc::ENOENT | libc::ENXIO))
}

fn taken(path: &Path, error: io::Error) -> Error {
    let doing = "another program, such as a desktop, has the display of";
    Error::io(doing, path, error)
        .fix("end it: sudo systemctl isolate multi-user.target; or watch in a browser by --http")
}

/// The plug that is asked for, or the first with a display.
fn plug(card: &Card, path: &Path, resources: &ResourceHandles, options: &DrmOptions) -> Result<connector::Info> {
    let plugs = resources.connectors().iter();
    let plugs: Vec<connector::Info> = plugs.filter_map(|&plug| card.get_connector(plug, true).ok()).collect();
    let names: Vec<String> = plugs.iter().map(ToString::to_string).collect();
    let asked = |plug: &connector::Info| options.connector.as_ref().is_none_or(|name| plug.to_string() == *name);
    let usable =
        |state| move |plug: &&connector::Info| plug.state() == state && !plug.modes().is_empty() && asked(plug);
    let found = plugs.iter().find(usable(connector::State::Connected));
    let found = found.or_else(|| plugs.iter().find(usable(connector::State::Unknown)));
    found.cloned().ok_or_else(|| {
        let which = options.connector.as_deref().unwrap_or("any plug");
        let message = format!("display unplugged: nothing is at {which} of {}", path.display());
        Error::new(crate::error::Kind::Io, message).fix(format!("plug a display in; there are {}", names.join(", ")))
    })
}

/// The mode of the size that is asked for, or the one that the display prefers.
fn mode(plug: &connector::Info, asked: Option<Size>) -> Result<Mode> {
    let size = |mode: &Mode| Size::new(mode.size().0.into(), mode.size().1.into());
    let preferred = |mode: &&Mode| mode.mode_type().contains(ModeTypeFlags::PREFERRED);
    let modes = plug.modes();
    let found = match asked {
        Some(asked) => modes.iter().find(|mode| size(mode) == asked),
        None => modes.iter().find(preferred).or(modes.first()),
    };
    found.copied().ok_or_else(|| {
        let mut sizes: Vec<String> = modes.iter().map(|mode| size(mode).to_string()).collect();
        sizes.dedup();
        let asked = asked.map(|size| format!(" {size}")).unwrap_or_default();
        Error::usage(format!("the display at {plug} has no mode{asked}")).fix(format!("it has {}", sizes.join(", ")))
    })
}

/// The unit that drives the plug, or the first that could.
fn free_crtc(card: &Card, resources: &ResourceHandles, plug: &connector::Info) -> Option<crtc::Handle> {
    let current = plug.current_encoder().and_then(|encoder| card.get_encoder(encoder).ok()?.crtc());
    let possible = || {
        let encoders = plug.encoders().iter().filter_map(|&encoder| card.get_encoder(encoder).ok());
        encoders.flat_map(|encoder| resources.filter_crtcs(encoder.possible_crtcs())).next()
    };
    current.or_else(possible)
}

fn buffer(card: &Card, path: &Path, size: (u32, u32)) -> Result<Buffer> {
    let refused = |e| Error::io("cannot have memory for pictures from", path, e);
    let dumb = card.create_dumb_buffer(size, DrmFourcc::Xrgb8888, 32).map_err(refused)?;
    let frame = card.add_framebuffer(&dumb, 24, 32).map_err(refused)?;
    Ok(Buffer { dumb, frame })
}
