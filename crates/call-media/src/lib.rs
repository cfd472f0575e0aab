//! The half of a call that runs every frame: RTP in to playout out, for all legs of one call.
//!
//! Owns jitter buffers, codecs, voice activity, the reflexes that must happen within a frame, the who-hears-whom
//! matrix and playout. It never allocates after set-up, decides nothing that may wait (that is `call-control`), and
//! must not know sockets, engines' wire formats or SIP. One entry, [`CallMedia::handle`]; one deadline,
//! [`CallMedia::poll_timeout`]. Start with [`Input`] and [`Outputs`].
//!
//! Inside, a frame walks `ingress` (source check, jitter buffer, decoder, 20 ms cuts) → `matrix` (16 kHz, who hears it)
//! → `listener` and `reflex` (voice, turn, pause and stop) → `egress` (mix, phase, encode, send). `live` is the queue of
//! what arrives in real time and keeps it from growing old; `bot` is the queue of what was synthesized.

mod application;
mod bot;
mod call;
mod command;
mod declick;
mod digest;
mod egress;
mod event;
mod ingress;
mod input;
mod leg;
mod listener;
mod live;
mod mask;
mod matrix;
mod output;
mod policy;
mod reflex;
mod route;
mod settings;
mod slack;
mod source_check;
mod step_parts;
mod steps;
mod stream;

pub use call::CallMedia;
pub use command::{MediaCommand, UtterancePolicy};
pub use event::{CloseReport, MediaEvent, RefusalCause, StreamReport, TurnTimes};
pub use input::Input;
pub use mask::hide_sent;
pub use output::Outputs;
pub use policy::{BargeIn, OnSpeech, TurnPolicy};
pub use route::{Gain, LegId, Port, Route};
pub use settings::{JitterPreference, LegSettings, MediaSettings, MediaSource};
pub use step_parts::{Arrival, SharedBytes, StepParts, datagram_edges};
pub use steps::{RecordedInput, StepError};
pub use stream::{Direction, LineCodec, StreamSettings};
