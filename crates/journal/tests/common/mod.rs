//! A synthetic call: SIP and G.711 over RTP, with the steps that an echo bot would take.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod shark;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use offhook_journal::bundle::{
    Direction, Keep, Meta, Packet, PacketKind, StepHead, VERSION, WriteError, Writer,
};
use offhook_time::{Half, Step, Time};

pub const CALLER_SSRC: u32 = 0x1234_5678;
pub const BOT_SSRC: u32 = 0x9ABC_DEF0;
/// 2026-11-21 09:00:00 UTC.
pub const UNIX_NS_AT_ZERO: i64 = 1_795_251_600_000_000_000;

pub fn meta() -> Meta {
    Meta {
        version: VERSION,
        call: "0192f0c1-aaaa-7bbb-8ccc-123456789abc".into(),
        seed: "07".repeat(32),
        configuration_hash: "c0ffee".into(),
        bot_hash: "b07".into(),
        build: "0.1.0-test".into(),
        cpu_class: "x86_64 avx2".into(),
        os: "Linux".into(),
        unix_ns_at_zero: UNIX_NS_AT_ZERO,
        utc_offset_seconds: 8 * 3600,
        zone: "Asia/Shanghai".into(),
        more: BTreeMap::from([("trunk".into(), "pbx".into())]),
    }
}

/// The addresses of a call.
#[derive(Clone, Copy)]
pub struct Line {
    pub caller_sip: SocketAddr,
    pub our_sip: SocketAddr,
    pub caller_rtp: SocketAddr,
    pub our_rtp: SocketAddr,
    pub sip: PacketKind,
}

impl Line {
    pub fn v4() -> Line {
        Line {
            caller_sip: "192.0.2.7:5060".parse().unwrap(),
            our_sip: "198.51.100.1:5060".parse().unwrap(),
            caller_rtp: "192.0.2.7:4000".parse().unwrap(),
            our_rtp: "198.51.100.1:20000".parse().unwrap(),
            sip: PacketKind::SipUdp,
        }
    }

    pub fn v6() -> Line {
        Line {
            caller_sip: "[2001:db8::7]:5060".parse().unwrap(),
            our_sip: "[2001:db8::1]:5060".parse().unwrap(),
            caller_rtp: "[2001:db8::7]:4000".parse().unwrap(),
            our_rtp: "[2001:db8::1]:20000".parse().unwrap(),
            sip: PacketKind::SipUdp,
        }
    }

    pub fn over(self, sip: PacketKind) -> Line {
        Line { sip, ..self }
    }
}

/// Writes one call with `seconds` of talk, echoed.
pub struct Call<'a> {
    pub writer: Writer<&'a mut Vec<u8>>,
    line: Line,
    id: u32,
    sequences: [u64; 2],
}

impl<'a> Call<'a> {
    pub fn begin(file: &'a mut Vec<u8>, line: Line) -> Self {
        let writer = Writer::begin(file, &meta()).unwrap();
        Call { writer, line, id: 1, sequences: [0; 2] }
    }

    /// INVITE, 200, ACK, talk, BYE, 200.
    pub fn whole(mut self, seconds: u64) {
        self.set_up(Time::from_millis(100));
        self.talk(Time::from_millis(400), seconds, Keep::Header, 1);
        self.hang_up(Time::from_millis(500 + seconds * 1000));
        self.writer.finish().unwrap();
    }

    pub fn set_up(&mut self, now: Time) {
        let offer = self.sdp(self.line.caller_rtp);
        let answer = self.sdp(self.line.our_rtp);
        self.sip("INVITE sip:echo@example.com SIP/2.0", "INVITE", &offer, Direction::Inbound, now);
        self.control_step(b"invite", now);
        self.sip("SIP/2.0 200 OK", "INVITE", &answer, Direction::Outbound, now + ms(5));
        self.writer.output(self.head(Half::Control, now), b"answer").unwrap();
        self.sip("ACK sip:echo@example.com SIP/2.0", "ACK", "", Direction::Inbound, now + ms(30));
        self.control_step(b"ack", now + ms(30));
    }

    /// Packets each 20 ms both ways; `deadlines` deadline steps for each.
    pub fn talk(&mut self, begin: Time, seconds: u64, keep: Keep, deadlines: u64) {
        for index in 0..seconds * 50 {
            let now = begin + ms(index * 20);
            self.rtp_in(index, now);
            for deadline in 1..=deadlines {
                self.deadline(now + ms(20 * deadline / (deadlines + 1)));
            }
            self.rtp_out(index, now + ms(10), keep);
            self.writer.flush_due(now + ms(10)).unwrap();
        }
    }

    pub fn hang_up(&mut self, now: Time) {
        self.sip("BYE sip:echo@example.com SIP/2.0", "BYE", "", Direction::Inbound, now);
        self.control_step(b"bye", now);
        self.sip("SIP/2.0 200 OK", "BYE", "", Direction::Outbound, now + ms(1));
    }

    pub fn next_call(&mut self) {
        self.id += 1;
    }

    pub fn control_step(&mut self, payload: &[u8], now: Time) {
        let head = self.next_head(Half::Control, now);
        self.writer.step(Step { half: head.half, sequence: head.sequence, now, payload }).unwrap();
    }

    pub fn deadline(&mut self, now: Time) {
        let head = self.next_head(Half::Media, now);
        self.writer.step(Step { half: head.half, sequence: head.sequence, now, payload: &[2] }).unwrap();
    }

    pub fn rtp_in(&mut self, index: u64, now: Time) {
        let datagram = rtp(CALLER_SSRC + self.id, index, voice(index));
        // As the media half encodes it: variant, leg, length; then the source and the stamp.
        let before = [0, 1, 172, 1];
        let after = [0, 192, 0, 2, 7, 160, 31, 1, 2, 3, 4, 5];
        let arrived = Time::from_nanos(now.as_nanos() - 300_000);
        let (source, destination) = (self.line.caller_rtp, self.line.our_rtp);
        let packet = packet(PacketKind::Rtp, Direction::Inbound, source, destination, &datagram, arrived);
        let head = self.next_head(Half::Media, now);
        self.writer.packet_step(head, &before, &packet, &after).unwrap();
    }

    pub fn rtp_out(&mut self, index: u64, now: Time, keep: Keep) {
        let datagram = rtp(BOT_SSRC + self.id, index, voice(index));
        let (source, destination) = (self.line.our_rtp, self.line.caller_rtp);
        let packet = packet(PacketKind::Rtp, Direction::Outbound, source, destination, &datagram, now);
        self.writer.packet(&packet, keep).unwrap();
    }

    fn sip(&mut self, start: &str, method: &str, body: &str, direction: Direction, now: Time) {
        let Line { caller_sip, our_sip, .. } = self.line;
        let (id, length) = (self.id, body.len());
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let transport = if self.line.sip == PacketKind::SipUdp { "UDP" } else { "TCP" };
        let message = format!(
            "{start}\r\nVia: SIP/2.0/{transport} {caller_sip};branch=z9hG4bK-{id}-{method}\r\n\
             From: <sip:caller@example.com>;tag=a{id}\r\nTo: <sip:echo@example.com>;tag=b{id}\r\n\
             Call-ID: call-{id}@example.com\r\nCSeq: 1 {method}\r\nContact: <sip:caller@{caller_sip}>\r\n\
             Max-Forwards: 70\r\n{content}Content-Length: {length}\r\n\r\n{body}"
        );
        let (source, destination) = match direction {
            Direction::Inbound => (caller_sip, our_sip),
            Direction::Outbound => (our_sip, caller_sip),
        };
        let packet = packet(self.line.sip, direction, source, destination, message.as_bytes(), now);
        self.writer.packet(&packet, Keep::Whole).unwrap();
    }

    fn sdp(&self, rtp: SocketAddr) -> String {
        let (kind, ip, port) = (if rtp.is_ipv4() { "IP4" } else { "IP6" }, rtp.ip(), rtp.port());
        format!(
            "v=0\r\no=- 1 1 IN {kind} {ip}\r\ns=-\r\nc=IN {kind} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
        )
    }

    pub fn next_head(&mut self, half: Half, now: Time) -> StepHead {
        let head = StepHead { half, sequence: self.sequences[half as usize], now };
        self.sequences[half as usize] += 1;
        head
    }

    /// The last step of the half.
    fn head(&self, half: Half, now: Time) -> StepHead {
        StepHead { half, sequence: self.sequences[half as usize] - 1, now }
    }
}

pub fn packet(
    kind: PacketKind,
    direction: Direction,
    source: SocketAddr,
    destination: SocketAddr,
    bytes: &[u8],
    at: Time,
) -> Packet<'_> {
    Packet { kind, direction, at, source, destination, bytes }
}

/// An RTP packet of 20 ms G.711.
pub fn rtp(ssrc: u32, index: u64, payload: Vec<u8>) -> Vec<u8> {
    let mut datagram = vec![0x80, if index == 0 { 0x80 } else { 0 }];
    datagram.extend_from_slice(&(index as u16).to_be_bytes());
    datagram.extend_from_slice(&(index as u32 * 160).to_be_bytes());
    datagram.extend_from_slice(&ssrc.to_be_bytes());
    datagram.extend_from_slice(&payload);
    datagram
}

/// 160 bytes that differ from packet to packet.
pub fn voice(index: u64) -> Vec<u8> {
    (0..160_u64).map(|at| (index * 31 + at * at * 7) as u8).collect()
}

pub fn ms(millis: u64) -> std::time::Duration {
    std::time::Duration::from_millis(millis)
}

/// A file that refuses after so many bytes, in the middle of a write.
pub struct FullDisk {
    pub kept: Vec<u8>,
    pub room: usize,
}

impl std::io::Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.room - self.kept.len());
        self.kept.extend_from_slice(&bytes[..taken]);
        if taken == 0 { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether the writer said that it cannot go on.
pub fn has_failed(result: Result<(), WriteError>) -> bool {
    matches!(result, Err(WriteError::Failed | WriteError::Io(_)))
}
