//! What callers say and bots sound like, as samples.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use offhook_audio::tones::{Noise, Sine};

/// Rate of the caller's clips.
const LINE_RATE: usize = 8_000;

/// Longer utterances make longer calls, and nothing else.
const LONGEST: usize = LINE_RATE * 19 / 10;

/// Sounds of callers at 8 kHz.
#[derive(Debug)]
pub(crate) struct Clips {
    /// One utterance each.
    pub speech: Vec<Vec<i16>>,
    /// One or two coughs each.
    pub coughs: Vec<Vec<i16>>,
}

impl Clips {
    /// The committed samples, read once per process.
    pub fn get() -> &'static Clips {
        static CLIPS: OnceLock<Clips> = OnceLock::new();
        CLIPS.get_or_init(Clips::read)
    }

    fn read() -> Clips {
        let calls = ["order-status-slt", "return-awb", "person-kal16", "barge-in-rms", "order-status-espeak"];
        let speech: Vec<Vec<i16>> = calls.iter().flat_map(|call| utterances(call)).collect();
        let coughs = (1..=12).filter_map(|number| cough(&format!("{number:02}"))).collect();
        Clips { speech, coughs }
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../audio-samples")
}

fn utterances(call: &str) -> Vec<Vec<i16>> {
    let samples = wav(&folder().join(call).with_extension("wav"));
    let text = std::fs::read_to_string(folder().join(call).with_extension("json")).unwrap_or_default();
    let label: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let spans = label["utterances"].as_array().cloned().unwrap_or_default();
    let position = |span: &serde_json::Value, name: &str| span[name].as_u64().unwrap_or(0) as usize;
    let cut = |span: &serde_json::Value| {
        samples.get(position(span, "start")..position(span, "end")).unwrap_or_default().to_vec()
    };
    spans.iter().map(cut).filter(|clip| !clip.is_empty() && clip.len() <= LONGEST).collect()
}

fn cough(number: &str) -> Option<Vec<i16>> {
    let samples = wav(&folder().join("coughs/tuning").join(format!("cough-{number}.wav")));
    let loud = |sample: &i16| sample.unsigned_abs() > 60;
    let (from, to) = (samples.iter().position(loud)?, samples.iter().rposition(loud)?);
    Some(samples[from..=to].to_vec())
}

/// The samples of a mono 16 bit WAV; empty where there is none.
fn wav(path: &std::path::Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let data = bytes.windows(4).position(|four| four == b"data").map_or(bytes.len(), |at| at + 8);
    let samples = bytes.get(data..).unwrap_or_default();
    samples.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// Ten seconds of what a bot sounds like at `rate`: loud, and nothing a recognizer would like.
pub(crate) fn bot_voice(rate: u32) -> Arc<[i16]> {
    static VOICES: Mutex<BTreeMap<u32, Arc<[i16]>>> = Mutex::new(BTreeMap::new());
    let mut voices = VOICES.lock().unwrap_or_else(PoisonError::into_inner);
    voices.entry(rate).or_insert_with(|| hum(rate)).clone()
}

fn hum(rate: u32) -> Arc<[i16]> {
    let mut samples = vec![0; rate as usize * 10];
    Sine::new(330.0, 6_000.0, rate).fill(&mut samples);
    let mut noise = Noise::new(u64::from(rate), 1_500);
    samples.iter_mut().for_each(|sample| *sample += noise.sample());
    samples.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_samples_are_found() {
        let clips = Clips::get();

        assert!(clips.speech.len() >= 8, "{}", clips.speech.len());
        assert_eq!(clips.coughs.len(), 12);
    }
}
