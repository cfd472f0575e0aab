//! Ends and beginnings of audio that nobody prepared.

/// Samples over which broken-off audio dies away, and comes back: 5 ms at 8 kHz.
const SAMPLES: usize = 40;

/// Remembers where the audio was, so that a gap begins and ends without a click.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Declick {
    last: i16,
    /// Samples of the gap so far; zero while audio flows.
    gap: usize,
    /// Samples since the gap ended, up to [`SAMPLES`].
    risen: usize,
}

impl Declick {
    /// Nothing was heard yet; the first audio begins as it is.
    pub(crate) const fn new() -> Self {
        Declick { last: 0, gap: 0, risen: SAMPLES }
    }

    /// `samples` are audio: after a gap they rise from nothing.
    pub(crate) fn audio(&mut self, samples: &mut [i16]) {
        let Some(last) = samples.last().copied() else { return };
        if self.gap > 0 {
            self.gap = 0;
            self.risen = 0;
        }
        self.last = last;
        for sample in samples.iter_mut().take(SAMPLES - self.risen) {
            *sample = (i32::from(*sample) * self.risen as i32 / SAMPLES as i32) as i16;
            self.risen += 1;
            self.last = *sample;
        }
        if self.risen == SAMPLES {
            self.last = last;
        }
    }

    /// `samples` are a gap: the last audio dies away in them, then silence.
    pub(crate) fn gap(&mut self, samples: &mut [i16]) {
        for sample in samples.iter_mut() {
            let left = SAMPLES.saturating_sub(self.gap + 1);
            *sample = (i32::from(self.last) * left as i32 / SAMPLES as i32) as i16;
            self.gap = (self.gap + 1).min(SAMPLES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_off_audio_dies_away_and_comes_back_without_a_jump() {
        let mut declick = Declick::new();
        let mut heard = [[8_000i16; 160]; 3];

        declick.audio(&mut heard[0]);
        declick.gap(&mut heard[1]);
        declick.audio(&mut heard[2]);

        let samples = heard.as_flattened();
        assert!(samples.windows(2).all(|pair| (pair[0] - pair[1]).abs() <= 200));
        assert_eq!(samples[0], 8_000);
        assert_eq!(samples[250], 0);
        assert_eq!(samples[479], 8_000);
    }

    #[test]
    fn a_gap_stays_silent_however_often_nothing_is_added() {
        let mut declick = Declick::new();
        let mut gap = [[1i16; 160]; 3];

        declick.audio(&mut [8_000; 160]);
        for packet in &mut gap {
            declick.audio(&mut []);
            declick.gap(packet);
        }

        assert!(gap.as_flattened()[40..].iter().all(|sample| *sample == 0));
    }
}
