//! Which bot takes a call: SIP user, dialled number, header.

use crate::common::{Phone, Server, Setup, together};

const ROUTES: &str = r#"
[[route]]
header = "X-Queue: vip*"
bot = "echo"

[[route]]
did = "+4930555xx"
bot = "echo"

[[route]]
user = "sales*"
bot = "echo"
calls = 1

[[route]]
user = "later"
bot = "echo"
answer = "api"
"#;

#[test]
fn there_is_no_default_bot() {
    let _turn = together();
    let server = Server::start();

    for (method, user, expected) in [
        ("INVITE", "nobody", 404),
        ("OPTIONS", "nobody", 404),
        ("OPTIONS", "echo", 200),
        ("OPTIONS", "", 200),
        ("INVITE", "ECHO", 404),
        ("INVITE", "bridge", 480),
    ] {
        let mut phone = Phone::udp(&server);
        let answer =
            if method == "INVITE" { phone.invite(user, "") } else { phone.ask(method, user, "", "") };

        assert_eq!(answer.status(), expected, "{method} {user}: {}", answer.start);
    }
    assert_eq!(server.metric("offhook_calls"), Some(0.0));
}

#[test]
fn options_says_what_we_take() {
    let _turn = together();
    let server = Server::start();

    let answer = Phone::tcp(&server).ask("OPTIONS", "echo", "", "");

    let allow = answer.header("allow").unwrap();
    for method in ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"] {
        assert!(allow.contains(method), "{allow}");
    }
    assert!(answer.header("accept").unwrap().contains("application/sdp"));
}

#[test]
fn routes_go_by_header_dialled_number_and_user() {
    let _turn = together();
    let server = Setup::new().config(ROUTES).start();

    for (user, header, expected) in [
        ("whoever", "X-Queue: vip-gold\r\n", 200),
        ("whoever", "X-Queue: plain\r\n", 404),
        ("+493055512", "", 200),
        ("+4930555123", "", 404),
        ("sales-north", "", 200),
        ("north-sales", "", 404),
    ] {
        let mut phone = Phone::udp(&server);
        let answer = phone.invite(user, header);
        assert_eq!(answer.status(), expected, "{user} {header}: {}", answer.start);
        if expected == 200 {
            phone.in_dialog("ACK", user, &answer);
            phone.in_dialog("BYE", user, &answer);
            assert_eq!(phone.final_response().status(), 200);
        }
    }
}

#[test]
fn a_route_that_is_full_is_busy() {
    let _turn = together();
    let server = Setup::new().config(ROUTES).start();
    let mut first = Phone::udp(&server);
    let ok = first.invite("sales", "");
    first.in_dialog("ACK", "sales", &ok);

    let second = Phone::udp(&server).invite("sales-2", "");
    let other = Phone::udp(&server).invite("+493055512", "");

    assert_eq!((ok.status(), second.status(), other.status()), (200, 486, 200));
}

#[test]
fn a_route_that_waits_for_the_api_rings_until_it_is_answered_or_rejected() {
    let _turn = together();
    let server = Setup::new().config(ROUTES).start();
    for (from, command, body, expected) in
        [("answered", "answer", "{}", 200), ("rejected", "hangup", r#"{"status":486}"#, 486)]
    {
        let server = &server;
        std::thread::scope(|scope| {
            let invited = scope.spawn(move || {
                let mut phone = Phone::udp(server);
                let answer = phone.invite("later", &format!("X-Note: {from}\r\n"));
                if answer.status() == 200 {
                    phone.in_dialog("ACK", "later", &answer);
                    phone.in_dialog("BYE", "later", &answer);
                    phone.final_response();
                }
                answer.status()
            });
            let id = crate::common::until("a ringing call", || {
                let running = server.api.get("/v1/calls?state=running");
                running.body["calls"].as_array()?.first()?["call_id"].as_str().map(str::to_owned)
            });

            let accepted = server.api.post(&format!("/v1/calls/{id}/{command}"), body);

            assert_eq!(accepted.status, 202, "{accepted:?}");
            assert_eq!(invited.join().unwrap(), expected);
            let record = crate::common::until("the record", || {
                let record = server.api.get(&format!("/v1/calls/{id}")).body;
                (!record["cause"].is_null()).then_some(record)
            });
            let cause = if expected == 200 { "caller_hung_up" } else { "rejected" };
            assert_eq!(record["cause"], cause, "{record}");
            crate::common::until("no running call", || {
                let running = server.api.get("/v1/calls?state=running");
                running.body["calls"].as_array()?.is_empty().then_some(())
            });
        });
    }
}

#[test]
fn a_repeated_invite_is_one_call_and_a_second_in_the_dialog_changes_nothing() {
    let _turn = together();
    let server = Server::start();
    let mut phone = Phone::udp(&server);
    let ok = phone.invite("echo", "");

    // The 200 was not acknowledged: it comes again by itself (RFC 3261 §13.3.1.4).
    let again = phone.final_response();

    assert_eq!((again.status(), again.header("to")), (200, ok.header("to")));
    phone.in_dialog("ACK", "echo", &ok);
    assert_eq!(server.metric("offhook_calls_started_total{bot=\"echo\"}"), Some(1.0));
    phone.in_dialog("BYE", "echo", &ok);
    assert_eq!(phone.final_response().status(), 200);
}

#[test]
fn the_reason_of_a_hangup_is_told_to_the_caller_and_cannot_carry_a_header() {
    let _turn = together();
    let server = Server::start();
    let mut phone = Phone::udp(&server);
    let ok = phone.invite("echo", "");
    phone.in_dialog("ACK", "echo", &ok);
    let id = server.api.answered_call_from("phone");
    let hang_up = |reason: &str| {
        server.api.post(&format!("/v1/calls/{id}/hangup"), &format!(r#"{{"reason":"{reason}"}}"#))
    };

    let refused = hang_up(r"late\r\nX-Evil: 1");
    let accepted = hang_up(r#"closing time, \"really\""#);

    assert_eq!((refused.status, refused.code()), (400, "bad_argument"), "{refused:?}");
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let bye = phone.expect_request("BYE");
    assert_eq!(bye.header("reason"), Some(r#"Q.850;cause=16;text="closing time, \"really\"""#), "{bye:?}");
}
