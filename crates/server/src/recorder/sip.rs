//! Whose SIP message it is: found by its Call-ID, on the recorder's thread, so that signalling need not look.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use offhook_journal::bundle::{Direction, Packet, PacketKind};
use offhook_sip_proto::framing::{Framed, StreamFramer};
use offhook_sip_proto::message::Limits;
use offhook_time::Time;

use super::record::Carried;

/// A message comes before its call: so long it waits to be claimed.
const WAITS: Duration = Duration::from_secs(2);

/// Messages that wait at most, and their bytes. Beyond it the oldest go: they belong to no call of ours.
const MOST_WAITING: usize = 4096;
const MOST_WAITING_BYTES: usize = 4 << 20;

/// Streams that are followed at once. One more is left out of the bundles.
const MOST_STREAMS: usize = 4096;

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SipMessage {
    pub kind: PacketKind,
    pub direction: Direction,
    pub at: Time,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub bytes: Vec<u8>,
}

impl SipMessage {
    /// As a bundle holds it.
    pub(super) fn packet(&self) -> Packet<'_> {
        let local = super::bundle::shown(self.local, self.remote);
        let (source, destination) = match self.direction {
            Direction::Inbound => (self.remote, local),
            Direction::Outbound => (local, self.remote),
        };
        Packet {
            kind: self.kind,
            direction: self.direction,
            at: self.at,
            source,
            destination,
            bytes: &self.bytes,
        }
    }
}

/// SIP messages on their way to their bundles.
#[derive(Debug, Default)]
pub(super) struct SipMessages {
    calls: BTreeMap<Vec<u8>, u64>,
    waiting: VecDeque<(Vec<u8>, SipMessage)>,
    waiting_bytes: usize,
    streams: BTreeMap<u64, StreamFramer>,
}

impl SipMessages {
    /// Messages of this Call-ID belong to `call` from now on; answers those that waited for it.
    pub(super) fn claim(&mut self, id: &[u8], call: u64) -> Vec<SipMessage> {
        self.calls.insert(id.to_owned(), call);
        let mut claimed = Vec::new();
        for (waiting_id, message) in std::mem::take(&mut self.waiting) {
            if waiting_id == id {
                self.waiting_bytes -= message.bytes.len();
                claimed.push(message);
            } else {
                self.waiting.push_back((waiting_id, message));
            }
        }
        claimed
    }

    /// The call is over.
    pub(super) fn release(&mut self, id: &[u8]) {
        self.calls.remove(id);
    }

    /// A stream is over.
    pub(super) fn disconnected(&mut self, connection: u64) {
        self.streams.remove(&connection);
    }

    /// Bytes that came or went: every whole message in them with the call that it belongs to. One of no call waits.
    pub(super) fn arrived(
        &mut self,
        message: SipMessage,
        carried: Carried,
        mut take: impl FnMut(u64, SipMessage),
    ) {
        match (carried, message.direction) {
            (Carried::Datagram, _) | (Carried::Stream { .. }, Direction::Outbound) => {
                self.sort(message, &mut take)
            }
            (Carried::Stream { connection }, Direction::Inbound) => {
                if self.streams.len() >= MOST_STREAMS && !self.streams.contains_key(&connection) {
                    return;
                }
                let framer = self.streams.entry(connection).or_insert(StreamFramer::new(Limits::default()));
                framer.push(&message.bytes);
                let mut whole = Vec::new();
                while let Some(framed) = framer.next() {
                    if let Ok(Framed::Message(framed)) = framed {
                        whole.push(framed.to_bytes());
                    }
                }
                for bytes in whole {
                    self.sort(SipMessage { bytes, ..message.clone() }, &mut take);
                }
            }
        }
    }

    /// Forgets what nobody claimed.
    pub(super) fn expire(&mut self, now: Time) {
        while let Some((_, message)) = self.waiting.front()
            && (message.at + WAITS <= now
                || self.waiting.len() > MOST_WAITING
                || self.waiting_bytes > MOST_WAITING_BYTES)
        {
            self.waiting_bytes -= message.bytes.len();
            self.waiting.pop_front();
        }
    }

    fn sort(&mut self, message: SipMessage, take: &mut impl FnMut(u64, SipMessage)) {
        let Some(id) = call_id(&message.bytes) else { return };
        match self.calls.get(id) {
            Some(call) => take(*call, message),
            None => {
                self.waiting_bytes += message.bytes.len();
                self.waiting.push_back((id.to_owned(), message));
            }
        }
    }
}

/// The value of a message's Call-ID header (RFC 3261 §20.8), long or compact form; `None` where it has none before its
/// body. A header that is folded within is not found: nobody folds a Call-ID.
fn call_id(message: &[u8]) -> Option<&[u8]> {
    for line in message.split(|byte| *byte == b'\n').skip(1) {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return None;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = line[..colon].trim_ascii_end();
        if name.eq_ignore_ascii_case(b"Call-ID") || name.eq_ignore_ascii_case(b"i") {
            return Some(line[colon + 1..].trim_ascii());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(direction: Direction, millis: u64, text: &str) -> SipMessage {
        SipMessage {
            kind: PacketKind::SipUdp,
            direction,
            at: Time::from_millis(millis),
            local: ([127, 0, 0, 1], 5060).into(),
            remote: ([127, 0, 0, 1], 5061).into(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    fn request(id: &str) -> String {
        format!(
            "BYE sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:5061;branch=z9hG4bK1\r\n\
             Max-Forwards: 70\r\nFrom: <sip:b@127.0.0.1>;tag=1\r\nTo: <sip:a@127.0.0.1>;tag=2\r\n\
             Call-ID: {id}\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"
        )
    }

    #[test]
    fn the_call_id_is_found_in_any_form_and_not_in_the_body() {
        let found = |text: &str| call_id(text.as_bytes()).map(|id| String::from_utf8(id.to_vec()).unwrap());

        assert_eq!(found("INVITE a SIP/2.0\r\nCall-ID: a@b\r\n\r\n").as_deref(), Some("a@b"));
        assert_eq!(found("INVITE a SIP/2.0\r\nVia: z\r\ni:q \r\n\r\n").as_deref(), Some("q"));
        assert_eq!(found("INVITE a SIP/2.0\ncall-id\t:  q\n\n").as_deref(), Some("q"));
        assert_eq!(found("INVITE a SIP/2.0\r\nVia: z\r\n\r\nCall-ID: q\r\n"), None);
        assert_eq!(found("\r\n\r\n"), None);
        assert_eq!(found(""), None);
    }

    #[test]
    fn a_message_waits_for_its_call_and_later_ones_go_there_at_once() {
        let mut messages = SipMessages::default();
        let mut taken = Vec::new();
        let mut arrive = |messages: &mut SipMessages, message: SipMessage| {
            messages.arrived(message, Carried::Datagram, |call, message| {
                taken.push((call, message.at.as_millis()));
            });
        };
        arrive(&mut messages, message(Direction::Inbound, 1, &request("one")));
        arrive(&mut messages, message(Direction::Inbound, 2, &request("other")));

        let claimed = messages.claim(b"one", 7);
        arrive(&mut messages, message(Direction::Outbound, 3, &request("one")));
        messages.release(b"one");
        arrive(&mut messages, message(Direction::Outbound, 4, &request("one")));
        messages.expire(Time::from_millis(5000));

        assert_eq!(claimed.len(), 1);
        assert_eq!(taken, [(7, 3)]);
        assert!(messages.waiting.is_empty() && messages.waiting_bytes == 0);
    }

    #[test]
    fn messages_are_cut_out_of_a_stream_however_it_came() {
        let mut messages = SipMessages::default();
        messages.claim(b"one", 7);
        let text = format!("{}\r\n\r\n{}", request("one"), request("one"));
        let mut taken = Vec::new();

        for half in [&text[..50], &text[50..]] {
            let bytes = message(Direction::Inbound, 1, half);
            messages.arrived(bytes, Carried::Stream { connection: 1 }, |_, message| {
                taken.push(String::from_utf8(message.bytes.clone()).unwrap());
            });
        }

        assert_eq!(taken, [request("one"), request("one")]);
    }
}
