//! The telephone's side of offer and answer.

use offhook_sip_proto::sdp::{
    self, Codec, Direction, LocalCapabilities, NegotiatedStream, SessionDescription,
};
use offhook_sip_proto::user_agent::Body;

use crate::network::their_rtp;

#[derive(Debug)]
pub(super) struct Session {
    capabilities: LocalCapabilities,
    /// Our last description.
    local: Option<SessionDescription>,
    /// As it was before an offer that may be refused.
    before: Option<(LocalCapabilities, Option<SessionDescription>)>,
    pub stream: Option<NegotiatedStream>,
}

impl Session {
    pub fn new(codecs: &[Codec], ptime_ms: u16) -> Self {
        let mut capabilities = LocalCapabilities { ptime_ms, ..LocalCapabilities::g711(their_rtp(), 7) };
        capabilities.codecs = with_events(codecs);
        Session { capabilities, local: None, before: None, stream: None }
    }

    /// Remembers the session: what comes next may be refused.
    pub fn begin_change(&mut self) {
        self.before = Some((self.capabilities.clone(), self.local.clone()));
    }

    /// The change was refused (RFC 3261 §14.1: the session stays as it was).
    pub fn take_back(&mut self) {
        if let Some((capabilities, local)) = self.before.take() {
            self.capabilities = capabilities;
            self.local = local;
        }
    }

    pub fn redirect(&mut self, direction: Direction) {
        self.capabilities.direction = direction;
    }

    pub fn recode(&mut self, codecs: &[Codec]) {
        self.capabilities.codecs = with_events(codecs);
    }

    pub fn offer(&mut self) -> Body {
        let offer = match &self.local {
            Some(previous) => sdp::reoffer(previous, &self.capabilities),
            None => sdp::offer(&self.capabilities),
        };
        let body = Body::sdp(offer.to_bytes());
        self.local = Some(offer);
        body
    }

    /// Takes the answer to our last offer.
    pub fn take_answer(&mut self, body: &[u8]) -> bool {
        let Some(offer) = &self.local else { return false };
        let answer = SessionDescription::parse(body).ok();
        let stream = answer.and_then(|answer| sdp::apply_answer(offer, &answer, &self.capabilities).ok());
        let is_taken = stream.is_some();
        self.stream = stream.or(self.stream.take());
        is_taken
    }

    /// Answers an offer; `None` where there is nothing in common.
    pub fn answer(&mut self, body: &[u8]) -> Option<Body> {
        let offer = SessionDescription::parse(body).ok()?;
        let (answer, stream) = sdp::answer(&offer, &self.capabilities).ok()?;
        let answer = match &self.local {
            Some(previous) => answer.following(previous),
            None => answer,
        };
        let body = Body::sdp(answer.to_bytes());
        self.local = Some(answer);
        self.stream = Some(stream);
        Some(body)
    }
}

fn with_events(codecs: &[Codec]) -> Vec<Codec> {
    codecs.iter().cloned().chain([Codec::telephone_event()]).collect()
}
