//! When the far side talks, by the level of each packet: an audible packet is above -45 dBFS, and they talk from the
//! first of three audible packets within five.

use std::time::Duration;

use offhook_time::Time;

/// −45 dB of full scale: quieter than any voice on a telephone, louder than comfort noise and µ-law's idle hiss.
pub const VOICED_RMS: f64 = 184.0;

/// So many of the last [`LOOK_BACK`] packets must be voiced before it counts as talking: a click is one or two.
const VOICED_OF_LOOK_BACK: usize = 3;
const LOOK_BACK: usize = 5;
const LOOK_BACK_TIME: Duration = Duration::from_millis(90);

/// No audible packet for so long after a key: it has stopped them.
const KEY_GAP: Duration = Duration::from_millis(75);
/// A key stops them at once, if it does.
const KEY_STOPS_WITHIN: Duration = Duration::from_millis(200);

/// A pause as long as this ends a segment; plosives and word gaps are shorter.
const SEGMENT_GAP: Duration = Duration::from_millis(240);

/// A stretch of talking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Arrival of its first voiced packet.
    pub start: Time,
    /// Arrival of its last voiced packet.
    pub end: Time,
}

/// Follows the far side packet by packet.
#[derive(Clone, Debug, Default)]
pub struct FarSpeech {
    recent: Vec<(Time, bool)>,
    audible: Vec<Time>,
    segments: Vec<Segment>,
    open: bool,
}

impl FarSpeech {
    /// Nothing heard yet.
    pub fn new() -> Self {
        FarSpeech::default()
    }

    /// A packet of audio that arrived `now`.
    pub fn push(&mut self, samples: &[i16], now: Time) {
        let voiced = rms(samples) > VOICED_RMS;
        self.recent.push((now, voiced));
        if self.recent.len() > LOOK_BACK {
            self.recent.remove(0);
        }
        self.close_if_quiet(now);
        if !voiced {
            return;
        }
        self.audible.push(now);
        if self.open {
            if let Some(segment) = self.segments.last_mut() {
                segment.end = now;
            }
            return;
        }
        let voiced: Vec<Time> = self.recent.iter().filter(|(_, voiced)| *voiced).map(|(at, _)| *at).collect();
        if let (Some(start), true) = (voiced.first(), voiced.len() >= VOICED_OF_LOOK_BACK) {
            self.segments.push(Segment { start: *start, end: now });
            self.open = true;
        }
    }

    /// Since when they have been talking, if they are.
    pub fn talking_since(&self, now: Time) -> Option<Time> {
        let segment = self.segments.last()?;
        (self.open && now.since(segment.end) < SEGMENT_GAP).then_some(segment.start)
    }

    /// The last moment at which they talked, if they ever did.
    pub fn last_talked(&self) -> Option<Time> {
        self.segments.last().map(|segment| segment.end)
    }

    /// When the audible packets arrived.
    pub fn audible(&self) -> &[Time] {
        &self.audible
    }

    /// All stretches of talking so far.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Cuts `segments` where a key of ours stopped them. A key is answered so soon that a pause as short as one between
    /// two words lies between: whatever was talking when the key was pressed ends with the last audible packet before a
    /// gap of 75 ms that begins within 200 ms of it.
    pub fn cut_at_keys(segments: &mut Vec<Segment>, audible: &[Time], keys: impl Iterator<Item = Time>) {
        for key in keys {
            let Some(at) = segments.iter().position(|segment| segment.start <= key && segment.end > key)
            else {
                continue;
            };
            let gap = audible.windows(2).find(|pair| {
                pair[1] > key
                    && pair[1].since(pair[0]) >= KEY_GAP
                    && pair[0].since(key) <= KEY_STOPS_WITHIN
                    && pair[1] <= segments[at].end
            });
            let Some(&[stopped, again]) = gap else { continue };
            let is_talking = |from: Time| {
                let packets =
                    audible.iter().filter(|other| **other >= from && other.since(from) < LOOK_BACK_TIME);
                packets.count() >= VOICED_OF_LOOK_BACK
            };
            let start = audible.iter().copied().find(|from| *from >= again && is_talking(*from));
            let end = std::mem::replace(&mut segments[at].end, stopped);
            if let Some(start) = start.filter(|start| *start <= end) {
                segments.insert(at + 1, Segment { start, end });
            }
        }
    }

    fn close_if_quiet(&mut self, now: Time) {
        if let Some(segment) = self.segments.last().filter(|_| self.open)
            && now.since(segment.end) >= SEGMENT_GAP
        {
            self.open = false;
            // What was voiced before the pause does not begin the next segment.
            self.recent.retain(|(at, _)| now.since(*at) < SEGMENT_GAP);
        }
    }
}

/// Root mean square of samples; 0 where there are none.
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample) * f64::from(*sample)).sum();
    (energy / samples.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `(packets, amplitude)` stretches, one packet per 20 ms from 1000 ms on.
    fn heard(stretches: &[(u64, i16)]) -> FarSpeech {
        let mut far = FarSpeech::new();
        let mut at = Time::from_millis(1000);
        for (packets, amplitude) in stretches {
            for _ in 0..*packets {
                let samples: Vec<i16> =
                    (0..160).map(|n| if n % 8 < 4 { *amplitude } else { -amplitude }).collect();
                far.push(&samples, at);
                at += Duration::from_millis(20);
            }
        }
        far
    }

    fn millis(far: &FarSpeech) -> Vec<(u64, u64)> {
        far.segments().iter().map(|s| (s.start.as_millis(), s.end.as_millis())).collect()
    }

    #[test]
    fn the_onset_is_the_first_voiced_packet_not_the_one_that_made_sure() {
        let far = heard(&[(10, 0), (20, 3000), (30, 0)]);

        assert_eq!(millis(&far), [(1200, 1580)]);
    }

    #[test]
    fn a_click_is_not_talking() {
        assert_eq!(millis(&heard(&[(10, 0), (2, 9000), (40, 0)])), []);
    }

    #[test]
    fn a_word_gap_does_not_end_a_segment_but_a_pause_does() {
        let far = heard(&[(10, 3000), (6, 0), (10, 3000), (20, 0), (10, 3000)]);

        assert_eq!(millis(&far), [(1000, 1500), (1920, 2100)]);
    }

    #[test]
    fn an_answer_to_a_key_begins_soon_after_what_it_stopped() {
        let far = heard(&[(20, 3000), (5, 0), (20, 3000), (5, 0), (10, 3000)]);
        let mut segments = far.segments().to_vec();
        assert_eq!(segments.len(), 1);

        FarSpeech::cut_at_keys(&mut segments, far.audible(), [Time::from_millis(1370)].into_iter());

        let cut: Vec<_> = segments.iter().map(|s| (s.start.as_millis(), s.end.as_millis())).collect();
        assert_eq!(cut, [(1000, 1380), (1500, 2180)]);
    }

    #[test]
    fn a_key_that_stops_nobody_cuts_nothing() {
        let far = heard(&[(40, 3000), (5, 0), (20, 3000)]);
        let mut segments = far.segments().to_vec();

        FarSpeech::cut_at_keys(&mut segments, far.audible(), [Time::from_millis(1370)].into_iter());

        assert_eq!(segments, far.segments());
    }

    #[test]
    fn comfort_noise_is_quiet() {
        assert_eq!(millis(&heard(&[(100, 60)])), []);
    }

    #[test]
    fn talking_ends_when_packets_stop() {
        let far = heard(&[(20, 3000)]);

        assert_eq!(far.talking_since(Time::from_millis(1400)), Some(Time::from_millis(1000)));
        assert_eq!(far.talking_since(Time::from_millis(1700)), None);
        assert_eq!(far.last_talked(), Some(Time::from_millis(1380)));
    }
}
