//! Captures made by code: SIP and RTP in the order of time, as pcap.

use std::fmt::Write;
use std::net::SocketAddr;

use offhook_audio::G711;
use offhook_journal::capture::Capture;
use offhook_replay::foreign::{Account, TakenApart, take_apart};

pub const SECOND: u64 = 1_000_000_000;
pub const MS: u64 = 1_000_000;
/// 2026-11-21 09:00:00 UTC.
pub const ZERO: u64 = 1_795_251_600 * SECOND;

/// Frames: when, and the IP packet.
#[derive(Clone, Default)]
pub struct Made(pub Vec<(u64, Vec<u8>)>);

impl Made {
    pub fn udp(&mut self, at: u64, from: &str, to: &str, payload: &[u8]) {
        self.0.push((ZERO + at, udp(from, to, payload)));
    }

    /// A segment of a TCP stream.
    pub fn tcp(&mut self, at: u64, from: &str, to: &str, sequence: u32, payload: &[u8]) {
        self.0.push((ZERO + at, tcp(from, to, sequence, payload)));
    }

    pub fn sorted(mut self) -> Made {
        self.0.sort_by_key(|(at, _)| *at);
        self
    }

    /// As a pcap file with nanoseconds, raw IP.
    pub fn pcap(&self) -> Vec<u8> {
        pcap(101, self.0.iter().map(|(at, packet)| (*at, packet.clone())))
    }

    /// As a pcap file of Ethernet frames with a VLAN tag.
    pub fn vlan(&self) -> Vec<u8> {
        let tagged = |packet: &Vec<u8>| [&[2; 12][..], &[0x81, 0, 0, 42, 8, 0], packet].concat();
        pcap(1, self.0.iter().map(|(at, packet)| (*at, tagged(packet))))
    }

    pub fn take_apart(&self) -> TakenApart {
        read(&self.pcap())
    }
}

pub fn read(file: &[u8]) -> TakenApart {
    let taken = take_apart(Capture::open(file).unwrap());
    judge(&taken.account);
    taken
}

/// Nothing is lost between the capture and the calls.
pub fn judge(account: &Account) {
    assert_eq!(account.used() + account.left(), account.looked_at, "{account:?}");
    assert!(account.looked_at >= account.capture.datagrams + account.capture.messages, "{account:?}");
}

fn pcap(link: u32, frames: impl Iterator<Item = (u64, Vec<u8>)>) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xA1B2_3C4D_u32, 0x0004_0002, 0, 0, 262_144, link] {
        file.extend(word.to_le_bytes());
    }
    for (at, frame) in frames {
        let length = frame.len() as u32;
        for word in [(at / SECOND) as u32, (at % SECOND) as u32, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

fn ip(protocol: u8, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let (SocketAddr::V4(from), SocketAddr::V4(to)) = (from, to) else { panic!("IPv4 only") };
    let mut packet = vec![0x45, 0];
    packet.extend(((20 + payload.len()) as u16).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(payload);
    packet
}

fn udp(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let mut datagram = Vec::new();
    datagram.extend(from.port().to_be_bytes());
    datagram.extend(to.port().to_be_bytes());
    datagram.extend(((8 + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    ip(17, from, to, &datagram)
}

fn tcp(from: &str, to: &str, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
    let mut segment = Vec::new();
    segment.extend(from.port().to_be_bytes());
    segment.extend(to.port().to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    ip(6, from, to, &segment)
}

/// An audio description of G.711 and keys at 101.
pub fn sdp(rtp: &str, formats: &str) -> String {
    let rtp: SocketAddr = rtp.parse().unwrap();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP {formats}\r\n\
         a=rtpmap:101 telephone-event/8000\r\n",
        rtp.ip(),
        rtp.port()
    )
}

/// One call and who is in it.
#[derive(Clone)]
pub struct Line {
    pub id: String,
    pub user: String,
    pub caller_sip: String,
    pub callee_sip: String,
    pub caller_rtp: String,
    pub callee_rtp: String,
    pub formats: &'static str,
}

impl Line {
    pub fn number(number: u16) -> Line {
        Line {
            id: format!("call-{number}@example"),
            user: format!("caller{number}"),
            caller_sip: "192.0.2.7:5060".into(),
            callee_sip: "198.51.100.1:5060".into(),
            caller_rtp: format!("192.0.2.7:{}", 10_000 + 2 * number),
            callee_rtp: format!("198.51.100.1:{}", 20_000 + 2 * number),
            formats: "0 101",
        }
    }

    fn common(&self, cseq: u32, method: &str, by_caller: bool, to_tag: bool) -> String {
        let caller = format!("<sip:{}@192.0.2.7>;tag=a-{}", self.user, self.id);
        let callee = format!("<sip:bot@198.51.100.1>{}", if to_tag { ";tag=b" } else { "" });
        let (from, to) = if by_caller { (caller, callee) } else { (callee, caller) };
        format!(
            "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK{method}{cseq}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} {method}\r\n",
            self.id
        )
    }

    pub fn request(&self, method: &str, cseq: u32, by_caller: bool, in_dialog: bool, body: &str) -> Vec<u8> {
        let mut text = format!("{method} sip:bot@198.51.100.1 SIP/2.0\r\n");
        text += &self.common(cseq, method, by_caller, in_dialog);
        finish(text, body)
    }

    /// A response to a request of the caller.
    pub fn response(&self, status: &str, method: &str, cseq: u32, body: &str) -> Vec<u8> {
        let mut text = format!("SIP/2.0 {status}\r\n");
        text += &self.common(cseq, method, true, !status.starts_with("100"));
        finish(text, body)
    }

    pub fn offer(&self) -> String {
        sdp(&self.caller_rtp, self.formats)
    }

    pub fn answer(&self) -> String {
        sdp(&self.callee_rtp, self.formats)
    }

    pub fn to_callee(&self, made: &mut Made, at: u64, message: &[u8]) {
        made.udp(at, &self.caller_sip, &self.callee_sip, message);
    }

    pub fn to_caller(&self, made: &mut Made, at: u64, message: &[u8]) {
        made.udp(at, &self.callee_sip, &self.caller_sip, message);
    }

    /// INVITE at `at`, ringing 100 ms later, answered after 500 ms.
    pub fn begin(&self, made: &mut Made, at: u64) {
        self.to_callee(made, at, &self.request("INVITE", 1, true, false, &self.offer()));
        self.to_caller(made, at + 10 * MS, &self.response("100 Trying", "INVITE", 1, ""));
        self.to_caller(made, at + 100 * MS, &self.response("180 Ringing", "INVITE", 1, ""));
        self.to_caller(made, at + 500 * MS, &self.response("200 OK", "INVITE", 1, &self.answer()));
        self.to_callee(made, at + 510 * MS, &self.request("ACK", 1, true, true, ""));
    }

    pub fn bye(&self, made: &mut Made, at: u64) {
        self.to_callee(made, at, &self.request("BYE", 2, true, true, ""));
        self.to_caller(made, at + 5 * MS, &self.response("200 OK", "BYE", 2, ""));
    }

    /// Both sides talk for so many packets of 20 ms.
    pub fn talk(&self, made: &mut Made, at: u64, packets: u16) {
        for n in 0..packets {
            let at = at + u64::from(n) * 20 * MS;
            made.udp(at, &self.caller_rtp, &self.callee_rtp, &rtp(0, n, 0xaaaa, &tone(n)));
            made.udp(
                at + 3 * MS,
                &self.callee_rtp,
                &self.caller_rtp,
                &rtp(0, n.wrapping_add(65_500), 0xbbbb, &tone(n)),
            );
        }
    }

    /// A whole call: answered after 500 ms, talk from 600 ms on, BYE afterwards.
    pub fn whole(&self, made: &mut Made, at: u64, packets: u16) {
        self.begin(made, at);
        self.talk(made, at + 600 * MS, packets);
        self.bye(made, at + 650 * MS + u64::from(packets) * 20 * MS);
    }
}

fn finish(mut text: String, body: &str) -> Vec<u8> {
    if !body.is_empty() {
        text += "Content-Type: application/sdp\r\n";
    }
    let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
    text.into_bytes()
}

/// Packet number `n` of a stream of 20 ms.
pub fn rtp(payload_type: u8, n: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    rtp_at(payload_type, n, u32::from(n) * 160, ssrc, payload)
}

pub fn rtp_at(payload_type: u8, sequence: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// 20 ms of 250 Hz whose loudness names the packet.
pub fn tone(n: u16) -> Vec<u8> {
    let loud = 1000 + 20 * (n as i16 % 400);
    (0..160).map(|at| G711::MuLaw.encode_sample(if at % 32 < 16 { loud } else { -loud })).collect()
}
