//! SIP by hand: what a test writes is what goes out.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};

use super::server::random;
use super::{PATIENCE, Server};

/// A message that came.
#[derive(Clone, Debug)]
pub struct Message {
    pub start: String,
    headers: Vec<(String, String)>,
}

impl Message {
    pub fn parse(bytes: &[u8]) -> Message {
        let text = String::from_utf8_lossy(bytes);
        let head = text.split_once("\r\n\r\n").map_or(&*text, |(head, _)| head);
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Message { start, headers }
    }

    /// Of a response; 0 for a request.
    pub fn status(&self) -> u16 {
        self.start
            .strip_prefix("SIP/2.0 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|code| code.parse().ok())
            .unwrap_or(0)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// A user agent that a test plays.
pub struct Phone {
    line: Line,
    server: SocketAddr,
    local: SocketAddr,
    call_id: String,
    tag: String,
    to: String,
    cseq: u32,
    branch: String,
}

enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

impl Phone {
    pub fn udp(server: &Server) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let local = socket.local_addr().unwrap();
        Phone::new(Line::Udp(socket), server.sip, local)
    }

    pub fn tcp(server: &Server) -> Phone {
        let stream = TcpStream::connect(server.sip).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let local = stream.local_addr().unwrap();
        Phone::new(Line::Tcp(stream, Vec::new()), server.sip, local)
    }

    fn new(line: Line, server: SocketAddr, local: SocketAddr) -> Phone {
        let tag = format!("{:x}", random());
        Phone {
            line,
            server,
            local,
            call_id: format!("{tag}@test"),
            tag,
            to: String::new(),
            cseq: 0,
            branch: String::new(),
        }
    }

    /// Sends a request to a user and answers its final response. A refused INVITE is acknowledged.
    pub fn ask(&mut self, method: &str, user: &str, headers: &str, body: &str) -> Message {
        self.to = if user.is_empty() {
            format!("<sip:{}>", self.server)
        } else {
            format!("<sip:{user}@{}>", self.server)
        };
        self.request(method, user, headers, body);
        let response = self.final_response();
        if method == "INVITE" && response.status() >= 300 {
            self.to = response.header("to").unwrap().to_owned();
            // RFC 3261 §17.1.1.3: the ACK of a refusal has the INVITE's branch.
            self.send_request("ACK", user, "", "");
        }
        response
    }

    /// An INVITE with an offer of G.711.
    pub fn invite(&mut self, user: &str, headers: &str) -> Message {
        let body = sdp(self.local, "0 8 101", "a=rtpmap:101 telephone-event/8000\r\n");
        self.ask("INVITE", user, &format!("{headers}Content-Type: application/sdp\r\n"), &body)
    }

    /// The ACK of a 200 and whatever else belongs to its dialog.
    pub fn in_dialog(&mut self, method: &str, user: &str, ok: &Message) {
        self.to = ok.header("to").unwrap().to_owned();
        if method == "ACK" {
            self.branch = format!("z9hG4bK{:x}", random());
            self.send_request(method, user, "", "");
        } else {
            self.request(method, user, "", "");
        }
    }

    fn request(&mut self, method: &str, user: &str, headers: &str, body: &str) {
        self.cseq += 1;
        self.branch = format!("z9hG4bK{:x}", random());
        self.send_request(method, user, headers, body);
    }

    fn send_request(&mut self, method: &str, user: &str, headers: &str, body: &str) {
        let transport = if matches!(self.line, Line::Udp(_)) { "UDP" } else { "TCP" };
        let (server, local, at) = (self.server, self.local, if user.is_empty() { "" } else { "@" });
        let text = format!(
            "{method} sip:{user}{at}{server} SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch={};rport\r\n\
             From: <sip:phone@{local}>;tag={}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n\
             Contact: <sip:phone@{local};transport={transport}>\r\nMax-Forwards: 70\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.branch,
            self.tag,
            self.to,
            self.call_id,
            self.cseq,
            body.len()
        );
        match &mut self.line {
            Line::Udp(socket) => drop(socket.send_to(text.as_bytes(), server).unwrap()),
            Line::Tcp(stream, _) => stream.write_all(text.as_bytes()).unwrap(),
        }
    }

    /// The next message, whatever it is.
    #[track_caller]
    pub fn next(&mut self) -> Message {
        match &mut self.line {
            Line::Udp(socket) => {
                let mut buffer = [0; 65536];
                let length = socket.recv(&mut buffer).expect("an answer");
                Message::parse(&buffer[..length])
            }
            Line::Tcp(stream, buffer) => read_message(stream, buffer).expect("an answer"),
        }
    }

    /// The next request of that method; other messages are passed over.
    #[track_caller]
    pub fn expect_request(&mut self, method: &str) -> Message {
        loop {
            let message = self.next();
            if message.start.starts_with(method) {
                return message;
            }
        }
    }

    /// The next final response.
    #[track_caller]
    pub fn final_response(&mut self) -> Message {
        loop {
            let message = self.next();
            if message.status() >= 200 {
                return message;
            }
        }
    }
}

/// The next message of a stream; `None` where it was closed.
pub fn read_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Message> {
    loop {
        if let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let message = Message::parse(&buffer[..head + 4]);
            let length: usize = message
                .header("content-length")
                .or(message.header("l"))
                .map_or(0, |value| value.parse().unwrap());
            let end = head + 4 + length;
            if buffer.len() >= end {
                let message = Message::parse(&buffer[..end]);
                buffer.drain(..end);
                return Some(message);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => return None,
            Ok(length) => buffer.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("nothing came: {error}"),
        }
    }
}

/// An offer with these payload types.
pub fn sdp(local: SocketAddr, types: &str, attributes: &str) -> String {
    let ip = local.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP {types}\r\n{attributes}",
        local.port()
    )
}
