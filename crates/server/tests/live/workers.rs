//! What a media worker does not do: allocate, and wait for a lock. Its calls are recorded meanwhile.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use offhook_engines::websocket::echo_application;
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{Calling, Server, Setup, alone, is_gate, is_release, program, skip, tool, until};

/// Everything is in use once after this: routes, rings, the bridge's buffers.
const WARM_UP: Duration = Duration::from_secs(3);

/// A bot that talks on whatever the caller does.
const TALKER: &str = r#"bot: talker
start: talk
turn: { max_turns: 1000 }
no_match: [{ goto: talk }]
no_input: [{ goto: talk }]
states:
  talk:
    say: This is a long sentence, which goes on and on, so that somebody who talks into it stops it before its end.
    listen: { keys: { "5": talk, "9": end } }
  end: { say: Goodbye., hang_up: true }
"#;

/// It holds no turn: it would hold up everybody for a minute, and its dozen calls are no load that one who judges timing
/// would notice. What others do to the machine meanwhile can add allocations here, but hide none.
#[test]
fn a_warm_worker_allocates_nothing_while_it_serves_echo_bridge_barge_in_and_digits() {
    let watched = Duration::from_secs(if is_gate() { 60 } else { 10 });
    if is_gate() {
        assert!(is_release(), "{} is no release build: scripts/test.sh release tests", program().display());
    }
    let bots = tempfile::tempdir().unwrap();
    std::fs::write(bots.path().join("talker.yaml"), TALKER).unwrap();
    let config = format!("[bots]\nfolder = \"{}\"\n", bots.path().display());
    let (_application, server) = bridged(&config);
    let calls = busy_calls(&server, WARM_UP + watched + Duration::from_secs(15));
    for call in &calls {
        call.wait_for("pressing");
    }
    let id = server.api.answered_call_from("busy-echo-0");
    // A bot that is talked into and keeps talking: speech, barge-in and the queue of utterances.
    let bot = Calling::to(&server, "talker")
        .from("busy-bot")
        .noise("noise.wav")
        .script(&"interrupt after 1s say noise.wav\ninterrupt after 500ms dtmf 5\n".repeat(80))
        .start();
    let bot_id = server.api.answered_call_from("busy-bot");
    // What happens all the time while we watch: keys towards a caller, and calls that come and go.
    let mut pressed = String::new();
    let mut busy_for = |time: Duration| {
        let (began, mut calls) = (Instant::now(), 0);
        while began.elapsed() < time {
            let answer = server.api.post(&format!("/v1/calls/{id}/dtmf"), r#"{"digits":"12"}"#);
            assert_eq!(answer.status, 202, "{answer:?}");
            pressed.push_str("12");
            let short = Calling::to(&server, "echo").script("wait 700ms\ndtmf 3\nhangup").place();
            assert!(short.report.is_success(), "{}", short.said);
            calls += 1;
        }
        calls
    };
    busy_for(WARM_UP);

    let before = (allocations(&server), seen(&server, &id, &bot_id));
    let short_calls = busy_for(watched);
    let after = (allocations(&server), seen(&server, &id, &bot_id));

    eprintln!(
        "allocations of media workers before and after {watched:?}: {:?} {:?}; meanwhile {short_calls} calls came \
         and went, {} digits and {} barge-ins of the long ones",
        before.0,
        after.0,
        after.1.0 - before.1.0,
        after.1.1 - before.1.1
    );
    assert!(!before.0.is_empty());
    assert_eq!(before.0, after.0);
    let seconds = watched.as_secs();
    assert!(after.1.0 - before.1.0 >= seconds / 4, "digits came all the time");
    assert!(after.1.1 - before.1.1 >= seconds / 10, "the bot was interrupted all the time");
    assert!(short_calls as u64 >= seconds / 5, "calls came and went all the time");
    bot.hang_up();
    for (number, call) in calls.into_iter().enumerate() {
        let report = call.hang_up().report;
        assert_eq!(report.received.lost, 0);
        let frames = (WARM_UP + watched).as_millis() as u64 / 20;
        assert!(report.received.packets > frames, "{:?}", report.received);
        assert!(
            number > 0 || report.digits_received.starts_with(&pressed),
            "{pressed} {}",
            report.digits_received
        );
    }
}

/// Digits that the echo's caller pressed, and barge-ins of the bot.
fn seen(server: &Server, echo: &str, bot: &str) -> (u64, u64) {
    let digits = server.api.get(&format!("/v1/calls/{echo}")).body["digits"].as_str().unwrap().len();
    let barge_ins = server.api.get(&format!("/v1/calls/{bot}")).body["barge_ins"].as_u64().unwrap();
    (digits as u64, barge_ins)
}

#[test]
fn a_worker_never_waits_for_a_lock() {
    let _turn = alone();
    let name = "a_worker_never_waits_for_a_lock";
    let Some(strace) = tool("strace") else {
        return skip(name, "strace is not installed (apt install strace)");
    };
    let (_application, server) = bridged("");
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

fn bridged(config: &str) -> (offhook_engines::websocket::EchoApplication, Server) {
    let application = echo_application(std::net::TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let config = format!("[bundle]\nrecord = \"on\"\n{config}");
    let server =
        Setup::new().config(&config).arg("--bridge").arg(&format!("ws://{}/", application.address())).start();
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

fn allocations(server: &Server) -> BTreeMap<usize, u64> {
    (0..64)
        .filter_map(|worker| {
            let count = server.metric(&format!("offhook_worker_allocations_total{{worker=\"{worker}\"}}"))?;
            Some((worker, count as u64))
        })
        .collect()
}

/// Lets calls run: the time is what is measured, not a guess at when something is done.
fn wait(time: Duration) {
    std::thread::sleep(time);
}
