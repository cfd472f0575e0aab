//! A capture as an SBC writes it: callers with speech, a key, jitter, losses, repetition and disorder.

use std::fmt::Write;

use offhook_audio::G711;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
/// 2026-11-21 09:00:00 UTC.
const ZERO: u64 = 1_795_251_600 * SECOND;

const CALLER: &str = "192.0.2.7";
const CALLEE: &str = "198.51.100.1";

/// A bot for such callers: it answers whatever it hears.
pub const LISTENER: &str = r#"
bot: listener
start: greet
turn: { end_of_speech: 800ms, no_input_after: 30s, max_turns: 100 }
intents: { bye: ["goodbye"] }
states:
  greet: { say: "Hello.", goto: one }
  one:
    listen: { intents: { bye: two }, keys: { "1": two }, no_match: [{ goto: two }] }
  two:
    say: "I see."
    listen: { intents: { bye: three }, keys: { "1": three }, no_match: [{ goto: three }] }
  three:
    say: "Please go on."
    listen: { intents: { bye: two }, keys: { "1": two }, no_match: [{ goto: two }] }
"#;

/// Calls, all begun within the same second.
#[derive(Default)]
pub struct Recorded {
    packets: Vec<(u64, Vec<u8>)>,
    lost: Vec<u64>,
}

impl Recorded {
    /// A caller who says `samples` after the answer and then presses 1.
    pub fn call(&mut self, number: usize, user: &str, samples: &[i16]) {
        let (caller, callee) = (10_000 + 2 * number as u16, 20_000 + 2 * number as u16);
        let begin = ZERO + number as u64 * 130 * MS;
        let answered = begin + 400 * MS;
        self.sip(begin, true, &message(number, user, "INVITE", 1, None, CALLER, caller));
        self.sip(answered, false, &message(number, user, "INVITE", 1, Some("200 OK"), CALLEE, callee));
        self.sip(answered + MS, true, &message(number, user, "ACK", 1, None, "", 0));
        let mut lost = 0;
        let count = samples.len().div_ceil(160) as u64;
        for (n, frame) in samples.chunks(160).enumerate() {
            let n = n as u64;
            let mut codes = vec![0; frame.len()];
            G711::MuLaw.encode(frame, &mut codes);
            let packet = rtp(0, n as u16, n as u32 * 160, &codes);
            // Up to 12 ms of jitter; 50 of 100 is overtaken, 60 comes twice, 37 and 71 do not come at all.
            let late = if n % 100 == 50 { 27 } else { n * 7 % 13 };
            let at = answered + 20 * MS + n * 20 * MS + late * MS;
            if [37, 71].contains(&(n % 100)) {
                lost += 1;
            } else {
                self.udp(at, CALLER, caller, CALLEE, callee, &packet);
            }
            if n % 100 == 60 {
                self.udp(at + 2 * MS, CALLER, caller, CALLEE, callee, &packet);
            }
            self.udp(
                answered + n * 20 * MS,
                CALLEE,
                callee,
                CALLER,
                caller,
                &rtp(0, n as u16, n as u32 * 160, &[0xff; 160]),
            );
        }
        // Two seconds of silence, so that the bot has its turn, then the key.
        let silent = count + 100;
        for n in count..silent {
            self.udp(
                answered + 20 * MS + n * 20 * MS,
                CALLER,
                caller,
                CALLEE,
                callee,
                &rtp(0, n as u16, n as u32 * 160, &[0xff; 160]),
            );
        }
        for k in 0..8_u64 {
            let [high, low] = (160 * (k.min(5) as u16 + 1)).to_be_bytes();
            let end = if k >= 5 { 0x80 } else { 0 };
            let key = rtp(101, (silent + k) as u16, silent as u32 * 160, &[1, end | 10, high, low]);
            self.udp(answered + 20 * MS + (silent + k) * 20 * MS, CALLER, caller, CALLEE, callee, &key);
        }
        let ended = answered + SECOND + (silent + 8) * 20 * MS;
        self.sip(ended, true, &message(number, user, "BYE", 2, None, "", 0));
        self.sip(ended + MS, false, &message(number, user, "BYE", 2, Some("200 OK"), "", 0));
        self.lost.push(lost);
    }

    /// Packets that never came, of a call.
    pub fn lost(&self, number: usize) -> u64 {
        self.lost[number]
    }

    /// The file, in the order of time.
    pub fn pcap(&self) -> Vec<u8> {
        let mut packets = self.packets.clone();
        packets.sort_by_key(|(at, _)| *at);
        let mut file = Vec::new();
        for word in [0xA1B2_3C4D_u32, 0x0004_0002, 0, 0, 262_144, 101] {
            file.extend(word.to_le_bytes());
        }
        for (at, packet) in packets {
            let length = packet.len() as u32;
            for word in [(at / SECOND) as u32, (at % SECOND) as u32, length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(packet);
        }
        file
    }

    fn sip(&mut self, at: u64, by_caller: bool, text: &str) {
        let (from, to) = if by_caller { (CALLER, CALLEE) } else { (CALLEE, CALLER) };
        self.udp(at, from, 5060, to, 5060, text.as_bytes());
    }

    fn udp(&mut self, at: u64, from: &str, from_port: u16, to: &str, to_port: u16, payload: &[u8]) {
        let octets = |ip: &str| ip.parse::<std::net::Ipv4Addr>().unwrap().octets();
        let mut packet = vec![0x45, 0];
        packet.extend((28 + payload.len() as u16).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
        packet.extend(octets(from));
        packet.extend(octets(to));
        packet.extend(from_port.to_be_bytes());
        packet.extend(to_port.to_be_bytes());
        packet.extend((8 + payload.len() as u16).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(payload);
        self.packets.push((at, packet));
    }
}

fn rtp(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend([0, 0, 0, 7]);
    packet.extend(payload);
    packet
}

/// A request of the caller, or the response to it; with a description where there is a port.
fn message(
    number: usize,
    user: &str,
    method: &str,
    cseq: u32,
    status: Option<&str>,
    ip: &str,
    port: u16,
) -> String {
    let mut text = match status {
        Some(status) => format!("SIP/2.0 {status}\r\n"),
        None => format!("{method} sip:bot@{CALLEE} SIP/2.0\r\n"),
    };
    let to_tag = if method == "INVITE" && status.is_none() { "" } else { ";tag=b" };
    let _ = write!(
        text,
        "Via: SIP/2.0/UDP {CALLER};branch=z9hG4bK{method}{cseq}\r\nFrom: <sip:{user}@{CALLER}>;tag=a\r\n\
         To: <sip:bot@{CALLEE}>{to_tag}\r\nCall-ID: recorded-{number}\r\nCSeq: {cseq} {method}\r\n"
    );
    let mut body = String::new();
    if port != 0 {
        body = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n"
        );
        text.push_str("Content-Type: application/sdp\r\n");
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
    text
}
