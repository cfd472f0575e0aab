//! The bridge: a call's audio to and from an application over a WebSocket, with a JSON control channel.
//!
//! One [`BridgeHub`] (one OS thread) owns all sockets. A media worker hands frames over by
//! [`BridgeUplink::push`] (no lock, no allocation, no system call) and ends each tick with one [`BridgeHub::flush`];
//! what the application sends appears in the call's own bounded ring. The protocol is in `PROTOCOL.md`, the control
//! messages in `control.schema.json`.

mod connection;
mod control;
mod downlink;
mod echo;
mod framing;
mod hub;
mod leg;
mod outbox;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_queue::ArrayQueue;
use offhook_audio::Frame;
use offhook_linux_ffi::set_realtime_priority;

pub use echo::{EchoApplication, echo_application, realtime_echo_application};
pub use hub::BridgeHub;
pub use leg::{BridgeLeg, BridgeUplink};

/// Frames in the ring towards the line: 200 ms. The line has half a second of its own behind it, so the ring only has to
/// hold what comes between two looks at it; a burst beyond it waits here as the bytes it came as, then in the socket.
pub const DOWNLINK_FRAMES: usize = 10;

/// A ring of [`DOWNLINK_FRAMES`] frames.
pub fn downlink_ring() -> Arc<ArrayQueue<Frame>> {
    Arc::new(ArrayQueue::new(DOWNLINK_FRAMES))
}

/// Wakes the thread that plays the downlink ring; called at most once per batch. Must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// How the hub behaves.
#[derive(Clone, Debug)]
pub struct BridgeConfig {
    /// Frames of all calls that may wait for the hub thread.
    pub uplink_frames: usize,
    /// How long a connection may take to stand.
    pub connect_timeout: Duration,
    /// Frames of one call that may wait for its socket; the oldest is dropped beyond them.
    pub socket_backlog_frames: usize,
    /// Read and write buffer of each WebSocket in bytes.
    pub socket_buffer: usize,
    /// Bytes of audio that are read ahead of the line for one call before its socket is left unread. What lies
    /// within it a `clear` withdraws at once.
    pub read_ahead_bytes: usize,
    /// Real-time priority for the hub's thread, where the system allows it: below the media workers, above everything
    /// that may take its time. An answer that waits for an ordinary thread misses its packet.
    pub realtime: bool,
}

impl Default for BridgeConfig {
    fn default() -> Self {
        BridgeConfig {
            uplink_frames: 4096,
            connect_timeout: Duration::from_secs(5),
            socket_backlog_frames: 50,
            socket_buffer: 2048,
            read_ahead_bytes: 256 * 1024,
            realtime: false,
        }
    }
}

/// Priority of threads that pass frames on between a media worker and an application: just below the workers.
const REALTIME_PRIORITY: i32 = 9;

/// Asks for real-time priority for the calling thread and says in the log what came of it.
fn ask_for_realtime(thread: &'static str) {
    match set_realtime_priority(REALTIME_PRIORITY) {
        Ok(()) => tracing::info!(thread, "real-time priority on"),
        Err(error) => tracing::info!(thread, %error, "real-time priority off"),
    }
}

/// How audio stands in a binary message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// A header (sequence, RTP timestamp, arrival, flags) and PCM16LE.
    Offhook,
    /// PCM16LE alone.
    Raw,
}

/// What one call wants from its application.
#[derive(Clone, Debug)]
pub struct BridgeStart {
    /// The call's id, told to the application.
    pub call_id: String,
    /// `ws://host:port/path`.
    pub url: String,
    /// How audio stands in a message.
    pub framing: Framing,
    /// 8000 or 16000.
    pub sample_rate: u32,
    /// Anything else the application should know (caller, called number, route).
    pub metadata: serde_json::Value,
}

/// What a call tells its application besides audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BridgeControl {
    /// The caller pressed a key.
    Dtmf {
        /// `0`-`9`, `*`, `#`, `A`-`D`.
        digit: char,
        /// How long it was held.
        duration: Duration,
    },
    /// Something the application should find in the stream.
    Mark {
        /// Its name.
        name: String,
    },
    /// The call is over; the socket closes after it.
    Stop {
        /// Why.
        reason: String,
    },
}

/// What an application tells its call, and what became of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BridgeEvent {
    /// The WebSocket stands and `start` was sent.
    Connected,
    /// All audio before the application's mark was handed to the line (or cleared).
    Mark {
        /// The application's name for it.
        name: String,
    },
    /// The application withdrew what is not played yet; the hub emptied the ring, the line empties its own queue.
    Clear,
    /// The application hangs up.
    HangUp {
        /// Its reason, for the record.
        reason: String,
    },
    /// The application asks for a transfer to a target that the configuration names.
    Transfer {
        /// The target's name.
        target: String,
    },
    /// The application sends digits to the far end.
    Dtmf {
        /// 1 to 32 of `0`-`9`, `*`, `#`, `A`-`D`.
        digits: String,
    },
    /// The application asked for credit: from here it sends only what was granted.
    CreditInUse,
    /// Frames towards the application were dropped because it reads too slowly.
    FramesDropped {
        /// How many since the last such event.
        frames: u32,
    },
    /// The connection is over, or never stood. The last event.
    Closed {
        /// Why.
        why: BridgeClosed,
    },
}

/// Why a bridge is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BridgeClosed {
    /// We closed it.
    Stopped,
    /// The application closed it with a close frame, or sent `stop`.
    ByApplication,
    /// It could not be connected in time, or was refused.
    CannotConnect(String),
    /// The connection ended without a close frame: reset, end of the stream, or bytes that are no WebSocket.
    Broken(String),
}
