//! The bridge against real sockets.

#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "helpers of tests may")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use crossbeam_queue::ArrayQueue;
use offhook_audio::Frame;
use offhook_engine_api::{EngineError, EventSink};
use offhook_engines::websocket::{
    BridgeClosed, BridgeConfig, BridgeControl, BridgeEvent, BridgeHub, BridgeLeg, BridgeStart, BridgeUplink,
    Framing, downlink_ring, echo_application,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, accept};

#[test]
fn what_an_echo_application_returns_is_what_was_sent() {
    for (framing, sample_rate) in [(Framing::Offhook, 8_000), (Framing::Raw, 16_000)] {
        let echo = echo_application(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let mut call = Call::open(&echo.url(), framing, sample_rate);
        call.expect(BridgeEvent::Connected);
        call.leg.control(BridgeControl::Dtmf { digit: '5', duration: Duration::from_millis(80) });
        call.leg.control(BridgeControl::Mark { name: "said hello".into() });

        for number in 0..50i16 {
            let mut frame = Frame::silence(sample_rate);
            frame.samples_mut().fill(number);
            frame.rtp_timestamp = 160 * number as u32;
            frame.flags.concealed = number == 7;
            assert!(call.uplink.push(&frame));
            call.hub.flush();
            let back = call.next_frame();
            assert_eq!(back.samples(), frame.samples());
            match framing {
                Framing::Offhook => {
                    assert_eq!((back.rtp_timestamp, back.flags), (frame.rtp_timestamp, frame.flags));
                }
                Framing::Raw => {}
            }
        }

        drop(call.leg);
        assert_eq!(
            call.events.recv_timeout(WAIT).unwrap(),
            BridgeEvent::Closed { why: BridgeClosed::Stopped }
        );
    }
}

#[test]
fn the_application_learns_the_call_its_keys_and_its_end() {
    let (application, url) = Application::listen();
    let call = Call::open(&url, Framing::Raw, 8_000);
    let mut application = application.accept();

    let start = application.control();
    call.leg.control(BridgeControl::Dtmf { digit: '#', duration: Duration::from_millis(120) });
    let dtmf = application.control();
    call.leg.control(BridgeControl::Stop { reason: "caller hung up".into() });
    let stop = application.control();

    assert_eq!(
        start,
        json!({ "from": "offhook", "type": "start", "version": 1, "call_id": "call-1", "framing": "raw",
                "sample_rate": 8000, "frame_ms": 20, "metadata": { "caller": "alice" } })
    );
    assert_eq!(dtmf, json!({ "from": "offhook", "type": "dtmf", "digit": "#", "duration_ms": 120 }));
    assert_eq!(stop, json!({ "from": "offhook", "type": "stop", "reason": "caller hung up" }));
}

#[test]
fn commands_of_the_application_become_events() {
    let (application, url) = Application::listen();
    let call = Call::open(&url, Framing::Raw, 8_000);
    let mut application = application.accept();
    call.expect(BridgeEvent::Connected);
    application.control();

    application.say(json!({ "type": "transfer", "target": "agents" }));
    application.say(json!({ "type": "hangup", "reason": "done" }));
    application.say(json!({ "type": "dtmf", "digits": "12#" }));
    application.say(json!({ "type": "sing" }));
    let complaint = application.control();
    application.say(json!({ "type": "dtmf", "digits": "12E" }));
    let no_key = application.control();
    application.say(json!({ "type": "stop" }));

    call.expect(BridgeEvent::Transfer { target: "agents".into() });
    call.expect(BridgeEvent::HangUp { reason: "done".into() });
    call.expect(BridgeEvent::Dtmf { digits: "12#".into() });
    call.expect(BridgeEvent::Closed { why: BridgeClosed::ByApplication });
    assert_eq!((&complaint["type"], &complaint["code"]), (&json!("error"), &json!("bad_control")));
    assert_eq!((&no_key["type"], &no_key["code"]), (&json!("error"), &json!("bad_control")));
}

#[test]
fn a_close_frame_is_a_hang_up_and_a_connection_that_just_ends_is_broken() {
    let (application, url) = Application::listen();
    let closed = Call::open(&url, Framing::Raw, 8_000);
    let mut application = application.accept();
    closed.expect(BridgeEvent::Connected);
    application.control();
    application.0.close(None).unwrap();
    closed.expect(BridgeEvent::Closed { why: BridgeClosed::ByApplication });
    // Our close answers theirs.
    assert!(matches!(application.0.read(), Ok(Message::Close(_))));

    let (application, url) = Application::listen();
    let lost = Call::open(&url, Framing::Raw, 8_000);
    let application = application.accept();
    lost.expect(BridgeEvent::Connected);
    drop(application);
    let why = lost.events.recv_timeout(WAIT).unwrap();
    assert!(matches!(why, BridgeEvent::Closed { why: BridgeClosed::Broken(_) }), "{why:?}");
}

#[test]
fn a_burst_of_speech_is_neither_lost_nor_reordered() {
    let (application, url) = Application::listen();
    let call = Call::open(&url, Framing::Raw, 8_000);
    let mut application = application.accept();
    let samples: Vec<i16> = (0..30 * 8_000).map(|n| (n / 160) as i16).collect();

    let writer = std::thread::spawn(move || {
        for second in samples.chunks(8_000) {
            application.audio(second);
        }
        application.say(json!({ "type": "mark", "name": "end" }));
        application
    });
    let mut heard = 0;
    while heard < 1_500 {
        let frame = call.next_frame();
        assert_eq!(frame.samples(), [heard; 160]);
        heard += 1;
        call.uplink.played(1);
    }

    call.expect(BridgeEvent::Connected);
    call.expect(BridgeEvent::Mark { name: "end".into() });
    let mut application = writer.join().unwrap();
    assert_eq!(application.control()["type"], "start");
    assert_eq!(
        application.control(),
        json!({ "from": "offhook", "type": "mark", "name": "end", "of": "application", "cleared": false })
    );
}

#[test]
fn a_clear_overtakes_the_burst_before_it() {
    let (application, url) = Application::listen();
    let call = Call::open(&url, Framing::Raw, 8_000);
    let mut application = application.accept();
    call.expect(BridgeEvent::Connected);

    application.audio(&[1; 8_000]);
    application.say(json!({ "type": "mark", "name": "end" }));
    application.say(json!({ "type": "clear" }));
    call.expect(BridgeEvent::Clear);
    call.expect(BridgeEvent::Mark { name: "end".into() });
    application.audio(&[2; 160]);

    assert_eq!(call.next_frame().samples(), [2; 160]);
    assert_eq!(application.control()["type"], "start");
    assert_eq!(application.control()["cleared"], true);
}

#[test]
fn credit_is_granted_as_the_line_plays() {
    let (application, url) = Application::listen();
    let call = Call::open(&url, Framing::Raw, 8_000);
    let mut application = application.accept();
    application.control();
    application.say(json!({ "type": "credit_request" }));
    let mut granted = 0;
    let mut heard = 0;

    while heard < 100 {
        let credit = application.control();
        let frames = credit["frames"].as_u64().unwrap();
        assert!(frames as usize <= call.downlink.capacity());
        granted += frames;
        for _ in 0..frames {
            application.audio(&[3; 160]);
        }
        while heard < granted {
            assert_eq!(call.next_frame().samples(), [3; 160]);
            heard += 1;
        }
    }

    assert_eq!(granted, heard);
    call.expect(BridgeEvent::Connected);
    call.expect(BridgeEvent::CreditInUse);
}

#[test]
fn an_application_that_stops_reading_loses_old_audio_and_is_reported() {
    let (application, url) = Application::listen();
    let mut call = Call::open(&url, Framing::Raw, 16_000);
    let _silent = application.accept();
    call.expect(BridgeEvent::Connected);
    let began = Instant::now();

    let mut slowest = Duration::ZERO;
    loop {
        let before = Instant::now();
        call.uplink.push(&Frame::silence(16_000));
        call.hub.flush();
        slowest = slowest.max(before.elapsed());
        match call.events.try_recv() {
            Ok(BridgeEvent::FramesDropped { frames }) => {
                assert!(frames > 0);
                break;
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => assert!(began.elapsed() < Duration::from_secs(20), "never reported"),
        }
        std::thread::sleep(Duration::from_micros(200));
    }

    // A push is a copy: what is above that is the scheduler of a busy machine.
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
}

#[test]
fn what_cannot_be_connected_is_an_event_and_what_cannot_be_right_an_error() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let call = Call::open(&format!("ws://{free}/"), Framing::Raw, 8_000);

    let closed = call.events.recv_timeout(WAIT).unwrap();
    let refused = call.hub.open(
        BridgeStart { url: "http://127.0.0.1/".into(), ..start("ws://127.0.0.1/", Framing::Raw, 8_000) },
        downlink_ring(),
        Arc::new(|| {}),
        EventSink::new(|_| {}),
    );

    assert!(matches!(closed, BridgeEvent::Closed { why: BridgeClosed::CannotConnect(_) }), "{closed:?}");
    assert!(matches!(refused, Err(EngineError::Refused { .. })));
}

#[test]
fn an_application_that_never_answers_the_handshake_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = BridgeConfig { connect_timeout: Duration::from_millis(200), ..BridgeConfig::default() };
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let call = Call::open_with(config, &url, Framing::Raw, 8_000);

    let closed = call.events.recv_timeout(WAIT).unwrap();

    assert_eq!(
        closed,
        BridgeEvent::Closed { why: BridgeClosed::CannotConnect("no connection within 200 ms".into()) }
    );
}

#[test]
fn an_application_that_vanishes_is_reported_once() {
    let (application, url) = Application::listen();
    let call = Call::open(&url, Framing::Raw, 8_000);
    let application = application.accept();
    call.expect(BridgeEvent::Connected);

    drop(application);

    let closed = call.events.recv_timeout(WAIT).unwrap();
    assert!(matches!(closed, BridgeEvent::Closed { .. }), "{closed:?}");
    assert!(call.events.recv_timeout(Duration::from_millis(100)).is_err());
}

#[test]
fn fifty_calls_share_one_hub_and_hear_only_themselves() {
    let echo = echo_application(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
    let hub = BridgeHub::start(BridgeConfig::default()).unwrap();
    let mut calls: Vec<Call> =
        (0..50).map(|_| Call::open_on(hub.clone(), &echo.url(), Framing::Offhook, 8_000)).collect();
    for call in &calls {
        call.expect(BridgeEvent::Connected);
    }

    for tick in 0..20i16 {
        for (number, call) in calls.iter_mut().enumerate() {
            let mut frame = Frame::silence(8_000);
            frame.samples_mut().fill(number as i16 * 100 + tick);
            call.uplink.push(&frame);
        }
        hub.flush();
        for (number, call) in calls.iter().enumerate() {
            assert_eq!(call.next_frame().samples(), [number as i16 * 100 + tick; 160]);
        }
    }
}

const WAIT: Duration = Duration::from_secs(10);

struct Call {
    hub: BridgeHub,
    leg: BridgeLeg,
    uplink: BridgeUplink,
    downlink: Arc<ArrayQueue<Frame>>,
    woken: Receiver<()>,
    events: Receiver<BridgeEvent>,
}

impl Call {
    fn open(url: &str, framing: Framing, sample_rate: u32) -> Call {
        Call::open_with(BridgeConfig::default(), url, framing, sample_rate)
    }

    fn open_with(config: BridgeConfig, url: &str, framing: Framing, sample_rate: u32) -> Call {
        Call::open_on(BridgeHub::start(config).unwrap(), url, framing, sample_rate)
    }

    fn open_on(hub: BridgeHub, url: &str, framing: Framing, sample_rate: u32) -> Call {
        let (report, events) = channel();
        let (wake, woken) = channel();
        let downlink = downlink_ring();
        let leg = hub
            .open(
                start(url, framing, sample_rate),
                downlink.clone(),
                Arc::new(move || {
                    let _ = wake.send(());
                }),
                EventSink::new(move |event| {
                    let _ = report.send(event);
                }),
            )
            .unwrap();
        let uplink = leg.uplink();
        Call { hub, leg, uplink, downlink, woken, events }
    }

    fn expect(&self, expected: BridgeEvent) {
        assert_eq!(self.events.recv_timeout(WAIT).unwrap(), expected);
    }

    /// Waits for the wake where the ring is empty, as a media worker would.
    fn next_frame(&self) -> Frame {
        loop {
            match self.downlink.pop() {
                Some(frame) => return frame,
                None => self.woken.recv_timeout(WAIT).expect("audio in time"),
            }
        }
    }
}

fn start(url: &str, framing: Framing, sample_rate: u32) -> BridgeStart {
    BridgeStart {
        call_id: "call-1".into(),
        url: url.into(),
        framing,
        sample_rate,
        metadata: json!({ "caller": "alice" }),
    }
}

/// An application of the test's own, blocking and plain.
struct Application(WebSocket<std::net::TcpStream>);

struct Listening(TcpListener);

impl Listening {
    fn accept(self) -> Application {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        Application(accept(stream).unwrap())
    }
}

impl Application {
    fn listen() -> (Listening, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/app", listener.local_addr().unwrap());
        (Listening(listener), url)
    }

    fn control(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                return serde_json::from_str(text.as_str()).unwrap();
            }
        }
    }

    fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    fn audio(&mut self, samples: &[i16]) {
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        self.0.send(Message::binary(bytes)).unwrap();
    }
}
