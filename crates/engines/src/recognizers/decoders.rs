//! A pair of decoders that hear the same utterance: one with the grammar, one without any.

use std::collections::BTreeSet;
use std::path::Path;

use offhook_pocketsphinx_ffi::{Decoder, Error, Library, MODEL_DIRECTORY};

use super::dictionary::Dictionary;
use super::features::{Cepstrum, Telephone, path_of};
use super::jsgf::Jsgf;
use super::verdict::Evidence;

/// Compiled grammars that a pair keeps; the oldest leaves.
const GRAMMARS: usize = 12;
/// Decoders start without words and learn those of their grammars: 30 MB and 0.1 s less for each.
const NO_WORDS: &str = "/dev/null";

/// What was heard.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Hearing {
    Words { text: String, evidence: Evidence },
    Nothing,
}

/// Two decoders; one utterance at a time, whole.
pub(super) struct Pair {
    words: Decoder,
    phones: Decoder,
    taught: BTreeSet<String>,
    /// Names and texts of the compiled grammars, the oldest first.
    grammars: Vec<(String, String)>,
    compiled: u32,
}

impl Pair {
    /// Takes some 50 ms: made before it is needed.
    pub(super) fn new(library: &Library, telephone: &Telephone) -> Result<Pair, Error> {
        let model = format!("{MODEL_DIRECTORY}/en-us");
        let phone_model = format!("{MODEL_DIRECTORY}/en-us-phone.lm.bin");
        let means = telephone.moved_means(Path::new(&model)).ok().flatten();
        let moved = means.as_ref().map(path_of);
        if moved.is_none() {
            tracing::warn!(
                "the acoustic model is not that of Debian 12: it is used as it is, and hears less well"
            );
        }
        // Vectors come normalized, and our detector has judged silence already.
        let mut common =
            vec![("-hmm", model.as_str()), ("-dict", NO_WORDS), ("-cmn", "none"), ("-remove_silence", "no")];
        common.extend(moved.as_deref().map(|path| ("-mean", path)));
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

    /// Decodes one utterance.
    pub(super) fn hear(&mut self, cepstra: &[Cepstrum]) -> Result<Hearing, Error> {
        for decoder in [&mut self.words, &mut self.phones] {
            // A result must not depend on who used the pair before.
            decoder.start_stream()?;
            decoder.start_utterance()?;
            let heard = decoder.process_cepstra(cepstra);
            decoder.end_utterance()?;
            heard?;
        }
        let Some((text, _)) = self.words.hypothesis() else { return Ok(Hearing::Nothing) };
        let evidence = Evidence::weigh(&self.words.segments(), &self.phones.segments());
        Ok(match evidence {
            Some(evidence) if !text.is_empty() => Hearing::Words { text, evidence },
            Some(_) | None => Hearing::Nothing,
        })
    }
}
