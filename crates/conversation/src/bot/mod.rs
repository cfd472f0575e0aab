//! A checked bot file.

mod error;

pub use error::{BotError, BotErrors};

/// A bot: a file that was read, checked and compiled. Shared by its calls; a call keeps the one it began with.
#[derive(Debug)]
pub struct Bot {
    version: String,
    name: String,
    language: String,
    voice: Option<String>,
}

impl Bot {
    /// Reads and checks a bot file. `file_name` is only used in messages.
    pub fn parse(yaml: &str, file_name: &str) -> Result<Bot, BotErrors> {
        let _ = (yaml, file_name);
        Err(BotErrors(Vec::new()))
    }

    /// Hash of the file's content (SHA-256, first 16 hexadecimal digits).
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// BCP 47 tag of what the bot speaks and hears.
    pub fn language(&self) -> &str {
        &self.language
    }

    /// The voice; `None` = the configured one.
    pub fn voice(&self) -> Option<&str> {
        self.voice.as_deref()
    }

    /// JSON Schema of bot files, for editors.
    pub fn json_schema() -> serde_json::Value {
        serde_json::Value::Null
    }
}
