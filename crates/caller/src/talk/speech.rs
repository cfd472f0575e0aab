//! Speech with known text: WAVs, and beside each a JSON that says what is said where.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::CallerError;
use crate::{listen, wav};

/// Something a caller says.
#[derive(Clone, Debug, PartialEq)]
pub struct Utterance {
    /// Its words where they are known, else the file and its number.
    pub text: String,
    /// 8 kHz mono.
    pub samples: Vec<i16>,
    /// How soon an answer is expected, where the file says so.
    pub answer_within: Option<Duration>,
}

/// What stands beside `NAME.wav` in `NAME.json`. Members that are not ours are somebody else's.
#[derive(Debug, Deserialize)]
struct Labels {
    #[serde(default)]
    utterances: Vec<Label>,
}

#[derive(Debug, Deserialize)]
struct Label {
    text: String,
    /// What is played, in samples of the WAV, which must then be at 8 kHz. Without it the utterance is found by the
    /// silence around it.
    from: Option<usize>,
    to: Option<usize>,
    answer_within_ms: Option<u64>,
}

/// Reads the utterances of a WAV: those that its JSON names, or whatever lies between seconds of digital silence.
pub fn read_speech(path: &Path) -> Result<Vec<Utterance>, CallerError> {
    let samples = wav::read(path)?;
    let labels = labels_beside(path)?;
    cut(&samples, &labels, &name_of(path))
        .map_err(|reason| CallerError::Wav { path: path.to_owned(), reason })
}

/// Reads what is voiced in a WAV as one utterance, silence around it cut off: a cough, a word, a noise.
pub fn read_voiced(path: &Path) -> Result<Utterance, CallerError> {
    let samples = wav::read(path)?;
    let failed = || CallerError::Wav { path: path.to_owned(), reason: "nothing but silence".to_owned() };
    let found = listen::split(&samples);
    let (first, last) = (found.first().ok_or_else(failed)?, found.last().ok_or_else(failed)?);
    let samples = samples.get(first.range.start..last.range.end).unwrap_or_default().to_vec();
    Ok(Utterance { text: name_of(path), samples, answer_within: None })
}

fn labels_beside(path: &Path) -> Result<Vec<Label>, CallerError> {
    let beside = path.with_extension("json");
    let text = match std::fs::read(&beside) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CallerError::Wav { path: beside, reason: error.to_string() }),
    };
    serde_json::from_slice::<Labels>(&text)
        .map(|labels| labels.utterances)
        .map_err(|error| CallerError::Wav { path: beside, reason: error.to_string() })
}

fn cut(samples: &[i16], labels: &[Label], name: &str) -> Result<Vec<Utterance>, String> {
    let placed: Option<Vec<Range<usize>>> = labels.iter().map(|label| Some(label.from?..label.to?)).collect();
    let ranges = match placed.filter(|placed| !placed.is_empty()) {
        Some(placed) => placed,
        None => listen::split(samples).into_iter().map(|utterance| utterance.range).collect(),
    };
    if ranges.is_empty() {
        return Err("nothing but silence".to_owned());
    }
    if !labels.is_empty() && labels.len() != ranges.len() {
        return Err(format!("{} utterances are found, its JSON names {}", ranges.len(), labels.len()));
    }
    let utterance = |(index, range): (usize, Range<usize>)| {
        let label = labels.get(index);
        let part = samples.get(range.clone()).filter(|part| !part.is_empty());
        let part = part.ok_or_else(|| format!("it has no samples {} to {}", range.start, range.end))?;
        Ok(Utterance {
            text: label.map_or_else(|| format!("{name} #{}", index + 1), |label| label.text.clone()),
            samples: part.to_vec(),
            answer_within: label.and_then(|label| label.answer_within_ms).map(Duration::from_millis),
        })
    };
    ranges.into_iter().enumerate().map(utterance).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(samples: usize) -> Vec<i16> {
        (0..samples).map(|n| ((n as f64 * 0.3).sin() * 6000.0) as i16).collect()
    }

    fn two_words() -> Vec<i16> {
        [vec![0; 800], voice(4000), vec![0; 9600], voice(2400), vec![0; 800]].concat()
    }

    fn labels(json: &str) -> Vec<Label> {
        serde_json::from_str::<Labels>(json).unwrap().utterances
    }

    #[test]
    fn words_are_found_by_the_silence_between_them_and_named_by_their_number() {
        let found = cut(&two_words(), &[], "a.wav").unwrap();

        let texts: Vec<_> = found.iter().map(|utterance| utterance.text.as_str()).collect();
        assert_eq!(texts, ["a.wav #1", "a.wav #2"]);
        assert!(found[0].samples.len().abs_diff(4000) <= 160, "{}", found[0].samples.len());
    }

    #[test]
    fn labels_give_text_place_and_the_answer_time_that_is_expected() {
        let labels = labels(
            r#"{"level": -20, "utterances": [{"text": "one", "from": 700, "to": 5000, "answer_within_ms": 900},
                {"text": "two", "from": 14000, "to": 17000, "voice": "x"}]}"#,
        );

        let found = cut(&two_words(), &labels, "a.wav").unwrap();

        assert_eq!((found[0].text.as_str(), found[0].samples.len()), ("one", 4300));
        assert_eq!(found[0].answer_within, Some(Duration::from_millis(900)));
        assert_eq!((found[1].samples.len(), found[1].answer_within), (3000, None));
    }

    #[test]
    fn labels_without_a_place_name_what_is_found_and_must_be_as_many() {
        let texts = labels(r#"{"utterances": [{"text": "one"}, {"text": "two"}]}"#);
        let too_few = labels(r#"{"utterances": [{"text": "one"}]}"#);
        let outside = labels(r#"{"utterances": [{"text": "one", "from": 5, "to": 500000}]}"#);

        assert_eq!(cut(&two_words(), &texts, "a.wav").unwrap()[1].text, "two");
        assert_eq!(
            cut(&two_words(), &too_few, "a.wav").unwrap_err(),
            "2 utterances are found, its JSON names 1"
        );
        assert_eq!(cut(&two_words(), &outside, "a.wav").unwrap_err(), "it has no samples 5 to 500000");
        assert_eq!(cut(&[0; 9600], &[], "a.wav").unwrap_err(), "nothing but silence");
    }
}
