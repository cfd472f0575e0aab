//! The two client transactions of RFC 3261 §17.1, driven from deadline to deadline.

#![allow(clippy::unwrap_used, reason = "helpers of a test fail like the test")]

use offhook_sip_proto::transaction::{
    Cause, InviteClientTransaction, NonInviteClientTransaction, Reliability, Timing, invite_client,
    non_invite_client,
};
use offhook_testkit::{drive, millis_since, start};
use offhook_time::Time;
use std::time::Duration;

#[test]
fn an_unanswered_invite_is_repeated_on_timer_a_until_timer_b() {
    let mut transaction = invite(Reliability::Unreliable);

    let sent_at = drive_invite(&mut transaction);

    assert_eq!(millis_since(start(), &sent_at), [500, 1500, 3500, 7500, 15500, 31500]);
    assert_eq!(transaction.state(), invite_client::State::Terminated(Cause::Timeout));
}

#[test]
fn on_a_reliable_transport_an_unanswered_invite_is_sent_once_and_times_out() {
    let mut transaction = invite(Reliability::Reliable);
    let timer_b = transaction.poll_timeout();

    let sent_at = drive_invite(&mut transaction);

    assert_eq!(sent_at, []);
    assert_eq!(timer_b, Some(after(start(), 32_000)));
    assert_eq!(transaction.state(), invite_client::State::Terminated(Cause::Timeout));
}

#[test]
fn a_ringing_invite_has_no_deadline_until_it_is_cancelled() {
    let mut transaction = invite(Reliability::Unreliable);
    assert!(respond(&mut transaction, 180));
    assert_eq!(transaction.poll_timeout(), None);

    transaction.cancelled(after(start(), 3_000));

    assert_eq!(transaction.poll_timeout(), Some(after(start(), 35_000)));
    assert_eq!(drive_invite(&mut transaction), []);
    assert_eq!(transaction.state(), invite_client::State::Terminated(Cause::Timeout));
}

#[test]
fn a_refusal_is_acknowledged_each_time_it_comes_and_told_once() {
    let mut transaction = invite(Reliability::Unreliable);

    let told = [486, 486, 486].map(|status| respond(&mut transaction, status));

    assert_eq!(told, [true, false, false]);
    assert_eq!(transmitted(&mut transaction), ["ACK", "ACK", "ACK"]);
    assert_eq!(transaction.poll_timeout(), Some(after(start(), 32_000)), "timer D");
    drive_invite(&mut transaction);
    assert_eq!(transaction.state(), invite_client::State::Terminated(Cause::Finished));
}

#[test]
fn on_a_reliable_transport_a_refusal_ends_it_after_one_ack() {
    let mut transaction = invite(Reliability::Reliable);

    respond(&mut transaction, 404);

    assert_eq!(transmitted(&mut transaction), ["ACK"]);
    assert_eq!(transaction.state(), invite_client::State::Terminated(Cause::Finished));
}

#[test]
fn every_2xx_reaches_the_user_until_timer_m_and_none_is_acknowledged_here() {
    let mut transaction = invite(Reliability::Unreliable);

    let told = [200, 200, 180, 486].map(|status| respond(&mut transaction, status));

    assert_eq!(told, [true, true, false, false]);
    assert_eq!(transmitted(&mut transaction), [""; 0]);
    assert_eq!(transaction.poll_timeout(), Some(after(start(), 32_000)));
    drive_invite(&mut transaction);
    assert_eq!(transaction.state(), invite_client::State::Terminated(Cause::Finished));
}

#[test]
fn a_transport_that_fails_ends_an_invite_that_nobody_answered() {
    let mut transaction = invite(Reliability::Reliable);

    transaction.handle_transport_error();

    assert_eq!(transaction.state(), invite_client::State::Terminated(Cause::Transport));
}

#[test]
fn an_unanswered_bye_is_repeated_on_timer_e_until_timer_f() {
    let mut transaction = bye(Reliability::Unreliable);

    let sent_at = drive_non_invite(&mut transaction);

    assert_eq!(
        millis_since(start(), &sent_at),
        [500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500]
    );
    assert_eq!(transaction.state(), non_invite_client::State::Terminated(Cause::Timeout));
}

#[test]
fn a_provisional_response_slows_the_repetition_to_t2() {
    let mut transaction = bye(Reliability::Unreliable);
    assert!(transaction.handle_response(100, after(start(), 100)));

    let sent_at = drive_non_invite(&mut transaction);

    assert_eq!(millis_since(start(), &sent_at), [500, 4500, 8500, 12500, 16500, 20500, 24500, 28500]);
}

#[test]
fn a_final_response_is_told_once_and_its_repetitions_are_absorbed_for_t4() {
    let mut transaction = bye(Reliability::Unreliable);

    let told = [200, 200].map(|status| transaction.handle_response(status, start()));

    assert_eq!(told, [true, false]);
    assert_eq!(transaction.poll_timeout(), Some(after(start(), 5_000)));
    assert_eq!(drive_non_invite(&mut transaction), []);
    assert_eq!(transaction.state(), non_invite_client::State::Terminated(Cause::Finished));
}

#[test]
fn on_a_reliable_transport_a_final_response_ends_a_bye_at_once() {
    let mut transaction = bye(Reliability::Reliable);

    transaction.handle_response(481, start());

    assert_eq!(transaction.state(), non_invite_client::State::Terminated(Cause::Finished));
}

fn invite(reliability: Reliability) -> InviteClientTransaction {
    let mut transaction =
        InviteClientTransaction::new(b"INVITE".to_vec(), Timing::default(), reliability, start());
    assert_eq!(transaction.poll_transmit(), Some(b"INVITE".to_vec()));
    transaction
}

fn bye(reliability: Reliability) -> NonInviteClientTransaction {
    let mut transaction =
        NonInviteClientTransaction::new(b"BYE".to_vec(), Timing::default(), reliability, start());
    assert_eq!(transaction.poll_transmit(), Some(b"BYE".to_vec()));
    transaction
}

fn respond(transaction: &mut InviteClientTransaction, status: u16) -> bool {
    transaction.handle_response(status, || b"ACK".to_vec(), start())
}

fn transmitted(transaction: &mut InviteClientTransaction) -> Vec<String> {
    let mut sent = Vec::new();
    while let Some(bytes) = transaction.poll_transmit() {
        sent.push(String::from_utf8(bytes).unwrap());
    }
    sent
}

fn drive_invite(transaction: &mut InviteClientTransaction) -> Vec<Time> {
    drive(transaction, InviteClientTransaction::poll_timeout, |transaction, now| {
        transaction.handle_timeout(now);
        transaction.poll_transmit().is_some()
    })
}

fn drive_non_invite(transaction: &mut NonInviteClientTransaction) -> Vec<Time> {
    drive(transaction, NonInviteClientTransaction::poll_timeout, |transaction, now| {
        transaction.handle_timeout(now);
        transaction.poll_transmit().is_some()
    })
}

fn after(time: Time, millis: u64) -> Time {
    time + Duration::from_millis(millis)
}
