//! What a trunk has for itself, and that its neighbour does not notice.

use std::net::IpAddr;
use std::time::Duration;

use offhook_caller::call::OnRefer;
use serde_json::Value;

use crate::common::{Calling, Message, Phone, RtpLine, Server, Setup, alone, sdp, together, until};

/// Everybody's settings, and two trunks; the second lies within the first.
const TWO_TRUNKS: &str = r#"
[media]
codecs = ["pcmu", "pcma"]

[[trunk]]
name = "wide"
allow = ["127.0.0.0/28"]
hosts = ["pbx.example.com"]
media.codecs = ["pcma", "pcmu"]
media.ptime_ms = 40
media.nat = "sdp"
limits.calls = 1

[[trunk]]
name = "narrow"
allow = ["127.0.0.3"]
media.ptime_ms = 10
media.nat = "learn"
limits.call_time = 1.5
"#;

const WIDE: [u8; 4] = [127, 0, 0, 2];
const NARROW: [u8; 4] = [127, 0, 0, 3];
const NOBODY: [u8; 4] = [127, 0, 9, 9];

#[test]
fn codecs_and_packet_time_are_those_of_the_trunk_that_calls() {
    let _turn = alone();
    let server = Setup::new().config(TWO_TRUNKS).start();

    for (from, codec, ptime_ms) in [(WIDE, "8", 40), (NARROW, "0", 10), (NOBODY, "0", 20)] {
        let ip = IpAddr::from(from);
        let (mut phone, line) = (Phone::udp_at(&server, ip), RtpLine::open(ip));
        let body = sdp(line.local(), "0 8", "");

        let ok = phone.ask("INVITE", "echo", "Content-Type: application/sdp\r\n", &body);

        phone.in_dialog("ACK", "echo", &ok);
        let heard = line.hear(51);
        assert_eq!(offered(&ok), codec, "{ip}: {ok:?}");
        assert!(ok.body.contains(&format!("a=ptime:{ptime_ms}\r\n")), "{ip}: {ok:?}");
        for pair in heard.windows(2).filter(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)) {
            assert_eq!(pair[1].timestamp.wrapping_sub(pair[0].timestamp), ptime_ms * 8, "{ip}");
        }
        let took = heard[50].at - heard[0].at;
        let expected = Duration::from_millis(u64::from(ptime_ms) * 50);
        assert!(took > expected / 2 && took < expected * 2, "{ip}: 50 packets in {took:?}");
        hang_up(&mut phone, &ok);
    }
}

#[test]
fn a_codec_that_the_trunk_does_not_have_is_not_taken() {
    let _turn = together();
    let trunk = "[[trunk]]\nname = \"a-law\"\nallow = [\"127.0.0.2\"]\nmedia.codecs = [\"pcma\"]\n";
    let server = Setup::new().config(trunk).start();

    let statuses = [WIDE, NARROW].map(|from| {
        let body = sdp("127.0.0.1:40000".parse().unwrap(), "0", "");
        let mut phone = Phone::udp_at(&server, from.into());
        phone.ask("INVITE", "echo", "Content-Type: application/sdp\r\n", &body).status()
    });

    assert_eq!(statuses, [488, 200]);
}

#[test]
fn where_audio_may_come_from_is_the_trunks_matter() {
    let _turn = together();
    let server = Setup::new().config(TWO_TRUNKS).start();

    for (from, learns) in [(WIDE, false), (NARROW, true)] {
        let ip = IpAddr::from(from);
        let (named, real) = (RtpLine::open(ip), RtpLine::open(ip));
        let mut phone = Phone::udp_at(&server, ip);
        let ok = phone.call("echo", named.local());

        real.talk(ok.audio_address());

        if learns {
            real.hear(20);
        } else {
            named.hear(30);
            assert_eq!(real.heard().len(), 0, "{ip}: what the SDP does not name is not learnt");
        }
        hang_up(&mut phone, &ok);
    }
}

#[test]
fn a_trunk_that_is_full_is_told_so_and_its_neighbour_is_not() {
    let _turn = together();
    let server = Setup::new().config(TWO_TRUNKS).start();
    let mut first = Phone::udp_at(&server, WIDE.into());
    let ok = first.invite("echo", "");
    first.in_dialog("ACK", "echo", &ok);

    let second = Phone::udp_at(&server, WIDE.into()).invite("echo", "");
    let placed = server.api.post("/v1/calls", r#"{"to":"sip:x@127.0.0.2:9","bot":"echo"}"#);
    let neighbour = Phone::udp_at(&server, NARROW.into()).invite("echo", "");
    let nobodys = Phone::udp_at(&server, NOBODY.into()).invite("echo", "");

    assert_eq!([ok.status(), second.status(), neighbour.status(), nobodys.status()], [200, 503, 200, 200]);
    assert_eq!(second.header("retry-after"), Some("5"));
    assert!(second.header("reason").unwrap().starts_with("Q.850;cause=34"), "{second:?}");
    assert_eq!((placed.status, placed.code()), (503, "unavailable"), "{placed:?}");
    assert_eq!(server.metric("offhook_trunk_calls{trunk=\"wide\"}"), Some(1.0));
    assert_eq!(server.metric("offhook_trunk_calls_limit{trunk=\"wide\"}"), Some(1.0));
    assert_eq!(server.metric("offhook_calls_refused_total{status=\"503\",trunk=\"wide\"}"), Some(1.0));
    assert_eq!(server.metric("offhook_calls_started_total{bot=\"echo\",trunk=\"narrow\"}"), Some(1.0));
    let record = ended_by(&server, "trunk_full");
    assert_eq!((&record["trunk"], &record["bot"]), (&"wide".into(), &"echo".into()), "{record}");
    assert!(record["answered_unix_ms"].is_null() && !record["ended_unix_ms"].is_null(), "{record}");

    hang_up(&mut first, &ok);
    until("room on the trunk", || {
        let mut next = Phone::udp_at(&server, WIDE.into());
        let answer = next.invite("echo", "");
        (answer.status() == 200).then(|| next.in_dialog("ACK", "echo", &answer))
    });
}

#[test]
fn a_route_that_is_full_leaves_a_record_too() {
    let _turn = together();
    let server = Setup::new().config("[[route]]\nuser = \"one\"\nbot = \"echo\"\ncalls = 1\n").start();
    let mut first = Phone::udp(&server);
    let ok = first.invite("one", "");
    first.in_dialog("ACK", "one", &ok);

    let second = Phone::udp(&server).invite("one", "");

    assert_eq!(second.status(), 486);
    assert!(second.header("reason").unwrap().starts_with("Q.850;cause=17"), "{second:?}");
    let record = ended_by(&server, "route_full");
    assert_eq!((&record["called"], &record["trunk"]), (&"one".into(), &Value::Null), "{record}");
}

#[test]
fn the_longest_call_is_the_trunks_own() {
    let _turn = together();
    let server = Setup::new().config(TWO_TRUNKS).start();
    let mut long = Phone::udp_at(&server, WIDE.into());
    let ok = long.invite("echo", "");
    long.in_dialog("ACK", "echo", &ok);
    let mut short = Phone::udp_at(&server, NARROW.into());
    let ok = short.invite("echo", "");
    short.in_dialog("ACK", "echo", &ok);

    let bye = short.expect_request("BYE");
    short.reply(&bye, "200 OK");

    assert_eq!(ended_by(&server, "time_limit")["trunk"], "narrow");
    assert_eq!(server.metric("offhook_trunk_calls{trunk=\"wide\"}"), Some(1.0), "its neighbour goes on");
}

#[test]
fn the_trunk_stands_in_record_and_event_and_can_be_asked_for() {
    let _turn = together();
    let server = Setup::new().config("[limits]\nring_time = 1.0\n").config(TWO_TRUNKS).start();
    let events = server.api.events("");
    let mut phone = Phone::udp_at(&server, WIDE.into());
    let ok = phone.invite("echo", "");
    phone.in_dialog("ACK", "echo", &ok);

    let started = events.wait_for("call_started");
    assert_eq!(started["event"]["trunk"], "wide", "{started}");
    let listed = server.api.get("/v1/calls?state=running");
    assert_eq!(listed.body["calls"][0]["trunk"], "wide", "{listed:?}");
    hang_up(&mut phone, &ok);

    for (to, trunk, status, code) in [
        ("127.0.0.3:9", "narrow", 201, ""),
        ("127.0.0.3:9", "wide", 201, ""),
        ("127.0.9.9:9", "wide", 403, "not_allowed"),
        ("127.0.0.2:9", "narrow", 403, "not_allowed"),
        ("127.0.0.2:9", "nobody", 400, "bad_argument"),
    ] {
        let body = format!(r#"{{"to":"sip:x@{to}","bot":"echo","trunk":"{trunk}"}}"#);
        let answer = until("room on the trunk", || {
            Some(server.api.post("/v1/calls", &body)).filter(|answer| answer.status != 503)
        });
        assert_eq!(answer.status, status, "{to} {trunk}: {answer:?}");
        if status != 201 {
            assert_eq!(answer.code(), code);
            continue;
        }
        let id = answer.body["call_id"].as_str().unwrap();
        let record = until("its end", || {
            Some(server.api.get(&format!("/v1/calls/{id}")).body).filter(|call| !call["cause"].is_null())
        });
        assert_eq!((&record["trunk"], &record["direction"]), (&trunk.into(), &"outbound".into()), "{record}");
    }
}

#[test]
fn a_transfer_tells_the_trunk_that_leads_to_its_target() {
    let _turn = together();
    let server = Setup::new().config(TWO_TRUNKS).start();
    let events = server.api.events("");
    let call = Calling::to(&server, "echo").from("handed").on_refer(OnRefer::Decline(603)).start();
    let id = server.api.call_that_is_up("handed");

    for (target, trunk, status, told) in [
        ("sip:1@pbx.example.com", "", 202, Some("wide")),
        ("sip:1@127.0.0.3", r#","trunk":"narrow""#, 202, Some("narrow")),
        ("sip:1@127.0.0.2", r#","trunk":"narrow""#, 403, None),
        ("sip:1@127.0.0.2", r#","trunk":"nobody""#, 400, None),
    ] {
        let command = format!("{target}{trunk}").replace('"', "");
        let body = format!(r#"{{"target":"{target}","command_id":"{command}"{trunk}}}"#);
        let answer = server.api.post(&format!("/v1/calls/{id}/transfer"), &body);

        assert_eq!(answer.status, status, "{body}: {answer:?}");
        events.outcome_of(&command);
        let begun = events.all().into_iter().rfind(|event| event["event"]["type"] == "transfer_started");
        assert_eq!(begun.unwrap()["event"]["trunk"].as_str(), told, "{body}");
    }
    call.hang_up();
}

/// The codec of the answer: the first payload type of its stream.
fn offered(ok: &Message) -> &str {
    let stream = ok.body.lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap();
    stream.split(' ').nth(2).unwrap()
}

fn hang_up(phone: &mut Phone, ok: &Message) {
    phone.in_dialog("BYE", "echo", ok);
    assert_eq!(phone.final_response().status(), 200);
}

/// The record of the call that ended for this cause.
fn ended_by(server: &Server, cause: &str) -> Value {
    until(&format!("a record with {cause}"), || {
        let listed = server.api.get("/v1/calls?state=ended");
        listed.body["calls"].as_array()?.iter().find(|call| call["cause"] == cause).cloned()
    })
}
