//! `offhook replay` of what others recorded: what is in a capture, its audio, and its calls placed again.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use offhook_caller::bench::json_line;
use offhook_journal::capture::Capture;
use offhook_replay::foreign::{Account, Call, Party, TakenApart, Track, take_apart};
use serde::Serialize;

use super::replay_live;
use crate::cli::{ReplayArgs, SideArg};

/// What a call is in one line; the rest stands in `call`.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    call: &'a Call,
    codec: Option<&'a str>,
    talk_seconds: Option<f64>,
    answered_after_seconds: Option<f64>,
    digits: String,
    end_text: String,
    files: Vec<Written>,
}

/// The audio of a side.
#[derive(Debug, Serialize)]
struct Written {
    side: Party,
    /// `None` where there was nothing that could be decoded.
    file: Option<std::path::PathBuf>,
    seconds: f64,
    /// Packets that are not in it, by codec.
    left_out: std::collections::BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    file: &'a Path,
    account: &'a Account,
    calls: Vec<Line<'a>>,
}

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    if args.live.is_none() && (args.clean || args.side == SideArg::Callee) {
        bail!("--clean and --side say what is sent again: with --live, or to a bot with --bot");
    }
    if is_wav(&args.file)? {
        let Some(uri) = &args.live else {
            bail!(
                "{}: a WAV is played to somebody: add --live sip:USER@HOST:PORT, or --bot FILE",
                args.file.display()
            );
        };
        return replay_live::play_wav(args, uri);
    }
    let file = File::open(&args.file).with_context(|| args.file.display().to_string())?;
    let capture = Capture::open(BufReader::with_capacity(1 << 20, file));
    let taken = take_apart(capture.with_context(|| args.file.display().to_string())?);
    if let Some(number) = args.call
        && !taken.calls.iter().any(|call| call.number == number)
    {
        bail!("there is no call {number}: the capture has {}", taken.calls.len());
    }
    match &args.live {
        Some(uri) => replay_live::play_calls(args, uri, &taken),
        None => tell(args, &taken),
    }
}

fn is_wav(path: &Path) -> anyhow::Result<bool> {
    let mut head = Vec::new();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.take(4).read_to_end(&mut head).with_context(|| path.display().to_string())?;
    Ok(head == b"RIFF")
}

/// Whether `--call` asks for this one.
pub(super) fn is_wanted(args: &ReplayArgs, call: &Call) -> bool {
    args.call.is_none_or(|number| call.number == number)
}

fn tell(args: &ReplayArgs, taken: &TakenApart) -> anyhow::Result<ExitCode> {
    let mut lines = Vec::new();
    for call in taken.calls.iter().filter(|call| is_wanted(args, call)) {
        let files = match &args.wav {
            Some(folder) => write_wav(folder, call)?,
            None => Vec::new(),
        };
        lines.push(Line {
            call,
            codec: call.codec(),
            talk_seconds: call.talk_seconds(),
            answered_after_seconds: answered_after(call),
            digits: call.digits(),
            end_text: call.end.text(),
            files,
        });
    }
    if args.json {
        println!("{}", json_line(&Told { file: &args.file, account: &taken.account, calls: lines }));
        return Ok(ExitCode::SUCCESS);
    }
    print_account(&args.file, &taken.account);
    print_table(&lines);
    for line in &lines {
        for written in &line.files {
            print_written(line.call.number, written);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn answered_after(call: &Call) -> Option<f64> {
    let signalling = call.signalling.as_ref()?;
    Some(signalling.answered_unix_ns?.saturating_sub(signalling.invited_unix_ns) as f64 / 1e9)
}

/// `call-3-caller.wav`, `call-3-callee.wav`, and both as the channels of `call-3.wav`.
fn write_wav(folder: &Path, call: &Call) -> anyhow::Result<Vec<Written>> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let tracks = [Party::Caller, Party::Callee].map(|party| (party, Track::of(call, party)));
    let mut written = Vec::new();
    for (party, track) in &tracks {
        let name = match party {
            Party::Caller => "caller",
            Party::Callee => "callee",
        };
        let mut file = None;
        if !track.samples.is_empty() {
            let path = folder.join(format!("call-{}-{name}.wav", call.number));
            offhook_caller::wav::write(&path, &[&track.samples])?;
            file = Some(path);
        }
        written.push(Written {
            side: *party,
            file,
            seconds: track.samples.len() as f64 / f64::from(offhook_replay::foreign::RATE),
            left_out: track.left_out.clone(),
        });
    }
    let [(_, caller), (_, callee)] = &tracks;
    if !caller.samples.is_empty() || !callee.samples.is_empty() {
        let path = folder.join(format!("call-{}.wav", call.number));
        offhook_caller::wav::write(&path, &[&caller.samples, &callee.samples])?;
    }
    Ok(written)
}

fn print_written(number: usize, written: &Written) {
    let side = match written.side {
        Party::Caller => "caller",
        Party::Callee => "callee",
    };
    match &written.file {
        Some(file) => println!("call {number}, {side}: {} ({:.1} s)", file.display(), written.seconds),
        None => println!("call {number}, {side}: no audio that can be decoded"),
    }
    for (codec, packets) in &written.left_out {
        println!("call {number}, {side}: {packets} packets of {codec} are left out");
    }
}

/// What was used and what was not.
pub(super) fn print_account(file: &Path, account: &Account) {
    let frames = &account.capture;
    println!("{}: {} frames, {}", file.display(), frames.frames, account.ending);
    println!(
        "used: {} SIP messages and {} RTP packets of calls, {} RTP packets of streams without SIP",
        account.sip_in_calls, account.rtp_in_calls, account.rtp_without_sip
    );
    for (why, count) in &account.unused {
        println!("not used: {count} {}", why.text());
    }
    for (why, count) in &frames.unused {
        let why = serde_json::to_value(why).ok();
        let why = why.as_ref().and_then(|why| why.as_str()).unwrap_or("unknown").replace('-', " ");
        println!("not used: {count} frames, {why}");
    }
    for (count, what) in [
        (frames.out_of_order, "frames are out of order in the file; they were sorted by their time"),
        (frames.snapped, "datagrams lack their end (snap length)"),
        (frames.stream_gaps, "holes in TCP streams"),
        (frames.untimed, "frames have no time of their own"),
    ] {
        if count > 0 {
            println!("note: {count} {what}");
        }
    }
}

fn print_table(lines: &[Line<'_>]) {
    if lines.is_empty() {
        println!("no calls");
        return;
    }
    println!(
        "{:>4}  {:16} {:16} {:6} {:>8} {:>8} {:>7} {:>7} {:>5} {:>5} {:>9} {:8} end",
        "call", "caller", "callee", "codec", "answer", "talk", "packets", "", "lost", "", "jitter", "DTMF"
    );
    let dash = || "-".to_owned();
    let seconds = |value: Option<f64>| value.map_or_else(dash, |value| format!("{value:.1} s"));
    for line in lines {
        let call = line.call;
        let name = |user: &Option<String>, stream: Option<&offhook_replay::foreign::Stream>| {
            let address = || stream.map(|stream| stream.source.to_string());
            user.clone().or_else(address).unwrap_or_else(dash)
        };
        let mut end = line.end_text.clone();
        if let Some(hop_of) = call.signalling.as_ref().and_then(|signalling| signalling.hop_of) {
            end.push_str(&format!(" (call {hop_of} behind a proxy)"));
        }
        println!(
            "{:>4}  {:16} {:16} {:6} {:>8} {:>8} {:>7} {:>7} {:>5} {:>5} {:>6.1} ms {:8} {end}",
            call.number,
            name(&call.caller.user, call.caller.streams.first()),
            name(&call.callee.user, call.callee.streams.first()),
            line.codec.unwrap_or("-"),
            seconds(line.answered_after_seconds),
            seconds(line.talk_seconds),
            call.caller.packets(),
            call.callee.packets(),
            call.caller.lost(),
            call.callee.lost(),
            call.caller.worst_jitter_ms().max(call.callee.worst_jitter_ms()),
            if line.digits.is_empty() { "-" } else { &line.digits },
        );
    }
    println!("packets and lost: of the caller, of the callee; jitter: the worst of both (RFC 3550)");
}
