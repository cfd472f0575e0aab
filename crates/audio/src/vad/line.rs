//! What a line sounds like when nobody speaks, learnt while it is used.

use super::recent::Recent;

/// The noise of one line: its level and what the network scores it.
#[derive(Clone, Debug)]
pub struct Line {
    /// Levels of all frames.
    levels: Recent,
    /// Scores of the frames between loud sounds: speech would raise the threshold against itself.
    scores: Recent,
    /// The last frames, in a ring.
    window: [Heard; STEADY_FRAMES],
    frames: usize,
    since_loud: usize,
    /// Level of a noise that was found steady and has not stopped.
    steady: Option<f32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    dbfs: f32,
    score: f32,
    periodicity: f32,
}

/// A frame is loud where it stands so many dB out of the noise: steady noise varies by about 1 dB from frame to frame.
const LOUD_ABOVE_USUAL: f32 = 2.5;
/// Nothing below is loud, however quiet the line: about the level of comfort noise.
const LOUD_AT_LEAST: f32 = -56.0;
/// How far the score must rise above that of the line's own noise.
const SCORE_ABOVE_USUAL: f32 = 0.08;
/// Where the threshold for the score stays. The network needs 100 ms of speech to pass 0.6 after silence, so on a clean
/// line a lower score is believed; on a noisy one the score of clear speech is not demanded to be perfect.
const SCORE_RANGE: (f32, f32) = (0.38, 0.85);
/// For so many frames after a loud one the network still thinks of it.
const HANGOVER: usize = 10;
/// How long a sound must neither change nor repeat itself to be the line's noise: longer than a hissed consonant.
const STEADY_FRAMES: usize = 15;
/// What "does not change" means, in dB between the loudest and the quietest frame. Speech changes by 20.
const STEADY_WITHIN: f32 = 6.0;
/// How long, and within how many dB, a level that is called unchanged was seen.
const LEVEL_FRAMES: usize = 8;
const LEVEL_WITHIN: f32 = 5.0;
/// What "does not repeat itself" means for each frame and for most of them.
const STEADY_PERIODICITY: (f32, f32) = (0.85, 0.65);
/// Frames in which a tone without life is recognized, how periodic each is at least, and how many dB the level of one
/// may lie off the line between its neighbours, doubled.
const LIFELESS_FRAMES: usize = 5;
const LIFELESS_PERIODICITY: f32 = 0.9;
const LIFELESS_BEND: f32 = 0.35;
/// A steady noise has stopped when a frame is so many dB below it.
const STOPPED_BELOW: f32 = 3.0;
/// What a line is taken for before its first frame.
const QUIET: f32 = -60.0;

impl Line {
    /// Knows nothing yet.
    pub fn new() -> Self {
        Line {
            levels: Recent::assume(&[unit_of(QUIET); 2]),
            scores: Recent::assume(&[]),
            window: [Heard::default(); STEADY_FRAMES],
            frames: 0,
            since_loud: HANGOVER,
            steady: None,
        }
    }

    /// Takes the next frame and says whether it stands out of the line's noise.
    pub fn learn(&mut self, dbfs: f32, score: f32, periodicity: f32) -> bool {
        self.window[self.frames % STEADY_FRAMES] = Heard { dbfs, score, periodicity };
        self.frames += 1;
        self.levels.push(unit_of(dbfs));
        self.follow_steady_noise(dbfs);
        let loud = dbfs > (self.usual_level() + LOUD_ABOVE_USUAL).max(LOUD_AT_LEAST);
        self.since_loud = if loud { 0 } else { self.since_loud + 1 };
        if self.since_loud > HANGOVER {
            self.scores.push(score);
        }
        loud
    }

    /// Whether it was heard long enough for its noise to be known.
    pub fn is_known(&self) -> bool {
        self.frames >= STEADY_FRAMES
    }

    /// The score above which a loud frame is speech.
    pub fn threshold(&self) -> f32 {
        (self.usual_score() + SCORE_ABOVE_USUAL).clamp(SCORE_RANGE.0, SCORE_RANGE.1)
    }

    /// How much of a frame's energy is not the line's noise, 0 to 1.
    pub fn clear_share(&self, dbfs: f32) -> f32 {
        1.0 - libm::powf(10.0, (self.usual_level() - dbfs) / 10.0).min(1.0)
    }

    /// Whether the level has hardly changed for 160 ms, as that of noise: syllables come faster.
    pub fn is_level(&self) -> bool {
        self.frames >= LEVEL_FRAMES && self.range(LEVEL_FRAMES) < LEVEL_WITHIN
    }

    /// Whether the last 100 ms are a tone that stays or dies away by itself: hum, music, something struck. Its level
    /// runs in a straight line; that of a voice never does.
    pub fn is_lifeless(&self) -> bool {
        let level = |back: usize| self.window[(self.frames + STEADY_FRAMES - back) % STEADY_FRAMES];
        self.frames >= LIFELESS_FRAMES
            && (1..=LIFELESS_FRAMES).all(|back| level(back).periodicity > LIFELESS_PERIODICITY)
            && (2..LIFELESS_FRAMES).all(|back| {
                let bend = level(back - 1).dbfs - 2.0 * level(back).dbfs + level(back + 1).dbfs;
                bend.abs() < LIFELESS_BEND
            })
    }

    /// What the network scores the line's own noise.
    pub fn usual_score(&self) -> f32 {
        self.scores.percentile(50)
    }

    /// The quietest tenth of the last 2.5 s, or the steady noise that began since.
    fn usual_level(&self) -> f32 {
        let quietest = dbfs_of(self.levels.percentile(10));
        self.steady.map_or(quietest, |steady| steady.max(quietest))
    }

    fn follow_steady_noise(&mut self, dbfs: f32) {
        if self.steady.is_some_and(|steady| dbfs < steady - STOPPED_BELOW) {
            self.steady = None;
        }
        if !self.is_known() || !self.is_steady() {
            return;
        }
        let level = self.window.iter().map(|heard| heard.dbfs).sum::<f32>() / STEADY_FRAMES as f32;
        if level > self.usual_level() + LOUD_ABOVE_USUAL {
            // A noise began: what was learnt before it says nothing about it.
            self.scores = Recent::assume(&self.window.map(|heard| heard.score));
        }
        self.steady = Some(level);
    }

    fn is_steady(&self) -> bool {
        let most = self.window.iter().filter(|heard| heard.periodicity < STEADY_PERIODICITY.1).count();
        self.range(STEADY_FRAMES) < STEADY_WITHIN
            && self.window.iter().all(|heard| heard.periodicity < STEADY_PERIODICITY.0)
            && most * 4 >= STEADY_FRAMES * 3
    }

    /// Decibels between the loudest and the quietest of the last `count` frames.
    fn range(&self, count: usize) -> f32 {
        let last =
            (1..=count).map(|back| self.window[(self.frames + STEADY_FRAMES - back) % STEADY_FRAMES].dbfs);
        let (lowest, highest) =
            last.fold((f32::MAX, f32::MIN), |(low, high), dbfs| (low.min(dbfs), high.max(dbfs)));
        highest - lowest
    }
}

/// Levels from -76 to -12 dBFS in half decibels.
fn unit_of(dbfs: f32) -> f32 {
    (dbfs + 76.0) / 64.0
}

fn dbfs_of(unit: f32) -> f32 {
    unit * 64.0 - 76.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_noise_is_learnt_within_300_ms() {
        let mut line = Line::new();
        (0..100).for_each(|_| assert!(!line.learn(-70.0, 0.2, 0.3)));

        let loud = (0..50).take_while(|n| line.learn(-35.0 + (n % 3) as f32, 0.7, 0.4)).count();

        assert!(loud < STEADY_FRAMES, "{loud}");
        assert!(line.threshold() > 0.75);
    }

    #[test]
    fn speech_that_goes_on_for_long_is_not_learnt_as_noise() {
        let mut line = Line::new();
        (0..50).for_each(|_| assert!(!line.learn(-70.0, 0.2, 0.3)));

        let loud = (0..500).filter(|n| line.learn(-20.0 - (n % 11) as f32 * 2.0, 0.9, 0.9)).count();

        assert!(loud > 380, "{loud}");
        assert!(line.threshold() < 0.5);
    }

    #[test]
    fn a_tone_that_stays_or_dies_away_is_lifeless_and_a_voice_is_not() {
        let lifeless = |level: fn(i32) -> f32, periodicity| {
            let mut line = Line::new();
            (0..20).for_each(|n| {
                line.learn(level(n), 0.9, periodicity);
            });
            line.is_lifeless()
        };

        assert!(lifeless(|_| -30.0, 0.97), "hum");
        assert!(lifeless(|n| -20.0 - 1.5 * n as f32, 0.97), "a string that was struck");
        assert!(!lifeless(|n| -20.0 - [0.0, 1.0, 0.3, 1.4][n as usize % 4], 0.97), "a vowel");
        assert!(!lifeless(|_| -30.0, 0.5), "noise");
    }

    #[test]
    fn a_quiet_line_is_known_again_at_once_when_the_noise_stops() {
        let mut line = Line::new();
        (0..200).for_each(|_| {
            line.learn(-35.0, 0.7, 0.4);
        });

        (0..30).for_each(|_| {
            line.learn(-70.0, 0.2, 0.3);
        });

        assert!(line.learn(-45.0, 0.5, 0.5), "-45 dBFS stands out of silence");
    }
}
