//! Captures that are cut, disordered, tagged, or about something else.

use offhook_journal::capture::Unused as UnusedFrame;
use offhook_replay::foreign::{End, Unused};
use proptest::prelude::*;

use crate::made::{Line, MS, Made, judge, read};

fn ten_calls() -> Made {
    let mut made = Made::default();
    (0..10).for_each(|number| Line::number(number).whole(&mut made, u64::from(number) * 31 * MS, 30));
    made.sorted()
}

#[test]
fn a_truncated_capture_gives_what_is_whole_and_says_where_it_stops() {
    let file = ten_calls().pcap();

    let taken = read(&file[..file.len() * 2 / 3]);

    assert_eq!(taken.calls.len(), 10);
    assert!(taken.calls.iter().all(|call| call.end == End::NotCaptured && call.caller.packets() > 3));
    assert!(
        taken.account.ending.starts_with("cut in the middle of a packet, at octet "),
        "{}",
        taken.account.ending
    );
}

#[test]
fn a_capture_whose_frames_are_out_of_order_gives_the_same_calls() {
    let made = ten_calls();
    let expected = made.take_apart();
    let mut mixed = made.clone();
    // Captures of several queues: neighbours up to 60 frames apart swap places.
    for at in (0..mixed.0.len() - 60).step_by(7) {
        mixed.0.swap(at, at + 13 + at % 47);
    }

    let taken = mixed.take_apart();

    assert!(taken.account.capture.out_of_order > 50, "{:?}", taken.account.capture);
    let sides = |taken: &offhook_replay::foreign::TakenApart| -> Vec<_> {
        let of = |call: &offhook_replay::foreign::Call| {
            (call.caller.user.clone(), call.caller.streams[0].statistics.clone(), call.end.clone())
        };
        taken.calls.iter().map(of).collect()
    };
    assert_eq!(sides(&taken), sides(&expected));
}

#[test]
fn a_vlan_tagged_capture_is_like_any_other() {
    let taken = read(&ten_calls().vlan());

    assert_eq!((taken.calls.len(), taken.account.rtp_in_calls, taken.account.left()), (10, 600, 0));
}

#[test]
fn a_capture_without_calls_says_what_it_was() {
    let mut made = Made::default();
    for n in 0..20_u8 {
        made.udp(u64::from(n) * MS, "192.0.2.1:40000", "192.0.2.2:53", &[n, 1, 1, 0, 0, 1, 0, 0]);
    }
    let line = Line::number(1);
    made.udp(MS, &line.caller_sip, &line.callee_sip, &line.request("OPTIONS", 1, true, false, ""));
    made.udp(2 * MS, &line.callee_sip, &line.caller_sip, &line.response("200 OK", "OPTIONS", 1, ""));
    made.udp(3 * MS, &line.caller_sip, &line.callee_sip, b"\r\n\r\n");
    made.udp(4 * MS, &line.caller_sip, &line.callee_sip, &line.request("BYE", 9, true, true, ""));
    made.udp(5 * MS, &line.caller_sip, &line.callee_sip, b"INVITE sip:x SIP/2.0\r\nrubbish\r\n\r\n");

    let taken = made.take_apart();

    assert!(taken.calls.is_empty());
    let unused: Vec<_> = taken.account.unused.into_iter().collect();
    assert_eq!(
        unused,
        [
            (Unused::SipOutsideCalls, 2),
            (Unused::SipWithoutInvite, 1),
            (Unused::SipMalformed, 1),
            (Unused::KeepAlive, 1),
            (Unused::OtherUdp, 20)
        ]
    );
    assert!(!taken.account.capture.unused.contains_key(&UnusedFrame::Malformed));
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic_or_lose_count(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut made = Made::default();
        (0..3).for_each(|number| Line::number(number).whole(&mut made, u64::from(number) * 31 * MS, 12));
        let mut file = made.sorted().pcap();
        for (at, octet) in flips {
            // The file header stays: without it there is no capture.
            let at = 24 + at.index(file.len() - 24);
            file[at] = octet;
        }
        file.truncate(24 + cut.index(file.len() - 24));

        judge(&read(&file).account);
    }
}
