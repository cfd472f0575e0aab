//! Audio that arrives in real time, on its way to one leg.

use std::time::Duration;

use offhook_audio::{gain, level};
use offhook_time::Time;

use crate::declick::Declick;
use crate::slack::{SlackWindow, nanos};

/// Samples per second of everything that plays out on a G.711 line.
pub(crate) const LINE_RATE: u32 = 8_000;
/// Samples of one 20 ms frame at that rate.
pub(crate) const LINE_FRAME: usize = 160;

/// Frames whose spacing tells live audio from a burst: half a second.
const SPACING_FRAMES: usize = 25;

/// Half a second of audio that took less than this to arrive was not spoken in real time: it may wait as long as it
/// likes, and is never drained.
const LIVE_SPACING: Duration = Duration::from_millis(400);

/// A source that gave nothing for so long has stopped: nobody waits for it.
const STOPPED_AFTER: Duration = Duration::from_millis(70);

/// Below this a frame is dropped whole when there is too much audio: nobody hears it go.
const SILENT_DBFS: f32 = -45.0;

/// Speech is shortened at most this often.
const MERGE_EVERY: Duration = Duration::from_millis(100);

/// Places that are joined look at least so much alike: within a vowel they do, a consonant waits for the next vowel.
const MERGE_LIKENESS: f64 = 0.7;

/// After so long any place is taken: in noise no two look alike, and nobody hears which went.
const MERGE_ANYHOW: Duration = Duration::from_millis(140);

/// Samples over which two pieces are joined: 10 ms holds a period of the lowest voice.
const JOIN: usize = 80;
/// Least and most that one merge takes out of a backlog, a period of a low voice and two of them, and the least of what
/// is left in the end: below 2 ms it is not worth a seam.
const MERGE_LEAST: usize = 16;
const MERGE_USUAL: usize = 100;
const MERGE_MOST: usize = 200;

/// When a frame could be had, and whether that says anything of the next ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Available {
    pub(crate) at: Time,
    /// False for a frame that no packet brought: one was awaited for a while, and the phase must not move for that.
    pub(crate) steady: bool,
}

impl Available {
    /// A frame whose moment is that of its source.
    pub(crate) const fn steady(at: Time) -> Self {
        Available { at, steady: true }
    }
}

/// A frame's end in the stream of samples, and when it became available.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    end: u64,
    available: Available,
}

/// A bounded queue of samples at the line's rate. When it is full the oldest audio goes.
#[derive(Clone, Debug)]
pub(crate) struct LiveQueue {
    samples: Box<[i16]>,
    /// Samples ever written and read.
    written: u64,
    read: u64,
    marks: [Mark; MARKS],
    first_mark: usize,
    mark_count: usize,
    /// When the last [`SPACING_FRAMES`] frames became available.
    spacing: [Time; SPACING_FRAMES],
    spacing_next: usize,
    pushed: u64,
    last_pushed: Time,
    last_merge: Time,
    window: SlackWindow,
    declick: Declick,
    dropped: u64,
}

/// Marks of the longest queue, and of the frame that was read last.
const MARKS: usize = MOST_FRAMES + 2;
/// Frames of the longest queue.
const MOST_FRAMES: usize = 32;

/// What [`LiveQueue::take`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whether there was audio in the packet.
    pub(crate) audio: bool,
    /// Whether a source that is live had not enough.
    pub(crate) short: bool,
    /// Whether the audio is so quiet that nobody hears what is done to it.
    pub(crate) quiet: bool,
}

impl LiveQueue {
    /// Room for `frames` frames of 20 ms.
    pub(crate) fn new(frames: usize) -> Self {
        LiveQueue {
            samples: vec![0; frames.min(MOST_FRAMES) * LINE_FRAME].into_boxed_slice(),
            written: 0,
            read: 0,
            marks: [Mark::default(); MARKS],
            first_mark: 0,
            mark_count: 0,
            spacing: [Time::ZERO; SPACING_FRAMES],
            spacing_next: 0,
            pushed: 0,
            last_pushed: Time::ZERO,
            last_merge: Time::ZERO,
            window: SlackWindow::new(),
            declick: Declick::new(),
            dropped: 0,
        }
    }

    /// Samples that wait.
    pub(crate) fn len(&self) -> usize {
        (self.written - self.read) as usize
    }

    /// Whole frames that can be pushed before the oldest audio goes.
    pub(crate) fn room(&self) -> usize {
        (self.samples.len() - self.len()) / LINE_FRAME
    }

    /// Frames dropped because the queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Samples ever written: a position to wait for.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Samples ever read.
    pub(crate) fn read(&self) -> u64 {
        self.read
    }

    /// The slack of what was taken from it.
    pub(crate) fn window(&self) -> &SlackWindow {
        &self.window
    }

    /// What comes will have `nanos` more slack: the deadlines moved to later.
    pub(crate) fn shift(&mut self, nanos: i64) {
        self.window.shift(nanos);
    }

    /// Frames come that much sooner from now on. It makes several come at once, which does not mean that they were
    /// not spoken in real time.
    pub(crate) fn expect_sooner(&mut self, sooner: Duration) {
        self.window.shift(nanos(sooner));
        for at in &mut self.spacing {
            *at = Time::from_nanos(at.as_nanos().saturating_sub(sooner.as_nanos() as u64));
        }
    }

    /// Throws away what waits.
    pub(crate) fn clear(&mut self) {
        self.read = self.written;
        self.mark_count = 0;
        self.pushed = 0;
        self.window.clear();
    }

    /// Whether audio comes in at the pace of the clock, as far as that is known: until half a second was seen, a
    /// source is taken to be live.
    pub(crate) fn is_live(&self) -> bool {
        let oldest = self.spacing[self.spacing_next];
        self.pushed <= SPACING_FRAMES as u64 || self.last_pushed.since(oldest) >= LIVE_SPACING
    }

    /// Whether the next frame is on its way: the source is live and has not stopped.
    pub(crate) fn is_expected(&self, now: Time) -> bool {
        self.pushed > 0 && self.is_live() && now.since(self.last_pushed) < STOPPED_AFTER
    }

    /// Adds a frame that became `available` then. Returns whether the source begins anew: nothing had waited, and
    /// nothing had come for a while.
    pub(crate) fn push(&mut self, samples: &[i16], available: Available) -> bool {
        let begins = self.len() == 0 && !self.is_expected(available.at);
        if begins {
            self.window.clear();
            self.pushed = 0;
        }
        while self.samples.len() - self.len() < samples.len() || self.mark_count == MARKS {
            self.drop_oldest();
        }
        for sample in samples {
            let at = self.index(self.written);
            self.samples[at] = *sample;
            self.written += 1;
        }
        self.marks[(self.first_mark + self.mark_count) % MARKS] = Mark { end: self.written, available };
        self.mark_count += 1;
        self.spacing[self.spacing_next] = available.at;
        self.spacing_next = (self.spacing_next + 1) % SPACING_FRAMES;
        self.pushed += 1;
        self.last_pushed = available.at;
        begins
    }

    /// Fills `out` with the next samples; what is missing dies away into silence. `deadline` is when they were due.
    pub(crate) fn take(&mut self, out: &mut [i16], deadline: Time) -> Taken {
        if self.len() < out.len() {
            return self.take_short(out, deadline);
        }
        self.drain(out.len(), deadline);
        self.copy(0, out);
        self.read += out.len() as u64;
        self.declick.audio(out);
        let quiet = level::dbfs(out) < SILENT_DBFS;
        if let Some(available) = self.available_of_last_read()
            && available.steady
            && self.is_live()
        {
            self.window.push(deadline.signed_since(available.at));
            if quiet {
                self.window.note_silence();
            }
        }
        Taken { audio: true, short: false, quiet }
    }

    fn take_short(&mut self, out: &mut [i16], deadline: Time) -> Taken {
        let short = self.is_expected(deadline);
        // A rest that more will follow waits for it: playing it now would tear the sound twice.
        let rest = if short { 0 } else { self.len() };
        let (audio, gap) = out.split_at_mut(rest);
        self.copy(0, audio);
        self.read += rest as u64;
        self.available_of_last_read();
        self.declick.audio(audio);
        self.declick.gap(gap);
        Taken { audio: rest > 0, short, quiet: false }
    }

    /// Takes out audio that waits too long: silence at once, speech by joining similar places.
    fn drain(&mut self, needed: usize, deadline: Time) {
        if !self.is_live() {
            return;
        }
        while self.waits_too_long() && self.spare(needed) >= LINE_FRAME && self.is_silent(LINE_FRAME + JOIN) {
            self.cut(LINE_FRAME, needed);
        }
        let excess = if self.waits_too_long() { self.spare(needed) } else { self.misfit(needed) };
        if excess == 0 {
            return;
        }
        if !self.waits_too_long() && self.is_silent(excess + JOIN) {
            self.cut(excess, needed);
        } else if excess >= MERGE_LEAST {
            self.merge(excess, needed, deadline);
        }
    }

    /// Leaves out up to `excess` samples of speech, where that is heard least.
    fn merge(&mut self, excess: usize, needed: usize, deadline: Time) {
        let since = deadline.since(self.last_merge);
        if since < MERGE_EVERY {
            return;
        }
        let least = if excess >= LINE_FRAME { MERGE_USUAL } else { MERGE_LEAST };
        let (distance, likeness) = self.most_similar(least, excess.min(MERGE_MOST));
        if likeness >= MERGE_LIKENESS || since >= MERGE_ANYHOW {
            self.last_merge = deadline;
            self.cut(if likeness >= MERGE_LIKENESS { distance } else { excess.min(MERGE_MOST) }, needed);
        }
    }

    /// Whether all that was taken lately had waited for a whole frame and more.
    fn waits_too_long(&self) -> bool {
        self.window.trusted().is_some_and(|least| least >= nanos(offhook_audio::FRAME_DURATION))
    }

    /// Samples that always wait, because the end of a packet is not the end of a frame: what was cut out before was no
    /// whole number of frames.
    fn misfit(&self, needed: usize) -> usize {
        let common = if needed.is_multiple_of(LINE_FRAME) { LINE_FRAME } else { LINE_FRAME / 2 };
        if self.window.trusted().is_some() { self.spare(needed) % common } else { 0 }
    }

    /// Samples that wait besides those that are `needed` now.
    fn spare(&self, needed: usize) -> usize {
        self.len().saturating_sub(needed)
    }

    /// Leaves out the next `count` samples, fading from the first of them into what follows.
    fn cut(&mut self, count: usize, needed: usize) {
        let last_frame = |queue: &Self| {
            let last = queue.read + needed as u64;
            (0..queue.mark_count).position(|n| queue.marks[(queue.first_mark + n) % MARKS].end >= last)
        };
        let before = last_frame(self);
        let mut joined = [0i16; JOIN];
        for (i, sample) in joined.iter_mut().enumerate() {
            let leaving = i32::from(self.at(i)) * (JOIN - i) as i32;
            let entering = i32::from(self.at(count + i)) * i as i32;
            *sample = ((leaving + entering) / JOIN as i32) as i16;
        }
        self.read += count as u64;
        for (i, sample) in joined.iter().enumerate() {
            let at = self.index(self.read + i as u64);
            self.samples[at] = *sample;
        }
        // The packet ends in a later frame now, which came later.
        let frames = last_frame(self).unwrap_or(0).saturating_sub(before.unwrap_or(0)) as i64;
        self.window.shift(-frames * nanos(offhook_audio::FRAME_DURATION));
    }

    /// The distance at which the audio looks most like what plays next, so that leaving out what is between is
    /// heard least: a whole number of periods of a voice. And how like it is: 1 for what repeats itself.
    fn most_similar(&self, least: usize, most: usize) -> (usize, f64) {
        let mut best = (least, f64::MIN);
        let own: i64 = (0..JOIN).map(|i| i64::from(self.at(i)) * i64::from(self.at(i))).sum();
        for distance in least..=most {
            let (mut product, mut energy) = (0i64, 1i64);
            for i in 0..JOIN {
                let (here, there) = (i64::from(self.at(i)), i64::from(self.at(distance + i)));
                product += here * there;
                energy += there * there;
            }
            let likeness = product as f64 / (energy as f64).sqrt();
            if likeness > best.1 {
                best = (distance, likeness);
            }
        }
        (best.0, best.1 / (own.max(1) as f64).sqrt())
    }

    fn is_silent(&self, count: usize) -> bool {
        let mut samples = [0i16; LINE_FRAME + JOIN];
        let count = count.min(samples.len()).min(self.len());
        self.copy(0, &mut samples[..count]);
        level::dbfs(&samples[..count]) < SILENT_DBFS
    }

    /// The sample `offset` after the next one.
    fn at(&self, offset: usize) -> i16 {
        self.samples[self.index(self.read + offset as u64)]
    }

    fn copy(&self, offset: usize, out: &mut [i16]) {
        let start = self.index(self.read + offset as u64);
        let first = out.len().min(self.samples.len() - start);
        let (head, tail) = out.split_at_mut(first);
        head.copy_from_slice(&self.samples[start..start + first]);
        let wrapped = tail.len();
        tail.copy_from_slice(&self.samples[..wrapped]);
    }

    fn index(&self, position: u64) -> usize {
        (position % self.samples.len() as u64) as usize
    }

    fn drop_oldest(&mut self) {
        self.read = (self.read + LINE_FRAME as u64).min(self.written);
        self.dropped += 1;
        self.available_of_last_read();
        if self.read == self.written {
            self.mark_count = 0;
        }
    }

    /// When the frame with the last sample that was read became available. Forgets the frames before it.
    fn available_of_last_read(&mut self) -> Option<Available> {
        while self.mark_count > 0 && self.marks[self.first_mark].end < self.read {
            self.first_mark = (self.first_mark + 1) % MARKS;
            self.mark_count -= 1;
        }
        (self.mark_count > 0).then(|| self.marks[self.first_mark].available)
    }
}

/// Adds `samples` to `mix` through a route's gain.
pub(crate) fn mix_through(ramp: &mut gain::GainRamp, samples: &mut [i16], mix: &mut [i16]) {
    ramp.apply(samples);
    gain::mix(mix, samples);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    #[test]
    fn what_was_pushed_comes_out_in_order() {
        let mut queue = LiveQueue::new(8);
        let mut out = [0; LINE_FRAME];

        queue.push(&[1; LINE_FRAME], Available::steady(Time::ZERO));
        queue.push(&[2; LINE_FRAME], Available::steady(Time::from_millis(20)));
        let first = queue.take(&mut out, Time::from_millis(1));

        assert_eq!(first, Taken { audio: true, short: false, quiet: true });
        assert_eq!(out, [1; LINE_FRAME]);
        assert_eq!(queue.window().least(), Some(1_000_000));
    }

    #[test]
    fn a_full_queue_drops_its_oldest_frame_and_counts_it() {
        let mut queue = LiveQueue::new(2);
        let mut out = [0; LINE_FRAME];

        (1..=3).for_each(|n| {
            queue.push(&[n; LINE_FRAME], Available::steady(Time::ZERO));
        });
        queue.take(&mut out, Time::ZERO);

        assert_eq!(out, [2; LINE_FRAME]);
        assert_eq!(queue.dropped(), 1);
    }

    #[test]
    fn a_standing_backlog_of_silence_is_gone_within_a_second() {
        let (mut queue, mut now) = with_backlog(25, 0);

        let waited = run(&mut queue, &mut now, 50, |_| 0);

        assert!(waited < FRAME, "{waited:?}");
    }

    #[test]
    fn a_standing_backlog_of_speech_is_gone_within_three_seconds_and_no_sample_jumps() {
        let (mut queue, mut now) = with_backlog(15, 1);
        let tone = |n: u64| (8_000.0 * (n as f64 * 0.1).sin()) as i16;

        let waited = run(&mut queue, &mut now, 150, tone);

        assert!(waited < FRAME, "{waited:?}");
    }

    #[test]
    fn a_burst_that_was_not_spoken_in_real_time_is_never_shortened() {
        let mut queue = LiveQueue::new(32);
        let mut out = [0; LINE_FRAME];
        (0..32).for_each(|_| {
            queue.push(&[100; LINE_FRAME], Available::steady(Time::ZERO));
        });

        let frames = (0..64).filter(|n| queue.take(&mut out, Time::from_millis(20 * n)).audio).count();

        assert_eq!(frames, 32);
    }

    /// A queue in which `frames` frames wait although the source is live.
    fn with_backlog(frames: u64, sample: i16) -> (LiveQueue, Time) {
        let mut queue = LiveQueue::new(32);
        let mut now = Time::from_millis(1_000);
        for _ in 0..frames {
            queue.push(&[sample; LINE_FRAME], Available::steady(now));
            now += FRAME;
        }
        (queue, now)
    }

    /// One frame in, one out; how long the last one waited.
    fn run(queue: &mut LiveQueue, now: &mut Time, frames: u64, tone: impl Fn(u64) -> i16) -> Duration {
        let mut n = 0;
        let mut last = tone(0);
        for _ in 0..frames {
            let frame: [i16; LINE_FRAME] = std::array::from_fn(|i| tone(n + i as u64));
            n += LINE_FRAME as u64;
            queue.push(&frame, Available::steady(*now));
            let mut out = [0; LINE_FRAME];
            queue.take(&mut out, *now);
            for sample in out {
                assert!((i32::from(sample) - i32::from(last)).abs() < 2_500);
                last = sample;
            }
            *now += FRAME;
        }
        Duration::from_millis(queue.len() as u64 / 8)
    }
}
