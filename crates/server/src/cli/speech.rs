//! The command line of the benches that speak: `bench turns` and `bench bargein`.

use std::path::PathBuf;

use clap::Args;

use super::bench::{FrameArgs, LineArgs};

/// Options of `bench turns`.
#[derive(Debug, Args)]
pub struct TurnsArgs {
    /// A bot that answers what is said; any SIP server will do.
    #[arg(default_value = "sip:after-sales@127.0.0.1:5060")]
    pub uri: String,
    /// What a caller says: a WAV with a second of silence between two utterances, or with a NAME.json beside it that
    /// names text and place of each. May be repeated: calls take them in turn.
    #[arg(long, required = true, value_name = "FILE.wav")]
    pub speech: Vec<PathBuf>,
    /// Utterances of a call, from the first again after the last; without it all of its file, once.
    #[arg(long)]
    pub turns: Option<usize>,
    /// An answer is expected within this time; `answer_within_ms` of an utterance in the JSON wins. Exit code 5 where one
    /// comes later or never.
    #[arg(long, value_name = "MS")]
    pub answer_within: Option<f64>,
    /// How long they must be quiet before the caller speaks; longer than the pauses of a prompt.
    #[arg(long, default_value_t = 900.0, value_name = "MS")]
    pub quiet_after: f64,
    /// How long a greeting is waited for before the caller speaks first.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    pub greeting_patience: f64,
    /// How long an answer is waited for before the caller goes on without one.
    #[arg(long, default_value_t = 12.0, value_name = "SECONDS")]
    pub answer_patience: f64,
    /// How many calls.
    #[command(flatten)]
    pub calls: CallsArgs,
    /// Options that every bench has.
    #[command(flatten)]
    pub frame: FrameArgs,
    /// How bad the line is.
    #[command(flatten)]
    pub line: LineArgs,
}

/// Options of `bench bargein`.
#[derive(Debug, Args)]
pub struct BargeInArgs {
    /// A bot that greets with a prompt; any SIP server will do.
    #[arg(default_value = "sip:after-sales@127.0.0.1:5060")]
    pub uri: String,
    /// What is said into the prompt, as for `bench turns`; each call takes the next utterance.
    #[arg(long, required_unless_present = "noise", value_name = "FILE.wav")]
    pub speech: Vec<PathBuf>,
    /// A cough or noise that should stop nobody: a WAV, or a folder of them. As many calls again cough.
    #[arg(long, value_name = "FILE.wav|DIR")]
    pub noise: Vec<PathBuf>,
    /// When: milliseconds from the prompt's first audible packet on. Without it moments are chosen that leave enough of
    /// the prompt.
    #[arg(long, value_name = "MS[,MS...]", value_delimiter = ',')]
    pub at: Vec<f64>,
    /// The bot is expected to fall silent within this time. Exit code 5 where it does later or not at all.
    #[arg(long, value_name = "MS")]
    pub stop_within: Option<f64>,
    /// How long a call listens after it has spoken.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    pub listen: f64,
    /// How long the prompt is waited for.
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub patience: f64,
    /// How many calls.
    #[command(flatten)]
    pub calls: CallsArgs,
    /// Options that every bench has.
    #[command(flatten)]
    pub frame: FrameArgs,
    /// How bad the line is.
    #[command(flatten)]
    pub line: LineArgs,
}

/// How many calls speak.
#[derive(Debug, Args)]
pub struct CallsArgs {
    /// Calls in all.
    #[arg(long, default_value_t = 10)]
    pub calls: usize,
    /// Calls at once.
    #[arg(long, default_value_t = 1)]
    pub at_once: usize,
    /// Threads of the caller.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
}
