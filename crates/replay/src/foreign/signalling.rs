//! SIP messages, grouped into calls.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use offhook_sip_proto::message::{CSeq, Message, Method, NameAddr, Request, Response};

use super::account::{Account, Unused};
use super::call::{End, Party, Signalling};
use super::collect::Seen;
use super::described::{self, Described};

/// A call as SIP tells it.
#[derive(Debug)]
pub(super) struct Told {
    pub signalling: Signalling,
    pub end: End,
    pub caller: NameAddr,
    pub callee: NameAddr,
    pub described: Vec<Described>,
    caller_tag: String,
    invite: u32,
    cancelled: bool,
    seen: BTreeSet<(Party, String, u32, u16)>,
}

/// What all messages have.
struct Common<'a> {
    seen: &'a Seen,
    from: NameAddr,
    to: NameAddr,
    cseq: CSeq,
}

#[derive(Default)]
struct Grouping {
    calls: Vec<Told>,
    by_call_id: BTreeMap<String, Vec<usize>>,
}

/// Messages are in the order of time.
pub(super) fn calls_of(messages: Vec<Seen>, account: &mut Account) -> Vec<Told> {
    let mut grouping = Grouping::default();
    for seen in &messages {
        match grouping.handle(seen) {
            Ok(()) => account.sip_in_calls += 1,
            Err(why) => account.leave(why, 1),
        }
    }
    for call in &mut grouping.calls {
        if call.signalling.ended_unix_ns.is_none() {
            let is_answered = call.signalling.answered_unix_ns.is_some();
            call.end = if is_answered { End::NotCaptured } else { End::Unanswered };
        }
    }
    grouping.calls
}

impl Grouping {
    fn handle(&mut self, seen: &Seen) -> Result<(), Unused> {
        let headers = seen.message.headers();
        let (Ok(call_id), Ok(from), Ok(to), Ok(cseq)) =
            (headers.call_id(), headers.from(), headers.to(), headers.cseq())
        else {
            return Err(Unused::SipMalformed);
        };
        let tags = [from.tag(), to.tag()];
        let of_call_id = self.by_call_id.get(call_id.as_str()).cloned().unwrap_or_default();
        // Both sides of a B2BUA that keeps the Call-ID have tags of their own.
        let known: Vec<usize> = of_call_id
            .into_iter()
            .filter(|at| {
                self.calls.get(*at).is_some_and(|call| tags.contains(&Some(call.caller_tag.as_str())))
            })
            .collect();
        let hop = unordered(seen.source, seen.destination);
        let same_hop = known.iter().copied().find(|at| {
            self.calls
                .get(*at)
                .is_some_and(|call| unordered(call.signalling.hop.0, call.signalling.hop.1) == hop)
        });
        let common = Common { seen, from, to, cseq };
        let begins = matches!(&seen.message, Message::Request(request) if request.method == Method::Invite)
            && common.to.tag().is_none();
        if begins && same_hop.is_none() {
            // Another attempt after a refusal (redirection, another server), or the same one behind a proxy.
            let again = known.iter().copied().find(|at| {
                self.calls.get(*at).is_some_and(|call| {
                    call.invite < common.cseq.number && call.signalling.ended_unix_ns.is_some()
                })
            });
            let at = match again {
                Some(at) => at,
                None => self.begin(&common, call_id.as_str(), known.first().copied()),
            };
            return self.apply(at, &common);
        }
        // BYE and ACK may go past the proxies of the INVITE.
        match same_hop.or(known.first().copied()) {
            Some(at) => self.apply(at, &common),
            None => Err(outside(&common)),
        }
    }

    fn begin(&mut self, common: &Common<'_>, call_id: &str, hop_of: Option<usize>) -> usize {
        let at = self.calls.len();
        self.calls.push(Told {
            signalling: Signalling {
                call_id: call_id.to_owned(),
                hop: (common.seen.source, common.seen.destination),
                invited_unix_ns: common.seen.unix_ns,
                ringing_unix_ns: None,
                answered_unix_ns: None,
                acknowledged_unix_ns: None,
                ended_unix_ns: None,
                messages: 0,
                repetitions: 0,
                reinvites: 0,
                // Calls are numbered from 1, in this order.
                hop_of: hop_of.map(|at| at + 1),
                digits_by_info: String::new(),
            },
            end: End::Unanswered,
            caller: common.from.clone(),
            callee: common.to.clone(),
            described: Vec::new(),
            caller_tag: common.from.tag().unwrap_or_default().to_owned(),
            invite: common.cseq.number,
            cancelled: false,
            seen: BTreeSet::new(),
        });
        self.by_call_id.entry(call_id.to_owned()).or_default().push(at);
        at
    }

    fn apply(&mut self, at: usize, common: &Common<'_>) -> Result<(), Unused> {
        if let Some(call) = self.calls.get_mut(at) {
            call.handle(common);
        }
        Ok(())
    }
}

fn outside(common: &Common<'_>) -> Unused {
    let in_dialog = match common.cseq.method {
        Method::Invite | Method::Ack | Method::Bye | Method::Cancel | Method::Prack | Method::Update => true,
        Method::Info | Method::Refer | Method::Notify => common.to.tag().is_some(),
        Method::Options | Method::Register | Method::Subscribe | Method::Message | Method::Publish => false,
        Method::Other(_) => false,
    };
    if in_dialog { Unused::SipWithoutInvite } else { Unused::SipOutsideCalls }
}

fn unordered(a: SocketAddr, b: SocketAddr) -> (SocketAddr, SocketAddr) {
    (a.min(b), a.max(b))
}

impl Told {
    fn handle(&mut self, common: &Common<'_>) {
        self.signalling.messages += 1;
        let by_caller = common.from.tag() == Some(self.caller_tag.as_str());
        let asked_by = if by_caller { Party::Caller } else { Party::Callee };
        let (sender, status) = match &common.seen.message {
            Message::Request(_) => (asked_by, 0),
            Message::Response(response) => (asked_by.other(), response.status.code()),
        };
        let (method, number) = match &common.seen.message {
            Message::Request(request) => (request.method.as_str().to_owned(), common.cseq.number),
            Message::Response(_) => (common.cseq.method.as_str().to_owned(), common.cseq.number),
        };
        self.described.extend(described::read(common.seen.message.body(), sender));
        if !self.seen.insert((sender, method, number, status)) {
            self.signalling.repetitions += 1;
            return;
        }
        let now = common.seen.unix_ns;
        match &common.seen.message {
            Message::Request(request) => self.handle_request(request, common, sender, now),
            Message::Response(response) => self.handle_response(response, common, sender, now),
        }
    }

    fn handle_request(&mut self, request: &Request, common: &Common<'_>, sender: Party, now: u64) {
        match request.method {
            Method::Invite if common.to.tag().is_some() => self.signalling.reinvites += 1,
            Method::Invite => {
                self.invite = self.invite.max(common.cseq.number);
                if self.signalling.answered_unix_ns.is_none() {
                    // It was refused and is tried again, with credentials or elsewhere.
                    self.signalling.ended_unix_ns = None;
                    self.end = End::Unanswered;
                }
            }
            Method::Ack if self.signalling.answered_unix_ns.is_some() => {
                self.signalling.acknowledged_unix_ns.get_or_insert(now);
            }
            Method::Bye if self.signalling.ended_unix_ns.is_none() => {
                self.signalling.ended_unix_ns = Some(now);
                self.end = match sender {
                    Party::Caller => End::CallerHungUp,
                    Party::Callee => End::CalleeHungUp,
                };
            }
            Method::Cancel => self.cancelled = true,
            Method::Info if sender == Party::Caller => {
                self.signalling.digits_by_info.extend(digit_of_info(request));
            }
            Method::Ack
            | Method::Bye
            | Method::Info
            | Method::Options
            | Method::Register
            | Method::Refer
            | Method::Notify
            | Method::Update
            | Method::Prack
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other(_) => {}
        }
    }

    fn handle_response(&mut self, response: &Response, common: &Common<'_>, sender: Party, now: u64) {
        let answers_us = sender == Party::Callee
            && common.cseq.method == Method::Invite
            && common.cseq.number == self.invite
            && self.signalling.answered_unix_ns.is_none();
        if !answers_us {
            return;
        }
        let status = response.status.code();
        match status {
            100..=179 | 190..=199 => {}
            180..=189 => {
                self.signalling.ringing_unix_ns.get_or_insert(now);
            }
            200..=299 => {
                self.signalling.answered_unix_ns = Some(now);
            }
            _ => {
                self.signalling.ended_unix_ns = Some(now);
                let reason = String::from_utf8_lossy(&response.reason).into_owned();
                let is_cancelled = self.cancelled && status == 487;
                self.end = if is_cancelled { End::Cancelled } else { End::Refused { status, reason } };
            }
        }
    }
}

/// The key of `application/dtmf-relay` (`Signal=5`) or `application/dtmf` (`5`).
fn digit_of_info(request: &Request) -> Option<char> {
    let kind = request.headers.content_type().ok()??;
    let text = std::str::from_utf8(&request.body).ok()?;
    let value = if kind.accepts("application/dtmf-relay") {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then_some(value)
        })?
    } else if kind.accepts("application/dtmf") {
        text
    } else {
        return None;
    };
    match value.trim() {
        "10" => Some('*'),
        "11" => Some('#'),
        text => text.chars().next().filter(|key| offhook_rtp_proto::Digit::from_char(*key).is_some()),
    }
}
