//! Captures: many calls, and damaged ones, through the command line.

use std::path::Path;

use serde_json::Value;

use crate::made_capture::{LISTENER, Recorded};
use crate::{Folder, Ran, is_a_bundle, replay, repository};

const CALLS: usize = 4;

/// Calls with speech, a key, jitter, losses, repetition and disorder.
fn recorded() -> Recorded {
    let speech = offhook_caller::wav::read(&repository("audio-samples/return-awb.wav")).unwrap();
    let mut recorded = Recorded::default();
    for number in 0..CALLS {
        recorded.call(number, &format!("caller-{number}"), &speech[..24_000]);
    }
    recorded
}

/// Each frame of a pcap with its record header, and the file header before them.
fn frames(pcap: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let (head, mut rest) = pcap.split_at(24);
    let mut frames = Vec::new();
    while rest.len() >= 16 {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        frames.push(rest[..16 + length].to_vec());
        rest = &rest[16 + length..];
    }
    (head.to_vec(), frames)
}

fn meets(file: &Path, folder: &Folder) -> (Ran, Value) {
    let bot = folder.file("listener.yaml", LISTENER).display().to_string();
    let words = folder.file("words.txt", "caller: goodbye\n".repeat(40)).display().to_string();
    let ran = replay(file, &["--bot", &bot, "--engine", "scripted", "--words", &words, "--json"]);
    let told = ran.json();
    (ran, told)
}

/// Every datagram that was looked at is accounted for.
#[track_caller]
fn judge(account: &Value) {
    let number = |name: &str| account[name].as_u64().unwrap();
    let unused: u64 = account["unused"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    let used = number("sip_in_calls") + number("rtp_in_calls") + number("rtp_without_sip");
    assert_eq!(used + unused, number("looked_at"), "{account}");
}

#[test]
fn every_caller_of_a_capture_meets_the_bot_with_its_losses_and_keys_and_each_bundle_replays() {
    let folder = Folder::new();
    let recorded = recorded();
    let file = folder.file("calls.pcap", recorded.pcap());
    let bot = folder.file("listener.yaml", LISTENER).display().to_string();
    let out = folder.path("met");
    let words = folder.file("words.txt", "caller: goodbye\n".repeat(40)).display().to_string();

    let options =
        ["--bot", &bot, "--engine", "scripted", "--words", &words, "--json", "-o", out.to_str().unwrap()];
    let ran = replay(&file, &options);

    let told = ran.json();
    assert_eq!((ran.code, told["met"].as_u64()), (Some(0), Some(CALLS as u64)), "{told}");
    judge(&told["account"]);
    for (number, call) in told["calls"].as_array().unwrap().iter().enumerate() {
        let record = &call["report"]["record"];
        assert_eq!(call["caller"], format!("caller-{number}"), "{call}");
        assert_eq!(
            (&record["digits"], &record["cause"]),
            (&"1".into(), &"caller_hung_up".into()),
            "{record}"
        );
        assert_eq!(record["media"]["caller"]["lost"].as_u64(), Some(recorded.lost(number)), "{record}");
        assert!(record["media"]["caller"]["duplicates"].as_u64() >= Some(1), "{record}");
        assert!(record["turns"].as_array().unwrap().len() >= 2, "{record}");
        is_a_bundle(&out.join(format!("call-{}.call", number + 1)));
    }
    let one = replay(&file, &["--bot", &bot, "--engine", "none", "--json", "--call", "3", "--clean"]).json();
    assert_eq!(one["calls"].as_array().unwrap().len(), 1, "{one}");
    let record = &one["calls"][0]["report"]["record"];
    assert_eq!(
        (&record["caller"], &record["media"]["caller"]["lost"]),
        (&"caller-2".into(), &0.into()),
        "{one}"
    );
}

#[test]
fn a_truncated_capture_gives_what_is_whole_and_says_where_it_stops() {
    let folder = Folder::new();
    let whole = recorded().pcap();
    let file = folder.file("cut.pcap", &whole[..whole.len() * 6 / 10 + 5]);

    let (ran, told) = meets(&file, &folder);
    let text = replay(&file, &[]).out;

    assert_eq!((ran.code, told["met"].as_u64()), (Some(0), Some(CALLS as u64)), "{told}");
    judge(&told["account"]);
    let ending = told["account"]["ending"].as_str().unwrap();
    assert!(ending.contains("cut"), "{ending}");
    assert!(text.contains(ending), "{text}");
    assert!(
        told["calls"].as_array().unwrap().iter().all(|call| call["ended_then"] == "end not captured"),
        "{told}"
    );
}

#[test]
fn a_reordered_capture_gives_the_same_calls_and_counts_what_was_out_of_order() {
    let folder = Folder::new();
    let whole = recorded().pcap();
    let (mut mixed, mut packets) = frames(&whole);
    // Blocks of seven, backwards, as several receive queues write them.
    packets.chunks_mut(7).for_each(<[_]>::reverse);
    mixed.extend(packets.concat());

    let (_, straight) = meets(&folder.file("straight.pcap", &whole), &folder);
    let (ran, told) = meets(&folder.file("mixed.pcap", &mixed), &folder);

    assert_eq!(ran.code, Some(0), "{told}");
    judge(&told["account"]);
    assert!(told["account"]["capture"]["out_of_order"].as_u64() > Some(100), "{}", told["account"]);
    let said = |told: &Value| -> Vec<String> {
        let calls = told["calls"].as_array().unwrap();
        calls.iter().map(|call| call["report"]["record"]["states"].to_string()).collect()
    };
    assert_eq!(said(&told), said(&straight));
}

#[test]
fn a_vlan_tagged_capture_is_like_any_other() {
    let folder = Folder::new();
    let (mut head, packets) = frames(&recorded().pcap());
    // Ethernet, two tags (802.1ad, 802.1Q), then IPv4.
    head[20..24].copy_from_slice(&1_u32.to_le_bytes());
    let tags = [&[2; 12][..], &[0x88, 0xA8, 0, 7, 0x81, 0, 0, 42, 8, 0]].concat();
    for packet in packets {
        let length = (packet.len() - 16 + tags.len()) as u32;
        head.extend(&packet[..8]);
        head.extend(length.to_le_bytes());
        head.extend(length.to_le_bytes());
        head.extend(&tags);
        head.extend(&packet[16..]);
    }

    let (ran, told) = meets(&folder.file("vlan.pcap", &head), &folder);

    assert_eq!((ran.code, told["met"].as_u64()), (Some(0), Some(CALLS as u64)), "{told}");
    judge(&told["account"]);
    let account = &told["account"];
    assert_eq!((&account["unused"], &account["capture"]["unused"]), (&nothing(), &nothing()), "{account}");
}

#[test]
fn a_capture_without_calls_says_what_it_was() {
    let folder = Folder::new();
    // A name that is looked up, and a frame of ARP.
    let (mut head, _) = frames(&Recorded::default().pcap());
    head[20..24].copy_from_slice(&1_u32.to_le_bytes());
    let ethernet = |kind: [u8; 2]| [&[2; 12][..], &kind].concat();
    let mut query = ethernet([8, 0]);
    query.extend([0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    query.extend([0xC0, 0, 0, 53, 0, 20, 0, 0, 1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let arp = [ethernet([8, 6]), vec![0; 28]].concat();
    for frame in [query, arp] {
        for word in [1_795_251_600_u32, 0, frame.len() as u32, frame.len() as u32] {
            head.extend(word.to_le_bytes());
        }
        head.extend(frame);
    }
    let file = folder.file("dns.pcap", &head);

    let text = replay(&file, &[]);
    let bot = folder.file("listener.yaml", LISTENER).display().to_string();
    let met = replay(&file, &["--bot", &bot, "--engine", "none"]);

    assert!(text.out.contains("no calls") && text.out.contains("not used: 1 "), "{text:?}");
    judge(&replay(&file, &["--json"]).json()["account"]);
    assert_ne!(met.code, Some(0));
    assert!(met.err.contains("there is no call in it") && met.out.contains("not used: 1 "), "{met:?}");
}

fn nothing() -> Value {
    serde_json::json!({})
}
