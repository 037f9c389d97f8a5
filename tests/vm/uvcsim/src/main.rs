//! A USB camera in software. It is a USB/IP server on a socket pair whose other end is handed to the kernel's vhci-hcd: the kernel
//! enumerates a UVC 1.0 camera with one bulk endpoint and binds its real uvcvideo driver. Closing the socket is a real unplug.

mod camera;
mod options;
mod wire;

use camera::Camera;
use options::Options;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs, process};
use wire::{Command, Header};

/// What the threads share: the one answers the kernel's questions, the other sends frames when they are due.
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    camera: Camera,
    out: UnixStream,
    /// Requests for a payload that the kernel has laid down: number and length.
    requests: VecDeque<(u32, usize)>,
    /// Counted up whenever the kernel takes all its requests back: the stream is over.
    stream: u64,
}

const ATTACH: &str = "/sys/devices/platform/vhci_hcd.0/attach";
/// Port 0, device 1 on bus 1, high speed.
const PLUG: (u32, u32, u32) = (0, 0x0001_0001, 3);

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands one end of a socket pair to the kernel; the port may still be busy with the plug that was pulled.
fn plug_in() -> io::Result<UnixStream> {
    let (kernel, own) = UnixStream::pair()?;
    let (port, device, speed) = PLUG;
    let mut tries = 0;
    while let Err(error) = fs::write(ATTACH, format!("{port} {} {device} {speed}", kernel.as_raw_fd())) {
        tries += 1;
        if tries > 50 {
            return Err(error);
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(own)
}

/// Sends frames until the plug is to be pulled.
fn send(shared: &Shared, options: &Options) -> io::Result<()> {
    let (mut due, mut sent, mut stream, mut flip, mut stall) = (Instant::now(), 0_u64, 0, 0_u8, options.stall);
    loop {
        let mut state = lock(shared);
        while state.requests.is_empty() {
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if options.unplug == Some(sent) {
            println!("uvcsim: unplugged after {sent} frames");
            return Ok(());
        }
        if state.stream != stream {
            (stream, due) = (state.stream, Instant::now());
        }
        let frame = state.camera.frame(sent, options);
        drop(state);
        if stall == Some(sent) {
            stall = None;
            println!("uvcsim: silent for {} s after {sent} frames", options::STALL.as_secs());
            thread::sleep(options::STALL);
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        due = due.max(Instant::now().checked_sub(Duration::from_millis(5)).unwrap_or(due)) + options.interval();
        flip ^= 1;
        if payloads(shared, &frame, flip, stream)? {
            sent += 1;
        }
    }
}

/// Sends one frame in payloads; `false` where the stream ended on the way.
fn payloads(shared: &Shared, frame: &[u8], flip: u8, stream: u64) -> io::Result<bool> {
    let mut rest = frame;
    loop {
        let mut state = lock(shared);
        while state.requests.is_empty() && state.stream == stream {
            state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.stream != stream {
            return Ok(false);
        }
        let Some((number, length)) = state.requests.pop_front() else { continue };
        let (now, later) = rest.split_at(rest.len().min(length.min(camera::PAYLOAD) - 2));
        // Header length; end of header, end of frame, frame identity.
        let mut payload = vec![2, 0x80 | flip | if later.is_empty() { 2 } else { 0 }];
        payload.extend_from_slice(now);
        let answer = wire::submitted(number, 0, payload.len() as u32, &payload);
        state.out.write_all(&answer)?;
        rest = later;
        if rest.is_empty() {
            return Ok(true);
        }
    }
}

/// Answers what the kernel asks until it hangs up.
fn answer(shared: &Shared, mut input: UnixStream) -> io::Result<()> {
    loop {
        let mut header = [0; wire::HEADER];
        input.read_exact(&mut header)?;
        let Header { command, number, endpoint, incoming, setup } = Header::read(&header);
        let mut guard = lock(shared);
        let state = &mut *guard;
        let reply = match command {
            Command::Unlink { victim } => {
                let before = state.requests.len();
                state.requests.retain(|(number, _)| *number != victim);
                let found = state.requests.len() < before;
                if found && state.requests.is_empty() {
                    state.stream += 1;
                    shared.wake.notify_all();
                }
                wire::unlinked(number, found)
            }
            Command::Submit { length } if endpoint == 0 => {
                let mut data = vec![0; if incoming { 0 } else { length }];
                input.read_exact(&mut data)?;
                match state.camera.control(setup, &data) {
                    Some(mut answer) if incoming => {
                        answer.truncate(length);
                        wire::submitted(number, 0, answer.len() as u32, &answer)
                    }
                    Some(_) => wire::submitted(number, 0, length as u32, &[]),
                    None => wire::submitted(number, wire::STALLED, 0, &[]),
                }
            }
            Command::Submit { length } if incoming => {
                state.requests.push_back((number, length));
                shared.wake.notify_all();
                continue;
            }
            Command::Submit { length } => {
                input.read_exact(&mut vec![0; length])?;
                wire::submitted(number, wire::STALLED, 0, &[])
            }
        };
        state.out.write_all(&reply)?;
    }
}

fn run() -> Result<(), String> {
    let options = Options::read(env::args().skip(1))?;
    let camera = Camera::new(&options)?;
    let own = plug_in().map_err(|error| format!("{ATTACH}: {error}"))?;
    let out = own.try_clone().map_err(|error| error.to_string())?;
    let state = State { camera, out, requests: VecDeque::new(), stream: 0 };
    let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new() });
    let questions = Arc::clone(&shared);
    thread::spawn(move || {
        let ended = answer(&questions, own);
        println!("uvcsim: the kernel hung up: {ended:?}");
        process::exit(0);
    });
    // Leaving the program closes the socket, which pulls the plug.
    send(&shared, &options).map_err(|error| error.to_string())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("uvcsim: {error}");
        process::exit(1);
    }
}
