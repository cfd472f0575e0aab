//! Masked states: what the caller said and keyed is nowhere in the bundle, and the bundle still does the same again.
#![allow(clippy::unwrap_used)]

use offhook_call_media::{MediaCommand, RecordedInput};
use offhook_journal::bundle::{Bundle, Direction, Item, Keep, PacketKind};
use offhook_replay::{Beyond, Changes, play, verify};
use offhook_rtp_proto::RtpPacket;
use offhook_simulation::{CARD, Scenario, Simulation};
use offhook_time::Half;

/// Calls of each way to give the number.
const CALLS: u64 = 30;

fn recorded(number: u64, masked: bool) -> Option<Vec<u8>> {
    let (report, recording) = Simulation::new(Scenario::card(number, masked)).with_bundle(Keep::Whole).run();
    assert_eq!(report.violations, Vec::<String>::new(), "{number}");
    recording.into_bundle().map(Result::unwrap)
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// The number as anybody may write it.
fn spellings() -> Vec<String> {
    let digits: Vec<String> = CARD.chars().map(|digit| digit.to_string()).collect();
    let groups = CARD.as_bytes().chunks(4).map(|four| String::from_utf8(four.to_vec()).unwrap());
    let groups: Vec<String> = groups.collect();
    let mut spellings = vec![CARD[..8].to_owned(), "four one one".to_owned(), "one one one".to_owned()];
    for between in [" ", "-", ".", ", "] {
        spellings.push(digits[..8].join(between));
        spellings.push(groups.join(between));
    }
    spellings
}

/// What the caller's packets carry while the mask is on: payloads of audio, and codes of keys.
fn behind_the_mask(bundle: &Bundle) -> (Vec<Vec<u8>>, Vec<u8>) {
    let (mut masked, mut audio, mut keys) = (false, Vec::new(), Vec::new());
    for step in bundle.steps(Half::Media) {
        match RecordedInput::decode(&step.body.payload()).unwrap() {
            RecordedInput::Command(MediaCommand::Mask { masked: on }) => masked = on,
            RecordedInput::Rtp { datagram, .. } if masked => {
                let Ok(packet) = RtpPacket::parse(&datagram) else { continue };
                if packet.payload.len() == 4 {
                    keys.push(packet.payload[0]);
                } else {
                    audio.push(packet.payload.to_vec());
                }
            }
            RecordedInput::Rtp { .. }
            | RecordedInput::Rtcp { .. }
            | RecordedInput::Deadline
            | RecordedInput::Command(_)
            | RecordedInput::Speech { .. }
            | RecordedInput::Application { .. } => {}
        }
    }
    (audio, keys)
}

/// All payloads of the caller's audio that say something.
fn said(bundle: &Bundle) -> Vec<Vec<u8>> {
    let inbound = bundle
        .packets()
        .filter(|packet| packet.direction == Direction::Inbound && packet.kind == PacketKind::Rtp);
    let payloads = inbound.filter_map(|packet| {
        let payload = RtpPacket::parse(&packet.bytes).ok()?.payload.to_vec();
        let mut seen = payload.clone();
        seen.sort_unstable();
        seen.dedup();
        // Speech, not the hum of a line.
        (payload.len() >= 80 && seen.len() > 24).then_some(payload)
    });
    payloads.collect()
}

#[test]
fn a_card_number_is_nowhere_in_the_bundle_of_a_masked_state_and_the_bundle_replays() {
    let (mut verified, mut keyed, mut spoken, mut judged) = (0, 0, 0, 0);
    for number in 0..CALLS * 2 {
        let Some(bytes) = recorded(number, true) else { continue };
        let bundle = Bundle::open(bytes.as_slice()).unwrap();
        assert!(bundle.verify().is_sound(), "{number}");

        let report = verify(&bundle).unwrap();

        let words = report.first_departure().map(ToString::to_string);
        assert!(report.is_equal(), "{number}: {words:?} {:?} {:?}", report.media.gap, report.control.gap);
        verified += 1;
        // Outside of the blocks that Wireshark reads, records may be cut anywhere: look at what they hold too.
        let mut all = bytes.clone();
        for item in &bundle.items {
            if let Item::Step(step) = item {
                all.extend_from_slice(&step.body.payload());
            }
        }
        for spelling in spellings() {
            assert!(!holds(&all, spelling.as_bytes()), "{number}: {spelling}");
        }
        let (audio, keys) = behind_the_mask(&bundle);
        assert!(audio.iter().all(|payload| payload.iter().all(|octet| *octet == 0xff)), "{number}");
        assert!(keys.iter().all(|key| *key == 0 || *key > 9), "{number}: {keys:?}");
        keyed += usize::from(keys.len() > 16);
        spoken += usize::from(number % 2 == 1 && audio.len() > 100);
        judged += bundle.outputs(Half::Media).count();
    }
    assert!(
        verified >= CALLS * 2 - 4 && keyed >= 20 && spoken >= 20 && judged > 5_000,
        "{verified} {keyed} {spoken} {judged}"
    );
}

#[test]
fn without_the_mask_the_same_call_shows_all_of_it() {
    let (mut digits, mut sounds) = (0, 0);
    for number in 0..8 {
        let (Some(plain), Some(masked)) = (recorded(number, false), recorded(number, true)) else { continue };
        let plain_bundle = Bundle::open(plain.as_slice()).unwrap();
        let masked_bundle = Bundle::open(masked.as_slice()).unwrap();

        digits += usize::from(holds(&plain, &CARD.as_bytes()[..8]));
        let kept = said(&masked_bundle);
        let gone = said(&plain_bundle).into_iter().filter(|payload| !kept.contains(payload));
        for payload in gone {
            sounds += 1;
            assert!(!holds(&masked, &payload), "{number}");
        }
    }
    assert!(digits >= 4 && sounds > 50, "{digits} {sounds}");
}

#[test]
fn what_if_follows_a_masked_call_and_says_that_a_masked_span_cannot_be_asked_again() {
    let mut changed = Changes::default();
    changed.set("end_of_speech=1500ms").unwrap();
    let (mut followed, mut refused) = (0, 0);
    for number in 0..12 {
        let Some(bytes) = recorded(number, true) else { continue };
        let bundle = Bundle::open(bytes.as_slice()).unwrap();

        let same = play(&bundle, &Changes::default(), Beyond::Stop).unwrap();
        let other = play(&bundle, &changed, Beyond::Stop).unwrap();

        assert_eq!((same.departure, same.stopped), (None, None), "{number}");
        assert_eq!(same.played, same.recorded, "{number}");
        followed += 1;
        refused += usize::from(other.stopped.is_some_and(|why| why.contains("masked state")));
    }
    assert!(followed >= 10 && refused >= 3, "{followed} {refused}");
}
