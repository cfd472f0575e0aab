//! What every live test uses: a real server, real callers, the raw wire.
//!
//! Nothing here has a fixed port, and nothing sleeps to wait for something: [`until`] looks again and again until a
//! deadline. Tests that judge timing hold [`alone`], all others [`together`].

mod api;
mod caller;
mod capture;
mod http_sink;
mod noise;
mod orders;
mod program;
mod rtp;
mod server;
mod sip;
mod spans;
mod turn;

use std::time::{Duration, Instant};

pub use caller::{Calling, OnTheLine};
pub use capture::{Capture, dumpcap};
pub use http_sink::{Asked, HttpSink};
pub use noise::Noise;
pub use orders::Orders;
pub use program::{is_release, program, tool};
pub use rtp::{Packet, RtpLine};
pub use server::{Server, Setup};
pub use sip::{Message, Phone, g711, read_message, sdp};
pub use spans::{SeenSpan, spans_of};
pub use turn::{alone, together};

/// Longer than anything takes on a busy machine that is not broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again and again until `look` finds something; after [`PATIENCE`] the test fails and says `what` it waited for.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, look)
}

/// [`until`] with a limit of its own.
#[track_caller]
pub fn until_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A test that cannot run here says so, where people see it. In the gate it fails: `make test` installs what is missing,
/// and a promise that nobody looked at is not kept.
#[track_caller]
pub fn skip(test: &str, why: &str) {
    assert!(!is_gate(), "{test} cannot run: {why}");
    eprintln!("SKIPPED {test}: {why}");
}

/// Whether this run decides what goes in (`scripts/test.sh` says so): nothing is skipped or cut short.
pub fn is_gate() -> bool {
    std::env::var_os("OFFHOOK_GATE").is_some_and(|value| value == "1")
}

/// A file of the repository.
pub fn repository(path: &str) -> std::path::PathBuf {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}
