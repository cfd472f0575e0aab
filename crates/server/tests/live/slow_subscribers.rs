//! Subscribers of `/v1/events` that do not read, while much happens.

use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket};

use crate::common::{Calling, Server, together, until};

/// Requests sent before somebody looks whether it was enough.
const ROUND: usize = 200;

#[test]
fn one_that_does_not_read_is_cut_off_without_a_hole_and_costs_others_nothing() {
    let _turn = together();
    let server = Server::start();
    let good = server.api.events("");
    let mut slow = subscribe(&server);
    let never = subscribe(&server);
    let call = Calling::to(&server, "echo").from("busy").start();
    let id = server.api.call_that_is_up("busy");
    assert_eq!(server.metric("offhook_event_subscribers"), Some(3.0));

    let mut told = 0;
    until("both to be cut off", || {
        for _ in 0..ROUND {
            let answer = server
                .api
                .post(&format!("/v1/calls/{id}/unmute"), &format!(r#"{{"command_id":"{told:0>120}"}}"#));
            assert_eq!(answer.status, 202, "{answer:?}");
            told += 1;
        }
        (server.metric("offhook_event_subscribers_cut_total") == Some(2.0)).then_some(())
    });
    let heard = call.hang_up();

    assert!(heard.report.is_success() && heard.report.received.lost == 0, "the call noticed nothing");
    good.wait_for("call_ended");
    let sequences: Vec<u64> = good.all().iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.len() > told, "{} events of {told} commands", sequences.len());
    assert!(sequences.windows(2).all(|two| two[1] == two[0] + 1), "the one that reads has no hole");
    // What the slow one gets after all has no hole either, and then it is told.
    let mut next = 0;
    let farewell = loop {
        match slow.read() {
            Ok(Message::Text(text)) => {
                let event: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(event["sequence"], next, "a hole that it cannot see");
                next += 1;
            }
            Ok(Message::Close(frame)) => break frame.unwrap(),
            Ok(_) => {}
            Err(error) => panic!("after {next} events: {error}"),
        }
    };
    assert!(next >= 1024 && next < sequences.len(), "{next} of {}", sequences.len());
    assert_eq!(farewell.code, CloseCode::Policy);
    assert!(farewell.reason.contains("/v1/calls"), "{}", farewell.reason);
    // The other one never reads: its connection and what waits for it do not stay.
    until("the deaf one to be disconnected", || {
        (server.metric("offhook_event_subscribers") == Some(1.0)).then_some(())
    });
    drop(never);
}

#[test]
fn subscribers_that_leave_are_forgotten() {
    let _turn = together();
    let server = Server::start();
    let mut leaving: Vec<_> = (0..8).map(|_| subscribe(&server)).collect();
    until("eight", || (server.metric("offhook_event_subscribers") == Some(8.0)).then_some(()));

    // Four say so, four just go.
    for polite in leaving.iter_mut().take(4) {
        polite.close(None).unwrap();
        while !matches!(polite.read(), Err(Error::ConnectionClosed | Error::AlreadyClosed)) {}
    }
    drop(leaving);

    until("nobody", || (server.metric("offhook_event_subscribers") == Some(0.0)).then_some(()));
}

/// A subscriber with little room of its own, which reads only when it is told to.
fn subscribe(server: &Server) -> WebSocket<TcpStream> {
    let address = server.api.address();
    let stream = TcpStream::connect(address).unwrap();
    set_socket_recv_buffer_size(&stream, 4096).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut request = format!("ws://{address}/v1/events").into_client_request().unwrap();
    let bearer = format!("Bearer {}", server.api.key());
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    tokio_tungstenite::tungstenite::client(request, stream).unwrap().0
}
