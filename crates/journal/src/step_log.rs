//! The steps of one call.

use offhook_time::{Step, StepSink};

/// The steps of one call as bytes, in the order of handling: what a call bundle holds and what replay reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepLog {
    bytes: Vec<u8>,
    steps: u64,
}

/// The bytes are no step log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a step log: damaged after step {0}")]
pub struct StepLogError(pub u64);

impl StepLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// A log from its bytes, checked.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, StepLogError> {
        let mut steps = 0;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (_, after) = postcard::take_from_bytes::<Step<'_>>(rest).map_err(|_| StepLogError(steps))?;
            rest = after;
            steps += 1;
        }
        Ok(StepLog { bytes, steps })
    }

    /// The log as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many steps it holds.
    pub fn len(&self) -> u64 {
        self.steps
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.steps == 0
    }

    /// The steps, in the order of handling.
    pub fn iter(&self) -> impl Iterator<Item = Step<'_>> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (step, after) = postcard::take_from_bytes(rest).ok()?;
            rest = after;
            Some(step)
        })
    }
}

impl StepSink for StepLog {
    fn record(&mut self, step: Step<'_>) {
        if let Ok(bytes) = postcard::to_allocvec(&step) {
            self.bytes.extend_from_slice(&bytes);
            self.steps += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use offhook_time::{Half, Time};

    use super::*;

    fn log() -> StepLog {
        let mut log = StepLog::new();
        log.record(Step { sequence: 0, half: Half::Control, now: Time::from_millis(1), payload: b"first" });
        log.record(Step { sequence: 0, half: Half::Media, now: Time::from_millis(2), payload: b"" });
        log
    }

    #[test]
    fn steps_come_back_as_they_were_recorded() {
        let log = log();

        let back = StepLog::from_bytes(log.as_bytes().to_vec()).unwrap();

        assert_eq!(back, log);
        assert_eq!(back.iter().map(|step| step.half).collect::<Vec<_>>(), [Half::Control, Half::Media]);
        assert_eq!(back.iter().next().unwrap().payload, b"first");
    }

    #[test]
    fn a_cut_log_says_how_far_it_is_whole() {
        let bytes = log().as_bytes().to_vec();

        let cut = StepLog::from_bytes(bytes[..bytes.len() - 1].to_vec());

        assert_eq!(cut, Err(StepLogError(1)));
    }
}
