//! A pair of decoders that hear the same utterance: one with the grammar, one without any.

use std::collections::BTreeSet;

use offhook_pocketsphinx_ffi::{Decoder, Error, Library, MODEL_DIRECTORY};

use super::dictionary::Dictionary;
use super::jsgf::Jsgf;
use super::verdict::Evidence;

/// Compiled grammars that a pair keeps; the oldest leaves.
const GRAMMARS: usize = 12;
/// What the cepstral mean of a telephone line is before the call has taught a better one: the mean over the voices
/// of `tests/hosted`.
const TELEPHONE_MEAN: [f32; 13] =
    [33.48, 6.54, -17.79, 8.11, -5.50, -22.14, 7.57, -24.58, -5.96, -2.75, -16.04, 6.92, -11.85];
/// Decoders start without words and learn those of their grammars: 30 MB and 0.1 s less for each.
const NO_WORDS: &str = "/dev/null";
/// How loud the mirror image is that fills the band above 4 kHz. The model was trained with that band; without it
/// fricatives are lost. Louder images hurt vowels.
const IMAGE: f32 = 0.1;

/// What a call has taught about its line and voice.
#[derive(Clone, Debug)]
pub(super) struct LineMean {
    words: Vec<f32>,
    phones: Vec<f32>,
}

impl Default for LineMean {
    fn default() -> Self {
        LineMean { words: TELEPHONE_MEAN.to_vec(), phones: TELEPHONE_MEAN.to_vec() }
    }
}

/// What was heard.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Hearing {
    Words { text: String, evidence: Evidence },
    Nothing,
}

/// Two decoders; one utterance at a time.
pub(super) struct Pair {
    words: Decoder,
    phones: Decoder,
    taught: BTreeSet<String>,
    /// Names and texts of the compiled grammars, the oldest first.
    grammars: Vec<(String, String)>,
    compiled: u32,
    odd: bool,
    buffer: Vec<i16>,
}

impl Pair {
    /// Takes some 25 ms: made before it is needed.
    pub(super) fn new(library: &Library) -> Result<Pair, Error> {
        let model = format!("{MODEL_DIRECTORY}/en-us");
        let phone_model = format!("{MODEL_DIRECTORY}/en-us-phone.lm.bin");
        // Its own silence detection would cut words that our detector has judged already.
        let common = [("-hmm", model.as_str()), ("-dict", NO_WORDS), ("-remove_silence", "no")];
        let with = |more: &[(&'static str, &str)]| {
            let options: Vec<(&str, &str)> = common.iter().chain(more.iter()).copied().collect();
            Decoder::new(library, &options)
        };
        Ok(Pair {
            words: with(&[])?,
            phones: with(&[
                ("-allphone", &phone_model),
                ("-allphone_ci", "yes"),
                ("-beam", "1e-20"),
                ("-pbeam", "1e-20"),
            ])?,
            taught: BTreeSet::new(),
            grammars: Vec::new(),
            compiled: 0,
            odd: false,
            buffer: Vec::new(),
        })
    }

    /// Uses this grammar from the next utterance on; compiled once per pair.
    pub(super) fn select(&mut self, jsgf: &Jsgf, dictionary: &Dictionary) -> Result<(), Error> {
        if let Some((name, _)) = self.grammars.iter().find(|(_, text)| *text == jsgf.text) {
            return self.words.select_search(name);
        }
        for word in &jsgf.words {
            if self.taught.contains(word) {
                continue;
            }
            for (number, phones) in dictionary.pronunciations(word).enumerate() {
                match number {
                    0 => self.words.add_word(word, phones)?,
                    _ => self.words.add_word(&format!("{word}({})", number + 1), phones)?,
                }
            }
            self.taught.insert(word.clone());
        }
        self.compiled += 1;
        let name = format!("grammar-{}", self.compiled);
        self.words.set_grammar(&name, &jsgf.text)?;
        self.words.select_search(&name)?;
        self.grammars.push((name, jsgf.text.clone()));
        if self.grammars.len() > GRAMMARS {
            let (oldest, _) = self.grammars.remove(0);
            self.words.remove_search(&oldest)?;
        }
        Ok(())
    }

    pub(super) fn start(&mut self, line: &LineMean) -> Result<(), Error> {
        self.words.set_cepstral_mean(&line.words)?;
        self.phones.set_cepstral_mean(&line.phones)?;
        self.odd = false;
        // A result must not depend on who used the pair before.
        self.words.start_stream()?;
        self.phones.start_stream()?;
        self.words.start_utterance()?;
        self.phones.start_utterance()
    }

    pub(super) fn push(&mut self, samples: &[i16]) -> Result<(), Error> {
        self.buffer.clear();
        let mut odd = self.odd;
        // Turning the sign of every other sample mirrors the spectrum at 4 kHz.
        self.buffer.extend(samples.iter().map(|sample| {
            odd = !odd;
            let factor = if odd { 1.0 + IMAGE } else { 1.0 - IMAGE };
            (f32::from(*sample) * factor) as i16
        }));
        self.odd = odd;
        self.words.process(&self.buffer)?;
        self.phones.process(&self.buffer)
    }

    pub(super) fn finish(&mut self, line: &mut LineMean) -> Result<Hearing, Error> {
        let ended = self.words.end_utterance();
        self.phones.end_utterance()?;
        ended?;
        let Some((text, _)) = self.words.hypothesis() else { return Ok(Hearing::Nothing) };
        let evidence = Evidence::weigh(&self.words.segments(), &self.phones.segments());
        Ok(match evidence {
            Some(evidence) if !text.is_empty() => {
                *line = LineMean { words: self.words.cepstral_mean(), phones: self.phones.cepstral_mean() };
                Hearing::Words { text, evidence }
            }
            Some(_) | None => Hearing::Nothing,
        })
    }
}
