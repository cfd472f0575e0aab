//! At least a hundred calls of each kind: each in two processes, and a third time from its own step log.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use offhook_simulation::Kind;

/// Calls of each kind.
const CALLS: usize = 100;

/// Two minutes of both cores: seconds of CPU, as the machine may be busy with other tests.
const MOST_CPU: Duration = Duration::from_secs(2 * 120);

#[test]
fn calls_do_the_same_in_two_processes_and_from_their_own_step_logs() {
    let began = Instant::now();

    let [one, other] = ["even", "odd"].map(start);
    let one = read(one);
    let other = read(other);

    let cpu = cpu_of_children();
    report(&one, began.elapsed(), cpu);
    assert_eq!(one.len(), Kind::ALL.len() * CALLS);
    for kind in Kind::ALL {
        let calls = one.keys().filter(|(name, _)| name == kind.name()).count();
        assert!(calls >= CALLS, "{calls} calls of {}", kind.name());
    }
    for (call, line) in &one {
        assert_eq!(line.violations, "", "{call:?}");
        let again = &other[call];
        assert_eq!(line.did(), again.did(), "{call:?} differs between two processes");
        let replayed = if line.replayed == "-" { &again.replayed } else { &line.replayed };
        assert_eq!(&line.digests, replayed, "{call:?} differs from its own step log");
    }
    assert_that_everything_happened(&one);
    // Hashes that are the same for every call would prove nothing.
    let distinct: BTreeSet<&String> = one.values().map(|line| &line.digests).collect();
    assert_eq!(distinct.len(), one.len());
    assert!(cpu < MOST_CPU, "{cpu:?}");
}

/// A cause that is never seen, an event that is never told, would be a part of the machine that this proves nothing of.
fn assert_that_everything_happened(lines: &Lines) {
    let causes: BTreeSet<&str> = lines.values().map(|line| line.cause.as_str()).collect();
    for cause in CAUSES {
        assert!(causes.contains(cause), "no call ended with {cause}");
    }
    let events = events(lines.values());
    println!("{events:?}");
    for event in EVENTS {
        let count = events.get(event).copied().unwrap_or(0);
        assert!(count >= 10, "{event} was told {count} times");
    }
}

const CAUSES: [&str; 15] = [
    "caller_hung_up",
    "bot_hung_up",
    "transferred",
    "api_hung_up",
    "application_hung_up",
    "application_unavailable",
    "cancelled",
    "no_answer",
    "busy",
    "unreachable",
    "no_common_codec",
    "no_ack",
    "rtp_timeout",
    "time_limit",
    "silence_limit",
];

const EVENTS: [&str; 14] = [
    "barge_in",
    "call_answered",
    "call_ringing",
    "command_finished",
    "dtmf",
    "engine_failed",
    "mark",
    "no_input",
    "not_understood",
    "rtp_timeout",
    "tool_finished",
    "transfer_finished",
    "turn_completed",
    "understood",
];

/// What one call did, as the program tells it.
#[derive(Debug)]
struct Line {
    cause: String,
    lasted: Duration,
    packets: u64,
    digests: String,
    replayed: String,
    events: String,
    violations: String,
}

impl Line {
    /// What must be the same in every process.
    fn did(&self) -> (&str, Duration, u64, &str, &str) {
        (&self.cause, self.lasted, self.packets, &self.digests, &self.events)
    }
}

type Lines = BTreeMap<(String, u64), Line>;

/// Half of the cores for each of two processes.
fn start(replay: &str) -> Child {
    let threads = (std::thread::available_parallelism().map_or(2, usize::from) / 2).max(1);
    Command::new(env!("CARGO_BIN_EXE_simulate"))
        .args(["--calls", &CALLS.to_string(), "--threads", &threads.to_string(), "--replay", replay])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn read(process: Child) -> Lines {
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(line).collect()
}

/// What the processes that were waited for took (`cutime` and `cstime` of proc(5), in hundredths of a second).
fn cpu_of_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name in parentheses may hold anything; the fields count from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let hundredths: u64 = fields[13..15].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(hundredths * 10)
}

fn line(text: &str) -> ((String, u64), Line) {
    let fields: Vec<&str> = text.split('\t').collect();
    let [kind, number, cause, lasted, packets, digests, replayed, events, violations] = fields[..] else {
        panic!("not a line of nine fields: {text}");
    };
    let line = Line {
        cause: cause.to_owned(),
        lasted: Duration::from_millis(lasted.parse().unwrap()),
        packets: packets.parse().unwrap(),
        digests: digests.to_owned(),
        replayed: replayed.to_owned(),
        events: events.to_owned(),
        violations: violations.to_owned(),
    };
    ((kind.to_owned(), number.parse().unwrap()), line)
}

fn events<'a>(lines: impl Iterator<Item = &'a Line>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for (name, count) in
        lines.flat_map(|line| line.events.split(',')).filter_map(|event| event.split_once('='))
    {
        *sums.entry(name.to_owned()).or_default() += count.parse::<u64>().unwrap();
    }
    sums
}

/// How many calls of each kind there were, and how they ended.
fn report(lines: &Lines, took: Duration, cpu: Duration) {
    println!("{:20} {:>5} {:>9} {:>9}  how they ended", "kind", "calls", "virt. min", "packets");
    for kind in Kind::ALL {
        let of_kind: Vec<&Line> =
            lines.iter().filter(|((name, _), _)| name == kind.name()).map(|(_, line)| line).collect();
        let minutes = of_kind.iter().map(|line| line.lasted.as_secs_f64()).sum::<f64>() / 60.0;
        let packets: u64 = of_kind.iter().map(|line| line.packets).sum();
        let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
        of_kind.iter().for_each(|line| *causes.entry(&line.cause).or_default() += 1);
        let causes: Vec<String> = causes.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
        let (calls, causes) = (of_kind.len(), causes.join(", "));
        println!("{:20} {calls:>5} {minutes:>9.1} {packets:>9}  {causes}", kind.name());
    }
    let (took, cpu) = (took.as_secs_f64(), cpu.as_secs_f64());
    println!("{} calls, three runs each, in {took:.1} s, {cpu:.1} s of CPU", lines.len());
}
