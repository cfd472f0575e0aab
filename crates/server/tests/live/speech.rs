//! Bots that speak: the engines, what happens without them, and the business behind.

use std::time::Duration;

use crate::common::{Calling, Noise, Orders, Server, Setup, alone, together, until, until_within};

/// Words of a bot, spoken, and the time-outs of a tool.
const A_TURN: Duration = Duration::from_secs(30);

/// Presses its way to an order: menu, number, confirmation.
fn orders(number: &str) -> String {
    format!(
        "interrupt after 600ms dtmf 1\nwait 700ms\ninterrupt after 600ms dtmf {number}\nwait 700ms\ninterrupt after 600ms dtmf 1\nwait 60s\nhangup"
    )
}

/// What the business system does, and what the bot then says.
#[test]
fn an_order_service_that_fails_is_told_in_the_bots_own_words() {
    let _turn = together();
    let service = Orders::start();
    let dead = "http://127.0.0.1:9";
    for (url, number, words, outcome) in [
        (service.url.as_str(), "12345678", "has been shipped", "order_status_told"),
        (service.url.as_str(), "87654321", "I cannot find an order", "order_unknown"),
        (
            service.url.as_str(),
            "99999999",
            "our order system does not answer right now",
            "order_service_failed",
        ),
        (
            service.url.as_str(),
            "50000000",
            "I cannot reach our order system right now",
            "order_service_failed",
        ),
        (dead, "12345678", "I cannot reach our order system right now", "order_service_failed"),
    ] {
        let config = format!("[bots.config]\norder_service = \"{url}\"\n");
        let server = Setup::new().config(&config).start();
        let call = Calling::to(&server, "after-sales").from("customer").script(&orders(number)).start();
        let id = server.api.answered_call_from("customer");

        let text = until_within(A_TURN, words, || {
            let text = said_by_bot(&server, &id);
            text.contains(words).then_some(text)
        });

        assert!(text.contains("say your eight digit order number"), "{text}");
        let ended = call.hang_up();
        assert!(ended.report.is_success(), "{}", ended.said);
        let record = server.api.ended_call_from("customer");
        assert_eq!((&record["outcome"], &record["digits"]), (&outcome.into(), &format!("1{number}1").into()));
        assert!(!record["turns"].as_array().unwrap().is_empty(), "{record}");
    }
}

#[test]
fn an_engine_process_that_is_killed_is_replaced_and_the_call_goes_on() {
    let _turn = alone();
    let server = Server::start();
    let noise = Noise::watch();
    until("engine processes", || (engine_processes(&server).len() >= 2).then_some(()));
    let call = Calling::to(&server, "after-sales").from("unlucky").start();
    let id = server.api.answered_call_from("unlucky");
    until_within(A_TURN, "the greeting", || said_by_bot(&server, &id).contains("Hello").then_some(()));

    let killed = engine_processes(&server);
    for process in &killed {
        let process = rustix::process::Pid::from_raw(*process).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    }

    until("other engine processes in their place", || {
        let now = engine_processes(&server);
        (now.len() >= killed.len() && now.iter().all(|process| !killed.contains(process))).then_some(())
    });
    let events = server.api.events("");
    let said =
        server.api.post(&format!("/v1/calls/{id}/say"), r#"{"text":"still here","command_id":"word"}"#);
    assert_eq!(said.status, 202, "{said:?}");
    assert_eq!(events.outcome_of("word")["result"], "succeeded");
    assert!(said_by_bot(&server, &id).contains("still here"));
    let ended = call.hang_up();
    let heard = &ended.report.received;
    let allowed = 40.0 + noise.worst().as_secs_f64() * 1000.0;
    assert_eq!((heard.lost, heard.timestamp_breaks, heard.ssrc_changes), (0, 0, 0), "{heard:?}");
    assert!(heard.max_gap_ms <= allowed, "a gap of {} ms, allowed {allowed}", heard.max_gap_ms);
    assert_eq!(server.api.ended_call_from("unlucky")["cause"], "caller_hung_up");
}

#[test]
fn without_a_recognizer_a_bot_still_speaks_and_takes_keys() {
    let _turn = together();
    let server = Setup::new().config("[engine]\nrecognizer = \"none\"\n").start();
    let call = Calling::to(&server, "after-sales")
        .from("keys")
        .script("interrupt after 600ms dtmf 1\nwait 60s\nhangup")
        .start();
    let id = server.api.answered_call_from("keys");

    until_within(A_TURN, "the question", || {
        said_by_bot(&server, &id).contains("say your eight digit order number").then_some(())
    });

    assert!(call.hang_up().report.is_success());
}

#[test]
fn without_any_voice_a_bot_call_ends_with_the_cause_and_the_missing_package_in_the_events() {
    let _turn = together();
    let server = Setup::new().config("[engine]\nsynthesizer = \"none\"\n").start();
    let events = server.api.events("");

    let ended = Calling::to(&server, "hello").from("mute-bot").script("wait 60s\nhangup").place();

    let failed = events.wait_for("engine_failed");
    let error = failed["event"]["error"].as_str().unwrap();
    assert!(error.contains("apt") && error.contains("espeak-ng"), "{error}");
    let record = server.api.ended_call_from("mute-bot");
    assert_eq!(record["cause"], "engine_failed", "{record} {}", ended.said);
}

#[test]
fn say_is_heard_by_the_caller_and_told_when_it_is_done() {
    let _turn = together();
    let server = Server::start();
    let events = server.api.events("");
    let call = Calling::to(&server, "hello").from("listener").record().start();
    let id = server.api.answered_call_from("listener");
    until_within(A_TURN, "the greeting", || said_by_bot(&server, &id).contains("Hello").then_some(()));

    let body = r#"{"text":"this is a word from the desk","interruptible":false,"command_id":"desk"}"#;
    assert_eq!(server.api.post(&format!("/v1/calls/{id}/say"), body).status, 202);

    assert_eq!(events.outcome_of("desk")["result"], "succeeded");
    let ended = call.hang_up();
    let loud = ended.heard().chunks(160).filter(|chunk| offhook_caller::listen::rms(chunk) > 200.0).count();
    assert!(loud > 100, "more than a second of speech was heard: {loud} pieces of 20 ms");
    let record = server.api.ended_call_from("listener");
    assert!(record["transcript"].to_string().contains("this is a word from the desk"), "{record}");
}

#[test]
fn chinese_is_said_by_an_english_bot_in_a_chinese_voice_and_without_one_the_command_fails_at_once() {
    let _turn = together();
    let server = Server::start();
    let events = server.api.events("");
    let call = Calling::to(&server, "hello").from("desk").record().start();
    let id = server.api.answered_call_from("desk");
    until_within(A_TURN, "the greeting", || said_by_bot(&server, &id).contains("Hello").then_some(()));
    let body = r#"{"text":"您好，请稍等，马上有人为您服务","interruptible":false,"command_id":"greet"}"#;
    assert_eq!(server.api.post(&format!("/v1/calls/{id}/say"), body).status, 202);
    assert_eq!(events.outcome_of("greet")["result"], "succeeded");
    let heard = call.hang_up().heard();
    // What was said last stands at the end of the recording; flite would have been silent.
    let tail = &heard[heard.len().saturating_sub(16_000)..];
    let loud = tail.chunks(160).filter(|chunk| offhook_caller::listen::rms(chunk) > 200.0).count();
    assert!(loud > 50, "a second of Chinese was heard: {loud} pieces of 20 ms");

    let server = Setup::new().config("[engine]\nsynthesizer = \"flite\"\n").start();
    let events = server.api.events("");
    let call = Calling::to(&server, "hello").from("flite-only").start();
    let id = server.api.call_that_is_up("flite-only");
    let failed = server.api.post(&format!("/v1/calls/{id}/say"), body);
    assert_eq!((failed.status, failed.code()), (409, "failed"), "{failed:?}");
    assert!(failed.body.to_string().contains("espeak-ng"), "{failed:?}");
    let outcome = events.outcome_of("greet");
    assert_eq!((&outcome["result"], &outcome["code"]), (&"failed".into(), &"failed".into()), "{outcome}");
    assert!(call.hang_up().report.is_success());
}

fn said_by_bot(server: &Server, id: &str) -> String {
    let record = server.api.get(&format!("/v1/calls/{id}")).body;
    let lines = record["transcript"].as_array().cloned().unwrap_or_default();
    let bots = lines.iter().filter(|line| line[0] == "bot");
    bots.filter_map(|line| line[1].as_str()).collect::<Vec<_>>().join("\n")
}

/// The children of the server that host engines.
fn engine_processes(server: &Server) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(process) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let read = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        // The name may hold spaces; the parent is the second word after it.
        let stat = read("stat");
        let parent = stat.rsplit(')').next().unwrap_or_default().split_whitespace().nth(1);
        if parent == Some(server.pid().to_string().as_str()) && read("cmdline").contains("engine-host") {
            found.push(process);
        }
    }
    found.sort_unstable();
    found
}
