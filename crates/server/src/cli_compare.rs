//! The command line of `compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::BeyondArg;
use crate::cli_machine::{EngineArg, MachineArgs, VoiceArg};

/// Options of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Call bundles, and folders that are searched with all below them.
    #[arg(required = true, value_name = "FOLDER|FILE")]
    pub paths: Vec<PathBuf>,
    /// Side b: another bot takes the calls.
    #[arg(long, value_name = "FILE", conflicts_with = "with")]
    pub bot: Option<PathBuf>,
    /// Side b: changes a setting, see below; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "with")]
    pub set: Vec<String>,
    /// Side b: the same calls as another build or server recorded them, paired as --pair says; may be repeated.
    #[arg(long, value_name = "FOLDER|FILE")]
    pub with: Vec<PathBuf>,
    /// How calls of both folders find each other.
    #[arg(long, value_enum, default_value = "id", requires = "with")]
    pub pair: PairArg,
    /// Side a: this bot takes the calls, instead of the recordings themselves.
    #[arg(long, value_name = "FILE", conflicts_with = "with")]
    pub against: Option<PathBuf>,
    /// What to do where a changed call asks what the recording has no answer to.
    #[arg(long, value_enum, default_value = "stop", conflicts_with = "with")]
    pub beyond: BeyondArg,
    /// Who hears the caller where the recording has no answer; with it a synthesizer speaks too, see --voice.
    #[arg(long, value_enum, conflicts_with = "with")]
    pub engine: Option<EngineArg>,
    /// Who speaks for the bot what was never said: `live` with `--engine live`, else `modelled`, a hum that is as long.
    #[arg(long, value_enum, requires = "engine")]
    pub voice: Option<VoiceArg>,
    /// Who answers requests to business systems that were never asked: `live`, another address for the same paths, or
    /// a JSON file of answers; may be repeated.
    #[arg(long, value_name = "live|URL|FILE", requires = "engine")]
    pub tools: Vec<String>,
    /// How long engines and systems take in the call: always so long, or as long as they really took.
    #[arg(long, value_name = "TIME|measured", default_value = "100ms", requires = "engine")]
    pub delay: String,
    /// The server's configuration: engines, values and targets of bots.
    #[arg(long, value_name = "FILE", requires = "engine")]
    pub config: Option<PathBuf>,
    /// Fails where this is true, see below; may be repeated.
    #[arg(long, value_name = "RULE")]
    pub fail_on: Vec<String>,
    /// Writes a report that any browser opens, without a network.
    #[arg(long, value_name = "FILE.html")]
    pub html: Option<PathBuf>,
    /// The key of encrypted bundles: 64 hexadecimal digits, or file:PATH.
    #[arg(long, env = "OFFHOOK_BUNDLE_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// Calls at the same time.
    #[arg(long, default_value_t = 2, value_name = "THREADS")]
    pub threads: usize,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
}

impl CompareArgs {
    /// Who answers where the recordings do not; `None` where nobody does.
    pub fn machine(&self) -> Option<MachineArgs> {
        Some(MachineArgs {
            engine: Some(self.engine?),
            voice: self.voice,
            tools: self.tools.clone(),
            delay: self.delay.clone(),
            config: self.config.clone(),
            ..MachineArgs::default()
        })
    }
}

/// How calls of two folders find each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PairArg {
    /// By the call's id, or else by its SIP Call-ID.
    Id,
    /// The first call of a caller to a number with the first of that caller to that number, and so on.
    Caller,
    /// The first to begin with the first to begin, and so on.
    Order,
}
