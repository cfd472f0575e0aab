//! The torture messages of RFC 4475 and RFC 5118, sent to the running server as the RFCs print them.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::common::{Message, Phone, Server, read_message, repository, together, until};

/// What a server does with an unfinished message: wait this long, then close.
const MESSAGE_WITHIN: Duration = Duration::from_secs(32);

/// The sent-by ports of the messages; answers go there (RFC 3261 §18.2.2), so this is no place for a kernel's choice.
const SENT_BY: [u16; 6] = [5060, 5061, 5050, 5070, 6050, 19823];

struct Torture {
    name: String,
    bytes: Vec<u8>,
    answer: String,
}

#[test]
fn every_torture_message_over_udp_gets_an_answer_that_the_rfc_allows() {
    let _turn = together();
    let server = Server::start();
    let messages = messages();
    assert_eq!(messages.len(), 61);
    let network = unused_network();
    let mut wrong = Vec::new();

    for (number, message) in messages.iter().enumerate() {
        // An address of its own: no answer can be taken for another's.
        let ip = IpAddr::V4(Ipv4Addr::new(127, network.0, network.1, number as u8 + 1));
        let sockets: Vec<UdpSocket> = SENT_BY.iter().map(|port| bind((ip, *port).into())).collect();
        sockets[0].send_to(&made_unique(&message.bytes, number), server.sip).unwrap();
        // One thread reads all datagrams in order: when this is answered, the message before it was.
        let fence = Phone::udp(&server).ask("OPTIONS", "", "", "");
        assert_eq!(fence.status(), 200, "the server still answers after {}", message.name);
        let statuses = received(&sockets);
        if !fits(&message.answer, &statuses) {
            wrong.push(format!("{}: {statuses:?}, expected {}", message.name, message.answer));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(server.metric("offhook_calls"), Some(0.0), "no message began a call");
}

#[test]
fn every_torture_message_over_tcp_byte_by_byte_gets_its_answer_or_a_closed_connection() {
    let turn = together();
    let server = Server::start();
    let messages = messages();
    let mut wrong = Vec::new();
    let mut waiting = Vec::new();

    for (number, message) in messages.into_iter().enumerate() {
        let mut stream = TcpStream::connect(server.sip).unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in made_unique(&message.bytes, number) {
            // A server that has seen enough may close before the last byte.
            if stream.write_all(&[byte]).is_err() {
                break;
            }
        }
        if message.name.ends_with("clerr.dat") {
            // Its Content-Length promises more than comes: nothing is right but to wait.
            waiting.push(stream);
            continue;
        }
        let _ = stream.write_all(fence(stream.local_addr().unwrap(), server.sip, number).as_bytes());
        let outcome = read_until_fence(&mut stream);
        let expected = expected(&message.name);
        let fine = match expected {
            // 400 first where the headers could be read (RFC 3261 §18.3), then nothing more can be framed.
            Expected::Closed => outcome.closed && outcome.statuses.iter().all(|status| *status == 400),
            Expected::Answered => !outcome.closed && fits(&message.answer, &outcome.statuses),
            Expected::AnsweredFirst => {
                fits(&message.answer, &outcome.statuses[..1.min(outcome.statuses.len())])
            }
        };
        if !fine {
            wrong.push(format!("{}: {outcome:?}, expected {expected:?} {}", message.name, message.answer));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
    drop(turn);
    for mut stream in waiting {
        stream.set_read_timeout(Some(MESSAGE_WITHIN + Duration::from_secs(10))).unwrap();
        let answers: Vec<u16> = std::iter::from_fn(|| read_message(&mut stream, &mut Vec::new()))
            .map(|message| message.status())
            .collect();
        assert!(answers.iter().all(|status| *status == 400), "closed, at most with a 400: {answers:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Answered,
    Closed,
    /// Octets follow the message, which on a stream are the next one; the fence is lost in its body.
    AnsweredFirst,
}

#[derive(Debug)]
struct Outcome {
    statuses: Vec<u16>,
    closed: bool,
}

fn expected(name: &str) -> Expected {
    // A stream cannot tell where these end: no usable Content-Length (RFC 3261 §18.3, RFC 4475 §3.1.2.3).
    let endless = ["ncl.dat", "mcl01.dat", "inv2543.dat"];
    if endless.iter().any(|known| name.ends_with(known)) {
        Expected::Closed
    } else if name.ends_with("dblreq.dat") {
        Expected::AnsweredFirst
    } else {
        Expected::Answered
    }
}

/// The table's alternatives, as `1\d\d|404`, or `drop`.
fn fits(expected: &str, statuses: &[u16]) -> bool {
    if expected == "drop" {
        return statuses.is_empty();
    }
    let matches = |status: &u16| {
        let code = status.to_string();
        expected.split('|').any(|pattern| {
            let pattern = pattern.replace("\\d", "d");
            pattern.len() == code.len() && pattern.chars().zip(code.chars()).all(|(p, c)| p == 'd' || p == c)
        })
    };
    !statuses.is_empty() && statuses.iter().all(matches)
}

fn messages() -> Vec<Torture> {
    let table = std::fs::read_to_string(repository("sip-fixtures/EXPECTED.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| {
        let name = row[0].to_owned();
        let mut bytes = std::fs::read(repository("sip-fixtures").join(&name)).unwrap();
        if name.ends_with("baddn.dat") {
            // The archive's file has no final empty line.
            bytes.extend_from_slice(b"\r\n\r\n");
        }
        Torture { name, bytes, answer: row[4].to_owned() }
    })
    .collect()
}

/// Some messages share branch or Call-ID: to a server they would be repetitions or loops of each other (RFC 3261 §17.2.3,
/// §8.2.2.2). A branch that is nothing but the magic cookie, or none, stays as it is: that is what those are about.
fn made_unique(bytes: &[u8], number: usize) -> Vec<u8> {
    let insert = |bytes: Vec<u8>, before: &[u8]| {
        let at = bytes.windows(before.len()).position(|window| window == before).map(|at| at + before.len());
        match at {
            Some(at) if bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') => {
                [&bytes[..at], format!("t{number}").as_bytes(), &bytes[at..]].concat()
            }
            Some(_) | None => bytes,
        }
    };
    insert(insert(bytes.to_vec(), b"branch=z9hG4bK"), b"\nCall-ID: ")
}

fn received(sockets: &[UdpSocket]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for socket in sockets {
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 65536];
        while let Ok(length) = socket.recv(&mut buffer) {
            statuses.push(Message::parse(&buffer[..length]).status());
        }
    }
    statuses
}

fn fence(local: SocketAddr, server: SocketAddr, number: usize) -> String {
    format!(
        "OPTIONS sip:{server} SIP/2.0\r\nVia: SIP/2.0/TCP {local};branch=z9hG4bKfence{number}\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:{server}>\r\nCall-ID: fence{number}\r\nCSeq: 77 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

/// What came before the answer to the fence.
fn read_until_fence(stream: &mut TcpStream) -> Outcome {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut buffer, mut statuses) = (Vec::new(), Vec::new());
    loop {
        match read_message(stream, &mut buffer) {
            None => return Outcome { statuses, closed: true },
            Some(message) if message.header("cseq") == Some("77 OPTIONS") => {
                return Outcome { statuses, closed: false };
            }
            Some(message) => statuses.push(message.status()),
        }
    }
}

/// Two middle octets of a loopback network that nobody else in this run has.
fn unused_network() -> (u8, u8) {
    until("an unused loopback network", || {
        let id = std::process::id() ^ thread::current().name().map_or(0, |name| name.len() as u32);
        let network = (100 + (id >> 8) as u8 % 100, id as u8);
        UdpSocket::bind((Ipv4Addr::new(127, network.0, network.1, 1), 5060)).is_ok().then_some(network)
    })
}

fn bind(address: SocketAddr) -> UdpSocket {
    UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"))
}
