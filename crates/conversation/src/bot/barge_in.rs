//! What may interrupt a prompt, as people write it: one word, `true`/`false`, or speech and digits apart.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::suggest;
use crate::{BargeIn, OnSpeech};

/// `speech`, `recognized`, `digits`, `none`, `true` (= `speech`), `false` (= `none`), or `{ speech, digits }`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BargeInFile(pub BargeIn);

const WORDS: [(&str, BargeIn); 4] = [
    ("speech", BargeIn::ANY),
    ("recognized", BargeIn { speech: OnSpeech::WaitForMatch, digits: true }),
    ("digits", BargeIn { speech: OnSpeech::Ignore, digits: true }),
    ("none", BargeIn::NONE),
];

/// What the word says; `None` for any other.
pub(crate) fn of_word(word: &str) -> Option<BargeIn> {
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, barge_in)| *barge_in)
}

impl<'de> Deserialize<'de> for BargeInFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BargeInVisitor)
    }
}

struct BargeInVisitor;

impl<'de> Visitor<'de> for BargeInVisitor {
    type Value = BargeInFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of speech, recognized, digits and none")
    }

    fn visit_bool<E: Error>(self, any: bool) -> Result<Self::Value, E> {
        Ok(BargeInFile(if any { BargeIn::ANY } else { BargeIn::NONE }))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        let known = of_word(word).map(BargeInFile);
        known.ok_or_else(|| unknown(word, WORDS.map(|(known, _)| known)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let Apart { speech: Spoken(speech), digits } = Apart::deserialize(MapAccessDeserializer::new(map))?;
        Ok(BargeInFile(BargeIn { speech, digits }))
    }
}

/// Speech and digits apart.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Apart {
    /// What the caller's speech does: `true` stops, `recognized` stops where it is understood.
    speech: Spoken,
    /// Whether a key stops it.
    digits: bool,
}

impl Default for Apart {
    fn default() -> Self {
        Apart { speech: Spoken(BargeIn::ANY.speech), digits: BargeIn::ANY.digits }
    }
}

struct Spoken(OnSpeech);

impl<'de> Deserialize<'de> for Spoken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpokenVisitor)
    }
}

struct SpokenVisitor;

impl Visitor<'_> for SpokenVisitor {
    type Value = Spoken;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false or recognized")
    }

    fn visit_bool<E: Error>(self, stops: bool) -> Result<Self::Value, E> {
        Ok(Spoken(if stops { OnSpeech::Stop } else { OnSpeech::Ignore }))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        match word {
            "recognized" => Ok(Spoken(OnSpeech::WaitForMatch)),
            other => Err(unknown(other, ["recognized", "true", "false"])),
        }
    }
}

fn unknown<E: Error, const N: usize>(word: &str, known: [&str; N]) -> E {
    E::custom(format!("`{word}` says nothing of barge-in; {}", suggest::remedy(word, "words", known)))
}

impl JsonSchema for BargeInFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "BargeIn".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words = WORDS.map(|(word, _)| word);
        let apart = generator.subschema_for::<Apart>();
        json_schema!({ "anyOf": [{ "enum": words }, { "type": "boolean" }, apart] })
    }
}

impl JsonSchema for Spoken {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Spoken".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [true, false, "recognized"] })
    }
}
