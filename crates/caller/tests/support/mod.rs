//! A far end that a test plays by hand, over UDP or TCP.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// Longer than any step of a test takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

#[allow(dead_code, reason = "each test file uses its own part of the helpers")]
pub enum FarEnd {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

#[derive(Clone, Debug)]
pub struct Received {
    pub text: String,
    pub from: SocketAddr,
}

#[allow(dead_code, reason = "each test file uses its own part of the helpers")]
impl FarEnd {
    pub fn udp() -> (FarEnd, String) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let uri = format!("sip:bot@{}", socket.local_addr().unwrap());
        (FarEnd::Udp(socket), uri)
    }

    pub fn tcp() -> (TcpListener, String) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let uri = format!("sip:bot@{}", listener.local_addr().unwrap());
        (listener, uri)
    }

    pub fn accepted(listener: &TcpListener) -> FarEnd {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        FarEnd::Tcp(stream, Vec::new())
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            FarEnd::Udp(socket) => socket.local_addr().unwrap(),
            FarEnd::Tcp(stream, _) => stream.local_addr().unwrap(),
        }
    }

    /// The next message that starts with `what`; others (repetitions) are passed over.
    pub fn expect(&mut self, what: &str) -> Received {
        loop {
            let received = self.read();
            if received.text.starts_with(what) {
                return received;
            }
        }
    }

    pub fn send(&mut self, text: &str, to: SocketAddr) {
        match self {
            FarEnd::Udp(socket) => {
                socket.send_to(text.as_bytes(), to).unwrap();
            }
            FarEnd::Tcp(stream, _) => stream.write_all(text.as_bytes()).unwrap(),
        }
    }

    /// Answers `request` with our tag, Contact, and `body` as SDP.
    pub fn respond(&mut self, request: &Received, status: &str, body: &str) {
        let mut out = format!("SIP/2.0 {status}\r\n");
        for line in request.text.split("\r\n").skip(1).take_while(|line| !line.is_empty()) {
            let name = line.split(':').next().unwrap();
            if ["Via", "From", "Call-ID", "CSeq"].contains(&name) {
                out.push_str(&format!("{line}\r\n"));
            }
            if name == "To" {
                out.push_str(line);
                out.push_str(if line.contains(";tag=") { "\r\n" } else { ";tag=far\r\n" });
            }
        }
        let transport = if matches!(self, FarEnd::Tcp(..)) { ";transport=tcp" } else { "" };
        out.push_str(&format!("Contact: <sip:bot@{}{transport}>\r\n", self.address()));
        if !body.is_empty() {
            out.push_str("Content-Type: application/sdp\r\n");
        }
        out.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.send(&out, request.from);
    }

    /// A request of ours inside the dialog that `invite` made.
    pub fn request(&mut self, invite: &Received, method: &str, cseq: u32, more: &str, body: &str) {
        let protocol = if matches!(self, FarEnd::Tcp(..)) { "TCP" } else { "UDP" };
        let uri = header(&invite.text, "Contact").trim_matches(['<', '>']).to_owned();
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{protocol} {};branch=z9hG4bKfar{cseq}\r\nMax-Forwards: 70\r\n\
             From: {};tag=far\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.address(),
            header(&invite.text, "To"),
            header(&invite.text, "From"),
            header(&invite.text, "Call-ID"),
            body.len()
        );
        self.send(&text, invite.from);
    }

    fn read(&mut self) -> Received {
        match self {
            FarEnd::Udp(socket) => {
                let mut buffer = [0; 8192];
                let (length, from) = socket.recv_from(&mut buffer).expect("a message in time");
                Received { text: String::from_utf8(buffer[..length].to_vec()).unwrap(), from }
            }
            FarEnd::Tcp(stream, pending) => loop {
                if let Some(length) = message_length(pending) {
                    let message: Vec<u8> = pending.drain(..length).collect();
                    let from = stream.peer_addr().unwrap();
                    return Received { text: String::from_utf8(message).unwrap(), from };
                }
                let mut buffer = [0; 8192];
                let length = stream.read(&mut buffer).expect("a message in time");
                assert!(length > 0, "the caller closed the connection");
                pending.extend(&buffer[..length]);
            },
        }
    }
}

pub fn header(text: &str, name: &str) -> String {
    let line = text.split("\r\n").find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).split_once(':').unwrap().1.trim().to_owned()
}

/// An answer for RTP at `local`.
pub fn sdp(local: SocketAddr, direction: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na={direction}\r\n",
        local.ip(),
        local.port()
    )
}

fn message_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let body: usize = header(text, "Content-Length").parse().unwrap();
    (bytes.len() >= head + body).then_some(head + body)
}
