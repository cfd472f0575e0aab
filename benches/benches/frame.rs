//! One 20 ms frame through a call of the `echo` bot: RTP in, jitter buffer, 16 kHz, voice activity, back, RTP out.
//!
//! The promise behind it is CPU per call-second (DESIGN §13); fifty of these are one call-second without sockets.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use offhook_audio::Frame;
use offhook_call_media::{
    CallMedia, Direction, Input, LegId, LegSettings, LineCodec, MediaEvent, MediaSettings, Outputs, Port,
    Route, StreamSettings,
};
use offhook_time::{Seed, Time};

const PTIME: Duration = Duration::from_millis(20);
const SAMPLES: usize = 160;

/// Frames before the measured ones, in every run: the jitter buffer fills and the voice detector learns the line.
const WARM_UP: u64 = 200;

fn main() {
    let frames = WARM_UP + offhook_benches::iterations();
    let source = SocketAddr::from(([192, 0, 2, 7], 40_000));
    let start = Time::from_millis(1_000);
    let mut call = CallMedia::new(echo(source), start);
    let mut left = Left::default();

    let mut datagram = [0; 12 + SAMPLES];
    let mut caller = Caller::default();
    for number in 0..frames {
        let now = start + PTIME * number as u32;
        caller.next_packet(number, &mut datagram);
        let input =
            Input::Rtp { leg: LegId::CALLER, datagram: black_box(&datagram), source, arrived_at: now };
        call.handle(input, &mut left, now);
        while let Some(deadline) = call.poll_timeout().filter(|deadline| *deadline < now + PTIME) {
            call.handle(Input::Deadline, &mut left, deadline);
        }
    }

    // What the jitter buffer still holds, at most 120 ms, and nothing else may be missing.
    assert!(left.packets + 8 >= frames && left.packets <= frames + 8, "{} of {frames}", left.packets);
    assert!(left.audible > left.packets / 4, "the caller's noise did not come back: {}", left.audible);
}

/// The `echo` bot on a G.711 line.
fn echo(caller: SocketAddr) -> MediaSettings {
    let stream = StreamSettings {
        remote_rtp: Some(caller),
        remote_rtcp: None,
        codec: LineCodec::Pcmu,
        payload_type: 0,
        telephone_event: Some(101),
        ptime_ms: 20,
        direction: Direction::SendReceive,
    };
    let line = Port::Leg(LegId::CALLER);
    MediaSettings {
        seed: Seed::from_number(42),
        legs: vec![LegSettings { stream: Some(stream), ..LegSettings::default() }],
        routes: vec![Route::new(line, line)],
        listen: true,
        speech_queue: 0,
        ..MediaSettings::default()
    }
}

/// Half a second of noise, half a second of µ-law silence, and so on, so that both ways through the voice detector count.
#[derive(Default)]
struct Caller {
    noise: u32,
}

impl Caller {
    fn next_packet(&mut self, number: u64, datagram: &mut [u8; 12 + SAMPLES]) {
        let timestamp = number as u32 * SAMPLES as u32;
        datagram[0] = 0x80;
        datagram[1] = if number == 0 { 0x80 } else { 0 };
        datagram[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        datagram[4..8].copy_from_slice(&timestamp.to_be_bytes());
        datagram[8..12].copy_from_slice(&0x0ff0_0cc0_u32.to_be_bytes());
        let loud = (number / 25).is_multiple_of(2);
        for byte in &mut datagram[12..] {
            self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = if loud { (self.noise >> 24) as u8 } else { 0xff };
        }
    }
}

/// Counts what leaves.
#[derive(Default)]
struct Left {
    packets: u64,
    audible: u64,
}

impl Outputs for Left {
    fn rtp(&mut self, _leg: LegId, _to: SocketAddr, packet: &[u8]) {
        self.packets += 1;
        let payload = packet.get(12..).unwrap_or_default();
        self.audible += u64::from(payload.iter().any(|byte| byte & 0x7f < 0x60));
    }

    fn rtcp(&mut self, _leg: LegId, _to: SocketAddr, packet: &[u8]) {
        black_box(packet);
    }

    fn caller_audio(&mut self, frame: &Frame, in_utterance: bool) {
        black_box((frame, in_utterance));
    }

    fn application_audio(&mut self, frame: &Frame) {
        black_box(frame);
    }

    fn event(&mut self, event: MediaEvent) {
        black_box(&event);
    }
}
