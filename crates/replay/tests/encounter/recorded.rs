//! Callers whose packets were captured, or whose audio was recorded.

use std::time::Duration;

use offhook_audio::G711;
use offhook_call_control::EndCause;
use offhook_replay::encounter::{Caller, Met, law_of, meet, schedule_of_samples};
use offhook_replay::foreign::{Schedule, Sound, Timed};

use crate::around::{Around, bot, call, replays, setup};

const LINGER: Duration = Duration::from_secs(4);

#[test]
fn a_recorded_caller_keeps_its_moments_and_is_understood_by_the_words_of_a_list() {
    let words = ["i want to check my order", "four six nine zero three one nine two", "yes", "no thank you"];
    let mut around = Around { words: words.map(str::to_owned).to_vec(), ..Around::new() };
    let mut samples = vec![0; 8_000 * 8];
    // Said when the bot has asked: what was recorded keeps its moments, whatever the bot says now.
    samples.extend(call("order-status-slt"));
    let schedule = schedule_of_samples(&samples, G711::MuLaw);

    let Met { report, bundle } =
        meet(setup(bot("after-sales.yaml")), Caller::Recorded { schedule, linger: LINGER }, &mut around)
            .unwrap();

    assert_eq!(report.stopped, None, "{report:#?}");
    assert!(around.heard.len() >= 3, "{report:#?}");
    let media = report.record.media.unwrap_or_default().caller;
    assert_eq!((media.lost, media.duplicates), (0, 0), "{media:?}");
    replays(&bundle);
}

#[test]
fn losses_disorder_keys_and_the_other_law_reach_the_bot_as_they_were_captured() {
    let mut schedule = schedule_of_samples(&vec![0; 8_000 * 6], G711::ALaw);
    assert_eq!(law_of(&schedule), G711::ALaw);
    schedule.packets.retain(|packet| ![30, 31, 70].contains(&packet.sequence));
    let late = schedule.packets.iter_mut().find(|packet| packet.sequence == 50).unwrap();
    late.offset += Duration::from_millis(27);
    schedule.packets.sort_by_key(|packet| packet.offset);
    // Two packets of the other law, as after a re-INVITE.
    for packet in &mut schedule.packets[100..102] {
        packet.sound = Sound::Audio(G711::MuLaw);
        packet.payload.fill(G711::MuLaw.silence());
    }
    let after = |n: u32| Duration::from_millis(6_000 + u64::from(n) * 20);
    for n in 0..8_u32 {
        let [high, low] = (160 * (n.min(5) as u16 + 1)).to_be_bytes();
        let end = if n >= 5 { 0x80 } else { 0 };
        schedule.packets.push(Timed {
            offset: after(n),
            source: 0,
            sound: Sound::TelephoneEvent,
            marker: n == 0,
            sequence: 300 + n as u16,
            timestamp: 300 * 160,
            payload: vec![1, end | 10, high, low],
        });
    }
    let mut setup = setup(bot("after-sales-zh.yaml"));
    setup.law = G711::ALaw;

    let Met { report, bundle } =
        meet(setup, Caller::Recorded { schedule, linger: LINGER }, &mut Around::new()).unwrap();

    assert_eq!(report.record.codec.as_deref(), Some("PCMA"));
    assert_eq!(report.record.digits, "1", "{report:#?}");
    assert_eq!(report.record.cause, Some(EndCause::CallerHungUp), "{report:#?}");
    let media = report.record.media.unwrap_or_default().caller;
    assert_eq!((media.lost, media.dropped), (3, 0), "{media:?}");
    replays(&bundle);
}

#[test]
fn a_schedule_without_packets_is_a_silent_caller_who_leaves() {
    let schedule = Schedule::default();

    let Met { report, .. } = meet(
        setup(bot("after-sales.yaml")),
        Caller::Recorded { schedule, linger: LINGER },
        &mut Around::new(),
    )
    .unwrap();

    assert_eq!(report.record.cause, Some(EndCause::CallerHungUp), "{report:#?}");
    assert!(report.lasted < Duration::from_secs(60), "{:?}", report.lasted);
}
