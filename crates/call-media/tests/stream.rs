//! One RTP stream: continuity, hold, mute, ptime, codec changes, digits out, reports, time-out.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::{
    Scene, assert_continuous, bridge, caller_address, conversation, delays, echo, noise, settings, stream,
};
use offhook_call_media::{
    Direction, Gain, Input, LegId, LegSettings, LineCodec, MediaCommand, MediaEvent, MediaSettings,
    MediaSource, Port, Route, StreamSettings,
};
use offhook_rtp_proto::rtcp::{Compound, RtcpPacket};
use offhook_rtp_proto::{RtpPacket, TelephoneEvent};
use offhook_time::Time;

const CALLER: Port = Port::Leg(LegId::CALLER);

#[test]
fn rtp_never_stops_even_when_nobody_speaks() {
    let mut scene = Scene::new(settings(&[]));
    scene.silent_caller = true;

    scene.run_for(Duration::from_secs(3));

    assert_eq!(scene.left.rtp.len(), 151);
    assert_eq!(assert_continuous(&scene.left.rtp, 160), Duration::from_millis(20));
    assert!(scene.heard().iter().all(|(_, samples)| samples.iter().all(|sample| *sample == 0)));
    assert!(marker(&scene.left.rtp[0].1) && !marker(&scene.left.rtp[1].1));
}

#[test]
fn rtp_is_continuous_on_the_worst_line() {
    let mut scene = Scene::new(echo());
    scene.tick = Some(Duration::from_millis(1));
    scene.says = noise(5);
    scene.repeats = true;
    scene.line.set_quality(offhook_testkit::LineQuality {
        jitter: Duration::from_millis(80),
        loss: 0.1,
        duplicates: 0.1,
        reordered: 0.1,
        reordered_by: Duration::from_millis(50),
        ..Default::default()
    });

    scene.run_for(Duration::from_secs(20));

    assert!(assert_continuous(&scene.left.rtp, 160) <= Duration::from_millis(40));
    assert!(scene.left.rtp.len() >= 998, "{}", scene.left.rtp.len());
}

#[test]
fn on_hold_only_reports_leave_and_the_first_packet_after_it_has_the_marker() {
    let mut scene = Scene::new(echo());
    scene.says = noise(5);
    scene.run_for(Duration::from_secs(2));
    let last = scene.left.rtp.last().unwrap().1.clone();
    set(&mut scene, StreamSettings { direction: Direction::Inactive, ..stream() });
    let (held_rtp, held_rtcp) = (scene.left.rtp.len(), scene.left.rtcp.len());

    scene.run_for(Duration::from_secs(20));
    assert_eq!(scene.left.rtp.len(), held_rtp);
    assert!(scene.left.rtcp.len() > held_rtcp);
    set(&mut scene, stream());
    scene.run_for(Duration::from_millis(100));

    let (before, after) =
        (RtpPacket::parse(&last).unwrap(), RtpPacket::parse(&scene.left.rtp[held_rtp].1).unwrap());
    assert!(after.header.marker);
    assert_eq!(after.header.sequence, before.header.sequence.next());
    let passed = after.header.timestamp.since(before.header.timestamp);
    assert!((passed - 160_160).abs() <= 480, "{passed}");
    assert!(!scene.events().iter().any(|event| matches!(event, MediaEvent::RtpTimeout { .. })));
}

#[test]
fn a_mute_is_a_route_without_gain_and_does_not_click() {
    let mut scene = Scene::new(settings(&[Route::new(CALLER, CALLER)]));
    scene.says = hum();
    scene.repeats = true;
    scene.run_for(Duration::from_secs(1));
    scene.command(MediaCommand::SetRoute(Route { from: CALLER, to: CALLER, gain: Gain::MUTE }));
    let muted = scene.now;
    scene.run_for(Duration::from_secs(1));
    scene.command(MediaCommand::SetRoute(Route::new(CALLER, CALLER)));
    let unmuted = scene.now;
    scene.run_for(Duration::from_secs(1));

    let heard = scene.heard();
    let loud = |samples: &[i16]| samples.iter().any(|sample| sample.unsigned_abs() > 20);
    let between = |from: Time, to: Time| heard.iter().filter(move |(at, _)| *at > from && *at < to);
    assert!(!between(muted + Duration::from_millis(21), unmuted).any(|(_, samples)| loud(samples)));
    assert!(between(unmuted + Duration::from_millis(21), scene.now).all(|(_, samples)| loud(samples)));
    let samples: Vec<i16> = between(muted, scene.now).flat_map(|(_, samples)| samples.clone()).collect();
    assert!(samples.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 1_500));
}

#[test]
fn any_ptime_of_the_caller_is_cut_into_frames_of_20_ms() {
    for ptime_ms in [10, 20, 30, 40, 60] {
        let mut scene = Scene::new(MediaSettings {
            routes: vec![Route::new(CALLER, CALLER), Route::new(CALLER, Port::Recognizer)],
            ..echo()
        });
        scene.tick = Some(Duration::from_millis(1));
        scene.ptime_ms = ptime_ms;
        scene.says = noise(5);
        scene.repeats = true;

        scene.run_for(Duration::from_secs(8));

        let frames = &scene.left.caller;
        assert!((385..=400).contains(&frames.len()), "{ptime_ms}: {}", frames.len());
        assert!(
            frames
                .windows(2)
                .all(|pair| pair[1].1.rtp_timestamp == pair[0].1.rtp_timestamp.wrapping_add(160))
        );
        assert!(frames.iter().all(|(_, frame, _)| !frame.flags.concealed), "{ptime_ms}");
        let delays = delays(&scene, 150);
        delays.print(&format!("echo, caller's ptime {ptime_ms}"));
        // The audio of a long packet is as old as the packet is long when it arrives; reckoned from its sending, the
        // last frame of it waits for those before.
        let longest = match ptime_ms {
            20 => 10.0,
            10 => 20.0,
            longer => 10.0 + longer as f64,
        };
        assert!(delays.percentile(99.0) <= longest, "{ptime_ms}");
        assert_eq!(delays.unknown, 0);
        assert_continuous(&scene.left.rtp, 160);
    }
}

#[test]
fn we_send_packets_of_the_length_that_the_peer_asked_for() {
    for ptime_ms in [10u8, 20, 30, 40, 60] {
        let samples = usize::from(ptime_ms) * 8;
        let mut scene = Scene::new(with_stream(echo(), StreamSettings { ptime_ms, ..stream() }));
        scene.tick = Some(Duration::from_millis(1));
        scene.says = noise(5);
        scene.repeats = true;

        scene.run_for(Duration::from_secs(8));

        assert!(scene.heard().iter().all(|(_, packet)| packet.len() == samples));
        let longest = assert_continuous(&scene.left.rtp, samples as u32);
        assert!(longest <= Duration::from_millis(u64::from(ptime_ms) + 20), "{longest:?}");
        let delays = delays(&scene, 50);
        delays.print(&format!("echo, our ptime {ptime_ms}"));
        let wait = f64::from(ptime_ms).max(20.0) - 20.0 + if ptime_ms == 30 { 10.0 } else { 0.0 };
        assert!(
            delays.percentile(99.0) <= 10.5 + wait + if ptime_ms == 10 { 10.0 } else { 0.0 },
            "{ptime_ms}"
        );
    }
}

#[test]
fn a_change_of_codec_in_mid_call_keeps_the_stream_and_does_not_click() {
    let mut scene = Scene::new(settings(&[Route::new(CALLER, CALLER)]));
    scene.says = hum();
    scene.repeats = true;
    scene.run_for(Duration::from_secs(1));
    let changed = scene.left.rtp.len();
    set(&mut scene, StreamSettings { codec: LineCodec::Pcma, payload_type: 8, ..stream() });

    // The caller still sends the old codec: its packets under way are heard.
    scene.run_for(Duration::from_secs(1));

    assert_continuous(&scene.left.rtp, 160);
    let mut samples = Vec::new();
    for (n, (_, packet)) in scene.left.rtp.iter().enumerate() {
        let packet = RtpPacket::parse(packet).unwrap();
        assert_eq!(packet.header.payload_type.number(), if n < changed { 0 } else { 8 });
        let law = if n < changed { offhook_audio::G711::MuLaw } else { offhook_audio::G711::ALaw };
        samples.extend(packet.payload.iter().map(|code| law.decode_sample(*code)));
    }
    let steady = &samples[40 * 160..];
    assert!(steady.windows(2).all(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() < 1_500));
}

#[test]
fn digits_leave_as_telephone_events_in_place_of_audio() {
    let mut scene = Scene::new(echo());
    scene.says = noise(5);
    scene.run_for(Duration::from_secs(1));
    let mut digits = [0; 32];
    digits[..3].copy_from_slice(b"1#A");

    scene.command(MediaCommand::SendDigits { leg: LegId::CALLER, digits, count: 3 });
    scene.run_for(Duration::from_secs(2));

    let events: Vec<(RtpPacket<'_>, TelephoneEvent)> = scene
        .left
        .rtp
        .iter()
        .map(|(_, packet)| RtpPacket::parse(packet).unwrap())
        .filter(|packet| packet.header.payload_type.number() == 101)
        .map(|packet| (packet, TelephoneEvent::parse(packet.payload).unwrap()))
        .collect();
    let mut pressed: Vec<u8> = events.iter().map(|(_, event)| event.event).collect();
    pressed.dedup();
    assert_eq!(pressed, [1, 11, 12]);
    for key in pressed {
        let packets: Vec<_> = events.iter().filter(|(_, event)| event.event == key).collect();
        assert!(packets.iter().all(|(packet, _)| packet.header.timestamp == packets[0].0.header.timestamp));
        assert_eq!(packets.iter().filter(|(_, event)| event.end).count(), 3);
        assert_eq!(packets.iter().filter(|(packet, _)| packet.header.marker).count(), 1);
        assert!(packets.last().unwrap().1.duration >= 800);
    }
    let sequences: Vec<_> =
        scene.left.rtp.iter().map(|(_, packet)| RtpPacket::parse(packet).unwrap().header.sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].next()));
}

#[test]
fn digits_that_cannot_be_sent_are_refused() {
    let mut scene = Scene::new(with_stream(echo(), StreamSettings { telephone_event: None, ..stream() }));

    scene.command(MediaCommand::SendDigits { leg: LegId::CALLER, digits: [b'1'; 32], count: 1 });

    assert_eq!(scene.events(), [MediaEvent::DigitsRefused { leg: LegId::CALLER }]);
}

#[test]
fn reports_name_what_was_sent_and_what_was_lost() {
    let mut scene = Scene::new(echo());
    scene.says = noise(5);
    scene.line.set_quality(offhook_testkit::LineQuality { loss: 0.1, ..Default::default() });

    scene.run_for(Duration::from_secs(30));
    scene.command(MediaCommand::Close);

    assert!((3..=12).contains(&scene.left.rtcp.len()), "{}", scene.left.rtcp.len());
    let packets: Vec<RtcpPacket<'_>> =
        Compound::open(&scene.left.rtcp[2].1).unwrap().map(|packet| packet.unwrap()).collect();
    let RtcpPacket::SenderReport { info, .. } = packets[0] else { panic!("{packets:?}") };
    let sent_by_then = scene.left.rtp.iter().filter(|(at, _)| *at <= scene.left.rtcp[2].0).count();
    assert!((i64::from(info.packets) - sent_by_then as i64).abs() <= 1);
    let block = packets[0].report_blocks().next().unwrap();
    assert!(block.cumulative_lost > 10, "{block:?}");
    let goodbye = &scene.left.rtcp.last().unwrap().1;
    assert!(Compound::open(goodbye).unwrap().any(|packet| matches!(packet, Ok(RtcpPacket::Bye { .. }))));
    let Some(MediaEvent::Closed(report)) = scene.events().last().cloned() else { panic!() };
    assert!(
        report.caller.lost.abs_diff(scene.line.lost()) <= 1
            && report.caller.sent == scene.left.rtp.len() as u64
    );
    assert_eq!(scene.call.poll_timeout(), None);
}

#[test]
fn silence_on_the_line_is_told_once_and_so_is_its_end() {
    let mut scene = Scene::new(echo());
    scene.says = noise(5);
    scene.run_for(Duration::from_secs(2));
    scene.set_silent(true);
    let silent_from = scene.now;
    scene.run_for(Duration::from_secs(12));
    scene.set_silent(false);
    scene.run_for(Duration::from_secs(1));

    let told: Vec<(u64, bool)> = scene
        .left
        .events
        .iter()
        .filter_map(|(at, event)| match event {
            MediaEvent::RtpTimeout { .. } => Some((at.since(silent_from).as_millis() as u64, true)),
            MediaEvent::RtpResumed { .. } => Some((at.since(silent_from).as_millis() as u64, false)),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!((4_900..5_010).contains(&told[0].0) && told[0].1);
    assert!((12_000..12_030).contains(&told[1].0) && !told[1].1);
}

#[test]
fn comfort_noise_is_heard_until_the_caller_speaks_again() {
    let mut scene = Scene::new(settings(&[Route::new(CALLER, CALLER)]));
    scene.says = hum();
    scene.repeats = true;
    scene.run_for(Duration::from_secs(1));
    scene.send_comfort_noise(50);
    scene.run_for(Duration::from_secs(2));

    let last: Vec<i16> = scene.heard().into_iter().rev().take(50).flat_map(|(_, samples)| samples).collect();
    let rms = (last.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / last.len() as f64).sqrt();
    assert!((rms / (32_768.0 * 10f64.powf(-50.0 / 20.0)) - 1.0).abs() < 0.1, "{rms}");
    scene.set_silent(false);
    scene.run_for(Duration::from_millis(500));
    assert!(scene.heard().last().unwrap().1.iter().any(|sample| sample.unsigned_abs() > 3_000));
    assert!(assert_continuous(&scene.left.rtp, 160) <= Duration::from_millis(25));
}

#[test]
fn what_strangers_send_is_counted_and_dropped() {
    let mut scene = Scene::new(echo());
    scene.says = noise(5);
    scene.run_for(Duration::from_secs(1));
    let (address, now) = (caller_address(), scene.now);
    let stranger: SocketAddr = "203.0.113.1:5555".parse().unwrap();
    let packet = scene.left.rtp[3].1.clone();
    let mut other_type = packet.clone();
    other_type[1] = 96;
    let rtp = |datagram, source| Input::Rtp { leg: LegId::CALLER, datagram, source, arrived_at: now };

    scene.handle(rtp(&packet, stranger), now);
    scene.handle(rtp(&other_type, address), now);
    scene.handle(rtp(b"\x00\x01\x00\x00!", address), now);
    scene.handle(rtp(b"\x80", address), now);
    scene.handle(rtp(b"", address), now);
    scene.run_for(Duration::from_secs(1));
    scene.command(MediaCommand::Close);

    let Some(MediaEvent::Closed(report)) = scene.events().last().cloned() else { panic!() };
    assert_eq!(report.caller.dropped, 5);
    assert_eq!((report.caller.lost, report.caller.concealed), (0, 0));
}

#[test]
fn a_caller_behind_a_translator_is_found_and_answered() {
    let named = StreamSettings {
        remote_rtp: Some("10.0.0.5:1234".parse().unwrap()),
        remote_rtcp: Some("10.0.0.5:1235".parse().unwrap()),
        ..stream()
    };
    let source = MediaSource::Learn { signalling: caller_address().ip() };
    let leg = LegSettings { leg: LegId::CALLER, stream: Some(named), source };
    let mut scene = Scene::new(MediaSettings { legs: vec![leg], ..echo() });
    scene.says = noise(5);

    scene.run_for(Duration::from_secs(1));

    let learned = MediaEvent::RemoteLearned { leg: LegId::CALLER, remote_rtp: caller_address() };
    assert_eq!(scene.events().iter().filter(|event| **event == learned).count(), 1);
    assert!(scene.heard().last().unwrap().1.iter().any(|sample| sample.unsigned_abs() > 500));
}

#[test]
fn a_new_source_takes_over_where_the_old_one_ended() {
    let mut scene = Scene::new(echo());
    scene.says = noise(10);
    scene.run_for(Duration::from_secs(2));
    scene.change_source();
    scene.run_for(Duration::from_secs(3));

    assert_continuous(&scene.left.rtp, 160);
    let after = delays(&scene, 150);
    after.print("echo, after the far end changed its source");
    assert!(after.percentile(99.0) <= 12.0);
}

#[test]
fn routes_that_cannot_exist_are_refused() {
    let mut scene = Scene::new(conversation());
    let impossible = [
        (CALLER, Port::Bot),
        (CALLER, Port::Application),
        (Port::Bot, Port::Recognizer),
        (Port::Recognizer, CALLER),
        (CALLER, Port::Leg(LegId(5))),
    ];

    for (from, to) in impossible {
        scene.command(MediaCommand::SetRoute(Route::new(from, to)));
    }

    let refused: Vec<MediaEvent> =
        impossible.iter().map(|(from, to)| MediaEvent::RouteRefused { from: *from, to: *to }).collect();
    assert_eq!(scene.events(), refused);
}

#[test]
fn a_burst_of_the_application_is_neither_lost_nor_shortened() {
    let mut scene = Scene::new(bridge(8_000));
    scene.run_for(Duration::from_secs(1));
    let mut waiting: Vec<offhook_audio::Frame> = (0..150)
        .map(|n| offhook_audio::Frame::from_samples(&[if n % 2 == 0 { 3_000 } else { 6_000 }; 160]))
        .collect();
    waiting.iter_mut().for_each(|frame| frame.arrived_at = scene.now);
    waiting.reverse();

    // The driver holds back what does not fit, as it does live.
    for _ in 0..400 {
        while scene.call.application_room() > 0
            && let Some(frame) = waiting.pop()
        {
            let now = scene.now;
            scene.handle(Input::Application(&frame), now);
        }
        scene.run_for(Duration::from_millis(10));
    }

    let loud: Vec<Vec<i16>> = scene
        .heard()
        .into_iter()
        .map(|(_, packet)| packet)
        .filter(|packet| packet.iter().any(|s| *s > 100))
        .collect();
    assert!((150..=151).contains(&loud.len()), "{}", loud.len());
}

#[test]
fn the_application_learns_when_the_caller_has_heard_it_and_may_take_it_back() {
    let mut scene = Scene::new(bridge(16_000));
    scene.run_for(Duration::from_secs(1));
    let frame = offhook_audio::Frame::from_samples(&[4_000; 320]);
    let now = scene.now;
    (0..10).for_each(|_| scene.handle(Input::Application(&frame), now));
    scene.command(MediaCommand::MarkApplication { mark: 1 });
    (0..10).for_each(|_| scene.handle(Input::Application(&frame), now));
    scene.command(MediaCommand::MarkApplication { mark: 2 });
    scene.run_for(Duration::from_millis(300));
    scene.command(MediaCommand::ClearApplication);
    scene.run_for(Duration::from_millis(300));

    let marks: Vec<(u64, u32, bool)> = scene
        .left
        .events
        .iter()
        .filter_map(|(at, event)| match event {
            MediaEvent::MarkReached { mark, played } => {
                Some((at.since(now).as_millis() as u64, *mark, *played))
            }
            _ => None,
        })
        .collect();
    let [(first, 1, true), (second, 2, false)] = marks[..] else { panic!("{marks:?}") };
    assert!((160..=220).contains(&first), "{first}");
    assert_eq!(second, 300);
    let last_loud =
        scene.heard().iter().rfind(|(_, packet)| packet.iter().any(|s| *s > 100)).map(|(at, _)| *at);
    assert!(last_loud.unwrap().since(now) <= Duration::from_millis(325));
}

/// 120 Hz, a whole number of periods.
fn hum() -> Vec<i16> {
    let step = 120.0 * std::f64::consts::TAU / 8_000.0;
    (0..8_000).map(|n| (8_000.0 * (f64::from(n) * step).sin()) as i16).collect()
}

fn set(scene: &mut Scene, settings: StreamSettings) {
    scene.command(MediaCommand::SetStream { leg: LegId::CALLER, settings });
}

fn with_stream(settings: MediaSettings, stream: StreamSettings) -> MediaSettings {
    MediaSettings { legs: vec![LegSettings { stream: Some(stream), ..LegSettings::default() }], ..settings }
}

fn marker(packet: &[u8]) -> bool {
    RtpPacket::parse(packet).unwrap().header.marker
}
