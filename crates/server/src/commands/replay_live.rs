//! `offhook replay --live`: the callers of a capture, or of a WAV, call somebody again.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use offhook_audio::G711;
use offhook_caller::bench::json_line;
use offhook_caller::call::{
    self, CallOptions, CallReport, Carries, OnRefer, Playback, PlaybackPacket, Stop, Transport,
};
use offhook_caller::g711::Law;
use offhook_replay::foreign::{Account, Call, Party, Schedule, Sound, TakenApart, Timed};
use serde::Serialize;

use super::call::seconds;
use super::replay_capture::{is_wanted, print_account};
use crate::cli::{ReplayArgs, SideArg, TransportArg};

/// Beyond what was recorded: a bot may be slower than the one before.
const LONGER: Duration = Duration::from_secs(60);

/// A call to be placed.
#[derive(Debug)]
struct Planned {
    /// Its number in the capture; 1 for a WAV.
    number: usize,
    from_user: Option<String>,
    law: Law,
    playback: Arc<Playback>,
    left_out: BTreeMap<String, u64>,
    digits: String,
}

/// A call that was placed, or why not.
#[derive(Debug, Serialize)]
struct Replayed {
    number: usize,
    caller: Option<String>,
    /// Packets there were to send.
    packets: usize,
    /// How long the recording is, from the answer.
    recorded_seconds: f64,
    /// Keys in it.
    digits: String,
    /// Packets that could not be sent again, by codec or reason.
    left_out: BTreeMap<String, u64>,
    /// What was answered.
    report: Option<CallReport>,
    /// Why there is no report.
    error: Option<String>,
}

impl Replayed {
    fn is_success(&self) -> bool {
        self.report.as_ref().is_some_and(CallReport::is_success)
    }
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    file: &'a std::path::Path,
    uri: &'a str,
    clean: bool,
    account: Option<&'a Account>,
    succeeded: usize,
    failed: usize,
    calls: &'a [Replayed],
}

/// Places the chosen calls of a capture again.
pub(super) fn play_calls(args: &ReplayArgs, uri: &str, taken: &TakenApart) -> anyhow::Result<ExitCode> {
    let party = match args.side {
        SideArg::Caller => Party::Caller,
        SideArg::Callee => Party::Callee,
    };
    // The copies behind a proxy are the same calls.
    let is_copy =
        |call: &Call| call.signalling.as_ref().is_some_and(|signalling| signalling.hop_of.is_some());
    let chosen =
        taken.calls.iter().filter(|call| is_wanted(args, call) && (args.call.is_some() || !is_copy(call)));
    let plans: Vec<Planned> = chosen.map(|call| plan(call, party, args.clean)).collect();
    if plans.is_empty() {
        print_account(&args.file, &taken.account);
        bail!("there is no call to place again");
    }
    place_all(args, uri, plans, Some(&taken.account))
}

/// Plays the caller of a WAV: the left channel where it has two.
pub(super) fn play_wav(args: &ReplayArgs, uri: &str) -> anyhow::Result<ExitCode> {
    let mut samples = offhook_caller::wav::read_left(&args.file)?;
    // Silence at the end only makes the call longer.
    let end = samples.iter().rposition(|sample| sample.unsigned_abs() > 16).map_or(0, |last| last + 1);
    samples.truncate(end);
    let playback = Arc::new(Playback::of_samples(&samples, Law::Mu));
    let plan = Planned {
        number: 1,
        from_user: None,
        law: Law::Mu,
        playback,
        left_out: BTreeMap::new(),
        digits: String::new(),
    };
    place_all(args, uri, vec![plan], None)
}

fn plan(call: &Call, party: Party, clean: bool) -> Planned {
    let schedule = Schedule::of(call, party, clean);
    let is_a_law = |packet: &Timed| packet.sound == Sound::Audio(G711::ALaw);
    let a_law = schedule.packets.iter().filter(|packet| is_a_law(packet)).count();
    let law = if 2 * a_law > schedule.packets.len() { Law::A } else { Law::Mu };
    let side = call.side(party);
    Planned {
        number: call.number,
        from_user: side.user.clone(),
        law,
        playback: Arc::new(Playback::new(schedule.packets.into_iter().map(packet).collect())),
        left_out: schedule.left_out,
        digits: side.digits(),
    }
}

fn packet(timed: Timed) -> PlaybackPacket {
    let Timed { offset, source, sound, marker, sequence, timestamp, payload } = timed;
    let carries = match sound {
        Sound::Audio(G711::MuLaw) => Carries::Audio(Law::Mu),
        Sound::Audio(G711::ALaw) => Carries::Audio(Law::A),
        Sound::TelephoneEvent => Carries::Key,
    };
    PlaybackPacket { offset, source, carries, marker, sequence, timestamp, payload }
}

fn place_all(
    args: &ReplayArgs,
    uri: &str,
    plans: Vec<Planned>,
    account: Option<&Account>,
) -> anyhow::Result<ExitCode> {
    let linger = seconds(args.linger, "--linger")?;
    let stop = super::stop_on_interrupt();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Replayed>> = Mutex::new(Vec::new());
    let work = || {
        while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
            if stop.is_raised() {
                break;
            }
            let replayed = place(plan, uri, args, linger, plans.len() == 1, &stop);
            if !args.json {
                print_replayed(&replayed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).push(replayed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..args.at_once.clamp(1, plans.len()) {
            scope.spawn(work);
        }
    });
    let mut calls = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    calls.sort_by_key(|replayed| replayed.number);
    let succeeded = calls.iter().filter(|replayed| replayed.is_success()).count();
    let failed = calls.len() - succeeded;
    if args.json {
        let told =
            Told { file: &args.file, uri, clean: args.clean, account, succeeded, failed, calls: &calls };
        println!("{}", json_line(&told));
    } else {
        println!("{succeeded} of {} calls were answered and ended properly", calls.len());
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn place(
    plan: &Planned,
    uri: &str,
    args: &ReplayArgs,
    linger: Duration,
    is_only: bool,
    stop: &Stop,
) -> Replayed {
    let mut replayed = Replayed {
        number: plan.number,
        caller: plan.from_user.clone(),
        packets: plan.playback.packets().len(),
        recorded_seconds: plan.playback.length().as_secs_f64(),
        digits: plan.digits.clone(),
        left_out: plan.left_out.clone(),
        report: None,
        error: None,
    };
    if replayed.packets == 0 {
        replayed.error = Some("nothing that can be sent again was captured after the answer".to_owned());
        return replayed;
    }
    let mut options = CallOptions::to(uri);
    options.transport = match args.transport {
        TransportArg::Udp => Transport::Udp,
        TransportArg::Tcp => Transport::Tcp,
    };
    options.codecs = match plan.law {
        Law::Mu => vec![Law::Mu, Law::A],
        Law::A => vec![Law::A, Law::Mu],
    };
    if let Some(user) = plan.from_user.as_ref().filter(|user| is_plain(user)) {
        options.from_user.clone_from(user);
    }
    options.linger = linger;
    options.max_duration = plan.playback.length() + linger + LONGER;
    options.playback = Some(Arc::clone(&plan.playback));
    // A recording cannot talk to whom it is transferred to.
    options.on_refer = OnRefer::Ignore;
    if let Some(folder) = &args.record {
        options.record_to = Some(folder.join(format!("call-{}", plan.number)));
    }
    let result = if is_only {
        call::run(&options, &mut std::io::stderr(), stop)
    } else {
        call::run(&options, &mut std::io::sink(), stop)
    };
    match result {
        Ok(report) => replayed.report = Some(report),
        Err(error) => replayed.error = Some(error.to_string()),
    }
    replayed
}

/// What needs no escaping in the user part of a URI.
fn is_plain(user: &str) -> bool {
    !user.is_empty() && user.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c))
}

fn print_replayed(replayed: &Replayed) {
    let who = replayed.caller.as_deref().unwrap_or("unknown");
    for (codec, packets) in &replayed.left_out {
        println!("call {}: {packets} packets left out: {codec}", replayed.number);
    }
    let Some(report) = &replayed.report else {
        let why = replayed.error.as_deref().unwrap_or("unknown");
        println!("call {} of {who}: not placed: {why}", replayed.number);
        return;
    };
    println!(
        "call {} of {who}: {}; {} of {} packets sent, {:.1} s",
        replayed.number,
        super::call::ended(report),
        report.sent.packets.min(replayed.packets as u64),
        replayed.packets,
        report.duration_ms / 1000.0
    );
    println!("{}", report.turns);
}
