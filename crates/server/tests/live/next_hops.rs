//! Nobody makes the server send to a third party: not by Contact, Record-Route or Via.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::common::{PATIENCE, Phone, Server, Setup, skip, together};

/// Of TEST-NET-1: no trunk's, and not this machine's.
const ELSEWHERE: &str = "192.0.2.66";

#[test]
fn a_contact_that_leads_elsewhere_is_not_followed_and_that_is_told_once() {
    let _turn = together();
    let server = Server::start();
    let events = server.api.events("");
    let mut phone = Phone::udp(&server);
    phone.name_contact(&format!("sip:victim@{ELSEWHERE}"));
    let ok = phone.invite("echo", "");
    phone.in_dialog("ACK", "echo", &ok);

    let id = server.api.answered_call_from("phone");
    server.api.post(&format!("/v1/calls/{id}/transfer"), r#"{"target":"sip:a@127.0.0.1:9"}"#);
    let refer = phone.expect_request("REFER");
    phone.reply(&refer, "603 Decline");
    server.api.post(&format!("/v1/calls/{id}/hangup"), "");
    let bye = phone.expect_request("BYE");
    phone.reply(&bye, "200 OK");

    assert!(bye.start.contains(ELSEWHERE), "the request line stays the dialog's: {}", bye.start);
    assert_eq!(server.api.ended_call_from("phone")["cause"], "api_hung_up");
    let told: Vec<_> =
        events.all().into_iter().filter(|event| event["event"]["type"] == "next_hop_refused").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["event"]["address"], ELSEWHERE);
    assert_eq!(server.metric("offhook_next_hops_refused_total"), Some(1.0));
    assert_eq!(server.log().matches("leads to an address of no trunk").count(), 1);
}

#[test]
fn a_record_route_that_leads_elsewhere_is_not_followed() {
    let _turn = together();
    let server = Server::start();
    let mut phone = Phone::udp(&server);
    let ok = phone.invite("echo", &format!("Record-Route: <sip:{ELSEWHERE}:5090;lr>\r\n"));
    phone.in_dialog("ACK", "echo", &ok);

    let id = server.api.answered_call_from("phone");
    server.api.post(&format!("/v1/calls/{id}/hangup"), "");

    let bye = phone.expect_request("BYE");
    assert!(bye.header("route").unwrap().contains(ELSEWHERE), "{bye:?}");
    assert_eq!(server.metric("offhook_next_hops_refused_total"), Some(1.0));
}

#[test]
fn over_tcp_the_bye_comes_back_on_the_callers_connection() {
    let _turn = together();
    let server = Server::start();
    let mut phone = Phone::tcp(&server);
    phone.name_contact(&format!("sip:victim@{ELSEWHERE};transport=udp"));
    let ok = phone.invite("echo", "");
    phone.in_dialog("ACK", "echo", &ok);

    let id = server.api.answered_call_from("phone");
    server.api.post(&format!("/v1/calls/{id}/hangup"), "");

    phone.expect_request("BYE");
}

#[test]
fn on_this_machine_a_contact_may_be_another_address_of_it() {
    let _turn = together();
    let server = Server::start();
    let other = UdpSocket::bind("127.0.0.9:0").unwrap();
    other.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut phone = Phone::udp(&server);
    phone.name_contact(&format!("sip:phone@{}", other.local_addr().unwrap()));
    let ok = phone.invite("echo", "");
    phone.in_dialog("ACK", "echo", &ok);

    let id = server.api.answered_call_from("phone");
    server.api.post(&format!("/v1/calls/{id}/hangup"), "");

    let mut buffer = [0; 4096];
    let length = other.recv(&mut buffer).unwrap();
    assert!(buffer[..length].starts_with(b"BYE "));
}

/// What listens on loopback listens for this machine alone.
#[test]
fn a_caller_from_the_network_cannot_make_us_knock_at_loopback() {
    let _turn = together();
    let Some(ip) = network_address() else {
        return skip("a caller from the network", "this machine has no address but loopback");
    };
    let bait = UdpSocket::bind("127.0.0.9:0").unwrap();
    bait.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let server = Setup::new().arg("--sip").arg("0.0.0.0:0").start();
    let port = server.sip.port();
    let mut phone = Phone::udp_to(SocketAddr::new(ip, port), ip);
    phone.name_contact(&format!("sip:phone@{}", bait.local_addr().unwrap()));
    let ok = phone.invite("echo", "");
    phone.in_dialog("ACK", "echo", &ok);

    let id = server.api.answered_call_from("phone");
    server.api.post(&format!("/v1/calls/{id}/hangup"), "");

    phone.expect_request("BYE");
    assert!(bait.recv(&mut [0; 64]).is_err(), "the bait was knocked at");
}

/// RFC 3261 §18.2.2 and RFC 3581, with the source address in any case.
#[test]
fn a_response_goes_to_where_the_request_came_from_whatever_its_via_says() {
    let _turn = together();
    let server = Server::start();
    for rport in ["", ";rport", ";rport=9"] {
        let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
        phone.set_read_timeout(Some(PATIENCE)).unwrap();
        let port = phone.local_addr().unwrap().port();
        // Somebody else, at the very port that the Via names.
        let bait = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 9), port)).unwrap();
        bait.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let via = format!(
            "SIP/2.0/UDP 127.0.0.9:{port};branch=z9hG4bK{port};maddr=127.0.0.9;received=127.0.0.9{rport}"
        );
        for method in ["OPTIONS", "INVITE", "BYE", "BROKEN\u{1}"] {
            let request = format!(
                "{method} sip:echo@{} SIP/2.0\r\nVia: {via}{method}\r\nMax-Forwards: 70\r\n\
                 From: <sip:a@127.0.0.9>;tag=1\r\nTo: <sip:nobody@127.0.0.1>\r\nCall-ID: {port}{method}\r\n\
                 CSeq: 1 {method}\r\nContact: <sip:a@127.0.0.9:{port}>\r\nContent-Length: 0\r\n\r\n",
                server.sip
            );
            phone.send_to(request.replace('\u{1}', " ").as_bytes(), server.sip).unwrap();

            let length = phone.recv(&mut [0; 4096]).unwrap();

            assert!(length > 0, "{method} {rport}");
        }
        assert!(bait.recv(&mut [0; 64]).is_err(), "{rport}: a response went astray");
    }
}

/// The address that leads out of this machine, where there is one. Connecting a datagram socket sends nothing.
fn network_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect((ELSEWHERE, 9)).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}
