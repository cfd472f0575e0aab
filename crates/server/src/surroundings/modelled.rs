//! Sounds in the place of voices, as long as a voice would take: nobody listens to the words in them.

use offhook_audio::AudioChunk;
use offhook_call_control::SpeechContent;

/// Rate of the bot's sound.
const BOT_RATE: u32 = 16_000;

/// Samples of a chunk: 100 ms.
const CHUNK: usize = 1_600;

/// A call of somebody: the words do not matter, but it must be speech to those who detect speech.
const SPEECH: &[u8] = include_bytes!("../../../../audio-samples/order-status-slt.wav");

/// Where the first utterance of that file begins and ends, in samples.
const UTTERANCE: std::ops::Range<usize> = 10_080..21_760;

/// How long somebody takes to say a text, in milliseconds: a Chinese character is a syllable, a letter less.
fn length_ms(text: &str) -> usize {
    let of = |c: char| if c.is_ascii() { 65 } else { 200 };
    text.chars().map(of).sum::<usize>().clamp(300, 60_000)
}

/// What a bot says: a hum.
pub(super) fn speech(content: &SpeechContent) -> Vec<AudioChunk> {
    let (SpeechContent::Text(text) | SpeechContent::Recording(text)) = content;
    let samples = length_ms(text) * BOT_RATE as usize / 1_000;
    let hum: Vec<i16> = (0..samples)
        .map(|at| {
            let turn = at as f64 / f64::from(BOT_RATE) * std::f64::consts::TAU;
            ((turn * 220.0).sin() * 5_000.0 + (turn * 440.0).sin() * 2_000.0) as i16
        })
        .collect();
    hum.chunks(CHUNK).map(|samples| AudioChunk { sample_rate: BOT_RATE, samples: samples.into() }).collect()
}

/// What a caller says, at 8 kHz: speech, again and again for as long as the text takes.
pub(super) fn caller(text: &str) -> Vec<i16> {
    let data = SPEECH.windows(4).position(|four| four == b"data").map_or(SPEECH.len(), |at| at + 8);
    let samples: Vec<i16> = SPEECH
        .get(data..)
        .unwrap_or_default()
        .chunks_exact(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let utterance = samples.get(UTTERANCE).unwrap_or_default();
    let length = (length_ms(text) * 8).max(4_800);
    utterance.iter().cycle().take(length).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_text_takes_longer_and_a_chinese_one_more_per_character() {
        let length = |text: &str| caller(text).len();

        assert!(length("where is my order please") > length("yes"));
        assert_eq!(length("我要查话费"), 5 * 200 * 8);
        assert!(caller("yes").iter().any(|sample| sample.unsigned_abs() > 1_000), "it is a sound");
        let hum: usize = speech(&SpeechContent::Text("hello hello".to_owned()))
            .iter()
            .map(|chunk| chunk.samples.len())
            .sum();
        assert_eq!(hum, 11 * 65 * 16);
    }
}
