//! Options of `replay` for who answers a call that goes through the machine again.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Who answers what no recording answers.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Who answers what no recording answers")]
pub struct MachineArgs {
    /// Who hears the caller. Without it `live` for captures and WAVs, `scripted` for transcripts, and for a bundle
    /// nobody: it stops where the recording has no answer.
    #[arg(long, value_enum, conflicts_with_all = ["live", "wav"])]
    pub engine: Option<EngineArg>,
    /// Who speaks for the bot: `live` with `--engine live`, else `modelled`.
    #[arg(long, value_enum, conflicts_with_all = ["live", "wav"])]
    pub voice: Option<VoiceArg>,
    /// Who answers the bot's requests to business systems: `live` for the addresses that the bot names, another
    /// address for the same paths, or a JSON file of answers. Several are asked in this order.
    #[arg(long, value_name = "live|URL|FILE", conflicts_with_all = ["live", "wav"])]
    pub tools: Vec<String>,
    /// With `--engine scripted`: what the callers of a capture or WAV say, a transcript.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["live", "wav"])]
    pub words: Option<PathBuf>,
    /// How long engines and systems take in the call: always so long, or as long as they really took.
    #[arg(long, value_name = "TIME|measured", default_value = "100ms")]
    pub delay: String,
    /// Who is the caller once a transcript or bundle is left: cmd:PROGRAM, a URL, or an OpenAI-compatible
    /// …/chat/completions (key in OFFHOOK_MODEL_KEY).
    #[arg(long, value_name = "cmd:PROGRAM|URL", conflicts_with_all = ["live", "wav"])]
    pub caller: Option<String>,
    /// What that caller is told about itself, or file:PATH.
    #[arg(long, value_name = "TEXT", requires = "caller")]
    pub persona: Option<String>,
    /// Which model of a chat endpoint.
    #[arg(long, value_name = "NAME", default_value = "default", requires = "caller")]
    pub model: String,
    /// The server's configuration: engines, values and targets of bots, limits.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["live", "wav"])]
    pub config: Option<PathBuf>,
    /// Writes the calls that went through the machine as bundles: a file for one, a folder for several.
    #[arg(short = 'o', long = "out", value_name = "FILE.call|DIR", conflicts_with_all = ["live", "wav"])]
    pub out: Option<PathBuf>,
}

/// Who hears the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineArg {
    /// The embedded engines, or those of --config.
    #[value(alias = "pocketsphinx")]
    Live,
    /// Nobody listens: the words are those of the transcript, or of --words.
    Scripted,
    /// There is no recognizer: bots hear keys.
    None,
}

/// Who speaks for the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum VoiceArg {
    /// The embedded synthesizers, or those of --config.
    Live,
    /// A hum that is as long as the words.
    Modelled,
}

impl MachineArgs {
    /// Whether anything is asked of those who answer: a bundle then is not only verified.
    pub fn is_asked(&self) -> bool {
        self.engine.is_some() || !self.tools.is_empty() || self.caller.is_some()
    }
}
