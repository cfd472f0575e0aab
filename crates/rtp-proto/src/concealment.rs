//! Concealment of lost G.711: the last pitch period goes on, fades, and gives way to noise. Integers only.

use crate::comfort_noise::NoiseGenerator;

/// Samples per millisecond: this works at 8 kHz.
const MS: usize = 8;

/// Shortest and longest pitch period looked for: 200 Hz to 66 Hz.
const MIN_PERIOD: usize = 5 * MS;
const MAX_PERIOD: usize = 15 * MS;

/// What is compared to find the pitch.
const WINDOW: usize = 20 * MS;

/// What is remembered: the window, the longest period, and a quarter of it to blend.
const HISTORY: usize = WINDOW + MAX_PERIOD + MAX_PERIOD / 4;

/// Until here a repeated period passes for speech.
const FADE_FROM: usize = 10 * MS;

/// From here on repetition sounds like a machine: only noise is left.
const FADE_TO: usize = 60 * MS;

/// Re-entry blends 5 ms, and 10 ms after longer gaps.
const SHORT_OVERLAP: usize = 5 * MS;
const LONG_OVERLAP: usize = 10 * MS;

/// Background noise above this root mean square is taken for speech, and not continued.
const MAX_NOISE: i64 = 200;

/// Continues 8 kHz audio over gaps without adding delay.
#[derive(Clone, Debug)]
pub struct Concealer {
    history: [i16; HISTORY],
    /// Samples concealed since the last good one.
    concealed: usize,
    cycle: [i16; MAX_PERIOD],
    period: usize,
    /// What the first repeated sample is off from where the last good one was heading.
    onset: i32,
    noise_floor: i64,
    noise: NoiseGenerator,
}

impl Default for Concealer {
    fn default() -> Self {
        Concealer::new()
    }
}

impl Concealer {
    /// Before the first frame there is silence.
    pub fn new() -> Self {
        Concealer {
            history: [0; HISTORY],
            concealed: 0,
            cycle: [0; MAX_PERIOD],
            period: MAX_PERIOD,
            onset: 0,
            noise_floor: 0,
            noise: NoiseGenerator::new(0x0ff_400c),
        }
    }

    /// Takes a frame that arrived. After a gap its beginning is blended with the end of what was made up.
    pub fn good(&mut self, frame: &mut [i16]) {
        self.follow_noise(frame);
        if self.concealed > 0 {
            let overlap = if self.concealed > FADE_FROM * 2 { LONG_OVERLAP } else { SHORT_OVERLAP };
            let overlap = overlap.min(frame.len());
            for (at, sample) in frame[..overlap].iter_mut().enumerate() {
                let real = i64::from(*sample) * (at as i64 + 1);
                let made_up = i64::from(self.next_sample()) * (overlap - at - 1) as i64;
                *sample = ((real + made_up) / overlap as i64) as i16;
            }
            self.concealed = 0;
        }
        self.remember(frame);
    }

    /// Fills `out` with what might have been there.
    pub fn conceal(&mut self, out: &mut [i16]) {
        if self.concealed == 0 {
            self.prepare();
        }
        for sample in out.iter_mut() {
            *sample = self.next_sample();
        }
        self.remember(out);
    }

    fn next_sample(&mut self) -> i16 {
        let at = self.concealed;
        self.concealed = at.saturating_add(1);
        if at >= FADE_TO {
            return self.noise.sample(self.noise_floor);
        }
        let blend = self.blend() as i32;
        let mut repeated = i32::from(self.cycle[at % self.period]);
        if (at as i32) < blend {
            repeated += self.onset * (blend - at as i32) / blend;
        }
        let left = (FADE_TO - at.max(FADE_FROM)) as i64;
        let span = (FADE_TO - FADE_FROM) as i64;
        let noise = i64::from(self.noise.sample(self.noise_floor));
        let mixed = (i64::from(repeated) * left + noise * (span - left)) / span;
        mixed.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
    }

    /// Cuts the last period out of the history so that it can be repeated without a seam.
    fn prepare(&mut self) {
        self.period = self.find_period();
        let (period, blend) = (self.period, self.blend());
        self.cycle[..period].copy_from_slice(&self.history[HISTORY - period..]);
        // The end of the cycle turns into what came before its beginning.
        for step in 0..blend {
            let tail = i32::from(self.history[HISTORY - blend + step]) * (blend - step - 1) as i32;
            let before = i32::from(self.history[HISTORY - period - blend + step]) * (step + 1) as i32;
            self.cycle[period - blend + step] = ((tail + before) / blend as i32) as i16;
        }
        self.onset = i32::from(self.history[HISTORY - 1]) - i32::from(self.history[HISTORY - period - 1]);
    }

    fn blend(&self) -> usize {
        self.period / 4
    }

    /// The lag at which the past resembles the present most; the longest where it does not.
    fn find_period(&self) -> usize {
        let present = &self.history[HISTORY - WINDOW..];
        let power = correlate(present, present);
        let mut best = (MAX_PERIOD, 0i128, 1i128);
        for lag in MIN_PERIOD..=MAX_PERIOD {
            let past = &self.history[HISTORY - WINDOW - lag..HISTORY - lag];
            let likeness = correlate(present, past).max(0);
            let squared = i128::from(likeness) * i128::from(likeness);
            let past_power = i128::from(correlate(past, past)).max(1);
            if squared * best.2 > best.1 * past_power {
                best = (lag, squared, past_power);
            }
        }
        // A normalized correlation below one half is not a voice.
        let voiced = best.1 * 4 >= best.2 * i128::from(power);
        if voiced { best.0 } else { MAX_PERIOD }
    }

    fn remember(&mut self, samples: &[i16]) {
        let count = samples.len().min(HISTORY);
        self.history.copy_within(count.., 0);
        self.history[HISTORY - count..].copy_from_slice(&samples[samples.len() - count..]);
    }

    /// The floor falls with the quietest frame and rises by a hundredth per frame.
    fn follow_noise(&mut self, frame: &[i16]) {
        let mean_square = correlate(frame, frame) / frame.len().max(1) as i64;
        let level = mean_square.max(0).unsigned_abs().isqrt() as i64;
        let risen = self.noise_floor + self.noise_floor / 100 + 1;
        self.noise_floor = level.min(risen).min(MAX_NOISE);
    }
}

fn correlate(left: &[i16], right: &[i16]) -> i64 {
    left.iter().zip(right).map(|(left, right)| i64::from(i32::from(*left) * i32::from(*right))).sum()
}
