//! Whether the machine gives the server what it needs.

use std::time::{Duration, SystemTime};

use rustix::process::{Resource, getrlimit};

use super::report::Findings;
use super::wanted_calls;
use crate::config::Config;
use crate::control::CALLS_PER_WORKER;

/// Files of a server without calls: sockets, database, journal, pipes of engines.
const FILES_OF_A_SERVER: u64 = 256;

/// A call's sockets for RTP and RTCP; its application, or its bundle, is one more each.
const FILES_OF_A_CALL: u64 = 2;

/// The lowest of the priorities that media workers ask for.
const REALTIME_PRIORITY: i32 = 10;

pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    files(config, found);
    workers(config, found);
    realtime(config, found);
    clock(found);
}

fn files(config: &Config, found: &mut Findings<'_>) {
    let place = "RLIMIT_NOFILE";
    let limit = getrlimit(Resource::Nofile);
    // The server raises its own limit to the hard one, and that where it may.
    let Some(most) = limit.maximum else { return found.ok("open_files", place, "any number of open files") };
    let per_call = FILES_OF_A_CALL + u64::from(config.records_any()) + u64::from(config.bridge.is_some());
    let calls = most.saturating_sub(FILES_OF_A_SERVER) / per_call;
    let wanted = wanted_calls(config) as u64;
    let what = format!("{most} open files are enough for {calls} calls");
    let enough = FILES_OF_A_SERVER + wanted * per_call;
    let remedy = format!("LimitNOFILE={enough} in the unit, or `ulimit -Hn {enough}` before");
    if config.max_calls.is_some() && calls < wanted {
        found.bad("open_files", place, format!("{what}, limits.calls is {wanted}"), remedy);
    } else if calls < wanted {
        found.note("open_files", place, format!("{what}, RTP ports are there for {wanted}"), remedy);
    } else {
        found.ok("open_files", place, what);
    }
}

fn workers(config: &Config, found: &mut Findings<'_>) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let place = "media.workers";
    let most = config.workers * CALLS_PER_WORKER;
    if config.max_calls.is_some_and(|calls| calls > most) {
        let what =
            format!("{} media workers take {most} calls at most, limits.calls is more", config.workers);
        found.bad("workers", place, what, "write more workers, or a lower limit");
    } else if config.workers > cores {
        let what = format!("{} media workers share {cores} cores: each waits for another", config.workers);
        found.note("workers", place, what, format!("write media.workers = {cores}, or leave it out"));
    } else {
        found.ok("workers", place, format!("{} media workers on {cores} cores", config.workers));
    }
}

fn realtime(config: &Config, found: &mut Findings<'_>) {
    let place = "media.realtime";
    if config.realtime == Some(false) {
        return found.note(
            "realtime",
            place,
            "media workers have no real-time priority: whatever else runs here makes audio late",
            "media.realtime = \"auto\"",
        );
    }
    // On a thread of its own, which ends with the priority it got.
    let tried = std::thread::spawn(|| {
        offhook_linux_ffi::set_realtime_priority(REALTIME_PRIORITY).map_err(|why| why.to_string())
    });
    let remedy =
        "in the unit AmbientCapabilities=CAP_SYS_NICE and LimitRTPRIO=60 (deploy/offhook.service has both)";
    match tried.join() {
        Ok(Ok(())) => found.ok("realtime", place, "media workers get real-time priority"),
        Ok(Err(why)) if config.realtime == Some(true) => found.bad("realtime", place, why, remedy),
        Ok(Err(why)) => found.note("realtime", place, format!("audio may be late under load: {why}"), remedy),
        Err(_) => found.skipped("realtime", place, "it could not be tried"),
    }
}

fn clock(found: &mut Findings<'_>) {
    let place = "the machine's clock";
    let built = std::env::current_exe().and_then(std::fs::metadata).and_then(|about| about.modified());
    let behind = built.ok().and_then(|built| built.duration_since(SystemTime::now()).ok());
    let remedy = "let it follow a time server: `timedatectl set-ntp true`, or apt-get install chrony";
    if let Some(behind) = behind.filter(|behind| *behind > Duration::from_secs(60)) {
        let what =
            format!("it is {} s before this program was made: records would be wrong", behind.as_secs());
        return found.bad("clock", place, what, remedy);
    }
    match offhook_linux_ffi::clock_is_synchronised() {
        Ok(true) => found.ok("clock", place, "it follows a time server"),
        Ok(false) => found.note(
            "clock",
            place,
            "it follows no time server: times in records, traces and Homer drift from those of others",
            remedy,
        ),
        Err(error) => found.skipped("clock", place, format!("the kernel does not tell: {error}")),
    }
}
