//! The half of a call that runs every frame: RTP in to playout out, for all legs of one call.
//!
//! Owns jitter buffers, codecs, voice activity, the reflexes that must happen within a frame, the who-hears-whom
//! matrix and playout. It never allocates after set-up, decides nothing that may wait (that is `call-control`), and
//! must not know sockets, engines' wire formats or SIP. One entry, [`CallMedia::handle`]; one deadline,
//! [`CallMedia::poll_timeout`]. Start with [`Input`] and [`Outputs`].

mod call;
mod command;
mod event;
mod input;
mod output;
mod policy;
mod route;
mod settings;
mod steps;
mod stream;

pub use call::CallMedia;
pub use command::{MediaCommand, UtterancePolicy};
pub use event::{CloseReport, MediaEvent, RefusalCause, StreamReport, TurnTimes};
pub use input::Input;
pub use output::Outputs;
pub use policy::{BargeIn, TurnPolicy};
pub use route::{Gain, LegId, Port, Route};
pub use settings::{JitterPreference, LegSettings, MediaSettings, MediaSource};
pub use steps::{RecordedInput, StepError};
pub use stream::{Direction, LineCodec, StreamSettings};
