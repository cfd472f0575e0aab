//! Transferring a call and learning what became of it (RFC 3515, RFC 6665).

use std::collections::VecDeque;
use std::time::Duration;

use offhook_time::Time;

use crate::dialog::Dialog;
use crate::endpoint::{Peer, SipAction, SipEvent, TransactionId};
use crate::message::{Method, NameAddr, Request, StatusCode, header};

use super::TransactionIds;
use super::sipfrag::sipfrag_status;

/// How a transfer is getting on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferProgress {
    /// The peer took the REFER or is calling the target.
    Trying,
    /// The target rings.
    Ringing,
    /// The target answered.
    Succeeded,
    /// The REFER was refused, or the target was not reached: why.
    Failed(StatusCode),
    /// Nothing more was heard within the subscription's lifetime.
    Timeout,
    /// The peer hung up before it said how the transfer ended. Peers that were transferred well often do just that.
    PeerLeft,
}

impl ReferProgress {
    /// Whether nothing follows.
    pub fn is_final(self) -> bool {
        match self {
            ReferProgress::Trying | ReferProgress::Ringing => false,
            ReferProgress::Succeeded
            | ReferProgress::Failed(_)
            | ReferProgress::Timeout
            | ReferProgress::PeerLeft => true,
        }
    }
}

/// Sends one REFER inside a dialog and follows its NOTIFYs.
#[derive(Debug)]
pub struct ReferClient {
    transaction: TransactionId,
    cseq: u32,
    patience: Duration,
    state: State,
    actions: VecDeque<SipAction>,
    /// What was reported last: news only.
    latest: Option<ReferProgress>,
    progress: VecDeque<ReferProgress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The REFER is not answered; NOTIFYs may overtake its 202.
    Referring,
    /// The implicit subscription lives until then, unless a NOTIFY prolongs it.
    Subscribed { until: Time },
    /// The outcome is known.
    Done,
}

impl ReferClient {
    /// Asks the peer of `dialog` to call `target`, for at most `patience` without news. `last` is where the messages of
    /// the dialog come from; `referred_by` tells the target who sent the caller (RFC 3892).
    pub fn new(
        dialog: &mut Dialog,
        target: &NameAddr,
        referred_by: Option<&NameAddr>,
        patience: Duration,
        last: &Peer,
        ids: &mut TransactionIds,
    ) -> Self {
        let mut request = dialog.request(Method::Refer);
        request.headers.push_value(header::REFER_TO, target);
        if let Some(referred_by) = referred_by {
            request.headers.push_value(header::REFERRED_BY, referred_by);
        }
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let transaction = ids.take();
        let destination = dialog.destination(last);
        ReferClient {
            transaction,
            cseq,
            patience,
            state: State::Referring,
            actions: VecDeque::from([SipAction::Request { transaction, request, destination }]),
            latest: None,
            progress: VecDeque::new(),
        }
    }

    /// Whether the outcome is still open.
    pub fn is_open(&self) -> bool {
        self.state != State::Done
    }

    /// Takes an event of the call; true where it belonged to this transfer. A NOTIFY is answered here: check it against
    /// the dialog first ([`Dialog::handle_request`]).
    pub fn handle(&mut self, event: &SipEvent, dialog: &Dialog, now: Time) -> bool {
        match event {
            SipEvent::Response { transaction, response, .. } if *transaction == self.transaction => {
                self.handle_status(response.status, now);
                true
            }
            SipEvent::Failed { transaction, .. } if *transaction == self.transaction => {
                if self.state == State::Referring {
                    self.finish(ReferProgress::Failed(StatusCode::REQUEST_TIMEOUT));
                }
                true
            }
            SipEvent::Request { transaction, request, .. } if request.method == Method::Notify => {
                let Some(status) = self.handle_notify(request, now) else { return false };
                let response = dialog.response(request, status);
                self.actions.push_back(SipAction::Respond { transaction: *transaction, response });
                true
            }
            SipEvent::Request { request, .. } if request.method == Method::Bye => {
                self.handle_bye();
                // The call answers the BYE itself.
                false
            }
            SipEvent::Response { .. }
            | SipEvent::Failed { .. }
            | SipEvent::Request { .. }
            | SipEvent::AckFor2xx { .. }
            | SipEvent::Cancelled { .. } => false,
        }
    }

    /// When the transfer is given up.
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::Subscribed { until } => Some(until),
            State::Referring | State::Done => None,
        }
    }

    /// A deadline passed.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.state {
            State::Subscribed { until } if until <= now => self.finish(ReferProgress::Timeout),
            State::Subscribed { .. } | State::Referring | State::Done => {}
        }
    }

    /// The next action for the endpoint.
    pub fn poll_action(&mut self) -> Option<SipAction> {
        self.actions.pop_front()
    }

    /// The next step of the transfer. After a final one nothing follows.
    pub fn poll_progress(&mut self) -> Option<ReferProgress> {
        self.progress.pop_front()
    }

    fn handle_status(&mut self, status: StatusCode, now: Time) {
        if self.state != State::Referring || status.is_provisional() {
            return;
        }
        if status.is_success() {
            self.state = State::Subscribed { until: now + self.patience };
            self.step(ReferProgress::Trying);
        } else {
            self.finish(ReferProgress::Failed(status));
        }
    }

    /// `None` where it is no NOTIFY of a transfer at all; else the status to answer it with.
    fn handle_notify(&mut self, notify: &Request, now: Time) -> Option<StatusCode> {
        let event = notify.headers.get_str(header::EVENT)?;
        let (package, id) = event_and_id(event);
        if !package.eq_ignore_ascii_case("refer") {
            return None;
        }
        // RFC 3515 §2.4.6: without an id it is the first REFER of the dialog.
        if id.is_some_and(|id| id.parse() != Ok(self.cseq)) {
            return None;
        }
        if self.state == State::Done {
            return Some(StatusCode::OK);
        }
        let subscription = SubscriptionState::of(notify);
        let lifetime = subscription.expires.map_or(self.patience, |expires| expires.min(self.patience));
        self.state = State::Subscribed { until: now + lifetime };
        if let Some(status) = sipfrag_status(&notify.body) {
            self.report(status);
        }
        if subscription.is_terminated && self.state != State::Done {
            // RFC 6665 §4.1.3: the subscription ended, so no outcome will come.
            self.finish(ReferProgress::Timeout);
        }
        Some(StatusCode::OK)
    }

    fn report(&mut self, status: StatusCode) {
        match status.code() {
            100 => self.step(ReferProgress::Trying),
            101..=199 => self.step(ReferProgress::Ringing),
            200..=299 => self.finish(ReferProgress::Succeeded),
            _ => self.finish(ReferProgress::Failed(status)),
        }
    }

    fn handle_bye(&mut self) {
        if self.state != State::Done {
            self.finish(ReferProgress::PeerLeft);
        }
    }

    fn step(&mut self, progress: ReferProgress) {
        if self.latest != Some(progress) {
            self.latest = Some(progress);
            self.progress.push_back(progress);
        }
    }

    fn finish(&mut self, progress: ReferProgress) {
        self.state = State::Done;
        self.step(progress);
    }
}

/// The Subscription-State header as far as a transfer needs it.
struct SubscriptionState {
    is_terminated: bool,
    expires: Option<Duration>,
}

impl SubscriptionState {
    /// A NOTIFY without the header, as some devices send it, leaves the subscription as it is.
    fn of(notify: &Request) -> Self {
        let value = notify.headers.get_str(header::SUBSCRIPTION_STATE).unwrap_or_default();
        let mut parts = value.split(';').map(str::trim);
        let is_terminated = parts.next().is_some_and(|state| state.eq_ignore_ascii_case("terminated"));
        let expires = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("expires"))
            .and_then(|(_, seconds)| seconds.trim().parse().ok())
            .map(Duration::from_secs);
        SubscriptionState { is_terminated, expires }
    }
}

fn event_and_id(event: &str) -> (&str, Option<&str>) {
    let mut parts = event.split(';').map(str::trim);
    let package = parts.next().unwrap_or_default();
    let id = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("id"))
        .map(|(_, id)| id.trim());
    (package, id)
}
