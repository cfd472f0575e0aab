//! Re-INVITE from the far side: hold, resume, another address (RFC 3264 §8, RFC 6337).

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::{Message, Noise, Phone, RtpLine, Server, Setup, g711, together, until};

/// As long as a call is held: many packets' time.
const HELD: Duration = Duration::from_millis(700);

/// A call to the echo that sends and hears RTP.
struct Talking {
    phone: Phone,
    line: RtpLine,
    ok: Message,
}

fn talking(server: &Server) -> Talking {
    let mut phone = Phone::udp(server);
    let line = RtpLine::open(server.sip.ip());
    let ok = phone.call("echo", line.local());
    line.talk(ok.audio_address());
    line.hear(20);
    Talking { phone, line, ok }
}

impl Talking {
    fn reinvite(&mut self, media: SocketAddr, attributes: &str) -> Message {
        self.phone.reinvite("echo", &self.ok, &g711(media, attributes))
    }

    fn hang_up(mut self) {
        self.phone.in_dialog("BYE", "echo", &self.ok);
        assert_eq!(self.phone.final_response().status(), 200);
    }
}

#[test]
fn on_hold_no_rtp_leaves_and_after_it_the_stream_goes_on_where_the_clock_is() {
    let _turn = together();
    let server = Server::start();
    let noise = Noise::watch();
    for (hold, expected) in [("sendonly", "recvonly"), ("inactive", "inactive")] {
        let mut call = talking(&server);
        let local = call.line.local();

        let held = call.reinvite(local, &format!("a={hold}\r\n"));
        let before = last_packet(&call.line);
        let meanwhile = call.line.hear_for(HELD);
        let heard = call.line.heard().len();
        let resumed = call.reinvite(local, "a=sendrecv\r\n");
        let after = call.line.hear_after(heard, 25);

        assert_eq!((held.status(), held.direction()), (200, expected));
        assert!(meanwhile.is_empty(), "{hold}: {} packets while on hold", meanwhile.len());
        assert_eq!((resumed.status(), resumed.direction()), (200, "sendrecv"));
        assert!(after[0].marker, "{hold}: the first packet after a pause has the marker");
        assert!(after[1..].iter().all(|packet| !packet.marker), "{hold}: and no other has");
        assert_eq!(after[0].ssrc, before.ssrc, "{hold}: it is the same stream");
        assert_eq!(after[0].sequence, before.sequence.wrapping_add(1), "{hold}: nothing was sent between");
        let passed = (after[0].at - before.at).as_secs_f64() * 8000.0;
        let stepped = f64::from(after[0].timestamp.wrapping_sub(before.timestamp));
        let allowed = 480.0 + noise.worst().as_secs_f64() * 8000.0;
        assert!(
            (passed - stepped).abs() < allowed,
            "{hold}: {passed} samples passed, the timestamp went {stepped}"
        );
        assert!(after.windows(2).all(|two| two[1].timestamp == two[0].timestamp.wrapping_add(160)));
        call.hang_up();
    }
}

/// RFC 2543 held with the address 0.0.0.0, and telephones of today still do.
#[test]
fn the_address_zero_is_a_hold_too() {
    let _turn = together();
    let server = Server::start();
    let mut call = talking(&server);
    let local = call.line.local();

    let held = call.reinvite(SocketAddr::new([0, 0, 0, 0].into(), local.port()), "");
    last_packet(&call.line);
    let meanwhile = call.line.hear_for(HELD);
    let heard = call.line.heard().len();
    let resumed = call.reinvite(local, "");
    let after = call.line.hear_after(heard, 5);

    assert_eq!(held.status(), 200, "{held:?}");
    assert!(meanwhile.is_empty(), "{} packets while on hold", meanwhile.len());
    assert_eq!(resumed.status(), 200);
    assert!(after[0].marker);
    call.hang_up();
}

#[test]
fn a_caller_on_hold_is_quiet_and_no_rtp_time_out_ends_the_call() {
    let _turn = together();
    let server = Setup::new().config("[limits]\nrtp_timeout = 1.0\n").start();
    let mut call = talking(&server);
    let local = call.line.local();

    call.reinvite(local, "a=inactive\r\n");
    call.line.be_quiet();
    std::thread::sleep(Duration::from_millis(2500));
    let running = server.metric("offhook_calls");
    let resumed = call.reinvite(local, "a=sendrecv\r\n");
    call.line.talk(resumed.audio_address());
    call.line.hear(20);

    assert_eq!(running, Some(1.0));
    call.hang_up();
}

#[test]
fn audio_follows_the_far_end_to_another_address() {
    let _turn = together();
    let server = Server::start();
    let mut call = talking(&server);
    let other = RtpLine::open(server.sip.ip());

    let moved = call.reinvite(other.local(), "");
    call.line.be_quiet();
    other.talk(moved.audio_address());
    let heard = other.hear(25);

    assert_eq!(moved.status(), 200);
    assert_eq!(moved.audio_address(), call.ok.audio_address(), "our own address stays");
    assert!(heard.windows(2).all(|two| two[1].sequence == two[0].sequence.wrapping_add(1)));
    last_packet(&call.line);
    assert!(call.line.hear_for(HELD).is_empty(), "the old address gets nothing");
    call.hang_up();
}

#[test]
fn a_reinvite_without_an_offer_is_answered_with_ours() {
    let _turn = together();
    let server = Server::start();
    let mut call = talking(&server);

    let offered = call.phone.reinvite("echo", &call.ok, "");
    let ours = g711(call.line.local(), "a=sendonly\r\n");
    call.phone.acknowledge_with("echo", &ours);
    last_packet(&call.line);

    assert_eq!((offered.status(), offered.direction()), (200, "sendrecv"), "{offered:?}");
    assert_eq!(offered.audio_address(), call.ok.audio_address());
    assert!(call.line.hear_for(HELD).is_empty(), "the answer in the ACK held us");
    call.hang_up();
}

#[test]
fn an_offer_that_cannot_be_taken_changes_nothing() {
    let _turn = together();
    let server = Server::start();
    let mut call = talking(&server);

    let body = crate::common::sdp(call.line.local(), "18", "");
    let refused = call.phone.reinvite("echo", &call.ok, &body);
    let after = call.line.hear(25);

    assert_eq!(refused.status(), 488, "{refused:?}");
    assert!(after.windows(2).all(|two| two[1].sequence == two[0].sequence.wrapping_add(1)));
    assert!(after.iter().all(|packet| !packet.marker));
    call.hang_up();
}

/// The last packet of a stream that stops: none for 60 ms. One that was on its way when the answer came is no breach.
fn last_packet(line: &RtpLine) -> crate::common::Packet {
    until("the stream to stop", || {
        let last = *line.heard().last()?;
        (last.at.elapsed() > Duration::from_millis(60)).then_some(last)
    })
}
