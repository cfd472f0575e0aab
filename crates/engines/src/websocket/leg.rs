//! A call's two handles on its bridge.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use offhook_audio::Frame;

use super::BridgeControl;
use super::hub::{Command, Hub, Pushed};

/// Control messages of one call that may wait for the hub: more is a call out of control.
const CONTROL_LIMIT: u32 = 256;

/// What a call's handles and the hub thread share.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Frames that left the downlink ring, as the line says.
    pub(super) played: AtomicU64,
    /// Frames that did not fit the hub's queue, not yet reported.
    pub(super) dropped: AtomicU32,
    /// Control messages on their way to the hub.
    pub(super) controls: AtomicU32,
}

/// The control side's handle. Dropping it closes the connection.
pub struct BridgeLeg {
    id: u32,
    hub: Arc<Hub>,
    counters: Arc<Counters>,
}

impl BridgeLeg {
    pub(super) fn new(id: u32, hub: Arc<Hub>, counters: Arc<Counters>) -> Self {
        BridgeLeg { id, hub, counters }
    }

    /// The media worker's handle. One per call: it numbers the frames.
    pub fn uplink(&self) -> BridgeUplink {
        BridgeUplink {
            id: self.id,
            sequence: 0,
            hub: Arc::clone(&self.hub),
            counters: Arc::clone(&self.counters),
        }
    }

    /// Tells the application. False where it cannot be told: the hub is gone or 256 messages wait already.
    pub fn control(&self, control: BridgeControl) -> bool {
        if let BridgeControl::Stop { reason } = control {
            return self.hub.send(Command::Close { id: self.id, reason });
        }
        if self.counters.controls.fetch_add(1, Ordering::AcqRel) >= CONTROL_LIMIT {
            self.counters.controls.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        self.hub.send(Command::Control { id: self.id, control })
    }
}

impl Drop for BridgeLeg {
    fn drop(&mut self) {
        self.hub.send(Command::Close { id: self.id, reason: "the call is over".to_owned() });
    }
}

impl fmt::Debug for BridgeLeg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BridgeLeg({})", self.id)
    }
}

/// The media worker's handle: never locks, allocates or wakes.
pub struct BridgeUplink {
    id: u32,
    sequence: u32,
    hub: Arc<Hub>,
    counters: Arc<Counters>,
}

impl BridgeUplink {
    /// Hands one frame of the caller over; it leaves at the next [`super::BridgeHub::flush`]. False where the hub is
    /// so far behind that the frame was dropped: counted, reported, and a gap in the sequence.
    pub fn push(&mut self, frame: &Frame) -> bool {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let taken = self.hub.push(Pushed { id: self.id, sequence, frame: *frame });
        if !taken {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Tells that `frames` more frames left the downlink ring: played, or thrown away by the line. Marks follow.
    pub fn played(&self, frames: u32) {
        self.counters.played.fetch_add(u64::from(frames), Ordering::Release);
    }
}

impl fmt::Debug for BridgeUplink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BridgeUplink({})", self.id)
    }
}
