//! What a media worker does not do: allocate, and wait for a lock.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use offhook_engines::websocket::echo_application;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Calling, Server, Setup, alone, skip, tool, until};

/// Everything is in use once after this: routes, rings, the bridge's buffers.
const WARM_UP: Duration = Duration::from_secs(3);

#[test]
fn a_warm_worker_allocates_nothing_while_it_serves_echo_bridge_and_digits() {
    let _turn = alone();
    let long = std::env::var_os("OFFHOOK_LONG").is_some();
    let watched = Duration::from_secs(if long { 60 } else { 10 });
    let (_application, server) = bridged();
    let calls = busy_calls(&server, WARM_UP + watched + Duration::from_secs(5));
    for call in &calls {
        call.wait_for("pressing");
    }
    let id = server.api.answered_call_from("busy-echo-0");
    // A bot that is talked into and keeps talking: speech, barge-in and the queue of utterances.
    let bot = Calling::to(&server, "after-sales")
        .from("busy-bot")
        .noise("noise.wav")
        .script(&"interrupt after 1s say noise.wav\ninterrupt after 500ms dtmf 5\n".repeat(40))
        .start();
    let bot_id = server.api.answered_call_from("busy-bot");
    let press = || server.api.post(&format!("/v1/calls/{id}/dtmf"), r#"{"digits":"12"}"#).status;
    assert_eq!(press(), 202);
    wait(WARM_UP);

    let (before, barge_ins_before) = (allocations(&server), barge_ins(&server, &bot_id));
    assert_eq!(press(), 202);
    wait(watched);
    let (after, barge_ins_after) = (allocations(&server), barge_ins(&server, &bot_id));

    assert!(!before.is_empty());
    eprintln!("allocations of media workers before and after {watched:?} of calls: {before:?} {after:?}");
    assert_eq!(before, after);
    assert!(
        barge_ins_after > barge_ins_before,
        "the bot was interrupted while we watched: {barge_ins_after}"
    );
    bot.hang_up();
    for call in calls {
        assert!(call.hang_up().report.received.lost == 0);
    }
}

#[test]
fn a_worker_never_waits_for_a_lock() {
    let _turn = alone();
    let name = "a_worker_never_waits_for_a_lock";
    let Some(strace) = tool("strace") else {
        return skip(name, "strace is not installed (apt install strace)");
    };
    let (_application, server) = bridged();
    let calls = busy_calls(&server, Duration::from_secs(12));
    for call in &calls {
        call.wait_for("pressing");
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut command = Command::new(strace);
    command.args(["-e", "trace=futex,sendto,sendmsg,sendmmsg", "-o"]).arg(&trace);
    for thread in server.worker_threads() {
        command.args(["-p", &thread.to_string()]);
    }
    let mut strace =
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    until("strace to watch or to give up", || {
        let sees = std::fs::read_to_string(&trace).is_ok_and(|text| text.contains("send"));
        (sees || strace.try_wait().unwrap().is_some() || began.elapsed() > Duration::from_secs(5))
            .then_some(())
    });
    if let Some(status) = strace.try_wait().unwrap() {
        return skip(name, &format!("strace may not watch the server here ({status})"));
    }

    wait(Duration::from_secs(5));
    kill_process(Pid::from_child(&strace), Signal::INT).unwrap();
    strace.wait().unwrap();

    let trace = std::fs::read_to_string(&trace).unwrap();
    let count = |what: &str| trace.lines().filter(|line| line.contains(what)).count();
    eprintln!(
        "5 s under strace: {} sends, {} futex calls, {} of them waits",
        count("send"),
        count("futex("),
        count("FUTEX_WAIT")
    );
    assert!(count("send") > 200, "strace saw the workers at work");
    assert_eq!(count("FUTEX_WAIT"), 0, "{trace}");
    for call in calls {
        call.hang_up();
    }
}

fn bridged() -> (offhook_engines::websocket::EchoApplication, Server) {
    let application = echo_application(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let server = Setup::new().arg("--bridge").arg(&format!("ws://{}/", application.address())).start();
    (application, server)
}

/// Calls that talk and press keys for this long.
fn busy_calls(server: &Server, length: Duration) -> Vec<crate::common::OnTheLine> {
    let rounds = length.as_secs() / 2 + 1;
    let script = "say said.wav\ndtmf 5*\nwait 1s\n".repeat(rounds as usize);
    let calls = ["echo", "echo", "bridge", "bridge-8k-raw", "bridge-16k-raw"].iter().enumerate();
    calls
        .map(|(number, bot)| {
            // Keys at once, so that even a long first sentence is not waited for.
            Calling::to(server, bot)
                .from(&format!("busy-{bot}-{number}"))
                .sample("said.wav", "coughs/test/cough-01.wav")
                .script(&format!("wait 200ms\ndtmf 1\n{script}hangup"))
                .start()
        })
        .collect()
}

fn barge_ins(server: &Server, id: &str) -> u64 {
    server.api.get(&format!("/v1/calls/{id}")).body["barge_ins"].as_u64().unwrap()
}

fn allocations(server: &Server) -> BTreeMap<usize, u64> {
    (0..64)
        .filter_map(|worker| {
            let count = server.metric(&format!("offhook_worker_allocations{{worker=\"{worker}\"}}"))?;
            Some((worker, count as u64))
        })
        .collect()
}

/// Lets calls run: the time is what is measured, not a guess at when something is done.
fn wait(time: Duration) {
    std::thread::sleep(time);
}
