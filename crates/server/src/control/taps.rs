//! Who else is told of the SIP messages that come and go.

use offhook_time::{Time, WallClock};

use crate::hep::HepTap;
use crate::recorder::{ControlTap, Sip};

/// The recorder and the HEP server, where they are.
#[derive(Clone, Debug)]
pub(super) struct Taps {
    pub recorder: Option<ControlTap>,
    pub hep: Option<HepTap>,
    pub wall: WallClock,
}

impl Taps {
    /// A message, or a run of bytes of a stream that comes.
    pub fn sip(&self, sip: &Sip<'_>, now: Time) {
        if let Some(recorder) = &self.recorder {
            recorder.sip(sip);
        }
        if let Some(hep) = &self.hep {
            let micros = i128::from(self.wall.unix_ms_at_zero) * 1000 + i128::from(now.as_nanos() / 1000);
            hep.sip(sip, u64::try_from(micros).unwrap_or(0));
        }
    }

    /// A stream is over.
    pub fn disconnected(&self, connection: u64) {
        self.recorder.iter().for_each(|recorder| recorder.disconnected(connection));
        self.hep.iter().for_each(|hep| hep.disconnected(connection));
    }
}
