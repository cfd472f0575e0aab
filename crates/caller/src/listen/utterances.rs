//! Where speech lies in what we play.

use std::ops::Range;

use crate::listen::rms;

/// One utterance of a WAV, silence around it cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Utterance {
    /// Where it lies in the WAV, in samples; begins and ends voiced.
    pub range: Range<usize>,
}

/// Digital silence as long as this separates two utterances: one second, less what trimming may take from it.
const SEPARATOR: usize = 7_600;

/// Louder than this is not digital silence; dither and the idle code of µ-law stay below.
const DIGITAL_SILENCE: i16 = 16;

/// Levels are taken over 10 ms.
const WINDOW: usize = 80;

/// Splits a WAV into its utterances (a second of digital silence between two) and trims each.
pub fn split(samples: &[i16]) -> Vec<Utterance> {
    let mut utterances = Vec::new();
    let mut push = |range: Range<usize>| {
        if let Some(trimmed) = trim(&samples[range.clone()]) {
            utterances.push(Utterance { range: range.start + trimmed.start..range.start + trimmed.end });
        }
    };
    let mut begin: Option<usize> = None;
    let mut last_sound = 0;
    for (at, sample) in samples.iter().enumerate() {
        if sample.saturating_abs() <= DIGITAL_SILENCE {
            continue;
        }
        match begin {
            Some(start) if at - last_sound > SEPARATOR => {
                push(start..last_sound + 1);
                begin = Some(at);
            }
            Some(_) => {}
            None => begin = Some(at),
        }
        last_sound = at;
    }
    if let Some(start) = begin {
        push(start..last_sound + 1);
    }
    utterances
}

/// The voiced part of one utterance: without leading and trailing silence, hiss or noise. `None` where nothing stands
/// out. Exact to 10 ms.
pub fn trim(samples: &[i16]) -> Option<Range<usize>> {
    let levels: Vec<f64> = samples.chunks(WINDOW).map(rms).collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    let loudest = *sorted.last()?;
    let floor = sorted[sorted.len() / 10];
    // Voiced is within 35 dB of the loudest, clearly (9 dB) above the noise of the line, and above the absolute
    // threshold that the far side is judged by; but never closer than 12 dB to the loudest, where speech itself ends.
    let threshold =
        (loudest * 0.018).max((floor * 2.8).min(loudest * 0.25)).max(crate::listen::VOICED_RMS * 0.5);
    let first = levels.iter().position(|level| *level > threshold)?;
    let last = levels.iter().rposition(|level| *level > threshold)?;
    Some(first * WINDOW..((last + 1) * WINDOW).min(samples.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_time::{Randomness, Seed};

    fn voice(samples: usize) -> Vec<i16> {
        (0..samples).map(|n| ((n as f64 * 0.3).sin() * 6000.0) as i16).collect()
    }

    #[test]
    fn utterances_are_found_between_seconds_of_digital_silence() {
        let mut samples = vec![0; 4000];
        samples.extend(voice(8000));
        samples.extend(vec![0; 4000]);
        samples.extend(voice(4000));
        samples.extend(vec![0; 8000]);
        samples.extend(voice(2400));
        samples.extend(vec![0; 12000]);

        let ranges: Vec<_> = split(&samples).into_iter().map(|utterance| utterance.range).collect();

        // Half a second of silence is a pause within the first utterance.
        assert_eq!(ranges.len(), 2, "{ranges:?}");
        assert!(ranges[0].start.abs_diff(4000) <= 80 && ranges[0].end.abs_diff(20_000) <= 80, "{ranges:?}");
        assert!(ranges[1].start.abs_diff(28_000) <= 80 && ranges[1].end.abs_diff(30_400) <= 80, "{ranges:?}");
    }

    #[test]
    fn noise_around_an_utterance_is_trimmed_off() {
        let mut randomness = Randomness::new(Seed::from_number(3));
        let mut samples: Vec<i16> = (0..24_000).map(|_| randomness.below(600) as i16 - 300).collect();
        for (at, sample) in voice(8000).into_iter().enumerate() {
            samples[8000 + at] += sample;
        }

        let range = trim(&samples).unwrap();

        assert!(range.start.abs_diff(8000) <= 80 && range.end.abs_diff(16_000) <= 80, "{range:?}");
    }

    #[test]
    fn silence_has_no_utterance() {
        assert_eq!(split(&vec![0; 16_000]), []);
        assert_eq!(split(&vec![5; 16_000]), []);
        assert_eq!(trim(&[]), None);
    }
}
