//! What a call and the endpoint say to each other can be stored and read back.

use offhook_sip_proto::endpoint::{EndpointEvent, Failure, SipAction, SipEvent, TransactionId};
use offhook_sip_proto::message::StatusCode;

use crate::support::{Bench, invite, them, udp};

#[test]
fn events_and_actions_come_back_as_they_were() {
    let mut bench = Bench::new();
    bench.receive(
        &invite().replace("<sip:alice@127.0.0.2>;tag", "\"\u{7532}, \\\"A\\\"\" <sip:alice@127.0.0.2>;x;tag"),
    );
    let events = bench.events();
    let [EndpointEvent::NewCall { transaction, request, peer }] = events.as_slice() else { panic!() };
    let response = request.response(StatusCode::OK, Some("us"));
    let (transaction, request, peer) = (*transaction, request.clone(), *peer);
    let client = TransactionId::client(3);

    for event in [
        SipEvent::Request { transaction, request: request.clone(), peer },
        SipEvent::Response { transaction: client, response: response.clone(), peer: udp("[::1]:5060") },
        SipEvent::Failed { transaction: client, cause: Failure::Timeout },
        SipEvent::AckFor2xx { request: request.clone(), peer },
        SipEvent::Cancelled { invite: transaction, request: request.clone() },
    ] {
        let bytes = postcard::to_allocvec(&event).unwrap();
        assert_eq!(postcard::from_bytes::<SipEvent>(&bytes).unwrap(), event);
    }
    for action in [
        SipAction::Respond { transaction, response: response.clone() },
        SipAction::Retransmit2xx { transaction, response },
        SipAction::Request { transaction: client, request: request.clone(), destination: them() },
        SipAction::AckFor2xx { invite: client, request, destination: them() },
        SipAction::Cancel { transaction: client, invite: TransactionId::client(2) },
    ] {
        let bytes = postcard::to_allocvec(&action).unwrap();
        assert_eq!(postcard::from_bytes::<SipAction>(&bytes).unwrap(), action);
    }
}

#[test]
fn the_two_kinds_of_transaction_numbers_never_meet() {
    assert_ne!(TransactionId::client(5), TransactionId::server(5));
    assert_eq!((TransactionId::client(5).number(), TransactionId::server(5).number()), (5, 5));
    assert!(TransactionId::client(5).is_client() && !TransactionId::server(5).is_client());
}
