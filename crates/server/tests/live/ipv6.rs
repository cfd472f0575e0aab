//! The same over IPv6.

use offhook_caller::call::{EndedBy, Outcome};

use crate::common::{Calling, Phone, RtpLine, Server, Setup, g711, skip, together, tool};
use crate::storm::storm;

fn server() -> Server {
    Setup::new().arg("--sip").arg("[::1]:0").start()
}

#[test]
fn a_call_over_ipv6_hears_every_frame_and_is_recorded() {
    let _turn = together();
    let server = server();
    for transport in ["udp", "tcp"] {
        let calling = Calling::to(&server, "echo")
            .from(&format!("six-{transport}"))
            .noise("noise.wav")
            .script("wait 300ms\nsay noise.wav\ndtmf 42\nwait 500ms\nhangup");
        let call = if transport == "tcp" { calling.tcp() } else { calling };

        let ended = call.place();

        assert_eq!(ended.report.outcome, Outcome::Completed { ended_by: EndedBy::Caller }, "{}", ended.said);
        let heard = &ended.report.received;
        assert!(heard.packets > 50, "{heard:?}");
        assert_eq!((heard.lost, heard.duplicates, heard.timestamp_breaks), (0, 0, 0), "{heard:?}");
        let record = server.api.ended_call_from(&format!("six-{transport}"));
        assert_eq!((&record["cause"], &record["digits"]), (&"caller_hung_up".into(), &"42".into()));
    }
}

#[test]
fn sdp_and_contact_name_the_ipv6_address() {
    let _turn = together();
    let server = server();
    let mut phone = Phone::udp(&server);
    let line = RtpLine::open(server.sip.ip());

    let ok = phone.call("echo", line.local());
    line.talk(ok.audio_address());
    line.hear(20);
    let held = phone.reinvite("echo", &ok, &g711(line.local(), "a=inactive\r\n"));

    assert_eq!(ok.audio_address().ip(), server.sip.ip());
    assert!(ok.body.contains("c=IN IP6 ::1\r\n"), "{}", ok.body);
    assert!(ok.header("contact").unwrap().contains("@[::1]:"), "{:?}", ok.header("contact"));
    assert_eq!((held.status(), held.direction()), (200, "inactive"));
    phone.in_dialog("BYE", "echo", &ok);
    assert_eq!(phone.final_response().status(), 200);
}

#[test]
fn the_api_calls_over_ipv6_too() {
    let _turn = together();
    let (server, other) = (server(), server());

    let body = format!(r#"{{"to":"{}","bot":"echo","from":"six"}}"#, other.uri("echo"));
    let placed = server.api.post("/v1/calls", &body);

    assert_eq!(placed.status, 201, "{placed:?}");
    let id = other.api.answered_call_from("six");
    assert_eq!(other.api.post(&format!("/v1/calls/{id}/hangup"), "").status, 202);
    assert_eq!(server.api.ended_call_from("six")["cause"], "caller_hung_up");
}

#[test]
fn sipp_calls_over_ipv6_all_succeed() {
    let _turn = together();
    let Some(sipp) = tool("sipp") else {
        return skip("sipp_calls_over_ipv6", "SIPp is not installed (apt install sip-tester)");
    };
    let server = server();

    let report = storm(&sipp, "caller-stream.xml", &server, "u1", 20);

    assert_eq!((report.succeeded, report.failed), (20, 0), "{}", report.said);
    let ended = server.api.get("/v1/calls?state=ended&limit=1000").body;
    let calls = ended["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 20);
    assert!(calls.iter().all(|call| call["media"]["caller"]["received"].as_u64() > Some(200)), "{ended}");
}
