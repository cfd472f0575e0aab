//! When the next packet leaves.

use std::time::Duration;

use offhook_time::Time;

use super::hearing::Slack;
use crate::slack::nanos;

/// Slack that is aimed at: above the rounding of stamps, below what anybody notices. The noise of arrivals is already
/// in the least slack that is measured.
pub(crate) const AIM: Duration = Duration::from_micros(300);

/// How much later than the aim the least slack may be before the phase moves: a phase that follows every microsecond
/// never rests.
const TOLERANCE: Duration = Duration::from_micros(200);

/// How much one packet may leave later than its ptime: far less than any receiver's jitter buffer.
const STEP: Duration = Duration::from_millis(2);

/// And how much earlier: no receiver misses a packet that comes too soon. As much as the jitter buffer catches up.
const STEP_EARLIER: Duration = Duration::from_millis(3);

/// And how much earlier in silence.
const STEP_IN_SILENCE: Duration = Duration::from_millis(10);

/// How long a packet waits for live audio that should be there: late audio is better than none, but the far end's
/// buffer is not asked for more than this.
pub(crate) const PATIENCE: Duration = Duration::from_millis(4);

/// The moments at which one leg's packets leave.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    deadline: Time,
    /// The deadline of the packet before.
    last: Option<Time>,
    waiting: bool,
}

impl Phase {
    /// The first packet leaves at once.
    pub(crate) fn new(now: Time) -> Self {
        Phase { deadline: now, last: None, waiting: false }
    }

    /// When the packet is due, waiting included.
    pub(crate) fn timeout(&self) -> Time {
        if self.waiting { self.deadline + PATIENCE } else { self.deadline }
    }

    /// When the packet is due by the phase.
    pub(crate) fn deadline(&self) -> Time {
        self.deadline
    }

    /// The packet waits for audio that should be there.
    pub(crate) fn wait(&mut self) {
        self.waiting = true;
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// Nothing but silence was sent, so nobody hears the phase jump: the next packet leaves when `available` does.
    /// Only to earlier, so no gap grows.
    pub(crate) fn jump_to(&mut self, available: Time) {
        let earliest = self.last.map_or(Time::ZERO, |last| last + Duration::from_micros(100));
        let wanted = (available + AIM).max(earliest);
        if wanted < self.deadline {
            self.deadline = wanted;
            self.waiting = false;
        }
    }

    /// The packet left, with live audio of that `slack`. Returns by how many nanoseconds the phase moved to later.
    pub(crate) fn advance(&mut self, ptime: Duration, slack: Slack) -> i64 {
        let aim = nanos(AIM);
        let earlier = nanos(if slack.quiet { STEP_IN_SILENCE } else { STEP_EARLIER }).min(nanos(ptime) / 2);
        let shift = match (slack.least, slack.trusted) {
            (Some(least), _) if least < aim / 2 => (aim - least).min(nanos(STEP)),
            (_, Some(trusted)) if trusted > aim + nanos(TOLERANCE) => -(trusted - aim).min(earlier),
            (_, _) => 0,
        };
        self.last = Some(self.deadline);
        self.waiting = false;
        let interval = nanos(ptime) + shift;
        self.deadline += Duration::from_nanos(interval.unsigned_abs());
        shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTIME: Duration = Duration::from_millis(20);

    #[test]
    fn audio_that_is_ready_too_early_pulls_the_phase_in_small_steps() {
        let mut phase = Phase::new(Time::ZERO);

        let moved = phase.advance(PTIME, slack(9_000_000, Some(9_000_000)));

        assert_eq!(moved, -3_000_000);
        assert_eq!(phase.timeout(), Time::from_millis(17));
    }

    #[test]
    fn in_silence_the_steps_are_longer() {
        let mut phase = Phase::new(Time::ZERO);

        let moved = phase.advance(PTIME, Slack { quiet: true, ..slack(9_000_000, Some(9_000_000)) });

        assert_eq!(moved, -8_700_000);
    }

    #[test]
    fn audio_that_just_misses_pushes_it_later() {
        let mut phase = Phase::new(Time::ZERO);

        let moved = phase.advance(PTIME, slack(-500_000, None));

        assert_eq!(moved, 800_000);
    }

    #[test]
    fn a_phase_that_fits_rests() {
        let mut phase = Phase::new(Time::ZERO);

        assert_eq!(phase.advance(PTIME, slack(350_000, Some(350_000))), 0);
        assert_eq!(phase.timeout(), Time::from_millis(20));
    }

    #[test]
    fn a_jump_only_goes_to_earlier_and_never_before_the_packet_that_left() {
        let mut phase = Phase::new(Time::from_millis(100));
        phase.advance(PTIME, Slack::default());

        phase.jump_to(Time::from_millis(130));
        let kept = phase.timeout();
        phase.jump_to(Time::from_millis(90));

        assert_eq!(kept, Time::from_millis(120));
        assert_eq!(phase.timeout(), Time::from_millis(100) + Duration::from_micros(100));
    }

    fn slack(least: i64, trusted: Option<i64>) -> Slack {
        Slack { least: Some(least), trusted, quiet: false }
    }
}
