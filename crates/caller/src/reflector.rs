//! A bare SIP/RTP reflector: answers every INVITE and returns each RTP packet untouched, from one thread that is woken
//! per packet. What it costs is what the machine and this caller cost; a server is judged by what it adds.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use offhook_time::Time;

use crate::CallerError;
use crate::g711::Law;
use crate::line::text::Text;
use crate::net::{self, Inbox, Readiness};
use crate::sdp;

/// A running reflector; it ends when dropped.
#[derive(Debug)]
pub struct Reflector {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Reflector {
    /// Starts one on a port of `ip` that the kernel picks.
    pub fn start(ip: IpAddr, realtime: bool) -> Result<Reflector, CallerError> {
        let sip = net::udp(ip, 8 << 20)?;
        let address = sip.local_addr().map_err(CallerError::io("starting the reflector"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut state = State::new(sip)?;
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("caller-reflect".to_owned())
            .spawn(move || {
                if realtime {
                    net::become_realtime();
                }
                while !stopped.load(Ordering::Relaxed) {
                    state.turn();
                }
            })
            .map_err(CallerError::io("starting the reflector"))?;
        Ok(Reflector { address, stop, thread: Some(thread) })
    }

    /// Whom to call.
    pub fn uri(&self) -> String {
        format!("sip:reflector@{}", self.address)
    }
}

impl Drop for Reflector {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A reflector that panicked has nothing more to say.
            let _ = thread.join();
        }
    }
}

/// The key of the SIP socket; RTP sockets are numbered from 0.
const SIP: usize = usize::MAX;

struct State {
    sip: Arc<UdpSocket>,
    local: SocketAddr,
    readiness: Readiness,
    calls: Vec<Option<Call>>,
    free: Vec<usize>,
    ready: Vec<usize>,
    inbox: Inbox,
    /// Taken out while what it received is handled.
    sip_inbox: Option<Inbox>,
}

struct Call {
    id: String,
    socket: UdpSocket,
    answer: String,
}

impl State {
    fn new(sip: UdpSocket) -> Result<State, CallerError> {
        let readiness = Readiness::new()?;
        readiness.add(&sip, SIP)?;
        let local = sip.local_addr().map_err(CallerError::io("starting the reflector"))?;
        Ok(State {
            sip: Arc::new(sip),
            local,
            readiness,
            calls: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            inbox: Inbox::new(4, 2048),
            sip_inbox: Some(Inbox::new(32, 8_192)),
        })
    }

    fn turn(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        self.readiness.wait(Duration::from_millis(50), &mut ready);
        for key in &ready {
            match self.calls.get(*key).and_then(Option::as_ref) {
                Some(call) => {
                    self.inbox.receive(&call.socket, |bytes, from, _| {
                        // What the kernel does not take is lost, as on any network.
                        let _ = call.socket.send_to(bytes, from);
                    });
                }
                None => self.signalling(),
            }
        }
        self.ready = ready;
    }

    fn signalling(&mut self) {
        let Some(mut inbox) = self.sip_inbox.take() else { return };
        let sip = Arc::clone(&self.sip);
        let mut handle = |bytes: &[u8], from: SocketAddr, _: Time| {
            if let Some(response) = Text::parse(bytes).and_then(|text| self.respond(&text)) {
                let _ = sip.send_to(response.as_bytes(), from);
            }
        };
        while inbox.receive(&sip, &mut handle) {}
        self.sip_inbox = Some(inbox);
    }

    fn respond(&mut self, text: &Text<'_>) -> Option<String> {
        let id = text.header("Call-ID", "i")?;
        // The tag carries the number of the call, so that a BYE needs no search.
        let known =
            text.header("To", "t")?.split_once(";tag=r").and_then(|(_, tag)| tag.parse::<usize>().ok());
        let known =
            known.filter(|at| self.calls.get(*at).and_then(Option::as_ref).is_some_and(|call| call.id == id));
        match (text.method()?, known) {
            ("ACK", _) => None,
            ("INVITE", Some(at)) => {
                let body = self.calls.get(at)?.as_ref()?.answer.clone();
                Some(self.accepted(text, at, &body))
            }
            ("INVITE", None) => Some(self.answer(text, id)),
            ("BYE", Some(at)) => {
                if let Some(call) = self.calls.get_mut(at).and_then(Option::take) {
                    self.readiness.remove(&call.socket);
                    self.free.push(at);
                }
                Some(text.respond("200 OK", "r", "", ""))
            }
            ("OPTIONS", _) => Some(text.respond("200 OK", "r", "", "")),
            (_, None) => Some(text.respond("481 Call/Transaction Does Not Exist", "r", "", "")),
            (_, Some(_)) => Some(text.respond("405 Method Not Allowed", "r", "", "")),
        }
    }

    fn answer(&mut self, text: &Text<'_>, id: &str) -> String {
        // The INVITE again, because our answer was lost: its To has no tag yet.
        let again = self.calls.iter().position(|call| call.as_ref().is_some_and(|call| call.id == id));
        if let Some(at) = again.filter(|_| self.calls.len() < 4096)
            && let Some(Some(call)) = self.calls.get(at)
        {
            let body = call.answer.clone();
            return self.accepted(text, at, &body);
        }
        let Some(offer) = sdp::read(text.body) else {
            return text.respond("488 Not Acceptable Here", "r", "", "");
        };
        match self.open(id, offer.law) {
            Ok((at, body)) => self.accepted(text, at, &body),
            Err(_) => text.respond("503 Service Unavailable", "r", "", ""),
        }
    }

    fn open(&mut self, id: &str, law: Law) -> Result<(usize, String), CallerError> {
        let socket = net::udp(self.local.ip(), 0)?;
        let local = socket.local_addr().map_err(CallerError::io("opening an RTP socket"))?;
        let at = self.free.pop().unwrap_or_else(|| {
            self.calls.push(None);
            self.calls.len() - 1
        });
        self.readiness.add(&socket, at)?;
        let answer = sdp::describe(local, &[law], 1, "sendrecv");
        self.calls[at] = Some(Call { id: id.to_owned(), socket, answer: answer.clone() });
        Ok((at, answer))
    }

    fn accepted(&self, text: &Text<'_>, at: usize, body: &str) -> String {
        let rest = format!("Contact: <sip:reflector@{}>\r\nContent-Type: application/sdp\r\n", self.local);
        text.respond("200 OK", &format!("r{at}"), &rest, body)
    }
}
