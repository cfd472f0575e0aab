//! Wireshark opens a bundle as it is.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::shark::Shark;
use common::{BOT_SSRC, CALLER_SSRC, Call, Line};
use offhook_journal::Ending;
use offhook_journal::bundle::{Bundle, Keep, PacketKind};
use offhook_time::{Half, Time};

fn call(line: Line, seconds: u64) -> Vec<u8> {
    let mut file = Vec::new();
    Call::begin(&mut file, line).whole(seconds);
    file
}

#[test]
fn a_call_shows_its_messages_with_right_checksums() {
    for line in [Line::v4(), Line::v6()] {
        let Some(shark) = Shark::new(&call(line, 2)) else { return };

        let messages = shark.fields("sip", &["sip.Method", "sip.Status-Code", "sip.Call-ID", "udp.srcport"]);
        let wrong = shark.fields(
            "ip.checksum.status == 0 || udp.checksum.status == 0 || _ws.malformed || _ws.expert.severity == error",
            &["frame.number"],
        );
        let right = shark.fields("udp.checksum.status == 1", &["frame.number"]);
        let packets = shark.fields("udp", &["frame.number"]);

        assert_eq!(
            messages,
            [
                "INVITE||call-1@example.com|5060",
                "|200|call-1@example.com|5060",
                "ACK||call-1@example.com|5060",
                "BYE||call-1@example.com|5060",
                "|200|call-1@example.com|5060",
            ]
        );
        assert!(wrong.is_empty(), "{wrong:?}");
        // Those that we sent end behind their header, so nobody can check them.
        assert_eq!(right.len(), 5 + 100);
        assert_eq!(packets.len(), 5 + 2 * 100);
    }
}

#[test]
fn both_streams_are_found_without_loss() {
    for line in [Line::v4(), Line::v6(), Line::v4().over(PacketKind::SipTls)] {
        let Some(shark) = Shark::new(&call(line, 3)) else { return };

        let streams = shark.lines(&["-q", "-z", "rtp,streams"]);

        for (ssrc, source) in [(CALLER_SSRC + 1, line.caller_rtp), (BOT_SSRC + 1, line.our_rtp)] {
            let name = format!("0x{ssrc:08X}");
            let stream = streams.iter().find(|stream| stream.contains(&name));
            let stream = stream.unwrap_or_else(|| panic!("no stream {name}: {streams:#?}"));
            assert!(stream.contains(&source.ip().to_string()), "{stream}");
            assert!(stream.contains("g711U"), "{stream}");
            assert!(stream.contains(" 150 "), "{stream}");
            assert!(stream.contains("0 (0.0%)"), "{stream}");
            assert!(!stream.ends_with('X'), "a problem: {stream}");
        }
    }
}

#[test]
fn calls_are_counted_as_many_as_there_were() {
    let mut file = Vec::new();
    let mut call = Call::begin(&mut file, Line::v4());
    for at in [0, 2_000, 4_000] {
        call.set_up(Time::from_millis(at));
        call.talk(Time::from_millis(at + 100), 1, Keep::Whole, 1);
        call.hang_up(Time::from_millis(at + 1_500));
        call.next_call();
    }
    call.writer.finish().unwrap();
    let Some(shark) = Shark::new(&file) else { return };

    let statistics = shark.lines(&["-q", "-z", "sip,stat"]).join("\n");
    let streams = shark.lines(&["-q", "-z", "rtp,streams"]);

    assert!(statistics.contains("Number of SIP messages: 15"), "{statistics}");
    assert!(statistics.contains("INVITE          :     3 Packets"), "{statistics}");
    assert_eq!(streams.iter().filter(|line| line.contains("g711U")).count(), 6, "{streams:#?}");
}

#[test]
fn messages_of_a_stream_show_their_addresses() {
    for line in [Line::v4(), Line::v6()] {
        for kind in [PacketKind::SipTcp, PacketKind::SipTls] {
            let Some(shark) = Shark::new(&call(line.over(kind), 1)) else { return };

            let fields = ["sip.Method", "_ws.col.Source", "_ws.col.Destination", "exported_pdu.src_port"];
            let messages = shark.fields("sip.Method", &fields);

            let (source, destination) = (line.caller_sip.ip(), line.our_sip.ip());
            let expected =
                ["INVITE", "ACK", "BYE"].map(|method| format!("{method}|{source}|{destination}|5060"));
            assert_eq!(messages, expected);
        }
    }
}

#[test]
fn packets_show_time_to_the_nanosecond_direction_and_interface() {
    let mut file = Vec::new();
    let mut call = Call::begin(&mut file, Line::v4());
    call.rtp_in(0, Time::from_nanos(1_000_300_007));
    call.rtp_out(0, Time::from_nanos(2_123_456_789), Keep::Header);
    call.writer.finish().unwrap();
    let Some(shark) = Shark::new(&file) else { return };

    let fields = [
        "frame.time_epoch",
        "frame.packet_flags_direction",
        "frame.interface_name",
        "frame.len",
        "frame.cap_len",
    ];
    let packets = shark.fields("ip", &fields);

    assert_eq!(
        packets,
        ["1795251601.000000007|0x00000001|rtp|200|200", "1795251602.123456789|0x00000002|rtp|200|40",]
    );
}

#[test]
fn a_bundle_that_stops_in_the_middle_of_a_packet_shows_what_is_whole() {
    let file = call(Line::v4(), 4);
    for length in [file.len() / 2, file.len() / 2 + 1, file.len() - 5] {
        let cut = &file[..length];
        let Some(shark) = Shark::new(cut) else { return };

        let output = shark.run(&["-Y", "rtp", "-T", "fields", "-e", "rtp.seq"]);
        let theirs = String::from_utf8_lossy(&output.stdout).lines().count();
        let bundle = Bundle::open(cut).unwrap();

        assert!(matches!(bundle.ending, Ending::Cut { .. }));
        let ours = bundle.packets().filter(|packet| packet.kind == PacketKind::Rtp).count();
        assert!(ours > 50);
        assert_eq!(theirs, ours);
    }
}

#[test]
fn the_longest_blobs_and_steps_do_not_keep_wireshark_from_the_packets() {
    for blob in [100_000, 300_000, 8 << 20] {
        let mut file = Vec::new();
        let mut call = Call::begin(&mut file, Line::v4());
        call.set_up(Time::from_millis(100));
        let head = call.next_head(Half::Media, Time::from_millis(300));
        call.writer.blob_step(head, b"before", &vec![7; blob], b"after").unwrap();
        call.control_step(&vec![8; blob], Time::from_millis(310));
        call.talk(Time::from_millis(400), 1, Keep::Header, 1);
        call.writer.finish().unwrap();
        let Some(shark) = Shark::new(&file) else { return };

        let packets = shark.fields("rtp || sip", &["frame.number"]);

        assert_eq!(packets.len(), 103, "a blob of {blob} bytes");
    }
}

#[test]
fn what_editcap_copies_is_still_a_bundle() {
    if !common::shark::is_here("editcap") {
        return;
    }
    let file = call(Line::v4(), 1);
    let Some(shark) = Shark::new(&file) else { return };
    let copy = shark.path().with_extension("copy");

    let copied = std::process::Command::new("editcap").arg(shark.path()).arg(&copy).output().unwrap();
    let copy = Bundle::open(std::fs::read(copy).unwrap().as_slice()).unwrap();

    let original = Bundle::open(file.as_slice()).unwrap();
    assert!(copied.status.success());
    assert_eq!(copy.items, original.items);
    assert_eq!(copy.step_log(), original.step_log());
}
