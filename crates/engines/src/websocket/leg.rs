//! A call's two handles on its bridge.

use offhook_audio::Frame;

use super::BridgeControl;

/// The control side's handle. Dropping it closes the connection.
#[derive(Debug)]
pub struct BridgeLeg {}

impl BridgeLeg {
    /// The media worker's handle.
    pub fn uplink(&self) -> BridgeUplink {
        BridgeUplink {}
    }

    /// Tells the application. False where the hub cannot take it (it is gone).
    pub fn control(&self, control: BridgeControl) -> bool {
        let _ = control;
        false
    }
}

/// The media worker's handle: never locks, allocates or wakes.
#[derive(Debug)]
pub struct BridgeUplink {}

impl BridgeUplink {
    /// Hands one frame of the caller over; it leaves at the next [`super::BridgeHub::flush`]. False where the hub is
    /// so far behind that the frame was dropped (counted and reported).
    pub fn push(&self, frame: &Frame) -> bool {
        let _ = frame;
        false
    }

    /// Tells that `frames` more frames left the downlink ring: played, or thrown away by the line. Marks and credit
    /// follow from it.
    pub fn played(&self, frames: u32) {
        let _ = frames;
    }
}
