//! Where an utterance begins and ends on the wire, for the turn ledger.
//!
//! Voice activity decides *that* somebody spoke; it lags at the soft ends of words. The ledger needs moments that anyone
//! with a packet capture finds again. So, over pieces of 20 ms of RTP time (the packets, at the usual ptime):
//!
//! - The **level** of a packet is the mean square of the louder of its two halves of 10 ms, as decoded.
//! - **Background** is every run of [`STEADY_RUN`] packets whose levels lie within [`STEADY_WITHIN`] and below the
//!   utterance's loudest packet by [`BELOW_LOUDEST`]: a hum, a room, silence. Speech is never so even for so long.
//! - A packet is **speech** where it is within [`REACH`] of the utterance's loudest packet, above [`LEAST_LEVEL`], not
//!   background, and [`ABOVE_BACKGROUND`] above the loudest packet of the last background before it (for the end; the
//!   next one after it for the onset: time runs backwards there). A packet that never came is not speech.
//!
//! The utterance begins with its first and ends with its last packet of speech. The decibels are those by which the
//! recordings in `audio-samples` are labelled.

/// A packet so far below the loudest one of the utterance is no speech: 30 dB.
const REACH: f32 = 1e-3;
/// Nothing quieter is speech: -56 dBFS, about comfort noise.
const LEAST_LEVEL: f32 = 2.512e-6;
/// Packets that make a background: 300 ms, longer than a hissed consonant.
const STEADY_RUN: usize = 15;
/// How much louder than the quietest the loudest packet of a background may be: 8 dB. Noise of a telephone's band
/// varies by 5 from packet to packet, speech by 20.
const STEADY_WITHIN: f32 = 6.31;
/// Background is so far below the utterance's loudest packet: 10 dB. A long vowel is not.
const BELOW_LOUDEST: f32 = 0.1;
/// Speech is so much louder than the background: 3 dB.
const ABOVE_BACKGROUND: f32 = 2.0;
/// Levels below are all the same: the idle noise of companding, -80 dBFS.
const SILENCE: f32 = 1e-8;

/// Packets that are remembered: 4 s. Speech ends within the last second or two of them; of a longer utterance the
/// loudest packet is remembered apart.
const REMEMBERED: usize = 200;

/// How far before the first voiced packet the utterance may have begun: softly, for 500 ms.
const SOFT_ONSET: usize = 25;

/// Remembers the levels of a stream and a stamp of each packet, and finds the edges of an utterance in them.
#[derive(Clone, Debug)]
pub struct SpeechEdges<S> {
    /// Negative where the packet never came.
    levels: [f32; REMEMBERED],
    stamps: [S; REMEMBERED],
    pushed: u64,
    /// Number of the first packet that may belong to the utterance.
    begin: u64,
    loudest: f32,
}

/// The level of one packet: the mean square of the louder half of its samples, full scale = 1.0.
pub fn packet_level(samples: &[i16]) -> f32 {
    let (first, second) = samples.split_at(samples.len() / 2);
    crate::level::energy(first).max(crate::level::energy(second))
}

impl<S: Copy + Default> Default for SpeechEdges<S> {
    fn default() -> Self {
        SpeechEdges::new()
    }
}

impl<S: Copy + Default> SpeechEdges<S> {
    /// Nothing heard yet.
    pub fn new() -> Self {
        SpeechEdges {
            levels: [0.0; REMEMBERED],
            stamps: [S::default(); REMEMBERED],
            pushed: 0,
            begin: 0,
            loudest: 0.0,
        }
    }

    /// Takes the [level](packet_level) of the next packet; `stamp` is `None` where it never came.
    pub fn push(&mut self, level: f32, stamp: Option<S>) {
        let at = self.place(self.pushed);
        let level = level.max(SILENCE);
        self.levels[at] = if stamp.is_some() { level } else { -level };
        self.stamps[at] = stamp.unwrap_or_default();
        self.pushed += 1;
        self.loudest = self.loudest.max(level);
    }

    /// The packet `back` before the next one came after all, too late to be played: what is on the wire counts.
    pub fn amend(&mut self, back: usize, level: f32, stamp: S) {
        let Some(number) = self.pushed.checked_sub(back as u64) else { return };
        let place = self.place(number);
        if back > 0 && number >= self.oldest() && self.levels[place] < 0.0 {
            self.levels[place] = level.max(SILENCE);
            self.stamps[place] = stamp;
            self.loudest = self.loudest.max(level);
        }
    }

    /// An utterance began; its first voiced packet came `packets` before the next one.
    pub fn begin_utterance(&mut self, packets: usize) {
        let soft = packets.saturating_add(SOFT_ONSET) as u64;
        self.begin = self.pushed.saturating_sub(soft).max(self.oldest());
        self.loudest = self.numbers().map(|number| self.level(number)).fold(0.0, f32::max);
    }

    /// The stamp of the utterance's first packet of speech, as far as it is remembered.
    pub fn onset(&self) -> Option<S> {
        self.last_speech(self.numbers().rev(), |number| number..number + STEADY_RUN as u64)
    }

    /// The stamp of the utterance's last packet of speech so far.
    pub fn end(&self) -> Option<S> {
        self.last_speech(self.numbers(), |number| {
            // Before the first packet nothing lies.
            let after = number + 1;
            after.saturating_sub(STEADY_RUN as u64)..after
        })
    }

    /// Goes through the packets in one direction of time. `run` is the run of packets that is complete with a packet.
    fn last_speech(
        &self,
        numbers: impl Iterator<Item = u64>,
        run: impl Fn(u64) -> std::ops::Range<u64>,
    ) -> Option<S> {
        let mut background = 0.0;
        let mut found = None;
        for number in numbers {
            if let Some(loudest) = self.background(run(number)) {
                background = loudest;
            }
            let level = self.level(number);
            let stands_out = level > self.loudest * REACH
                && level > LEAST_LEVEL
                && level > background * ABOVE_BACKGROUND
                && !self.is_background(number);
            let place = self.place(number);
            if stands_out && self.levels[place] > 0.0 {
                found = Some(self.stamps[place]);
            }
        }
        found
    }

    /// Whether any run with this packet is background.
    fn is_background(&self, number: u64) -> bool {
        let run = STEADY_RUN as u64;
        let first = (number + 1).saturating_sub(run);
        (first..=number).any(|first| self.background(first..first + run).is_some())
    }

    /// The loudest level of a run, where it is background.
    fn background(&self, run: std::ops::Range<u64>) -> Option<f32> {
        if run.start < self.begin || run.end > self.pushed || run.end - run.start < STEADY_RUN as u64 {
            return None;
        }
        let (mut low, mut high) = (f32::MAX, 0.0f32);
        for number in run {
            let level = self.level(number);
            low = low.min(level);
            high = high.max(level);
        }
        (high <= low * STEADY_WITHIN && high < self.loudest * BELOW_LOUDEST).then_some(high)
    }

    /// The packets of the utterance that are remembered.
    fn numbers(&self) -> std::ops::Range<u64> {
        self.begin.max(self.oldest())..self.pushed
    }

    fn oldest(&self) -> u64 {
        self.pushed.saturating_sub(REMEMBERED as u64)
    }

    fn level(&self, number: u64) -> f32 {
        self.levels[self.place(number)].abs()
    }

    fn place(&self, number: u64) -> usize {
        (number % REMEMBERED as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_reaches_from_its_first_to_its_last_packet_that_is_less_than_30_db_down() {
        let levels = [(20, -90.0), (1, -49.0), (1, -51.0), (10, -20.0), (2, -45.0), (30, -90.0)];

        assert_eq!(edges(&levels), (Some(20), Some(33)));
        assert_eq!(
            edges(&[(20, -90.0), (1, -51.0), (10, -20.0), (2, -51.0), (30, -90.0)]),
            (Some(21), Some(30))
        );
    }

    #[test]
    fn noise_around_speech_is_none_of_it_nor_is_its_fading() {
        let noise: Vec<(usize, f32)> = (0..30).map(|n| (1, -38.0 + (n % 4) as f32)).collect();
        let fade = [(1, -40.0), (1, -43.0), (1, -47.0)];
        let speech = [(3, -28.0), (5, -20.0), (4, -29.0)];
        let parts: Vec<_> = [&[(20, -90.0)][..], &noise, &speech, &noise, &fade, &[(20, -90.0)]].concat();

        assert_eq!(edges(&parts), (Some(50), Some(61)));
    }

    #[test]
    fn a_long_even_vowel_at_the_end_is_speech() {
        assert_eq!(edges(&[(20, -90.0), (3, -17.0), (40, -20.0), (40, -90.0)]), (Some(20), Some(62)));
    }

    #[test]
    fn a_packet_that_never_came_is_no_edge() {
        let mut edges = SpeechEdges::new();
        for n in 0..30u32 {
            edges.push(if (5..15).contains(&n) { 1e-2 } else { 0.0 }, (n != 14).then_some(n));
        }
        edges.begin_utterance(25);

        assert_eq!((edges.onset(), edges.end()), (Some(5), Some(13)));
    }

    #[test]
    fn a_packet_that_comes_too_late_to_be_played_is_an_edge_all_the_same() {
        let mut edges = SpeechEdges::new();
        for n in 0..30u32 {
            let level = if (5..15).contains(&n) { 1e-2 } else { 0.0 };
            edges.push(level, (n != 14).then_some(n));
        }
        edges.begin_utterance(25);

        edges.amend(16, 1e-2, 14);
        edges.amend(20, 1.0, 99);
        edges.amend(0, 1.0, 99);
        edges.amend(31, 1.0, 99);

        assert_eq!((edges.onset(), edges.end()), (Some(5), Some(14)), "what came in time stays as it was");
    }

    #[test]
    fn the_loudest_packet_counts_even_when_it_is_long_ago() {
        let mut edges = SpeechEdges::new();
        edges.push(1.0, Some(0));
        edges.begin_utterance(1);
        (1..400u32).for_each(|n| edges.push(if n % 2 == 0 { 0.5 } else { 1e-2 }, Some(n)));
        (400..430u32).for_each(|n| edges.push(if n == 410 { 5e-4 } else { 0.0 }, Some(n)));

        assert_eq!(edges.end(), Some(399), "-33 dB at 410 is too far below the first packet");
    }

    #[test]
    fn silence_has_no_edges() {
        assert_eq!(edges(&[(40, -90.0)]), (None, None));
    }

    #[test]
    fn a_packet_is_as_loud_as_its_louder_half() {
        let mut samples = [0i16; 160];
        samples[80..].fill(16_384);

        assert_eq!(packet_level(&samples), 0.25);
        assert_eq!(packet_level(&[]), 0.0);
    }

    /// The edges of a stream of `(packets, dBFS)`, counted from zero.
    fn edges(parts: &[(usize, f32)]) -> (Option<usize>, Option<usize>) {
        let mut edges = SpeechEdges::new();
        let levels = parts.iter().flat_map(|(count, dbfs)| std::iter::repeat_n(*dbfs, *count));
        for (n, dbfs) in levels.enumerate() {
            edges.push(10f32.powf(dbfs / 10.0), Some(n));
        }
        edges.begin_utterance(REMEMBERED);
        (edges.onset(), edges.end())
    }
}
