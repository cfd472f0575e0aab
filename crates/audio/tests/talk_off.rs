//! Speech is not taken for key presses.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod samples;

use offhook_audio::tones::{DtmfDetector, DtmfGenerator};
use samples::read_folder;

#[test]
fn no_caller_and_no_cough_presses_a_key() {
    for folder in ["", "out-of-grammar", "out-of-grammar-test", "coughs/tuning", "coughs/test"] {
        for sample in read_folder(folder) {
            let mut detector = DtmfDetector::new();
            let keys: String = sample.audio.chunks(160).filter_map(|frame| detector.push(frame)).collect();

            assert_eq!(keys, "", "{folder}/{}: {:?}", sample.name, sample.utterances);
        }
    }
}

#[test]
fn a_key_pressed_while_the_caller_speaks_is_found() {
    let sample = read_folder("").into_iter().find(|sample| sample.name == "order-status-slt").unwrap();
    let mut audio = sample.audio;
    let start = (sample.utterances[0].start_ms() + sample.utterances[0].end_ms()) as usize * 4;
    let mut tones = [0; 800];
    DtmfGenerator::new('7', 8_000).unwrap().fill(&mut tones);
    offhook_audio::gain::mix(&mut audio[start..start + 800], &tones);

    let mut detector = DtmfDetector::new();
    let keys: String = audio.chunks(160).filter_map(|frame| detector.push(frame)).collect();

    assert_eq!(keys, "7");
}
