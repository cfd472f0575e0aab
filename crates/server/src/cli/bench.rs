//! The command line of `bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What the exit codes of a bench mean, for `--help`.
pub const EXIT_CODES: &str = "Exit code: 0 measured; 1 nothing could be measured; 2 an option is wrong, or the baseline cannot be \
compared with; 3 machine or caller spoiled the run: its figures say nothing about the server; 4 a figure is worse than \
the baseline's by more than the tolerance; 5 the server broke the bench's own criterion (limits, failed calls, drift).";

/// What every bench takes.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A bot that sends audio back, such as sip:echo@127.0.0.1:5060; any SIP server will do.
    #[arg(default_value = "sip:echo@127.0.0.1:5060")]
    pub uri: String,
    /// Seconds of measurement.
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub seconds: f64,
    /// Options that every bench has, whatever it measures.
    #[command(flatten)]
    pub frame: FrameArgs,
}

/// What every bench takes besides whom and how long.
#[derive(Debug, Args)]
pub struct FrameArgs {
    /// The server's process, for its CPU and memory.
    #[arg(long)]
    pub pid: Option<u32>,
    /// Leave the bare reflector out.
    #[arg(long)]
    pub no_reflector: bool,
    /// Decides signals and accidents.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// One line of JSON.
    #[arg(long)]
    pub json: bool,
    /// Compares with an earlier run: a file of what --json printed.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// By how much a figure may be worse than the baseline's, in percent; less than two runs of one build differ by is
    /// no difference in any case.
    #[arg(long, default_value_t = 10.0, value_name = "PERCENT")]
    pub tolerance: f64,
    /// Writes the report as one HTML file, too.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// How bad the line between us and the server is made.
#[derive(Debug, Args)]
#[command(next_help_heading = "Bad line")]
pub struct LineArgs {
    /// Percent of packets that are lost.
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    pub loss: f64,
    /// Losses come in runs of so many packets on average (Gilbert's model).
    #[arg(long, value_name = "PACKETS", requires = "loss")]
    pub loss_run: Option<f64>,
    /// Losses by the chain of Gilbert and Elliott, in percent: good to bad, bad to good, lost in bad (100), lost in good
    /// (0), as `tc netem loss gemodel` takes them.
    #[arg(long, value_name = "P,R[,BAD[,GOOD]]", conflicts_with_all = ["loss", "loss_run"])]
    pub gilbert_elliott: Option<String>,
    /// Milliseconds that every packet takes.
    #[arg(long, default_value_t = 0.0, value_name = "MS")]
    pub delay: f64,
    /// Milliseconds of jitter, evenly from 0.
    #[arg(long, default_value_t = 0.0, value_name = "MS")]
    pub jitter: f64,
    /// Percent of packets that come 30 ms late.
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    pub reorder: f64,
    /// Percent of packets that come twice.
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    pub duplicate: f64,
    /// Which way is bad: what we send, what we receive, or both.
    #[arg(long, value_enum, default_value = "out")]
    pub impair: DirectionArg,
}

/// A direction, as we see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DirectionArg {
    /// What we send.
    Out,
    /// What we receive.
    In,
    /// Both.
    Both,
}

/// What calls must reach to count as well served.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Lateness of the packets that come back, in milliseconds.
    #[arg(long, default_value_t = 5.0, value_name = "MS")]
    pub max_lateness: f64,
    /// Which percentile of it.
    #[arg(long, value_enum, default_value = "p99")]
    pub percentile: PercentileArg,
    /// Percent of packets that may be lost.
    #[arg(long, default_value_t = 0.1, value_name = "PERCENT")]
    pub max_loss: f64,
    /// Percent of calls that may fail.
    #[arg(long, default_value_t = 0.0, value_name = "PERCENT")]
    pub max_failed: f64,
    /// The MOS estimate of what comes back must be at least this.
    #[arg(long, value_name = "MOS")]
    pub min_mos: Option<f64>,
}

/// A percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PercentileArg {
    /// The median.
    P50,
    /// The 95th.
    P95,
    /// The 99th.
    P99,
    /// The 99.9th.
    #[value(name = "p99.9")]
    P99_9,
}

/// What the benches of many calls take.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// The process of the application behind the server, for its CPU.
    #[arg(long, value_name = "PID")]
    pub application_pid: Option<u32>,
    /// Threads of the caller.
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// When a call is well served.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// How bad the line is.
    #[command(flatten)]
    pub line: LineArgs,
}

/// `bench …`
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// How much later audio comes back than from an instant echo.
    #[command(after_help = EXIT_CODES)]
    Latency {
        /// What every bench takes.
        #[command(flatten)]
        common: BenchArgs,
        /// Calls at once.
        #[arg(long, default_value_t = 1)]
        calls: usize,
        /// Measures so often, and says median and worst.
        #[arg(long, default_value_t = 1, value_name = "TIMES")]
        repeat: usize,
        /// How bad the line is.
        #[command(flatten)]
        line: LineArgs,
        /// The line is clean again after this many seconds.
        #[arg(long, value_name = "SECONDS", help_heading = "Bad line")]
        impaired_for: Option<f64>,
    },
    /// Many calls at once: lateness, loss, CPU and memory of the server.
    #[command(after_help = EXIT_CODES)]
    Load {
        /// What every bench takes.
        #[command(flatten)]
        common: BenchArgs,
        /// Calls at once.
        #[arg(long, default_value_t = 100)]
        calls: usize,
        /// Search for the most calls that are served well, up to `--calls`: the older name of `bench knee`.
        #[arg(long, hide = true)]
        knee: bool,
        /// Where the search begins.
        #[arg(long, default_value_t = 100, requires = "knee", hide = true)]
        from: usize,
        /// What the benches of many calls take.
        #[command(flatten)]
        load: LoadArgs,
    },
    /// Searches for the knee: the most calls at once that are served within limits.
    ///
    /// Doubles from `--from` until the limits break or `--most` is reached, then halves the interval. `--seconds` is how
    /// long each number of calls is measured.
    #[command(after_help = EXIT_CODES)]
    Knee {
        /// What every bench takes.
        #[command(flatten)]
        common: BenchArgs,
        /// The first number tried.
        #[arg(long, default_value_t = 100, value_name = "CALLS")]
        from: usize,
        /// No more than these.
        #[arg(long, default_value_t = 2000, value_name = "CALLS")]
        most: usize,
        /// How near the knee is searched for, in percent of it.
        #[arg(long, default_value_t = 5.0, value_name = "PERCENT")]
        precision: f64,
        /// How often a number must fail before it counts as too many.
        #[arg(long, default_value_t = 2, value_name = "TIMES")]
        attempts: usize,
        /// What the benches of many calls take.
        #[command(flatten)]
        load: LoadArgs,
    },
    /// A steady load for hours, with set-ups and hang-ups: does memory, lateness or set-up time grow?
    ///
    /// Measures in windows and tells each on stderr as it ends. Ctrl-C or SIGTERM ends it early with its verdict.
    #[command(after_help = EXIT_CODES)]
    Soak {
        /// A bot that sends audio back, such as sip:echo@127.0.0.1:5060; any SIP server will do.
        #[arg(default_value = "sip:echo@127.0.0.1:5060")]
        uri: String,
        /// Seconds of measurement.
        #[arg(long, default_value_t = 3600.0, value_name = "SECONDS")]
        seconds: f64,
        /// Calls at once.
        #[arg(long, default_value_t = 100)]
        calls: usize,
        /// How long a call lasts on average; each lasts half to one and a half times this.
        #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
        call_seconds: f64,
        /// How long a window is.
        #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
        window: f64,
        /// Threads of the caller.
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// Options that every bench has, whatever it measures.
        #[command(flatten)]
        frame: FrameArgs,
        /// What all windows together must reach.
        #[command(flatten)]
        limits: LimitArgs,
        /// How bad the line is.
        #[command(flatten)]
        line: LineArgs,
    },
    /// Call set-ups and releases per second.
    #[command(after_help = EXIT_CODES)]
    Cps {
        /// What every bench takes.
        #[command(flatten)]
        common: BenchArgs,
        /// Calls in flight.
        #[arg(long, default_value_t = 16)]
        window: usize,
    },
    /// How long callers wait for answers: speech with known text, the silence after each utterance.
    ///
    /// All that counts is what is heard, so it measures any bot that can be called.
    #[command(after_help = EXIT_CODES)]
    Turns(super::speech::TurnsArgs),
    /// How soon a bot falls silent when it is spoken into, and what coughs do to it.
    ///
    /// Two calls listen to the first prompt, each further one speaks into it once.
    #[command(after_help = EXIT_CODES)]
    Bargein(super::speech::BargeInArgs),
}
