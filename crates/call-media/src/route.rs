//! Who hears whom.

use serde::{Deserialize, Serialize};

/// Names a leg within its call. The caller's leg is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LegId(pub u8);

impl LegId {
    /// The leg that the call began with.
    pub const CALLER: LegId = LegId(0);
}

/// An end of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Port {
    /// A leg: what its far end says (as a source), what its far end hears (as a destination).
    Leg(LegId),
    /// What the synthesizer or a recording says. Source only.
    Bot,
    /// The application behind the `bridge`: both.
    Application,
    /// The speech recognizer. Destination only.
    Recognizer,
}

/// A linear gain in 1/256; 256 changes nothing, 0 is mute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gain(pub u16);

impl Gain {
    /// Unchanged.
    pub const UNITY: Gain = Gain(256);
    /// Silence.
    pub const MUTE: Gain = Gain(0);
}

/// One setting of the matrix. Bridge, listen-in, whisper, mute and hold are settings, never modes of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Who is heard.
    pub from: Port,
    /// Who hears.
    pub to: Port,
    /// How loud.
    pub gain: Gain,
}

impl Route {
    /// `to` hears `from`, unchanged.
    pub const fn new(from: Port, to: Port) -> Self {
        Route { from, to, gain: Gain::UNITY }
    }
}
