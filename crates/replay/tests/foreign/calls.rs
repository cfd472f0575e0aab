//! SIP into calls.

use offhook_replay::foreign::{End, Unused};

use crate::made::{Line, MS, Made, SECOND, rtp, sdp, tone};

#[test]
fn a_call_is_told_with_its_moments_its_codec_and_its_end() {
    let line = Line::number(1);
    let mut made = Made::default();
    line.whole(&mut made, 0, 50);

    let taken = made.take_apart();

    let [call] = &taken.calls[..] else { panic!("{:?}", taken.calls.len()) };
    let told = call.signalling.as_ref().unwrap();
    let since = |at: Option<u64>| at.map(|at| (at - told.invited_unix_ns) / MS);
    assert_eq!(
        [told.ringing_unix_ns, told.answered_unix_ns, told.acknowledged_unix_ns, told.ended_unix_ns]
            .map(since),
        [Some(100), Some(500), Some(510), Some(1650)]
    );
    assert_eq!((call.caller.user.as_deref(), call.callee.user.as_deref()), (Some("caller1"), Some("bot")));
    assert_eq!((call.codec(), &call.end), (Some("PCMU"), &End::CallerHungUp));
    assert_eq!((call.caller.packets(), call.callee.packets(), call.caller.lost()), (50, 50, 0));
    assert_eq!(call.talk_seconds(), Some(1.15));
    assert_eq!((taken.account.sip_in_calls, taken.account.rtp_in_calls, taken.account.left()), (7, 100, 0));
}

#[test]
fn a_hundred_interleaved_calls_are_taken_apart_completely() {
    let mut made = Made::default();
    for number in 0..100 {
        let mut line = Line::number(number);
        // Every tenth one uses the ports of the one before again, and all have the same SSRC.
        if number % 10 == 9 {
            let before = Line::number(number - 1);
            (line.caller_rtp, line.callee_rtp) = (before.caller_rtp, before.callee_rtp);
        }
        let begins = u64::from(number) * 37 * MS + if number % 10 == 9 { 20 * SECOND } else { 0 };
        line.whole(&mut made, begins, 60);
    }
    let made = made.sorted();

    let taken = made.take_apart();

    assert_eq!(taken.calls.len(), 100);
    for call in &taken.calls {
        assert_eq!((call.caller.packets(), call.callee.packets()), (60, 60), "call {}", call.number);
        assert_eq!((call.caller.lost(), call.caller.streams.len(), call.callee.streams.len()), (0, 1, 1));
        assert_eq!(call.end, End::CallerHungUp);
    }
    assert_eq!(
        (taken.account.sip_in_calls, taken.account.rtp_in_calls, taken.account.left()),
        (700, 12_000, 0)
    );
}

#[test]
fn ports_used_again_are_the_next_call_s_also_where_the_bye_was_not_captured() {
    let (one, two) = (Line::number(1), Line { id: "call-2@example".into(), ..Line::number(1) });
    let mut made = Made::default();
    one.begin(&mut made, 0);
    one.talk(&mut made, 600 * MS, 30);
    two.whole(&mut made, 5 * SECOND, 40);

    let taken = made.take_apart();

    let seen: Vec<_> =
        taken.calls.iter().map(|call| (call.caller.packets(), call.callee.packets())).collect();
    assert_eq!(seen, [(30, 30), (40, 40)]);
}

#[test]
fn both_sides_of_a_b2bua_stay_apart_also_under_one_call_id_and_a_proxy_s_copy_names_its_original() {
    let (one, two) = (Line::number(1), Line { id: "call-1@example".into(), ..Line::number(2) });
    let mut made = Made::default();
    one.begin(&mut made, 0);
    // The B2BUA keeps the Call-ID; its tags are its own.
    let retagged =
        |message: Vec<u8>| String::from_utf8(message).unwrap().replace("tag=a-", "tag=x-").into_bytes();
    made.udp(
        20 * MS,
        "198.51.100.1:5060",
        "203.0.113.5:5060",
        &retagged(two.request("INVITE", 1, true, false, &two.offer())),
    );
    made.udp(
        90 * MS,
        "203.0.113.5:5060",
        "198.51.100.1:5060",
        &retagged(two.response("200 OK", "INVITE", 1, &two.answer())),
    );
    // A proxy passes the first INVITE on as it is.
    made.udp(
        15 * MS,
        "198.51.100.1:5060",
        "203.0.113.9:5060",
        &one.request("INVITE", 1, true, false, &one.offer()),
    );
    one.talk(&mut made, 600 * MS, 20);
    two.talk(&mut made, 600 * MS, 30);
    one.bye(&mut made, 3 * SECOND);

    let taken = made.sorted().take_apart();

    let seen: Vec<_> = taken
        .calls
        .iter()
        .map(|call| (call.caller.packets(), call.end.clone(), call.signalling.as_ref().unwrap().hop_of))
        .collect();
    assert_eq!(
        seen,
        [(20, End::CallerHungUp, None), (0, End::Unanswered, Some(1)), (30, End::NotCaptured, None)]
    );
}

#[test]
fn an_invite_without_an_offer_a_183_and_a_reinvite_all_say_whose_rtp_it_is() {
    let line = Line::number(3);
    let mut made = Made::default();
    line.to_callee(&mut made, 0, &line.request("INVITE", 1, true, false, ""));
    // The offer comes with the 183, the answer with the ACK; then the callee moves to another port.
    line.to_caller(&mut made, 50 * MS, &line.response("183 Session Progress", "INVITE", 1, &line.answer()));
    made.udp(80 * MS, &line.callee_rtp, &line.caller_rtp, &rtp(0, 1, 5, &tone(1)));
    line.to_caller(&mut made, 500 * MS, &line.response("200 OK", "INVITE", 1, &line.answer()));
    line.to_callee(&mut made, 510 * MS, &line.request("ACK", 1, true, true, &line.offer()));
    line.talk(&mut made, 600 * MS, 20);
    let moved = Line { callee_rtp: "198.51.100.77:30000".into(), ..line.clone() };
    line.to_caller(&mut made, 1100 * MS, &line.request("INVITE", 7, false, true, &moved.answer()));
    moved.talk(&mut made, 1200 * MS, 20);
    line.to_caller(&mut made, 2 * SECOND, &line.request("BYE", 8, false, true, ""));

    let taken = made.take_apart();

    let [call] = &taken.calls[..] else { panic!("{}", taken.calls.len()) };
    assert_eq!((call.caller.packets(), call.callee.packets()), (40, 41));
    assert_eq!((call.caller.described.len(), call.callee.described.len()), (1, 2));
    assert_eq!((call.signalling.as_ref().unwrap().reinvites, &call.end), (1, &End::CalleeHungUp));
    assert_eq!(taken.account.left(), 0);
}

#[test]
fn refused_challenged_cancelled_and_unanswered_calls_are_told() {
    let mut made = Made::default();
    let invite = |line: &Line, cseq| line.request("INVITE", cseq, true, false, &line.offer());
    let [refused, challenged, cancelled, open] = [1, 2, 3, 4].map(Line::number);
    refused.to_callee(&mut made, 0, &invite(&refused, 1));
    refused.to_callee(&mut made, 500 * MS, &invite(&refused, 1));
    refused.to_caller(&mut made, 600 * MS, &refused.response("486 Busy Here", "INVITE", 1, ""));
    refused.to_callee(&mut made, 610 * MS, &refused.request("ACK", 1, true, true, ""));
    challenged.to_callee(&mut made, SECOND, &invite(&challenged, 1));
    challenged.to_caller(&mut made, SECOND + MS, &challenged.response("401 Unauthorized", "INVITE", 1, ""));
    challenged.to_callee(&mut made, SECOND + 2 * MS, &invite(&challenged, 2));
    challenged.to_caller(
        &mut made,
        2 * SECOND,
        &challenged.response("200 OK", "INVITE", 2, &challenged.answer()),
    );
    challenged.bye(&mut made, 3 * SECOND);
    cancelled.to_callee(&mut made, 4 * SECOND, &invite(&cancelled, 1));
    cancelled.to_callee(&mut made, 5 * SECOND, &cancelled.request("CANCEL", 1, true, false, ""));
    cancelled.to_caller(
        &mut made,
        6 * SECOND,
        &cancelled.response("487 Request Terminated", "INVITE", 1, ""),
    );
    open.to_callee(&mut made, 7 * SECOND, &invite(&open, 1));

    let taken = made.take_apart();

    let ends: Vec<_> = taken.calls.iter().map(|call| call.end.clone()).collect();
    let busy = End::Refused { status: 486, reason: "Busy Here".into() };
    assert_eq!(ends, [busy, End::CallerHungUp, End::Cancelled, End::Unanswered]);
    assert_eq!(taken.calls[0].signalling.as_ref().unwrap().repetitions, 1);
    assert_eq!(taken.calls[0].talk_seconds(), None);
}

#[test]
fn sip_over_tcp_is_read_across_segments_and_after_a_gap() {
    let line = Line::number(5);
    let mut made = Made::default();
    let (caller, callee) = ("192.0.2.7:40000", "198.51.100.1:5060");
    let invite = line.request("INVITE", 1, true, false, &line.offer());
    let (first, second) = invite.split_at(100);
    made.tcp(0, caller, callee, 1, first);
    made.tcp(10 * MS, caller, callee, 101, second);
    made.tcp(100 * MS, callee, caller, 1, &line.response("200 OK", "INVITE", 1, &line.answer()));
    line.talk(&mut made, 200 * MS, 20);
    // The ACK is not in the capture; the BYE behind the hole is.
    let after = 1 + invite.len() as u32 + 333;
    made.tcp(2 * SECOND, caller, callee, after, &line.request("BYE", 2, true, true, ""));
    made.tcp(3 * SECOND, "192.0.2.7:50000", "198.51.100.1:5061", 1, &[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]);
    made.tcp(3 * SECOND, "192.0.2.7:50001", "198.51.100.1:80", 1, b"GET / HTTP/1.1\r\n\r\n");

    let taken = made.take_apart();

    let [call] = &taken.calls[..] else { panic!("{}", taken.calls.len()) };
    assert_eq!((call.end.clone(), call.caller.packets()), (End::CallerHungUp, 20));
    assert_eq!(taken.account.sip_in_calls, 3);
    let unused: Vec<_> = taken.account.unused.into_iter().collect();
    assert_eq!(unused, [(Unused::Tls, 1), (Unused::OtherTcp, 1)]);
}

#[test]
fn keys_by_info_and_sdp_within_multipart_are_understood() {
    let line = Line::number(6);
    let mut made = Made::default();
    let multipart = format!(
        "--x\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--x--\r\n",
        sdp(&line.caller_rtp, "8 101")
    );
    let invite = String::from_utf8(line.request("INVITE", 1, true, false, &multipart)).unwrap();
    let invite =
        invite.replace("application/sdp\r\nContent-Length", "multipart/mixed;boundary=x\r\nContent-Length");
    line.to_callee(&mut made, 0, invite.as_bytes());
    line.to_caller(&mut made, 100 * MS, &line.response("200 OK", "INVITE", 1, &line.answer()));
    for (cseq, signal) in [(2, "4"), (3, "#")] {
        let info = line.request("INFO", cseq, true, true, &format!("Signal={signal}\r\nDuration=160\r\n"));
        let info = String::from_utf8(info).unwrap().replace("application/sdp", "application/dtmf-relay");
        line.to_callee(&mut made, u64::from(cseq) * SECOND, info.as_bytes());
    }

    let taken = made.take_apart();

    assert_eq!(taken.calls[0].caller.described, ["192.0.2.7:10012".parse().unwrap()]);
    assert_eq!(taken.calls[0].digits(), "4#");
}
