//! A checked bot file.

mod barge_in;
mod check;
pub(crate) mod defaults;
mod error;
pub(crate) mod file;
pub(crate) mod masking;
mod money;
mod place;
mod short;
mod span;
mod spoken;
mod suggest;
mod syntax;
mod templates;
mod tests_file;
pub(crate) mod walk;

use std::collections::BTreeSet;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use sha2::{Digest, Sha256};

pub use error::{BotError, BotErrors};
pub(crate) use place::{At, Place};
pub(crate) use short::Short;
pub(crate) use templates::{Scope, Templates};
pub(crate) use tests_file::read_tests;

use crate::{BargeIn, Language};
use file::{BotFile, DigitsFile};

/// A bot: a file that was read, checked and compiled. Shared by its calls; a call keeps the one it began with.
#[derive(Debug)]
pub struct Bot {
    version: String,
    file_name: String,
    source: String,
    file: BotFile,
    templates: Templates,
    masked_names: BTreeSet<String>,
    /// Wins over all that the file says of barge-in.
    barge_in_everywhere: Option<BargeIn>,
}

impl Bot {
    /// Reads and checks a bot file. `file_name` is only used in messages.
    pub fn parse(yaml: &str, file_name: &str) -> Result<Bot, BotErrors> {
        let mut file: BotFile = syntax::read(yaml, file_name)?;
        defaults::fill(&mut file);
        let templates = Templates::new(Language::of(&file.language));
        check::check(&file, &templates, yaml, file_name)?;
        Ok(Bot {
            version: Bot::version_of(yaml),
            file_name: file_name.to_owned(),
            source: yaml.to_owned(),
            masked_names: masking::masked_names(&file),
            file,
            templates,
            barge_in_everywhere: None,
        })
    }

    /// Hash of the file's content: the first 16 hexadecimal digits of its SHA-256.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The version that a file with this text has.
    pub fn version_of(yaml: &str) -> String {
        Sha256::digest(yaml.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The name of the file, as `parse` was given it.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The file's text, as `parse` was given it: what a recorded call needs to be run again.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Slots and variables whose values must be recorded nowhere.
    pub(crate) fn masked_names(&self) -> &BTreeSet<String> {
        &self.masked_names
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        &self.file.bot
    }

    /// BCP 47 tag of what the bot speaks and hears.
    pub fn language(&self) -> &str {
        &self.file.language
    }

    /// The voice; `None` = the configured one.
    pub fn voice(&self) -> Option<&str> {
        self.file.voice.as_deref()
    }

    /// Names under `config:` with their defaults: what the server's configuration may or must give.
    pub fn config(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.file.config.iter().map(|(name, default)| (name.as_str(), default.as_deref()))
    }

    /// Names of transfer targets with their addresses; `None` = the server's configuration must know the name.
    pub fn targets(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.file
            .targets
            .iter()
            .map(|(name, target)| (name.as_str(), target.uri.as_ref().map(|uri| uri.as_str())))
    }

    /// Tools: name, and the template of the URL that is asked.
    pub fn tools(&self) -> impl Iterator<Item = (&str, &str)> {
        self.file.tools.iter().map(|(name, tool)| (name.as_str(), tool.url.as_str()))
    }

    /// Whether callers are asked to say what they mean: such a bot needs a recognizer, where keys do for others.
    pub fn has_intents(&self) -> bool {
        !self.file.intents.is_empty()
    }

    /// Names of the states.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        walk::names(&self.file.states)
    }

    /// JSON Schema of bot files, for editors.
    pub fn json_schema() -> serde_json::Value {
        SchemaGenerator::new(SchemaSettings::draft2020_12()).into_root_schema_for::<BotFile>().to_value()
    }

    /// Every prompt may be interrupted as this word says (`speech`, `recognized`, `digits`, `none`), whatever the file
    /// says: to play a recorded call again with that changed. `false` for any other word.
    pub fn interrupt_everywhere_by(&mut self, word: &str) -> bool {
        self.barge_in_everywhere = barge_in::of_word(word);
        self.barge_in_everywhere.is_some()
    }

    /// What may interrupt a prompt that says this of itself, or nothing.
    pub(crate) fn barge_in(&self, of_prompt: Option<barge_in::BargeInFile>) -> BargeIn {
        self.barge_in_everywhere.unwrap_or(of_prompt.unwrap_or(self.file.turn.barge_in).0)
    }

    pub(crate) fn file(&self) -> &BotFile {
        &self.file
    }

    pub(crate) fn templates(&self) -> &Templates {
        &self.templates
    }

    pub(crate) fn family(&self) -> Language {
        Language::of(&self.file.language)
    }
}

/// Fewest and most digits; `None` where what is written is no number.
pub(crate) fn digits_of(digits: &Short<DigitsFile>) -> Option<(u8, u8)> {
    match digits {
        Short::Text(count) => count.trim().parse().ok().map(|count| (count, count)),
        Short::Long(range) => Some((range.min, range.max)),
    }
}
