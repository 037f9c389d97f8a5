//! Ctrl-C, `kill` and a closed terminal: the first asks the work to end, the second ends it.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// Listens from now on. Where the system does not let us, an interruption simply ends the program.
pub(crate) fn listen() {
    for signal in SIGNALS {
        // In this order: the first signal finds the flag down and raises it, the second finds it up.
        let heard = flag::register_conditional_shutdown(signal, 130, ASKED.clone())
            .and_then(|_| flag::register(signal, ASKED.clone()));
        if let Err(error) = heard {
            log::debug!("signal {signal} is not heard: {error}");
        }
    }
}

/// Whether the work should end.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
