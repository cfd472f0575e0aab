//! HEP: what Homer gets of a call.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::common::{Calling, Phone, Server, Setup, together, until};

/// Nobody speaks here.
const SILENT: &str = "[engine]\nrecognizer = \"none\"\nsynthesizer = \"none\"\n";

/// A server of HEPv3 that only listens.
struct Homer {
    socket: UdpSocket,
    packets: Vec<Packet>,
}

/// What stands in one datagram.
#[derive(Debug)]
struct Packet {
    source: SocketAddr,
    destination: SocketAddr,
    protocol: u8,
    unix_micros: u64,
    capture_id: u32,
    kind: u8,
    key: String,
    correlation: String,
    payload: String,
}

impl Homer {
    fn start(more: &str) -> (Homer, Server) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let config = format!("{SILENT}[hep]\nserver = \"{}\"\n{more}", socket.local_addr().unwrap());
        (Homer { socket, packets: Vec::new() }, Setup::new().config(&config).env("HEP_KEY", "s3cret").start())
    }

    /// First lines of the messages of a SIP Call-ID, as `INVITE` or `200 INVITE`, once the last of them is there.
    fn until(&mut self, call_id: &str, last: &str) -> Vec<String> {
        until("the last message of the call", || {
            let mut bytes = [0; 65_536];
            while let Ok(length) = self.socket.recv(&mut bytes) {
                self.packets.push(parse(&bytes[..length]));
            }
            let lines: Vec<_> = self.of(call_id).into_iter().map(|packet| short(&packet.payload)).collect();
            lines.iter().any(|line| line == last).then_some(lines)
        })
    }

    fn of(&self, call_id: &str) -> Vec<&Packet> {
        self.packets.iter().filter(|packet| packet.correlation == call_id).collect()
    }
}

fn short(message: &str) -> String {
    let word = |line: &str, number| line.split(' ').nth(number).unwrap_or_default().to_owned();
    let first = message.lines().next().unwrap_or_default();
    if !first.starts_with("SIP/2.0") {
        return word(first, 0);
    }
    let cseq = message.lines().find(|line| line.starts_with("CSeq:")).unwrap_or_default();
    format!("{} {}", word(first, 1), cseq.rsplit(' ').next().unwrap_or_default())
}

/// Reads a packet by the specification; one that is not as it says fails the test.
fn parse(bytes: &[u8]) -> Packet {
    assert_eq!(&bytes[..4], b"HEP3");
    assert_eq!(
        usize::from(u16::from_be_bytes([bytes[4], bytes[5]])),
        bytes.len(),
        "the length is that of all"
    );
    let mut chunks: BTreeMap<u16, &[u8]> = BTreeMap::new();
    let mut rest = &bytes[6..];
    while !rest.is_empty() {
        let word = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
        assert_eq!(word(0), 0, "a generic chunk");
        let length = usize::from(word(4));
        assert!(chunks.insert(word(2), &rest[6..length]).is_none(), "chunk {} twice", word(2));
        rest = &rest[length..];
    }
    let number = |kind: u16| chunks[&kind].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    let text = |kind: u16| String::from_utf8(chunks.get(&kind).unwrap_or(&&b""[..]).to_vec()).unwrap();
    let ip = |v4: u16, v6: u16| match number(1) {
        2 => IpAddr::from(<[u8; 4]>::try_from(chunks[&v4]).unwrap()),
        10 => IpAddr::from(<[u8; 16]>::try_from(chunks[&v6]).unwrap()),
        family => panic!("no family {family}"),
    };
    Packet {
        source: SocketAddr::new(ip(3, 5), number(7) as u16),
        destination: SocketAddr::new(ip(4, 6), number(8) as u16),
        protocol: number(2) as u8,
        unix_micros: number(9) * 1_000_000 + number(10),
        capture_id: number(12) as u32,
        kind: number(11) as u8,
        key: text(14),
        correlation: text(17),
        payload: text(15),
    }
}

#[test]
fn every_message_of_a_call_is_copied_in_both_directions_over_udp_and_tcp() {
    let _turn = together();
    let (mut homer, server) = Homer::start("capture_id = 77\nkey = \"env:HEP_KEY\"\n");
    let before = unix_micros();

    for (protocol, is_tcp) in [(17, false), (6, true)] {
        let call = Calling::to(&server, "echo").script("wait 200ms\nhangup");
        let ended = if is_tcp { call.tcp() } else { call }.place();
        assert!(ended.report.is_success(), "{}", ended.said);
        let call_id = ended.report.call_id;

        let lines = homer.until(&call_id, "200 BYE");

        let mut seen = lines.clone();
        seen.retain(|line| line != "100 INVITE");
        assert_eq!(seen, ["INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"], "{lines:?}");
        for packet in homer.of(&call_id) {
            let inbound = !packet.payload.starts_with("SIP/2.0");
            let (ours, theirs) = if inbound {
                (packet.destination, packet.source)
            } else {
                (packet.source, packet.destination)
            };
            assert_eq!((ours, theirs.ip()), (server.sip, server.sip.ip()), "{packet:?}");
            assert_eq!((packet.protocol, packet.kind, packet.capture_id), (protocol, 1, 77), "{packet:?}");
            assert_eq!(packet.key, "s3cret");
            assert!(packet.unix_micros + 2_000 >= before && packet.unix_micros <= unix_micros() + 2_000);
            assert!(packet.payload.contains("\r\n\r\n") && packet.payload.contains(&call_id), "{packet:?}");
        }
        let times: Vec<_> = homer.of(&call_id).iter().map(|packet| packet.unix_micros).collect();
        assert!(times.is_sorted(), "{times:?}");
    }
    assert_eq!(server.metric("offhook_hep_dropped_total"), Some(0.0));
    assert_eq!(server.metric("offhook_hep_sent_total"), Some(homer.packets.len() as f64));
}

#[test]
fn digits_in_an_info_do_not_leave_the_machine() {
    let _turn = together();
    let (mut homer, server) = Homer::start("");
    let mut phone = Phone::udp(&server);

    phone.ask("INFO", "echo", "Content-Type: application/dtmf-relay\r\n", "Signal=7\r\nDuration=160\r\n");

    let info = until("the INFO", || {
        let mut bytes = [0; 65_536];
        while let Ok(length) = homer.socket.recv(&mut bytes) {
            homer.packets.push(parse(&bytes[..length]));
        }
        homer
            .packets
            .iter()
            .find(|packet| packet.payload.starts_with("INFO "))
            .map(|packet| packet.payload.clone())
    });
    assert!(info.ends_with("Signal=x\r\nDuration=160\r\n"), "{info}");
}

#[test]
fn a_server_of_hep_that_is_away_costs_no_call() {
    let _turn = together();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!("{SILENT}[hep]\nserver = \"{nobody}\"\n");
    let server = Setup::new().config(&config).start();

    let ended = Calling::to(&server, "echo").script("wait 200ms\nhangup").place();

    assert!(ended.report.is_success(), "{}", ended.said);
    until("the count", || {
        let count = |name: &str| server.metric(name).unwrap_or(0.0);
        (count("offhook_hep_sent_total") + count("offhook_hep_dropped_total") >= 5.0).then_some(())
    });
}

fn unix_micros() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_micros() as u64
}
