//! Reads `audio-samples` and feeds them the way a call does.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::{Path, PathBuf};

use offhook_audio::{Frame, Upsampler8To16};
use offhook_time::Time;

/// A WAV of `audio-samples` and its labels.
pub struct Sample {
    pub name: String,
    /// 8 kHz.
    pub audio: Vec<i16>,
    pub utterances: Vec<Label>,
}

/// Where a sound lies, in samples of 8 kHz.
#[derive(Clone, Debug)]
pub struct Label {
    pub text: String,
    pub start: usize,
    pub end: usize,
}

/// All WAVs of a folder below `audio-samples`, by name.
pub fn read_folder(folder: &str) -> Vec<Sample> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../audio-samples").join(folder);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Sample {
    let mut reader = hound::WavReader::open(path).unwrap();
    assert_eq!(reader.spec().sample_rate, 8_000);
    let audio = reader.samples().map(Result::unwrap).collect();
    let json = std::fs::read(path.with_extension("json")).unwrap();
    let facts: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let single = [facts.clone()];
    let labels = facts["utterances"].as_array().map_or(&single[..], Vec::as_slice);
    let utterances = labels.iter().map(label).collect();
    Sample { name: path.file_stem().unwrap().to_string_lossy().into_owned(), audio, utterances }
}

fn label(facts: &serde_json::Value) -> Label {
    let position = |name: &str| facts[name].as_u64().unwrap() as usize;
    Label {
        text: facts["text"].as_str().unwrap_or("cough").to_owned(),
        start: position("start"),
        end: position("end"),
    }
}

/// The frames of 8 kHz audio at 16 kHz; each arrives when its last sample was spoken, its RTP timestamp is the
/// position of its first.
pub fn frames(audio: &[i16]) -> impl Iterator<Item = Frame> {
    let mut upsampler = Upsampler8To16::new();
    audio.chunks_exact(160).enumerate().map(move |(n, narrow)| {
        let mut wide = [0; 320];
        upsampler.process(narrow.try_into().unwrap(), &mut wide);
        let mut frame = Frame::from_samples(&wide);
        frame.rtp_timestamp = n as u32 * 160;
        frame.arrived_at = Time::from_millis((n as u64 + 1) * 20);
        frame
    })
}

impl Label {
    pub fn start_ms(&self) -> i64 {
        self.start as i64 / 8
    }

    pub fn end_ms(&self) -> i64 {
        self.end as i64 / 8
    }
}
