//! Several GPUs: this program once for each, with a supervisor that ends all where one fails.

use candle_core::Device;
use std::process::{Child, Command, ExitCode};
use std::time::Duration;
use upres::error::{Error, Result};
use upres::host::peers::{Alone, Peers, share};

/// Tells a process its rank, the number of ranks, and what they find one another by.
const RANK: &str = "UPRES_RANK";

/// Who computes: options of training.
#[derive(Debug, clap::Args)]
pub(crate) struct Ranks {
    /// Threads; 0 takes every core
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// NVIDIA GPUs that share every batch, in a program built with --features nccl
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    gpus: u16,
    /// Batches of a recipe that are made at the same time while a step is taken; without it one on the CPU, and for a GPU as
    /// many as the cores allow. What is learned does not depend on it
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
}

impl Ranks {
    /// Whether several GPUs are asked for, and this process is not yet one of theirs.
    pub(crate) fn are_to_start(&self) -> bool {
        self.gpus > 1 && std::env::var_os(RANK).is_none()
    }

    /// Threads of one process; 0 for every core.
    pub(crate) fn threads(&self) -> usize {
        match (self.threads, usize::from(self.gpus)) {
            (0, 2..) => self.cores(),
            (threads, _) => threads,
        }
    }

    /// Batches that are made at the same time.
    pub(crate) fn workers(&self, device: &Device) -> usize {
        let enough = if device.is_cpu() { 1 } else { (self.cores() / 4).clamp(1, 8) };
        self.workers.map_or(enough, usize::from)
    }

    /// This process's part of the machine's cores.
    fn cores(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (cores / usize::from(self.gpus)).max(1)
    }

    /// Starts this program once for each GPU with the same arguments, and waits. They will share batches of `batch`.
    ///
    /// # Errors
    /// A usage error where they cannot, or the program was built without NCCL; an internal error where a process cannot be
    /// started.
    pub(crate) fn launch(&self, batch: usize) -> Result<ExitCode> {
        share(batch, 0, self.gpus.into())?;
        launch(self.gpus.into())
    }
}

fn launch(count: usize) -> Result<ExitCode> {
    let id = identity()?;
    let failed = |e: std::io::Error| Error::internal("the program cannot be started for each GPU").caused_by(e);
    let own = std::env::current_exe().map_err(failed)?;
    let mut ranks = Vec::new();
    for rank in 0..count {
        let mut command = Command::new(&own);
        command.args(std::env::args_os().skip(1)).env(RANK, format!("{rank}/{count}/{id}"));
        match command.spawn() {
            Ok(child) => ranks.push(child),
            Err(error) => {
                end(&mut ranks);
                return Err(failed(error));
            }
        }
    }
    supervise(ranks).map_err(failed)
}

/// Waits for all; where one fails, the others would wait for it for ever, and are ended.
fn supervise(mut ranks: Vec<Child>) -> std::io::Result<ExitCode> {
    while !ranks.is_empty() {
        let mut left = Vec::new();
        let mut lost = None;
        for mut child in ranks {
            match child.try_wait() {
                Ok(None) => left.push(child),
                Ok(Some(status)) if status.success() => {}
                Ok(Some(status)) => lost = lost.or(Some(Ok(status))),
                Err(error) => lost = lost.or(Some(Err(error))),
            }
        }
        if let Some(lost) = lost {
            end(&mut left);
            let code = lost?.code().and_then(|code| u8::try_from(code).ok());
            return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
        }
        ranks = left;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(ExitCode::SUCCESS)
}

fn end(ranks: &mut [Child]) {
    for child in ranks {
        // One that has ended meanwhile needs no ending.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The device of this process, and who else learns with it.
///
/// # Errors
/// An error where the device or the other ranks cannot be reached.
pub(crate) fn join() -> Result<(Device, Box<dyn Peers>)> {
    let Some(text) = std::env::var(RANK).ok() else { return Ok((crate::device()?, Box::new(Alone))) };
    let parts: Vec<&str> = text.split('/').collect();
    match (parts.as_slice(), parts.iter().map(|part| part.parse::<usize>().ok()).collect::<Vec<_>>().as_slice()) {
        ([_, _, id], [Some(rank), Some(count), ..]) if rank < count => meet(*rank, *count, id),
        _ => Err(Error::usage(format!("{RANK} is set to '{text}'")).fix("unset it: the program sets it for itself")),
    }
}

#[cfg(feature = "nccl")]
fn identity() -> Result<String> {
    upres::host::peers::Nccl::id()
}

#[cfg(feature = "nccl")]
fn meet(rank: usize, count: usize, id: &str) -> Result<(Device, Box<dyn Peers>)> {
    let device = Device::new_cuda(rank)?;
    let peers = upres::host::peers::Nccl::join(&device, rank, count, id)?;
    Ok((device, Box::new(peers)))
}

#[cfg(not(feature = "nccl"))]
fn identity() -> Result<String> {
    Err(Error::usage("this program trains on one GPU").fix("build it with --features nccl for several"))
}

#[cfg(not(feature = "nccl"))]
fn meet(_rank: usize, _count: usize, _id: &str) -> Result<(Device, Box<dyn Peers>)> {
    identity().map(|_| (Device::Cpu, Box::new(Alone) as Box<dyn Peers>))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::Instant;

    fn start(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).spawn().unwrap()
    }

    #[test]
    fn one_that_fails_ends_all() {
        let began = Instant::now();
        let code = supervise(vec![start("sleep 60"), start("exit 7"), start("true")]).unwrap();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(7)));
        assert!(began.elapsed() < Duration::from_secs(30));
        let code = supervise(vec![start("true"), start("sleep 0.1")]).unwrap();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
    }
}
