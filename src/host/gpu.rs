//! What an NVIDIA GPU computes, held against the CPU: `cargo test --release --features cuda --lib gpu` on a machine that has one.

use candle_core::Device;

mod tests;

/// The GPU, or nothing and a word about it.
pub(crate) fn found() -> Option<Device> {
    match Device::new_cuda(0) {
        Ok(device) => Some(device),
        Err(error) => {
            let never = std::env::var_os("UPRES_SKIP").is_some_and(|word| word == "never");
            assert!(!never, "nothing may be skipped here, but there is no NVIDIA GPU: {error}");
            println!("skipped: no NVIDIA GPU: {error}");
            None
        }
    }
}
