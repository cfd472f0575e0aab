//! The command line.

pub mod bench;
pub mod speech;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use bench::BenchCommand;

/// offhook: a voice-bot media server.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the server.
    Serve(ServeArgs),
    /// Checks network, credentials, parameters and services, in this order, and says what to do. Takes the options of
    /// `serve`; changes nothing. Exit code 0: nothing to set right; 1: something is.
    Doctor {
        /// What the server is started with.
        #[command(flatten)]
        serve: ServeArgs,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Works on configuration files.
    Config {
        /// What to do.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Works on the calls of a running server.
    Calls {
        /// What to do.
        #[command(subcommand)]
        command: CallsCommand,
    },
    /// Places one real SIP/RTP call: plays, listens, measures.
    Call(CallArgs),
    /// Works on call bundles: what the server recorded of its calls.
    Bundle {
        /// What to do.
        #[command(subcommand)]
        command: BundleCommand,
    },
    /// Runs a recorded call again, bit for bit, or with something changed; or takes apart what others recorded.
    ///
    /// A call bundle (.call) is run through the same machines in virtual time and compared. With `--set` or `--bot` it
    /// is played with something changed, and the point at which it leaves the recording is told. Exit code: 0 it did
    /// the same, or was played to its end; 1 it did not, or was not; 2 the file or an option is wrong. Of a pcap or
    /// pcapng of others the calls are told, their audio written (`--wav`), or placed again (`--live`). With `--bot` the
    /// callers of a capture, a WAV or a transcript meet that bot in the same machines, in virtual time.
    #[command(after_help = crate::commands::replay_settings())]
    Replay(ReplayArgs),
    /// Compares the same calls on two sides: recorded against another bot, settings, or build.
    ///
    /// Side a is the recordings, side b what this build does with them: with another bot (--bot), with other settings
    /// (--set), or with nothing changed; or the recordings of another server that had the same calls (--with). Exit code:
    /// 0 compared; 1 a rule of --fail-on fired; 2 an option is wrong, or nothing could be compared.
    #[command(after_help = crate::commands::compare_help())]
    Compare(crate::cli_compare::CompareArgs),
    /// Measures a SIP server, ours or another: latency, load, set-ups, the most calls it serves well.
    Bench {
        /// What to measure.
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Checks and tests bot files.
    Bot {
        /// What to do.
        #[command(subcommand)]
        command: BotCommand,
    },
    /// A small order service for the sample bot (demo and tests).
    OrderService {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// An application that returns the audio it receives, for `--bridge` (demo and benches).
    EchoApplication {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// A SIP phone that answers every call and returns its audio: the agent of the demo, the floor of the benches.
    Reflector {
        /// The address to listen on; the port is the kernel's choice and is printed.
        #[arg(long, default_value = "127.0.0.1")]
        listen: IpAddr,
    },
    /// Shows the whole of it: a server, real calls with recorded speech, the transcript and where each second went.
    Demo(DemoArgs),
    /// Hosts a native speech engine for the server that started it.
    #[command(hide = true)]
    EngineHost {
        /// Which.
        #[arg(long)]
        engine: String,
    },
}

/// Options of `serve`. They win over the configuration file.
#[derive(Debug, Default, Args)]
pub struct ServeArgs {
    /// Configuration file (TOML); built-in defaults without it.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// SIP over UDP and TCP [default: 127.0.0.1:5060].
    #[arg(long, value_name = "ADDR:PORT", value_parser = crate::cli_values::listen)]
    pub sip: Option<SocketAddr>,
    /// HTTP API [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR:PORT", value_parser = crate::cli_values::listen)]
    pub api: Option<SocketAddr>,
    /// RTP ports [default: 20000-29999].
    #[arg(long, value_name = "A-B")]
    pub rtp: Option<String>,
    /// The address that peers shall use for SIP and RTP.
    #[arg(long, value_name = "IP", value_parser = crate::cli_values::advertised)]
    pub advertise: Option<IpAddr>,
    /// The application behind the `bridge` bots.
    #[arg(long, value_name = "ws://...")]
    pub bridge: Option<String>,
    /// Folder of database, journal and API key [default: offhook-data].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Lets the header X-Offhook-Test plant panics.
    #[arg(long, hide = true)]
    pub allow_planted_panics: bool,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Reads a file and says what is wrong with it.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Brings an older file to this version's format; version 1 is the only one so far, so nothing is changed.
    Migrate {
        /// The file.
        file: PathBuf,
    },
}

/// How to reach a server's API.
#[derive(Debug, Args)]
pub struct ApiArgs {
    /// The server's API.
    #[arg(
        long,
        default_value = "127.0.0.1:8080",
        value_name = "ADDR:PORT",
        value_parser = crate::cli_values::listen
    )]
    pub api: SocketAddr,
    /// The server's data folder, for the key.
    #[arg(long, default_value = "offhook-data", value_name = "DIR")]
    pub data: PathBuf,
    /// The key; wins over the one in the data folder.
    #[arg(long, env = "OFFHOOK_API_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `calls …`
#[derive(Debug, Subcommand)]
pub enum CallsCommand {
    /// Lists running and recent calls.
    List {
        /// Which server.
        #[command(flatten)]
        api: ApiArgs,
    },
    /// Ends a call.
    Hangup {
        /// The call's id.
        id: String,
        /// Which server.
        #[command(flatten)]
        api: ApiArgs,
    },
}

/// What carries SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TransportArg {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
}

/// Options of `call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// sip:USER@HOST:PORT
    pub uri: String,
    /// A WAV whose utterances are separated by a second of digital silence.
    #[arg(long, value_name = "FILE.wav")]
    pub audio: Option<PathBuf>,
    /// A script of say, dtmf and wait lines.
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// What carries SIP.
    #[arg(long, value_enum, default_value = "udp")]
    pub transport: TransportArg,
    /// Folder for recordings of both sides.
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Hang up after this many seconds.
    #[arg(long, default_value_t = 300.0, value_name = "SECONDS")]
    pub max_duration: f64,
    /// Hang up this long after the last answer, in seconds.
    #[arg(long, default_value_t = 4.0, value_name = "SECONDS")]
    pub linger: f64,
    /// User part of From.
    #[arg(long, default_value = "caller")]
    pub from: String,
    /// A further header, as "Name: value"; may be repeated.
    #[arg(long, value_name = "HEADER")]
    pub header: Vec<String>,
    /// What to do with a REFER: `follow`, `ignore`, or a status to decline it with.
    #[arg(long, default_value = "follow")]
    pub on_refer: String,
    /// The report as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// A call bundle; a pcap or pcapng of SIP and RTP; with `--live` or `--bot` also a WAV (the caller on the left, or
    /// mono); with `--bot` also a transcript.
    pub file: PathBuf,
    /// Changes a setting of a bundle's call, see below; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", conflicts_with_all = ["live", "wav", "call"])]
    pub set: Vec<String>,
    /// Another bot takes a bundle's call; or this one meets the callers of a capture, WAV or transcript, in virtual time.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["live", "wav"])]
    pub bot: Option<PathBuf>,
    /// What to do where a changed call asks what the recording has no answer to.
    #[arg(long, value_enum, default_value = "stop", conflicts_with = "live")]
    pub beyond: BeyondArg,
    /// The key of an encrypted bundle: 64 hexadecimal digits, or file:PATH.
    #[arg(long, env = "OFFHOOK_BUNDLE_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// Only this call of the capture.
    #[arg(long, value_name = "NUMBER")]
    pub call: Option<usize>,
    /// Writes the audio of both sides into this folder, G.711 only.
    #[arg(long, value_name = "DIR", conflicts_with = "live")]
    pub wav: Option<PathBuf>,
    /// Calls this address for each call of the capture, and sends what its caller sent.
    #[arg(long, value_name = "sip:USER@HOST:PORT")]
    pub live: Option<String>,
    /// Calls at the same time.
    #[arg(long, default_value_t = 1, value_name = "CALLS", requires = "live")]
    pub at_once: usize,
    /// Without the captured jitter, loss, repetition and disorder.
    #[arg(long)]
    pub clean: bool,
    /// Whose packets are sent: of a server that called out, the callee's.
    #[arg(long, value_enum, default_value = "caller")]
    pub side: SideArg,
    /// What carries SIP.
    #[arg(long, value_enum, default_value = "udp", requires = "live")]
    pub transport: TransportArg,
    /// Folder for recordings of the calls placed.
    #[arg(long, value_name = "DIR", requires = "live")]
    pub record: Option<PathBuf>,
    /// Hang up this long after the last answer, in seconds.
    #[arg(long, default_value_t = 4.0, value_name = "SECONDS")]
    pub linger: f64,
    /// Makes a bundle's call a test of its bot: printed, or added to -o, a bot file or BOT.tests.yaml beside BOT.yaml.
    #[arg(long, conflicts_with_all = ["set", "bot", "live", "wav", "call", "engine", "tools", "caller"])]
    pub to_test: bool,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
    /// Who answers what no recording answers.
    #[command(flatten)]
    pub machine: crate::cli_machine::MachineArgs,
}

/// What to do where the recording has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BeyondArg {
    /// Stop and say what is missing.
    Stop,
    /// Nobody answers, and time-outs take their course.
    TimeOut,
}

/// How to open a bundle.
#[derive(Debug, Args)]
pub struct BundleFileArgs {
    /// The bundle.
    pub file: PathBuf,
    /// The key of an encrypted bundle: 64 hexadecimal digits, or file:PATH.
    #[arg(long, env = "OFFHOOK_BUNDLE_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// `bundle …`
#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Lists bundles, newest last: when, who, which bot, how it ended, what the file takes.
    List {
        /// A folder, searched with all below it, or bundles.
        #[arg(default_value = "offhook-data/bundles")]
        paths: Vec<PathBuf>,
        /// The key of encrypted bundles: 64 hexadecimal digits, or file:PATH.
        #[arg(long, env = "OFFHOOK_BUNDLE_KEY", hide_env_values = true)]
        key: Option<String>,
        /// One line of JSON for each bundle.
        #[arg(long)]
        json: bool,
    },
    /// Shows one call: what it was run with, what was said, what the file holds.
    Show {
        /// Which.
        #[command(flatten)]
        file: BundleFileArgs,
        /// The SIP messages as they went to and fro.
        #[arg(long)]
        ladder: bool,
    },
    /// Writes the audio: the caller on the left, the bot on the right, by RTP timestamps. What we sent is run again
    /// where the bundle only has hashes of it.
    ExportWav {
        /// Which.
        #[command(flatten)]
        file: BundleFileArgs,
        /// Where to; the bundle's name with .wav otherwise.
        #[arg(long, value_name = "FILE.wav")]
        out: Option<PathBuf>,
    },
    /// Checks that a bundle is whole and unchanged. Exit code: 0 it is; 1 it is not; 2 it cannot be opened.
    Verify {
        /// Which.
        #[command(flatten)]
        file: BundleFileArgs,
    },
}

/// A side of a recorded call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SideArg {
    /// Who called.
    Caller,
    /// Who was called.
    Callee,
}

/// `bot …`
#[derive(Debug, Subcommand)]
pub enum BotCommand {
    /// Reads a bot file and says what is wrong with it.
    Check {
        /// The file.
        file: PathBuf,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Plays the dialogues inside a bot file, without audio. Exits with 1 where a test failed, with 2 where the file is
    /// wrong.
    Test {
        /// The file.
        file: PathBuf,
        /// One line of JSON.
        #[arg(long)]
        json: bool,
    },
    /// Prints the JSON Schema of bot files, for editors.
    Schema,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Ends after the calls instead of waiting for yours; the exit code says how they went.
    #[arg(long)]
    pub once: bool,
    /// The caller's audio; may be repeated. Without it two samples call: an order status, and a wish for a person.
    #[arg(long, value_name = "FILE.wav")]
    pub wav: Vec<PathBuf>,
    /// Folder of the samples.
    #[arg(long, default_value = "audio-samples", value_name = "DIR")]
    pub samples: PathBuf,
    /// Data folder of the demo's server.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}
