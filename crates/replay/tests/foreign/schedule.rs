//! What a caller must send to say it all again.

use std::time::Duration;

use offhook_replay::foreign::{Party, Schedule, Sound};

use crate::made::{Line, MS, Made, SECOND, rtp, rtp_at, tone};

/// A caller with jitter, a loss, a repetition, disorder and a key, answered at 500 ms.
fn made() -> Made {
    let line = Line::number(1);
    let mut made = Made::default();
    line.begin(&mut made, 0);
    let mut send = |at: u64, packet: Vec<u8>| made.udp(at * MS, &line.caller_rtp, &line.callee_rtp, &packet);
    send(400, rtp(0, 0, 9, &tone(0)));
    send(600, rtp(0, 1, 9, &tone(1)));
    send(627, rtp(0, 2, 9, &tone(2)));
    // Number 3 is lost, 5 overtakes 4, 5 comes twice.
    send(679, rtp(0, 5, 9, &tone(5)));
    send(680, rtp(0, 5, 9, &tone(5)));
    send(684, rtp(0, 4, 9, &tone(4)));
    for (at, sequence, end, duration) in [(700, 6, 0, 160_u16), (720, 7, 0x80, 320), (741, 8, 0x80, 320)] {
        let [high, low] = duration.to_be_bytes();
        send(at, rtp_at(101, sequence, 6 * 160, 9, &[5, end, high, low]));
    }
    send(760, rtp(0, 9, 9, &tone(9)));
    line.bye(&mut made, 2 * SECOND);
    made.sorted()
}

fn in_short(schedule: &Schedule) -> Vec<(u64, u16, u32)> {
    let of = |packet: &offhook_replay::foreign::Timed| {
        (packet.offset.as_millis() as u64, packet.sequence, packet.timestamp / 160)
    };
    schedule.packets.iter().map(of).collect()
}

#[test]
fn arrival_loss_repetition_and_disorder_are_kept_from_the_answer_on() {
    let taken = made().take_apart();

    let schedule = Schedule::of(&taken.calls[0], Party::Caller, false);

    assert_eq!(
        in_short(&schedule),
        [
            (100, 1, 1),
            (127, 2, 2),
            (179, 5, 5),
            (180, 5, 5),
            (184, 4, 4),
            (200, 6, 6),
            (220, 7, 6),
            (241, 8, 6),
            (260, 9, 9)
        ]
    );
    assert_eq!(schedule.packets.iter().filter(|packet| packet.sound == Sound::TelephoneEvent).count(), 3);
    assert_eq!(schedule.length(), Duration::from_millis(260));
}

#[test]
fn a_clean_line_has_none_of_it_and_its_loss_is_silence() {
    let taken = made().take_apart();

    let schedule = Schedule::of(&taken.calls[0], Party::Caller, true);

    assert_eq!(
        in_short(&schedule),
        [
            (100, 0, 1),
            (120, 1, 2),
            (140, 2, 3),
            (160, 3, 4),
            (180, 4, 5),
            (220, 5, 6),
            (240, 6, 6),
            (260, 7, 6),
            (260, 8, 9)
        ]
    );
    assert!(schedule.packets[2].payload.iter().all(|code| *code == 0xff), "silence for the lost one");
    assert_eq!(schedule.packets[3].payload, tone(4));
}

#[test]
fn what_cannot_be_sent_again_is_named_and_does_not_look_lost() {
    let line = Line::number(1);
    let mut made = Made::default();
    line.begin(&mut made, 0);
    for n in 0..10_u16 {
        let payload_type = if n % 3 == 1 { 13 } else { 0 };
        made.udp(
            SECOND + u64::from(n) * 20 * MS,
            &line.caller_rtp,
            &line.callee_rtp,
            &rtp(payload_type, n, 9, &tone(n)),
        );
    }

    let schedule = Schedule::of(&made.take_apart().calls[0], Party::Caller, false);

    assert_eq!(schedule.left_out.get("CN"), Some(&3));
    let sequences: Vec<u16> = schedule.packets.iter().map(|packet| packet.sequence).collect();
    assert_eq!(sequences, [0, 1, 2, 3, 4, 5, 6]);
}
