//! A light user agent client: INVITE, ACK, BYE for thousands of calls over one UDP socket.
//!
//! It retransmits (RFC 3261 §17.1), acknowledges every 2xx and every refusal, follows Contact and Record-Route, and
//! answers what the far side asks. It has no dialogs to look up: the Call-ID carries the number of the call.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use offhook_linux_ffi::report_icmp_errors;
use offhook_time::Time;

use crate::CallerError;
use crate::histogram::Histogram;
use crate::line::text::Text;
use crate::net::{self, Inbox};
use crate::sdp;
use crate::target::Target;

/// RFC 3261 §17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64·T1: nobody answers any more.
const GIVE_UP: Duration = Duration::from_secs(32);

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LightEvent {
    /// A 2xx came; the ACK has left.
    Answered {
        /// Which call.
        slot: usize,
        /// From INVITE to 2xx.
        took: Duration,
        /// Their description; `None` where it has no G.711 audio.
        remote: Option<sdp::Remote>,
    },
    /// It was refused, timed out, or broke.
    Failed {
        /// Which call.
        slot: usize,
        /// Status or cause.
        cause: String,
    },
    /// Our BYE was answered.
    Released {
        /// Which call.
        slot: usize,
        /// From BYE to its response.
        took: Duration,
    },
    /// They hung up.
    HungUp {
        /// Which call.
        slot: usize,
    },
}

/// All calls of one socket. A call is named by its slot, which is free again after it ended.
#[derive(Debug)]
pub(crate) struct LightUac {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    target: Target,
    prefix: String,
    calls: Vec<Call>,
    timers: BinaryHeap<Reverse<(Time, usize, u64)>>,
    retransmissions: u64,
    software: Option<String>,
    own_lag: Histogram,
    /// Taken out while what it received is handled.
    inbox: Option<Inbox>,
}

#[derive(Debug, Default)]
struct Call {
    /// Counts the calls of this slot, so that late messages of an earlier one are told apart.
    serial: u64,
    state: State,
    /// The request under way, as sent.
    request: String,
    /// The ACK, for repeated 2xx.
    ack: String,
    to: String,
    remote_target: String,
    routes: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Free,
    /// INVITE sent, nothing heard.
    Calling {
        sent: Time,
        interval: Duration,
    },
    /// A provisional response came.
    Proceeding {
        sent: Time,
    },
    Up,
    /// BYE sent.
    Releasing {
        sent: Time,
        interval: Duration,
    },
}

impl LightUac {
    /// `slots` calls at most, towards `target`; `seed` makes their Call-IDs.
    pub fn new(target: Target, slots: usize, seed: u64) -> Result<Self, CallerError> {
        let socket = net::udp(target.local_ip(None)?, 8 << 20)?;
        let local = socket.local_addr().map_err(CallerError::io("opening the SIP socket"))?;
        report_icmp_errors(&socket).map_err(CallerError::io("opening the SIP socket"))?;
        Ok(LightUac {
            socket: Arc::new(socket),
            local,
            target,
            prefix: format!("{:x}.{:x}", crate::clock::entropy(), seed),
            calls: (0..slots).map(|_| Call::default()).collect(),
            timers: BinaryHeap::new(),
            retransmissions: 0,
            software: None,
            own_lag: Histogram::default(),
            inbox: Some(Inbox::new(32, 8_192)),
        })
    }

    /// The SIP socket, to wait for.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Requests that had to be sent again.
    pub fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    /// What the far side says that it is, from its first answer (RFC 3261 §20.35, §20.41).
    pub fn software(&self) -> Option<&str> {
        self.software.as_deref().filter(|software| !software.is_empty())
    }

    /// How long messages lay in our socket before we looked at them, in milliseconds, since the last call of this.
    pub fn take_own_lag(&mut self) -> Histogram {
        std::mem::take(&mut self.own_lag)
    }

    /// Calls from a free slot, offering `offer`.
    pub fn invite(&mut self, slot: usize, offer: &str, now: Time) {
        let (local, uri) = (self.local, &self.target.uri);
        let Some(call) = self.calls.get_mut(slot) else { return };
        call.serial += 1;
        let id = format!("{}-{slot}-{}", self.prefix, call.serial);
        call.routes.clear();
        call.to = format!("<{uri}>");
        call.remote_target.clone_from(uri);
        call.request = format!(
            "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{id}-i;rport\r\nMax-Forwards: 70\r\n\
             From: <sip:bench@{local}>;tag={slot}\r\nTo: <{uri}>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:bench@{local}>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{offer}",
            offer.len()
        );
        call.state = State::Calling { sent: now, interval: T1 };
        self.send_request(slot, now, T1);
    }

    /// Hangs up an answered call.
    pub fn bye(&mut self, slot: usize, now: Time) {
        let Some(call) = self.calls.get_mut(slot).filter(|call| call.state == State::Up) else { return };
        call.request = in_dialog(call, "BYE", 2, slot, &self.prefix, self.local);
        call.state = State::Releasing { sent: now, interval: T1 };
        self.send_request(slot, now, T1);
    }

    /// Everything that has arrived, handled. Appends what it meant to `events`.
    pub fn handle_arrivals(&mut self, events: &mut Vec<LightEvent>) {
        self.handle_refusals(events);
        let Some(mut inbox) = self.inbox.take() else { return };
        let socket = Arc::clone(&self.socket);
        let mut handle = |bytes: &[u8], from: SocketAddr, at: Time| {
            self.own_lag.record(crate::clock::now().since(at).as_secs_f64() * 1000.0);
            if let Some(text) = Text::parse(bytes) {
                match text.status() {
                    Some(status) => events.extend(self.handle_response(&text, status, at)),
                    None => events.extend(self.handle_request(&text, from)),
                }
            }
        };
        while inbox.receive(&socket, &mut handle) {}
        self.inbox = Some(inbox);
    }

    /// Where ICMP says that nobody listens, there is no use in waiting 32 seconds.
    fn handle_refusals(&mut self, events: &mut Vec<LightEvent>) {
        while let Some(address) = net::next_refused(&self.socket) {
            if address != self.target.address {
                continue;
            }
            for (slot, call) in self.calls.iter_mut().enumerate() {
                if matches!(call.state, State::Calling { .. }) {
                    call.state = State::Free;
                    events.push(LightEvent::Failed { slot, cause: format!("nothing listens at {address}") });
                }
            }
        }
    }

    /// When something has to be sent again.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.peek().map(|Reverse((at, ..))| *at)
    }

    /// Sends again what is due, gives up what is overdue.
    pub fn handle_timeout(&mut self, now: Time, events: &mut Vec<LightEvent>) {
        while let Some(Reverse((at, slot, serial))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            let Some(call) = self.calls.get_mut(slot).filter(|call| call.serial == serial) else { continue };
            let (sent, interval) = match call.state {
                State::Calling { sent, ref mut interval } => {
                    *interval *= 2;
                    (sent, *interval)
                }
                State::Releasing { sent, ref mut interval } => {
                    *interval = (*interval * 2).min(T2);
                    (sent, *interval)
                }
                State::Proceeding { sent } if now.since(sent) >= GIVE_UP => {
                    // RFC 3261 §9.1: the CANCEL has the branch of what it cancels.
                    let cancel = cancel_of(&call.request);
                    call.state = State::Free;
                    self.send(cancel.as_bytes());
                    events.push(LightEvent::Failed { slot, cause: "rings for ever".to_owned() });
                    continue;
                }
                State::Proceeding { sent } => {
                    self.timers.push(Reverse((sent + GIVE_UP, slot, serial)));
                    continue;
                }
                State::Free | State::Up => continue,
            };
            if now.since(sent) >= GIVE_UP {
                call.state = State::Free;
                events.push(LightEvent::Failed { slot, cause: "no response".to_owned() });
                continue;
            }
            self.retransmissions += 1;
            self.send_request(slot, now, interval.min((sent + GIVE_UP).since(now)));
        }
    }

    fn handle_response(&mut self, text: &Text<'_>, status: u16, now: Time) -> Option<LightEvent> {
        let slot = self.slot_of(text)?;
        let is_invite = text.header("CSeq", "")?.ends_with("INVITE");
        if self.software.is_none() && status >= 200 {
            let named = text.header("Server", "").or_else(|| text.header("User-Agent", ""));
            self.software = Some(named.unwrap_or_default().to_owned());
        }
        let (local, prefix) = (self.local, &self.prefix);
        let call = self.calls.get_mut(slot)?;
        match (call.state, is_invite, status) {
            (State::Calling { sent, .. }, true, 100..200) => {
                call.state = State::Proceeding { sent };
                None
            }
            (State::Calling { sent, .. } | State::Proceeding { sent }, true, 200..300) => {
                call.to = text.header("To", "t")?.to_owned();
                call.remote_target = text.contact().unwrap_or(&call.remote_target).to_owned();
                call.routes = text.lines("Record-Route", "").map(str::to_owned).collect();
                // RFC 3261 §12.1.2: the route set of the caller is the reverse.
                call.routes.reverse();
                call.ack = in_dialog(call, "ACK", 1, slot, prefix, local);
                call.state = State::Up;
                let ack = std::mem::take(&mut call.ack);
                self.send(ack.as_bytes());
                if let Some(call) = self.calls.get_mut(slot) {
                    call.ack = ack;
                }
                Some(LightEvent::Answered { slot, took: now.since(sent), remote: sdp::read(text.body) })
            }
            (State::Calling { .. } | State::Proceeding { .. }, true, 300..) => {
                let to = text.header("To", "t")?;
                let ack = ack_of_refusal(&call.request, to);
                call.state = State::Free;
                self.send(ack.as_bytes());
                Some(LightEvent::Failed { slot, cause: text.start.trim_start_matches("SIP/2.0 ").to_owned() })
            }
            (State::Up | State::Releasing { .. }, true, 200..300) => {
                let ack = call.ack.clone();
                self.send(ack.as_bytes());
                None
            }
            (State::Releasing { sent, .. }, false, 200..) => {
                call.state = State::Free;
                if status < 300 {
                    Some(LightEvent::Released { slot, took: now.since(sent) })
                } else {
                    Some(LightEvent::Failed { slot, cause: format!("BYE: {}", text.start) })
                }
            }
            _ => None,
        }
    }

    fn handle_request(&mut self, text: &Text<'_>, from: SocketAddr) -> Option<LightEvent> {
        let slot = self.slot_of(text);
        let answer =
            |status: &str| text.respond(status, "bench", "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n", "");
        let (status, event) = match (text.method()?, slot) {
            ("ACK", _) => return None,
            ("BYE", Some(slot)) => {
                let was = std::mem::take(&mut self.calls.get_mut(slot)?.state);
                ("200 OK", (was != State::Free).then_some(LightEvent::HungUp { slot }))
            }
            ("BYE" | "INVITE" | "UPDATE" | "INFO", None) => ("481 Call/Transaction Does Not Exist", None),
            ("OPTIONS", _) => ("200 OK", None),
            ("INVITE" | "UPDATE", Some(_)) => ("488 Not Acceptable Here", None),
            _ => ("405 Method Not Allowed", None),
        };
        let response = answer(status);
        // The far side sees a lost response as silence and asks again.
        let _ = self.socket.send_to(response.as_bytes(), from);
        event
    }

    /// The slot in our Call-ID, where it is the slot's current call.
    fn slot_of(&self, text: &Text<'_>) -> Option<usize> {
        let id = text.header("Call-ID", "i")?.strip_prefix(&self.prefix)?.strip_prefix('-')?;
        let (slot, serial) = id.split_once('-')?;
        let (slot, serial): (usize, u64) = (slot.parse().ok()?, serial.parse().ok()?);
        self.calls.get(slot).filter(|call| call.serial == serial).map(|_| slot)
    }

    fn send_request(&mut self, slot: usize, now: Time, interval: Duration) {
        let Some(call) = self.calls.get(slot) else { return };
        self.timers.push(Reverse((now + interval, slot, call.serial)));
        self.send(call.request.as_bytes());
    }

    fn send(&self, bytes: &[u8]) {
        // What the kernel does not take is lost like any datagram, and sent again by its timer.
        let _ = self.socket.send_to(bytes, self.target.address);
    }
}

fn in_dialog(call: &Call, method: &str, cseq: u32, slot: usize, prefix: &str, local: SocketAddr) -> String {
    let routes: String = call.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
    let (serial, to, target) = (call.serial, &call.to, &call.remote_target);
    format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{prefix}-{slot}-{serial}-{cseq}{method};rport\r\n\
         Max-Forwards: 70\r\n{routes}From: <sip:bench@{local}>;tag={slot}\r\nTo: {to}\r\n\
         Call-ID: {prefix}-{slot}-{serial}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// RFC 3261 §17.1.1.3: Request-URI, top Via, From, Call-ID and Route of the INVITE, the To of the response.
fn ack_of_refusal(invite: &str, to: &str) -> String {
    rewritten(invite, "ACK", Some(to))
}

fn cancel_of(invite: &str) -> String {
    rewritten(invite, "CANCEL", None)
}

fn rewritten(invite: &str, method: &str, to: Option<&str>) -> String {
    let mut lines = invite.split("\r\n");
    let uri = lines.next().and_then(|start| start.split(' ').nth(1)).unwrap_or_default();
    let mut out = format!("{method} {uri} SIP/2.0\r\n");
    for line in lines.take_while(|line| !line.is_empty()) {
        match (line.split(':').next().unwrap_or_default(), to) {
            ("To", Some(to)) => out.push_str(&format!("To: {to}\r\n")),
            ("CSeq", _) => out.push_str(&format!("CSeq: 1 {method}\r\n")),
            ("Via" | "Max-Forwards" | "From" | "To" | "Call-ID" | "Route", _) => {
                out.push_str(line);
                out.push_str("\r\n");
            }
            _ => {}
        }
    }
    out.push_str("Content-Length: 0\r\n\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// A far side that the test plays by hand.
    struct Far {
        socket: UdpSocket,
    }

    impl Far {
        fn new() -> (Far, LightUac) {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let uri = format!("sip:echo@{}", socket.local_addr().unwrap());
            (Far { socket }, LightUac::new(Target::parse(&uri).unwrap(), 4, 1).unwrap())
        }

        fn read(&self) -> (String, SocketAddr) {
            let mut buffer = [0; 4096];
            let (length, from) = self.socket.recv_from(&mut buffer).unwrap();
            (String::from_utf8(buffer[..length].to_vec()).unwrap(), from)
        }

        fn answer(&self, status: &str, rest: &str, body: &str) -> String {
            let (request, from) = self.read();
            let response = Text::parse(request.as_bytes()).unwrap().respond(status, "far", rest, body);
            self.socket.send_to(response.as_bytes(), from).unwrap();
            request
        }
    }

    fn events(uac: &mut LightUac) -> Vec<LightEvent> {
        let mut events = Vec::new();
        for _ in 0..100 {
            uac.handle_arrivals(&mut events);
            if !events.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        events
    }

    #[test]
    fn a_call_is_set_up_along_the_route_and_released() {
        let (far, mut uac) = Far::new();
        let offer = sdp::describe("127.0.0.1:4000".parse().unwrap(), &[crate::g711::Law::Mu], 1, "sendrecv");
        uac.invite(2, &offer, crate::clock::now());
        let routes =
            "Contact: <sip:far@127.0.0.1:9>\r\nRecord-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n";
        far.answer("200 OK", routes, &offer);

        let answered = events(&mut uac);
        let (ack, _) = far.read();
        uac.bye(2, crate::clock::now());
        let bye = far.answer("200 OK", "", "");
        let released = events(&mut uac);

        assert!(
            matches!(answered[..], [LightEvent::Answered { slot: 2, remote: Some(_), .. }]),
            "{answered:?}"
        );
        assert!(ack.starts_with("ACK sip:far@127.0.0.1:9 SIP/2.0\r\n"), "{ack}");
        assert!(ack.contains("Route: <sip:p2;lr>\r\nRoute: <sip:p1;lr>\r\n"), "{ack}");
        assert!(ack.contains(";tag=far\r\n") && bye.contains("CSeq: 2 BYE\r\n"), "{bye}");
        assert!(matches!(released[..], [LightEvent::Released { slot: 2, .. }]), "{released:?}");
    }

    #[test]
    fn a_refusal_is_acknowledged_in_its_own_transaction() {
        let (far, mut uac) = Far::new();
        uac.invite(0, "", crate::clock::now());
        let invite = far.answer("404 Not Found", "", "");

        let failed = events(&mut uac);
        let (ack, _) = far.read();

        assert_eq!(failed, [LightEvent::Failed { slot: 0, cause: "404 Not Found".into() }]);
        let via = |text: &str| Text::parse(text.as_bytes()).unwrap().header("Via", "v").unwrap().to_owned();
        assert_eq!(via(&ack), via(&invite));
        assert!(ack.contains("CSeq: 1 ACK\r\n") && ack.contains(";tag=far"), "{ack}");
    }

    #[test]
    fn an_unanswered_invite_is_repeated_until_32_seconds_are_over() {
        let (_far, mut uac) = Far::new();
        let start = crate::clock::now();
        uac.invite(0, "", start);

        let mut events = Vec::new();
        let mut at = Vec::new();
        while let Some(due) = uac.poll_timeout() {
            uac.handle_timeout(due, &mut events);
            at.push(due.since(start).as_millis());
        }

        assert_eq!(at, [500, 1500, 3500, 7500, 15_500, 31_500, 32_000]);
        assert_eq!(events, [LightEvent::Failed { slot: 0, cause: "no response".into() }]);
        assert_eq!(uac.retransmissions(), 6);
    }

    #[test]
    fn where_nobody_listens_a_call_fails_at_once() {
        let (far, mut uac) = Far::new();
        let address = far.socket.local_addr().unwrap();
        drop(far);
        uac.invite(3, "", crate::clock::now());

        let cause = format!("nothing listens at {address}");
        assert_eq!(events(&mut uac), [LightEvent::Failed { slot: 3, cause }]);
    }

    #[test]
    fn a_bye_of_theirs_is_answered_and_told_once() {
        let (far, mut uac) = Far::new();
        uac.invite(1, "", crate::clock::now());
        let invite = far.answer("200 OK", "Contact: <sip:far@127.0.0.1:9>\r\n", "");
        events(&mut uac);
        far.read();
        let id = Text::parse(invite.as_bytes()).unwrap().header("Call-ID", "i").unwrap().to_owned();
        let bye = format!(
            "BYE sip:b SIP/2.0\r\nVia: V\r\nFrom: F\r\nTo: T\r\nCall-ID: {id}\r\nCSeq: 1 BYE\r\n\r\n"
        );
        let to = uac.socket().local_addr().unwrap();

        far.socket.send_to(bye.as_bytes(), to).unwrap();
        let first = events(&mut uac);
        let (answer, _) = far.read();

        assert_eq!(first, [LightEvent::HungUp { slot: 1 }]);
        assert!(answer.starts_with("SIP/2.0 200 OK\r\n"), "{answer}");
    }
}
