//! SIP by hand: what a test writes is what goes out.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};

use super::server::random;
use super::{PATIENCE, Server};

/// A message that came.
#[derive(Clone, Debug)]
pub struct Message {
    pub start: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Message {
    pub fn parse(bytes: &[u8]) -> Message {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Message { start, headers, body: body.to_owned() }
    }

    /// Where its SDP wants the audio.
    pub fn audio_address(&self) -> SocketAddr {
        let line =
            |start: &str| self.body.lines().find_map(|line| line.strip_prefix(start)).unwrap_or("none");
        let ip = line("c=IN IP").split_once(' ').unwrap().1;
        let port = line("m=audio ").split(' ').next().unwrap();
        SocketAddr::new(ip.parse().unwrap(), port.parse().unwrap())
    }

    /// What its SDP says about who sends.
    pub fn direction(&self) -> &str {
        let named = |line: &&str| matches!(*line, "a=sendrecv" | "a=sendonly" | "a=recvonly" | "a=inactive");
        self.body.lines().find(named).map_or("sendrecv", |line| &line[2..])
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
    contact: Option<String>,
}

enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

impl Phone {
    pub fn udp(server: &Server) -> Phone {
        Phone::udp_at(server, server.sip.ip())
    }

    /// One that calls from another address of this machine.
    pub fn udp_at(server: &Server, ip: IpAddr) -> Phone {
        Phone::udp_to(server.sip, ip)
    }

    /// One that reaches the server at another of its addresses.
    pub fn udp_to(server: SocketAddr, ip: IpAddr) -> Phone {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let local = socket.local_addr().unwrap();
        Phone::new(Line::Udp(socket), server, local)
    }

    pub fn tcp(server: &Server) -> Phone {
        let stream = TcpStream::connect(server.sip).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let local = stream.local_addr().unwrap();
        Phone::new(Line::Tcp(stream, Vec::new()), server.sip, local)
    }

    /// Says from now on that it can be reached there.
    pub fn name_contact(&mut self, uri: &str) {
        self.contact = Some(uri.to_owned());
    }

    /// Where it can be called.
    pub fn uri(&self) -> String {
        format!("sip:phone@{}", self.local)
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
            contact: None,
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
        self.offer(user, headers, self.local, "")
    }

    /// An INVITE with an offer of G.711 at `media`, with more lines of SDP.
    pub fn offer(&mut self, user: &str, headers: &str, media: SocketAddr, attributes: &str) -> Message {
        let body = g711(media, attributes);
        self.ask("INVITE", user, &format!("{headers}Content-Type: application/sdp\r\n"), &body)
    }

    /// A call that is up, its audio at `media`. Answers the 200.
    pub fn call(&mut self, user: &str, media: SocketAddr) -> Message {
        let ok = self.offer(user, "", media, "");
        assert_eq!(ok.status(), 200, "{ok:?}");
        self.in_dialog("ACK", user, &ok);
        ok
    }

    /// A new offer within the dialog of `ok`, acknowledged whatever it is answered with.
    pub fn reinvite(&mut self, user: &str, ok: &Message, body: &str) -> Message {
        self.to = ok.header("to").unwrap().to_owned();
        let headers = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.request("INVITE", user, headers, body);
        let answer = self.final_response();
        if answer.status() < 300 {
            self.branch = format!("z9hG4bK{:x}", random());
        }
        if !body.is_empty() || answer.status() >= 300 {
            self.send_request("ACK", user, "", "");
        }
        answer
    }

    /// The ACK that carries the answer to an offer of the server.
    pub fn acknowledge_with(&mut self, user: &str, body: &str) {
        self.send_request("ACK", user, "Content-Type: application/sdp\r\n", body);
    }

    /// Answers a request of the server.
    pub fn reply(&mut self, request: &Message, status: &str) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for (name, value) in &request.headers {
            let copied = ["via", "from", "call-id", "cseq", "record-route"].contains(&name.as_str());
            if copied {
                text.push_str(&format!("{name}: {value}\r\n"));
            } else if name == "to" {
                let tag = if value.contains("tag=") { String::new() } else { format!(";tag={}", self.tag) };
                text.push_str(&format!("To: {value}{tag}\r\n"));
            }
        }
        text.push_str(&format!("Contact: <{}>\r\nContent-Length: 0\r\n\r\n", self.uri()));
        self.write(&text);
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
        let contact = self.contact.clone().unwrap_or_else(|| format!("{};transport={transport}", self.uri()));
        let text = format!(
            "{method} sip:{user}{at}{server} SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch={};rport\r\n\
             From: <sip:phone@{local}>;tag={}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n\
             Contact: <{contact}>\r\nMax-Forwards: 70\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.branch,
            self.tag,
            self.to,
            self.call_id,
            self.cseq,
            body.len()
        );
        self.write(&text);
    }

    fn write(&mut self, text: &str) {
        match &mut self.line {
            Line::Udp(socket) => drop(socket.send_to(text.as_bytes(), self.server).unwrap()),
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

/// A description of G.711 and digits at `media`, with more lines.
pub fn g711(media: SocketAddr, attributes: &str) -> String {
    sdp(media, "0 8 101", &format!("a=rtpmap:101 telephone-event/8000\r\n{attributes}"))
}

/// An offer with these payload types.
pub fn sdp(local: SocketAddr, types: &str, attributes: &str) -> String {
    let (ip, family) = (local.ip(), if local.is_ipv4() { 4 } else { 6 });
    format!(
        "v=0\r\no=- 1 1 IN IP{family} {ip}\r\ns=-\r\nc=IN IP{family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP {types}\r\n{attributes}",
        local.port()
    )
}
