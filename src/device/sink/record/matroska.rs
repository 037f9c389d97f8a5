//! JPEGs in Matroska (RFC 9559): readable to the last whole cluster at any moment, and with an index once it is closed.
//!
//! ```text
//! EBML · Segment (length unknown, corrected at the end) ( Void → SeekHead · Info · Tracks · Cluster · Cluster … · Cues )
//! ```

use super::ebml;
use crate::geometry::Size;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A cluster ends after so many milliseconds …
const CLUSTER: u64 = 1000;
/// … or so many bytes.
const CLUSTER_BYTES: usize = 4 << 20;
/// Room for the list of what lies where.
const SEEK_ROOM: usize = 64;
/// Nanoseconds from 1970 to 2001, where Matroska's dates begin.
const MILLENNIUM: u64 = 978_307_200_000_000_000;

mod is {
    pub(super) const EBML: u32 = 0x1a45_dfa3;
    pub(super) const SEGMENT: u32 = 0x1853_8067;
    pub(super) const SEEK_HEAD: u32 = 0x114d_9b74;
    pub(super) const INFO: u32 = 0x1549_a966;
    pub(super) const TRACKS: u32 = 0x1654_ae6b;
    pub(super) const CLUSTER: u32 = 0x1f43_b675;
    pub(super) const CUES: u32 = 0x1c53_bb6b;
    pub(super) const DURATION: u32 = 0x4489;
}

/// A Matroska file with one track of JPEGs.
#[derive(Debug)]
pub(super) struct Matroska {
    /// Where the segment's length stands; its contents begin 8 bytes later.
    segment: u64,
    duration: u64,
    /// Bytes in the file.
    written: u64,
    cluster: Vec<u8>,
    cluster_time: u64,
    /// Times and places of the clusters, for the index.
    clusters: Vec<(u64, u64)>,
    first: Option<Duration>,
    last: u64,
    gap: u64,
}

impl Matroska {
    /// Writes the header of a file of pictures of `size`, recorded at `date`.
    pub(super) fn new(file: &mut File, size: Size, date: SystemTime) -> io::Result<Self> {
        let mut out = Vec::new();
        ebml::nest(is::EBML, &mut out, |out| {
            for (id, value) in [(0x4286, 1), (0x42f7, 1), (0x42f2, 4), (0x42f3, 8)] {
                ebml::number(id, value, out);
            }
            ebml::bytes(0x4282, b"matroska", out);
            ebml::number(0x4287, 4, out);
            ebml::number(0x4285, 2, out);
        });
        ebml::id(is::SEGMENT, &mut out);
        let segment = out.len() as u64;
        out.extend_from_slice(&ebml::UNKNOWN);
        ebml::void(SEEK_ROOM, &mut out);
        let mut duration = 0;
        ebml::nest(is::INFO, &mut out, |out| {
            ebml::number(0x2a_d7b1, 1_000_000, out);
            let program = concat!("upres ", env!("CARGO_PKG_VERSION")).as_bytes();
            ebml::bytes(0x4d80, program, out);
            ebml::bytes(0x5741, program, out);
            let since = date.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
            ebml::number(0x4461, since.wrapping_sub(MILLENNIUM), out);
            duration = out.len() as u64;
            ebml::void(2 + 8 + 8, out);
        });
        track(size, &mut out);
        file.write_all(&out)?;
        let (written, cluster, clusters) = (out.len() as u64, Vec::new(), Vec::new());
        Ok(Self { segment, duration, written, cluster, cluster_time: 0, clusters, first: None, last: 0, gap: 33 })
    }

    /// Bytes in the file, up to the last whole cluster.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Bytes that wait for their cluster to be whole.
    pub(super) fn waiting(&self) -> usize {
        self.cluster.len()
    }

    /// Adds a picture that was taken at `taken`.
    pub(super) fn add(&mut self, file: &mut File, jpeg: &[u8], taken: Duration) -> io::Result<()> {
        let first = *self.first.get_or_insert(taken);
        let time = taken.saturating_sub(first).as_millis() as u64;
        // Two pictures of one moment would be shown as one.
        let time = if self.clusters.is_empty() && self.cluster.is_empty() { 0 } else { time.max(self.last + 1) };
        let over = time.saturating_sub(self.cluster_time) >= CLUSTER || self.cluster.len() >= CLUSTER_BYTES;
        if !self.cluster.is_empty() && over {
            self.flush(file)?;
        }
        if self.cluster.is_empty() {
            ebml::id(is::CLUSTER, &mut self.cluster);
            ebml::length(0, &mut self.cluster);
            ebml::number(0xe7, time, &mut self.cluster);
            self.cluster_time = time;
        }
        let within = (time - self.cluster_time) as i16;
        ebml::id(0xa3, &mut self.cluster);
        ebml::length(jpeg.len() as u64 + 4, &mut self.cluster);
        // Track 1; every picture stands by itself.
        self.cluster.push(0x81);
        self.cluster.extend_from_slice(&within.to_be_bytes());
        self.cluster.push(0x80);
        self.cluster.extend_from_slice(jpeg);
        self.gap = if time > self.last { time - self.last } else { self.gap };
        self.last = time;
        Ok(())
    }

    /// Writes the cluster in hand; `false` where there is none.
    pub(super) fn flush(&mut self, file: &mut File) -> io::Result<bool> {
        if self.cluster.is_empty() {
            return Ok(false);
        }
        ebml::set_length(4, &mut self.cluster);
        file.write_all(&self.cluster)?;
        self.clusters.push((self.cluster_time, self.written - self.segment - 8));
        self.written += self.cluster.len() as u64;
        self.cluster.clear();
        Ok(true)
    }

    /// Writes what only the end knows: the index, how long it lasts, how long it is.
    pub(super) fn finish(&mut self, file: &mut File) -> io::Result<()> {
        self.flush(file)?;
        let mut out = Vec::new();
        ebml::nest(is::CUES, &mut out, |out| {
            for &(time, place) in &self.clusters {
                ebml::nest(0xbb, out, |out| {
                    ebml::number(0xb3, time, out);
                    ebml::nest(0xb7, out, |out| {
                        ebml::number(0xf7, 1, out);
                        ebml::number(0xf1, place, out);
                    });
                });
            }
        });
        file.write_all(&out)?;
        let cues = self.written - self.segment - 8;
        self.written += out.len() as u64;
        out.clear();
        ebml::float(is::DURATION, (self.last + self.gap) as f64, &mut out);
        file.write_all_at(&out, self.duration)?;
        out.clear();
        ebml::nest(is::SEEK_HEAD, &mut out, |out| {
            ebml::nest(0x4dbb, out, |out| {
                ebml::bytes(0x53ab, &is::CUES.to_be_bytes(), out);
                ebml::number(0x53ac, cues, out);
            });
        });
        ebml::void(SEEK_ROOM - out.len(), &mut out);
        file.write_all_at(&out, self.segment + 8)?;
        out.clear();
        ebml::length(self.written - self.segment - 8, &mut out);
        file.write_all_at(&out, self.segment)
    }
}

fn track(size: Size, out: &mut Vec<u8>) {
    ebml::nest(is::TRACKS, out, |out| {
        ebml::nest(0xae, out, |out| {
            // Number, identity, a picture, never several in one block.
            for (id, value) in [(0xd7, 1), (0x73c5, 1), (0x83, 1), (0x9c, 0)] {
                ebml::number(id, value, out);
            }
            ebml::bytes(0x86, b"V_MJPEG", out);
            ebml::nest(0xe0, out, |out| {
                let (width, height) = (size.width as u64, size.height as u64);
                for (id, value) in [(0x9a, 2), (0xb0, width), (0xba, height), (0x54b0, width), (0x54ba, height)] {
                    ebml::number(id, value, out);
                }
                // BT.601 in full range, as in every JPEG.
                ebml::nest(0x55b0, out, |out| {
                    ebml::number(0x55b1, 5, out);
                    ebml::number(0x55b9, 2, out);
                });
            });
        });
    });
}
