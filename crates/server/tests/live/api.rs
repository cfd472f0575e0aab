//! REST: who may ask, what is answered, what the caller notices.

use offhook_caller::call::{EndedBy, OnRefer, Outcome};
use offhook_caller::listen::rms;
use offhook_caller::reflector::Reflector;

use crate::common::{Calling, Server, Setup, together, until};

#[test]
fn without_the_right_key_every_v1_path_is_401_in_the_one_shape_of_errors() {
    let _turn = together();
    let server = Server::start();

    for key in [None, Some("wrong"), Some("")] {
        for (method, path) in [
            ("GET", "/v1/calls"),
            ("POST", "/v1/calls"),
            ("GET", "/v1/calls/x"),
            ("GET", "/v1/events"),
            ("GET", "/v1/no"),
        ] {
            let answer = server.api.send(method, path, key, None);

            assert_eq!(
                (answer.status, answer.code()),
                (401, "unauthorized"),
                "{method} {path} {key:?}: {answer:?}"
            );
        }
    }
}

#[test]
fn what_is_wrong_with_a_request_has_a_stable_code() {
    let _turn = together();
    let server = Server::start();
    let call = Calling::to(&server, "echo").from("codes").start();
    let id = server.api.call_that_is_up("codes");

    let table = [
        ("GET", "/v1/nothing".into(), None, 404, "no_such_path"),
        ("GET", "/nothing".into(), None, 404, "no_such_path"),
        ("DELETE", "/v1/calls".into(), None, 405, "wrong_method"),
        ("GET", format!("/v1/calls/{id}/hangup"), None, 405, "wrong_method"),
        ("GET", "/v1/calls/unknown".into(), None, 404, "no_such_call"),
        ("POST", "/v1/calls/unknown/hangup".into(), Some("{}"), 404, "no_such_call"),
        ("GET", "/v1/calls?state=asleep".into(), None, 400, "bad_request"),
        ("GET", "/v1/calls?limit=0".into(), None, 400, "bad_request"),
        ("GET", "/v1/calls?limit=many".into(), None, 400, "bad_request"),
        ("GET", "/v1/calls?page=2".into(), None, 400, "bad_request"),
        ("GET", "/v1/events".into(), None, 400, "bad_request"),
        ("GET", "/v1/events?call=zzz".into(), None, 404, "no_such_call"),
        ("GET", format!("/v1/events?call={id}"), None, 400, "bad_request"),
        ("POST", "/v1/calls".into(), Some("not json"), 400, "bad_request"),
        ("POST", "/v1/calls".into(), Some(r#"{"to":"sip:a@127.0.0.1"}"#), 400, "bad_request"),
        ("POST", "/v1/calls".into(), Some(r#"{"to":"sip:a@127.0.0.1","bot":"none"}"#), 400, "bad_argument"),
        ("POST", "/v1/calls".into(), Some(r#"{"to":"127.0.0.1","bot":"echo"}"#), 400, "bad_argument"),
        ("POST", format!("/v1/calls/{id}/transfer"), Some("{}"), 400, "bad_request"),
        ("POST", format!("/v1/calls/{id}/hangup"), Some(r#"{"status":200}"#), 400, "bad_request"),
        ("POST", format!("/v1/calls/{id}/mute"), Some(r#"{"leg":7}"#), 400, "bad_argument"),
        ("POST", format!("/v1/calls/{id}/mute"), Some(r#"{"legs":0}"#), 400, "bad_request"),
        ("POST", format!("/v1/calls/{id}/dtmf"), Some(r#"{"digits":"12x"}"#), 400, "bad_argument"),
        ("POST", format!("/v1/calls/{id}/dtmf"), Some(r#"{"digits":""}"#), 400, "bad_argument"),
        ("POST", format!("/v1/calls/{id}/say"), Some(r#"{"text":"hi"}"#), 409, "wrong_state"),
        ("POST", format!("/v1/calls/{id}/answer"), None, 409, "wrong_state"),
    ];
    for (method, path, body, status, code) in table {
        let answer = server.api.send(method, &path, Some(server.api.key()), body);

        assert_eq!((answer.status, answer.code()), (status, code), "{method} {path} {body:?}: {answer:?}");
    }
    call.hang_up();
}

#[test]
fn a_call_is_listed_while_it_runs_and_recorded_when_it_has_ended() {
    let _turn = together();
    let server = Server::start();
    let call = Calling::to(&server, "echo").from("listed").start();
    let id = server.api.answered_call_from("listed");

    let running = server.api.get("/v1/calls?state=running").body;
    let ended_before = server.api.get("/v1/calls?state=ended").body;
    let ended = call.hang_up();

    assert_eq!(running["calls"][0]["call_id"], id.as_str());
    assert!(ended_before["calls"].as_array().unwrap().is_empty());
    let record = server.api.ended_call_from("listed");
    assert_eq!(server.api.get(&format!("/v1/calls/{id}")).body, record);
    assert_eq!(
        (&record["cause"], &record["bot"], &record["called"]),
        (&"caller_hung_up".into(), &"echo".into(), &"echo".into())
    );
    assert_eq!(record["sip_call_id"], ended.report.call_id.as_str());
    assert_eq!(record["direction"], "inbound");
    let talked = record["ended_unix_ms"].as_i64().unwrap() - record["answered_unix_ms"].as_i64().unwrap();
    assert!(
        (talked as f64 - ended.report.duration_ms).abs() < 500.0,
        "{talked} {}",
        ended.report.duration_ms
    );
    assert!(server.api.get("/v1/calls?state=running").body["calls"].as_array().unwrap().is_empty());
}

#[test]
fn hangup_says_bye_to_the_caller() {
    let _turn = together();
    let server = Server::start();
    let call = Calling::to(&server, "echo").from("hung-up").start();
    let id = server.api.answered_call_from("hung-up");

    let answer = server.api.post(&format!("/v1/calls/{id}/hangup"), "");

    assert_eq!(answer.status, 202, "{answer:?}");
    let ended = call.finish();
    assert_eq!(ended.report.outcome, Outcome::Completed { ended_by: EndedBy::FarEnd }, "{}", ended.said);
    assert_eq!(server.api.ended_call_from("hung-up")["cause"], "api_hung_up");
    let again = server.api.post(&format!("/v1/calls/{id}/hangup"), "");
    assert_eq!((again.status, again.code()), (409, "wrong_state"));
}

#[test]
fn commands_to_a_call_that_has_ended_are_refused_as_long_as_its_record_is_there() {
    let _turn = together();
    let server = Server::start();
    let call = Calling::to(&server, "echo").from("over").start();
    let id = server.api.answered_call_from("over");
    call.hang_up();
    server.api.ended_call_from("over");

    // Its record is in memory at first and in the database a moment later: half a second covers both.
    for _ in 0..10 {
        for (command, body) in [
            ("answer", ""),
            ("hangup", ""),
            ("transfer", r#"{"target":"sip:a@127.0.0.1"}"#),
            ("mute", ""),
            ("unmute", ""),
            ("say", r#"{"text":"hi"}"#),
            ("dtmf", r#"{"digits":"1"}"#),
        ] {
            let answer = server.api.post(&format!("/v1/calls/{id}/{command}"), body);
            assert_eq!((answer.status, answer.code()), (409, "wrong_state"), "{command}: {answer:?}");
        }
        assert_eq!(server.api.get(&format!("/v1/calls/{id}")).status, 200);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn the_limit_of_a_list_counts_running_and_ended_calls_together() {
    let _turn = together();
    let server = Server::start();
    for number in 0..3 {
        Calling::to(&server, "echo").from(&format!("past-{number}")).start().hang_up();
        server.api.ended_call_from(&format!("past-{number}"));
    }
    let calls: Vec<_> = (0..2)
        .map(|number| {
            let from = format!("now-{number}");
            let call = Calling::to(&server, "echo").from(&from).start();
            server.api.answered_call_from(&from);
            call
        })
        .collect();
    let listed = |query: &str| -> Vec<String> {
        let body = server.api.get(&format!("/v1/calls?{query}")).body;
        let callers = body["calls"].as_array().unwrap().iter().map(|call| call["caller"].as_str().unwrap());
        callers.map(str::to_owned).collect()
    };

    assert_eq!(listed("limit=3"), ["now-1", "now-0", "past-2"]);
    assert_eq!(listed("limit=1"), ["now-1"]);
    assert_eq!(listed("limit=2&state=ended"), ["past-2", "past-1"]);
    assert_eq!(listed("limit=100").len(), 5);
    calls.into_iter().for_each(|call| drop(call.hang_up()));
}

#[test]
fn over_tcp_both_sides_can_hang_up() {
    let _turn = together();
    let server = Server::start();

    let ours = Calling::to(&server, "echo").tcp().script("wait 300ms\nhangup").place();
    let theirs = Calling::to(&server, "echo").tcp().from("by-tcp").start();
    let id = server.api.answered_call_from("by-tcp");
    assert_eq!(server.api.post(&format!("/v1/calls/{id}/hangup"), "").status, 202);

    assert_eq!(ours.report.outcome, Outcome::Completed { ended_by: EndedBy::Caller }, "{}", ours.said);
    let theirs = theirs.finish();
    assert_eq!(theirs.report.outcome, Outcome::Completed { ended_by: EndedBy::FarEnd }, "{}", theirs.said);
}

#[test]
fn digits_arrive_as_telephone_events() {
    let _turn = together();
    let server = Server::start();
    let call = Calling::to(&server, "echo").from("digits").start();
    let id = server.api.answered_call_from("digits");

    let answer =
        server.api.post(&format!("/v1/calls/{id}/dtmf"), r#"{"digits":"1590*#A","command_id":"keys"}"#);

    assert_eq!((answer.status, answer.body["command_id"].as_str()), (202, Some("keys")));
    call.wait_for("they pressed A");
    assert_eq!(call.hang_up().report.digits_received, "1590*#A");
}

#[test]
fn digits_of_the_caller_are_in_the_record_once_each() {
    let _turn = together();
    let server = Server::start();

    let ended = Calling::to(&server, "echo")
        .from("pressed")
        .script("wait 300ms\ndtmf 1123*#0\nwait 400ms\nhangup")
        .place();

    assert!(ended.report.is_success(), "{}", ended.said);
    assert_eq!(server.api.ended_call_from("pressed")["digits"], "1123*#0");
}

#[test]
fn a_muted_caller_is_not_heard_until_unmuted() {
    let _turn = together();
    let server = Server::start();
    for (commands, is_heard) in [(&["mute"][..], false), (&["mute", "unmute"][..], true)] {
        let from = format!("after-{}", commands.join("-"));
        let events = server.api.events("");
        // The echo gives back what the server hears.
        let call = Calling::to(&server, "echo")
            .from(&from)
            .noise("noise.wav")
            .script("wait 1500ms\nsay noise.wav\nwait 300ms\nhangup")
            .record()
            .start();
        let id = server.api.answered_call_from(&from);

        for command in commands {
            let body = format!(r#"{{"command_id":"{command}"}}"#);
            assert_eq!(server.api.post(&format!("/v1/calls/{id}/{command}"), &body).status, 202);
            assert_eq!(events.outcome_of(command)["result"], "succeeded");
        }
        let ended = call.finish();

        let loudest = ended.heard().chunks(1600).map(rms).fold(0.0, f64::max);
        assert_eq!(loudest > 300.0, is_heard, "{commands:?}: {loudest}");
        assert!(is_heard || loudest < 30.0, "{commands:?}: {loudest}");
    }
}

#[test]
fn a_transfer_hands_the_caller_over_and_tells_the_outcome() {
    let _turn = together();
    let server = Server::start();
    let agent = Reflector::start([127, 0, 0, 1].into(), false).unwrap();
    let events = server.api.events("");
    let call = Calling::to(&server, "echo").from("handed-over").start();
    let id = server.api.answered_call_from("handed-over");

    let body = format!(r#"{{"target":"{}","command_id":"over"}}"#, agent.uri());
    let answer = server.api.post(&format!("/v1/calls/{id}/transfer"), &body);

    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(events.outcome_of("over"), serde_json::json!({"result": "succeeded"}));
    call.wait_for("the target answered");
    call.wait_for("the transferor left");
    let ended = call.hang_up();
    assert_eq!(ended.report.transfers[0].target_status, Some(200), "{}", ended.said);
    let record = server.api.ended_call_from("handed-over");
    assert_eq!((&record["cause"], &record["transfers"][0]["status"]), (&"transferred".into(), &200.into()));
}

#[test]
fn a_transfer_that_fails_leaves_the_caller_on_the_line() {
    let _turn = together();
    let server = Server::start();
    let events = server.api.events("");
    let call = Calling::to(&server, "echo").from("stays").on_refer(OnRefer::Decline(603)).start();
    let id = server.api.answered_call_from("stays");

    let body = r#"{"target":"sip:agent@127.0.0.1:9","command_id":"declined"}"#;
    assert_eq!(server.api.post(&format!("/v1/calls/{id}/transfer"), body).status, 202);

    let outcome = events.outcome_of("declined");
    let expected = serde_json::json!({"result": "failed", "code": "failed", "message": "rejected"});
    assert_eq!(outcome, expected);
    assert_eq!(server.metric("offhook_calls"), Some(1.0));
    let finished = events.wait_for("transfer_finished");
    assert_eq!(finished["event"]["status"], 603);
    assert!(call.hang_up().report.is_success());
}

/// Toll fraud: nothing leaves loopback unless a trunk says so.
#[test]
fn a_transfer_may_only_point_where_a_trunk_allows() {
    let _turn = together();
    let trunk = "[[trunk]]\nname = \"carrier\"\nallow = [\"192.0.2.0/24\"]\nhosts = [\"pbx.example.com\"]\n";
    for (config, target, expected) in [
        ("", "sip:1@192.0.2.1", 403),
        ("", "sip:1@pbx.example.com", 403),
        ("", "sip:1@[2001:db8::1]", 403),
        ("", "tel:+4912345", 400),
        (trunk, "sip:1@192.0.3.1", 403),
        (trunk, "sip:1@192.0.2.1", 202),
        (trunk, "sip:1@PBX.example.com", 202),
    ] {
        let server = Setup::new().config(config).start();
        let call = Calling::to(&server, "echo").from("fraud").on_refer(OnRefer::Ignore).start();
        let id = server.api.call_that_is_up("fraud");

        let body = format!(r#"{{"target":"{target}"}}"#);
        let answer = server.api.post(&format!("/v1/calls/{id}/transfer"), &body);

        assert_eq!(answer.status, expected, "{config} {target}: {answer:?}");
        if expected == 403 {
            assert_eq!(answer.code(), "not_allowed");
        }
        if expected == 202 {
            call.wait_for("they transfer us to");
        }
        assert_eq!(
            call.hang_up().report.transfers.len(),
            usize::from(expected == 202),
            "a refused one sends no REFER"
        );
    }
}

#[test]
fn a_command_given_twice_with_one_id_is_done_once() {
    let _turn = together();
    let server = Server::start();
    let call = Calling::to(&server, "echo").from("twice").start();
    let id = server.api.answered_call_from("twice");

    for _ in 0..2 {
        let answer =
            server.api.post(&format!("/v1/calls/{id}/dtmf"), r#"{"digits":"7","command_id":"same"}"#);
        assert_eq!(answer.status, 202);
    }
    server.api.post(&format!("/v1/calls/{id}/dtmf"), r#"{"digits":"8"}"#);

    call.wait_for("they pressed 8");
    assert_eq!(call.hang_up().report.digits_received, "78");
}

#[test]
fn a_command_that_is_repeated_gets_the_answer_that_it_got() {
    let _turn = together();
    let server = Server::start();
    let events = server.api.events("");
    let call = Calling::to(&server, "echo").from("repeats").start();
    let id = server.api.call_that_is_up("repeats");
    let send = |path: &str, body: &str| server.api.post(&format!("/v1/calls/{id}/{path}"), body);

    for _ in 0..3 {
        let failed = send("say", r#"{"text":"hi","command_id":"echo cannot speak"}"#);
        assert_eq!((failed.status, failed.code()), (409, "wrong_state"), "{failed:?}");
        let wrong = send("dtmf", r#"{"digits":"x","command_id":"no digit"}"#);
        assert_eq!((wrong.status, wrong.code()), (400, "bad_argument"), "{wrong:?}");
    }
    let other = send("dtmf", r#"{"digits":"1","command_id":"no digit"}"#);
    let ends: Vec<_> = (0..2).map(|_| send("hangup", r#"{"command_id":"last"}"#).status).collect();
    call.finish();
    server.api.ended_call_from("repeats");
    let after = send("hangup", r#"{"command_id":"last"}"#);
    let unknown = send("hangup", r#"{"command_id":"new"}"#);

    assert_eq!((other.status, other.code()), (400, "bad_argument"), "another command: {other:?}");
    assert_eq!(ends, [202, 202]);
    assert_eq!((after.status, after.body["command_id"].as_str()), (202, Some("last")), "{after:?}");
    assert_eq!((unknown.status, unknown.code()), (409, "wrong_state"));
    let finished = |command: &str| {
        let of = |event: &serde_json::Value| event["event"]["command_id"] == command;
        events.all().iter().filter(|event| of(event)).count()
    };
    assert_eq!([finished("echo cannot speak"), finished("no digit"), finished("last")], [1, 1, 1]);
}

#[test]
fn what_is_too_long_is_refused_before_anything_is_done_with_it() {
    let _turn = together();
    let server = Server::start();
    let call = Calling::to(&server, "hello").from("long").start();
    let id = server.api.call_that_is_up("long");
    let long = |length: usize| "a".repeat(length);
    let say = |text: &str| (format!("/v1/calls/{id}/say"), format!(r#"{{"text":"{text}"}}"#));

    let table = [
        (say(&long(4_001)), 400, "bad_argument"),
        (say(&"语".repeat(4_001)), 400, "bad_argument"),
        (say(&long(70_000)), 413, "too_large"),
        (
            (format!("/v1/calls/{id}/transfer"), format!(r#"{{"target":"sip:{}@127.0.0.1"}}"#, long(600))),
            400,
            "bad_request",
        ),
        ((format!("/v1/calls/{id}/hangup"), format!(r#"{{"reason":"{}"}}"#, long(200))), 400, "bad_argument"),
        (
            (format!("/v1/calls/{id}/mute"), format!(r#"{{"command_id":"{}"}}"#, long(200))),
            400,
            "bad_request",
        ),
        ((format!("/v1/calls/{id}/mute"), long(100_000)), 413, "too_large"),
        (
            ("/v1/calls".into(), format!(r#"{{"to":"sip:{}@127.0.0.1","bot":"echo"}}"#, long(600))),
            400,
            "bad_request",
        ),
        (
            ("/v1/calls".into(), format!(r#"{{"to":"sip:a@127.0.0.1","bot":"{}"}}"#, long(200))),
            400,
            "bad_request",
        ),
        (
            ("/v1/calls".into(), r#"{"to":"sip:a@127.0.0.1","bot":"echo","from":"a\r\nX-Evil: 1"}"#.into()),
            400,
            "bad_request",
        ),
    ];
    for ((path, body), status, code) in table {
        let answer = server.api.post(&path, &body);

        let shown: String = body.chars().take(60).collect();
        assert_eq!((answer.status, answer.code()), (status, code), "{path} {shown}: {answer:?}");
    }
    let (path, body) = say(&long(4_000));
    assert_eq!(server.api.post(&path, &body).status, 202, "as long as it may be");
    call.hang_up();
}

#[test]
fn the_calls_command_lists_and_hangs_up() {
    let _turn = together();
    let server = Server::start();
    let call = Calling::to(&server, "echo").from("by-command").start();
    let id = server.api.answered_call_from("by-command");
    let run = |args: &[&str]| {
        let output = std::process::Command::new(crate::common::program())
            .args(args)
            .args(["--api", &server.api.address().to_string(), "--data"])
            .arg(&server.data)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };

    let (listed, text) = run(&["calls", "list"]);
    let (done, _) = run(&["calls", "hangup", &id]);

    assert!(listed && text.contains(&id) && text.contains("running"), "{text}");
    assert!(done);
    call.finish();
    until("the call to be listed as ended", || {
        run(&["calls", "list"]).1.contains("api_hung_up").then_some(())
    });
}
