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
pub(crate) const PATIENCE: Duration = Duration::from_millis(8);

/// How far packets may run ahead of the clock in all, so that live audio leaves as soon as it is there: half a frame, as
/// then the place of the packet before is as near. What is too early beyond that is given to the queue to shorten: a
/// backlog that is only sent sooner waits at the far end instead, and a stream that gains a frame with every stumble of
/// its source is soon half a second ahead of its own timestamps.
const USUALLY_AHEAD: Duration = Duration::from_millis(10);

/// What is too early by less is not worth a frame: it is pulled in all the same, up to [`MOST_AHEAD`].
const LITTLE: Duration = Duration::from_millis(3);

/// The most in all; where a source begins in silence its phase may jump so far too.
const MOST_AHEAD: Duration = offhook_audio::FRAME_DURATION;

/// How much of that is forgotten per second of packets: a source whose clock is a little fast is followed.
const FORGOTTEN_PPM: i64 = 200;

/// The moments at which one leg's packets leave.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    deadline: Time,
    /// The deadline of the packet before.
    last: Option<Time>,
    waiting: bool,
    /// How much earlier packets leave than the first one promised, in nanoseconds.
    ahead: i64,
    /// A live source has set the phase.
    locked: bool,
}

impl Phase {
    /// The first packet leaves at once.
    pub(crate) fn new(now: Time) -> Self {
        Phase { deadline: now, last: None, waiting: false, ahead: 0, locked: false }
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
        let ahead = self.ahead + self.deadline.signed_since(wanted);
        if wanted < self.deadline && (!self.locked || ahead <= nanos(MOST_AHEAD)) {
            // Before the first source nothing was promised to anybody.
            self.ahead = if self.locked { ahead } else { 0 };
            self.locked = true;
            self.deadline = wanted;
            self.waiting = false;
        }
    }

    /// The packet left, with live audio of that `slack`. Returns by how many nanoseconds the phase moved to later.
    pub(crate) fn advance(&mut self, ptime: Duration, slack: Slack) -> i64 {
        let shift = self.shift(ptime, slack);
        let forgotten = nanos(ptime) * FORGOTTEN_PPM / 1_000_000;
        self.ahead -= shift + self.ahead.clamp(-forgotten, forgotten);
        self.last = Some(self.deadline);
        self.waiting = false;
        let interval = nanos(ptime) + shift;
        self.deadline += Duration::from_nanos(interval.unsigned_abs());
        shift
    }

    fn shift(&self, ptime: Duration, slack: Slack) -> i64 {
        let (aim, step, frame) = (nanos(AIM), nanos(STEP), nanos(offhook_audio::FRAME_DURATION));
        let steps = nanos(if slack.quiet { STEP_IN_SILENCE } else { STEP_EARLIER }).min(nanos(ptime) / 2);
        match (slack.least, slack.trusted) {
            (Some(least), _) if least < aim / 2 => (aim - least).min(step),
            (Some(_), Some(early)) if early > aim + nanos(TOLERANCE) => {
                let pulled = self.ahead + early - aim;
                let is_little = early - aim < nanos(LITTLE);
                let limit = if is_little { MOST_AHEAD } else { USUALLY_AHEAD };
                if pulled <= nanos(limit) {
                    -(early - aim).min(steps)
                } else if is_little {
                    0
                } else {
                    // To where a whole frame waits, which the queue takes out. Nobody waits for audio that is there.
                    (frame + aim - early).clamp(0, steps)
                }
            }
            (Some(_), _) => 0,
            // No live audio hurries.
            (None, _) => self.ahead.clamp(0, step),
        }
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
    fn a_stream_that_runs_ahead_already_waits_for_a_whole_frame_to_take_out() {
        let mut phase = Phase::new(Time::ZERO);
        let early = |millis: i64| slack(millis * 1_000_000 + 300_000, Some(millis * 1_000_000 + 300_000));
        (0..3).for_each(|_| assert_eq!(phase.advance(PTIME, early(3)), -3_000_000));

        let later = phase.advance(PTIME, early(14));
        let enough = phase.advance(PTIME, early(20));

        assert_eq!((later, enough), (3_000_000, 0));
    }

    #[test]
    fn a_little_is_pulled_in_up_to_a_frame_and_never_turned_into_a_whole_one() {
        let mut phase = Phase::new(Time::ZERO);

        let moves: Vec<i64> =
            (0..20).map(|_| phase.advance(PTIME, slack(2_300_000, Some(2_300_000)))).collect();

        assert_eq!(moves.iter().sum::<i64>(), -20_000_000);
        assert!(moves.iter().all(|moved| *moved <= 0));
    }

    #[test]
    fn what_a_later_jump_gained_is_given_back_in_silence() {
        let mut phase = Phase::new(Time::from_millis(100));
        phase.advance(PTIME, Slack::default());
        phase.jump_to(Time::from_millis(111));
        let first: i64 = (0..20).map(|_| phase.advance(PTIME, Slack::default())).sum();
        let deadline = phase.timeout();

        phase.jump_to(deadline.saturating_sub(Duration::from_micros(9_300)));
        let second: i64 = (0..20).map(|_| phase.advance(PTIME, Slack::default())).sum();

        assert_eq!(first, 0, "the first source sets the phase");
        assert!((8_900_000..9_000_000).contains(&second), "{second}");
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
