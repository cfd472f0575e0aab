//! The two server transactions of RFC 3261 §17.2, driven from deadline to deadline.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

use offhook_sip_proto::transaction::{
    Cause, InviteServerTransaction, NonInviteServerTransaction, Reliability, Timing, invite_server,
    non_invite_server,
};
use offhook_testkit::{drive, millis_since, start};
use offhook_time::Time;
use std::time::Duration;

#[test]
fn busy_is_retransmitted_until_the_ack_timeout() {
    let mut transaction = answered_invite(486, Reliability::Unreliable);

    let sent_at = drive_invite(&mut transaction);

    assert_eq!(
        millis_since(start(), &sent_at),
        [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
    );
    assert_eq!(transaction.state(), invite_server::State::Terminated(Cause::AckTimeout));
}

#[test]
fn on_a_reliable_transport_busy_is_sent_once_and_still_awaits_its_ack() {
    let mut transaction = answered_invite(486, Reliability::Reliable);

    let sent_at = drive_invite(&mut transaction);

    assert_eq!(sent_at, []);
    assert_eq!(transaction.state(), invite_server::State::Terminated(Cause::AckTimeout));
}

#[test]
fn the_ack_stops_the_retransmission_and_its_repetitions_are_absorbed_for_t4() {
    let mut transaction = answered_invite(603, Reliability::Unreliable);
    let acked = after(start(), 700);

    assert!(transaction.handle_ack(acked));

    assert_eq!(transaction.poll_timeout(), Some(after(acked, 5_000)));
    assert!(transaction.handle_ack(after(acked, 100)), "a repeated ACK is absorbed");
    assert_eq!(drive_invite(&mut transaction), []);
    assert_eq!(transaction.state(), invite_server::State::Terminated(Cause::Finished));
}

#[test]
fn on_a_reliable_transport_the_ack_ends_it_at_once() {
    let mut transaction = answered_invite(486, Reliability::Reliable);

    transaction.handle_ack(after(start(), 10));

    assert_eq!(transaction.state(), invite_server::State::Terminated(Cause::Finished));
}

#[test]
fn a_slow_user_gets_its_100_after_200_ms() {
    let mut transaction = new_invite(Timing::default(), Reliability::Unreliable);

    let sent_at = drive_invite(&mut transaction);

    assert_eq!(millis_since(start(), &sent_at), [200]);
    assert_eq!(transaction.state(), invite_server::State::Proceeding { trying: None });
}

#[test]
fn a_quick_user_needs_no_100() {
    let mut transaction = new_invite(Timing::default(), Reliability::Unreliable);
    transaction.respond(180, b"180".to_vec(), after(start(), 150));

    assert_eq!(transaction.poll_transmit(), Some(b"180".to_vec()));

    assert_eq!(transaction.poll_timeout(), None);
}

#[test]
fn the_100_leaves_at_once_where_configured() {
    let timing = Timing { trying_after: Duration::ZERO, ..Timing::default() };

    let mut transaction = new_invite(timing, Reliability::Unreliable);

    assert_eq!(transaction.poll_transmit(), Some(b"100".to_vec()));
    assert_eq!(transaction.poll_timeout(), None);
}

#[test]
fn a_repeated_invite_gets_the_latest_provisional_response() {
    let mut transaction = new_invite(Timing::default(), Reliability::Unreliable);
    transaction.handle_retransmission();
    transaction.respond(180, b"180".to_vec(), start());
    transaction.respond(183, b"183".to_vec(), start());
    transaction.handle_retransmission();

    let sent = transmitted(&mut transaction);

    assert_eq!(sent, ["100", "180", "183", "183"]);
}

#[test]
fn a_repeated_invite_gets_the_same_final_response() {
    let mut transaction = answered_invite(486, Reliability::Unreliable);

    transaction.handle_retransmission();

    assert_eq!(transmitted(&mut transaction), ["486"]);
}

#[test]
fn accepted_absorbs_invites_until_timer_l_and_leaves_the_ack_to_the_dialog() {
    let mut transaction = answered_invite(200, Reliability::Unreliable);

    transaction.handle_retransmission();

    assert_eq!(transmitted(&mut transaction), [""; 0]);
    assert!(!transaction.handle_ack(after(start(), 50)), "the user gets the ACK for a 2xx");
    assert_eq!(transaction.poll_timeout(), Some(after(start(), 32_000)));
    assert_eq!(drive_invite(&mut transaction), []);
    assert_eq!(transaction.state(), invite_server::State::Terminated(Cause::Finished));
}

#[test]
fn timer_l_runs_on_a_reliable_transport_too() {
    let transaction = answered_invite(200, Reliability::Reliable);

    assert_eq!(transaction.poll_timeout(), Some(after(start(), 32_000)));
}

#[test]
fn the_first_final_response_stands() {
    let mut transaction = answered_invite(200, Reliability::Unreliable);

    transaction.respond(486, b"486".to_vec(), start());

    assert_eq!(transmitted(&mut transaction), [""; 0]);
    assert!(matches!(transaction.state(), invite_server::State::Accepted { .. }));
}

#[test]
fn a_lost_transport_ends_an_invite_unless_a_2xx_was_sent() {
    let mut refused = answered_invite(486, Reliability::Unreliable);
    let mut accepted = answered_invite(200, Reliability::Unreliable);

    refused.handle_transport_error();
    accepted.handle_transport_error();

    assert_eq!(refused.state(), invite_server::State::Terminated(Cause::Transport));
    assert!(matches!(accepted.state(), invite_server::State::Accepted { .. }));
}

#[test]
fn a_request_repeated_before_any_answer_is_only_absorbed_and_dropped_when_its_sender_gave_up() {
    let mut transaction =
        NonInviteServerTransaction::new(Timing::default(), Reliability::Unreliable, start());

    transaction.handle_retransmission();

    assert_eq!(transaction.poll_transmit(), None);
    assert_eq!(transaction.poll_timeout(), Some(after(start(), 32_000)));
    transaction.handle_timeout(after(start(), 32_000));
    assert_eq!(transaction.state(), non_invite_server::State::Terminated(Cause::Timeout));
}

#[test]
fn a_repeated_bye_gets_its_200_again_until_timer_j() {
    let mut transaction =
        NonInviteServerTransaction::new(Timing::default(), Reliability::Unreliable, start());
    transaction.respond(200, b"200".to_vec(), start());
    assert_eq!(transaction.poll_transmit(), Some(b"200".to_vec()));

    transaction.handle_retransmission();

    assert_eq!(transaction.poll_transmit(), Some(b"200".to_vec()));
    assert_eq!(transaction.state(), non_invite_server::State::Completed { timer_j: after(start(), 32_000) });
    transaction.handle_timeout(after(start(), 32_000));
    assert_eq!(transaction.state(), non_invite_server::State::Terminated(Cause::Finished));
}

#[test]
fn on_a_reliable_transport_a_non_invite_ends_with_its_response() {
    let mut transaction = NonInviteServerTransaction::new(Timing::default(), Reliability::Reliable, start());

    transaction.respond(200, b"200".to_vec(), start());

    assert_eq!(transaction.poll_transmit(), Some(b"200".to_vec()));
    assert_eq!(transaction.state(), non_invite_server::State::Terminated(Cause::Finished));
}

#[test]
fn a_provisional_response_is_repeated_and_then_replaced_by_the_final_one() {
    let mut transaction =
        NonInviteServerTransaction::new(Timing::default(), Reliability::Unreliable, start());
    transaction.respond(100, b"100".to_vec(), start());
    transaction.handle_retransmission();
    transaction.respond(404, b"404".to_vec(), start());
    transaction.handle_retransmission();

    let mut sent = Vec::new();
    while let Some(bytes) = transaction.poll_transmit() {
        sent.push(String::from_utf8(bytes).unwrap());
    }

    assert_eq!(sent, ["100", "100", "404", "404"]);
}

fn new_invite(timing: Timing, reliability: Reliability) -> InviteServerTransaction {
    InviteServerTransaction::new(b"100".to_vec(), timing, reliability, start())
}

/// An INVITE answered at `start`, the answer already on the wire.
fn answered_invite(status: u16, reliability: Reliability) -> InviteServerTransaction {
    let mut transaction = new_invite(Timing::default(), reliability);
    transaction.respond(status, status.to_string().into_bytes(), start());
    assert_eq!(transaction.poll_transmit(), Some(status.to_string().into_bytes()));
    transaction
}

fn drive_invite(transaction: &mut InviteServerTransaction) -> Vec<Time> {
    drive(transaction, InviteServerTransaction::poll_timeout, |transaction, now| {
        transaction.handle_timeout(now);
        transaction.poll_transmit().is_some()
    })
}

fn transmitted(transaction: &mut InviteServerTransaction) -> Vec<String> {
    let mut sent = Vec::new();
    while let Some(bytes) = transaction.poll_transmit() {
        sent.push(String::from_utf8(bytes).unwrap());
    }
    sent
}

fn after(time: Time, millis: u64) -> Time {
    time + Duration::from_millis(millis)
}
