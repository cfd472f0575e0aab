//! `POST /v1/calls`: the server calls somebody.

use offhook_caller::reflector::Reflector;

use crate::common::{Server, Setup, together, until};

#[test]
fn an_outgoing_call_reaches_its_target_and_ends_by_command() {
    let _turn = together();
    let server = Server::start();
    let far = Reflector::start([127, 0, 0, 1].into(), false).unwrap();
    let events = server.api.events("");

    let body = format!(r#"{{"to":"{}","bot":"echo","from":"desk"}}"#, far.uri());
    let placed = server.api.post("/v1/calls", &body);

    assert_eq!(placed.status, 201, "{placed:?}");
    let id = placed.body["call_id"].as_str().unwrap().to_owned();
    events.wait_for("call_answered");
    let record = server.api.get(&format!("/v1/calls/{id}")).body;
    assert_eq!(
        (&record["direction"], &record["caller"], &record["called"]),
        (&"outbound".into(), &"desk".into(), &"reflector".into())
    );
    assert_eq!(server.api.post(&format!("/v1/calls/{id}/hangup"), "").status, 202);
    let ended = events.wait_for("call_ended");
    assert_eq!(ended["event"]["cause"], "api_hung_up");
}

#[test]
fn an_outgoing_call_that_nobody_takes_says_why() {
    let _turn = together();
    let server = Server::start();
    let other = Server::start();

    // The other server knows no such user.
    let body = format!(r#"{{"to":"{}","bot":"echo"}}"#, other.uri("nobody"));
    let placed = server.api.post("/v1/calls", &body);

    assert_eq!(placed.status, 201);
    let id = placed.body["call_id"].as_str().unwrap();
    let record = until("the end of the call", || {
        let record = server.api.get(&format!("/v1/calls/{id}")).body;
        (!record["cause"].is_null()).then_some(record)
    });
    assert_eq!(
        (&record["cause"], record["answered_unix_ms"].is_null()),
        (&"unreachable".into(), true),
        "{record}"
    );
}

#[test]
fn two_servers_talk_to_each_other_over_tcp() {
    let _turn = together();
    let (server, other) = (Server::start(), Server::start());

    let body = format!(r#"{{"to":"{};transport=tcp","bot":"echo","from":"here"}}"#, other.uri("echo"));
    let placed = server.api.post("/v1/calls", &body);

    assert_eq!(placed.status, 201, "{placed:?}");
    let id = other.api.answered_call_from("here");
    assert_eq!(other.api.post(&format!("/v1/calls/{id}/hangup"), "").status, 202);
    let record = server.api.ended_call_from("here");
    assert_eq!(record["cause"], "caller_hung_up", "{record}");
}

/// Toll fraud: nothing leaves loopback unless a trunk says so.
#[test]
fn a_call_may_only_go_where_a_trunk_allows() {
    let _turn = together();
    let trunk = "[[trunk]]\nname = \"carrier\"\nallow = [\"192.0.2.0/24\"]\n[limits]\nring_time = 1.0\n";
    for (config, to, status, code) in [
        ("", "sip:1@192.0.2.1", 403, "not_allowed"),
        ("", "sip:1@[2001:db8::1]", 403, "not_allowed"),
        ("", "sip:1@example.com", 400, "bad_argument"),
        (trunk, "sip:1@198.51.100.1", 403, "not_allowed"),
        (trunk, "sip:1@192.0.2.1", 201, ""),
    ] {
        let server = Setup::new().config(config).start();

        let answer = server.api.post("/v1/calls", &format!(r#"{{"to":"{to}","bot":"echo"}}"#));

        assert_eq!(answer.status, status, "{to}: {answer:?}");
        if status != 201 {
            assert_eq!(answer.code(), code);
        }
    }
}

#[test]
fn only_a_bot_that_speaks_first_can_call() {
    let _turn = together();
    let server = Setup::new().arg("--bridge").arg("ws://127.0.0.1:9/").start();

    let answer = server.api.post("/v1/calls", r#"{"to":"sip:a@127.0.0.1:9","bot":"bridge"}"#);

    assert_eq!((answer.status, answer.code()), (400, "bad_argument"), "{answer:?}");
}
