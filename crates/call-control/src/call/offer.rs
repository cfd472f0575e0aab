//! Our side of offer and answer (RFC 3264), and what came of it.

use offhook_call_media::{Direction, LineCodec, StreamSettings};
use offhook_sip_proto::message::Headers;
use offhook_sip_proto::policy::body_part;
use offhook_sip_proto::sdp::{
    self, Codec, LocalCapabilities, NegotiatedStream, NegotiationError, SessionDescription,
};
use offhook_sip_proto::user_agent::Body;
use offhook_time::Randomness;

use crate::CallSettings;

/// What an INVITE's body is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// An answer is ready.
    Usable,
    /// No offer: ours goes with the 2xx and the answer comes with the ACK (RFC 3261 §13.2.1).
    Absent,
    /// Nothing that we can both do: 488.
    NoCommonCodec,
    /// Not SDP: 400.
    Unreadable,
}

/// The body of the INVITE that is being answered.
#[derive(Clone, Debug, Default)]
enum Pending {
    #[default]
    Nothing,
    Absent,
    Unreadable,
    Offered(Box<SessionDescription>),
}

/// The session as both sides know it.
#[derive(Debug)]
pub(super) struct LocalSession {
    id: u64,
    pending: Pending,
    /// Our last description: an answer or an offer.
    local: Option<SessionDescription>,
    /// `local` answers the INVITE that is open: it goes with the 2xx.
    has_answer: bool,
    /// Our offer waits for the far end's answer.
    awaits_answer: bool,
    stream: Option<NegotiatedStream>,
    capabilities: Option<LocalCapabilities>,
    /// Why the latest offer led nowhere.
    refused: Option<NegotiationError>,
}

impl LocalSession {
    pub fn new(randomness: &mut Randomness) -> Self {
        // RFC 8866 §5.2 wants a number; some peers read it as a signed 32 bit one.
        let id = u64::from(randomness.next_u32() >> 1);
        let pending = Pending::Nothing;
        LocalSession {
            id,
            pending,
            local: None,
            has_answer: false,
            awaits_answer: false,
            stream: None,
            capabilities: None,
            refused: None,
        }
    }

    /// Reads the body of an INVITE. One without a session description, such as an optional body of another type, is an
    /// INVITE without an offer.
    pub fn take_offer(&mut self, headers: &Headers, body: &[u8]) {
        self.pending = match session_part(headers, body) {
            None | Some([]) => Pending::Absent,
            Some(text) => SessionDescription::parse(text)
                .map_or(Pending::Unreadable, |offer| Pending::Offered(Box::new(offer))),
        };
    }

    /// Finds the answer to the offer that was taken. On failure the session stays as it was.
    pub fn prepare_answer(&mut self, settings: &CallSettings) -> Offer {
        self.has_answer = false;
        self.refused = None;
        match std::mem::take(&mut self.pending) {
            Pending::Nothing | Pending::Absent => Offer::Absent,
            Pending::Unreadable => Offer::Unreadable,
            Pending::Offered(offer) => {
                let local = self.capabilities(settings);
                let (answer, stream) = match sdp::answer(&offer, &local) {
                    Ok(negotiated) => negotiated,
                    Err(why) => {
                        self.refused = Some(why);
                        return Offer::NoCommonCodec;
                    }
                };
                self.remember(answer);
                self.stream = Some(stream);
                self.has_answer = true;
                self.awaits_answer = false;
                Offer::Usable
            }
        }
    }

    /// The Warning of a 488: what was wrong with the offer (RFC 3261 §20.43).
    pub fn warning(&self) -> Option<String> {
        self.refused.map(|why| format!("{} offhook \"{why}\"", why.warning_code()))
    }

    /// The body of the 2xx: the answer that was prepared, else an offer of ours (RFC 3261 §14.2: also where a
    /// re-INVITE came without one).
    pub fn answer_or_offer(&mut self, settings: &CallSettings) -> Body {
        match &self.local {
            Some(answer) if self.has_answer => Body::sdp(answer.to_bytes()),
            Some(_) | None => self.offer(settings),
        }
    }

    /// An offer of ours.
    pub fn offer(&mut self, settings: &CallSettings) -> Body {
        let local = self.capabilities(settings);
        let offer = match &self.local {
            Some(previous) => sdp::reoffer(previous, &local),
            None => sdp::offer(&local),
        };
        let body = Body::sdp(offer.to_bytes());
        self.local = Some(offer);
        self.capabilities = Some(local);
        self.awaits_answer = true;
        body
    }

    pub fn awaits_answer(&self) -> bool {
        self.awaits_answer
    }

    /// The far end's answer to our offer.
    pub fn take_answer(&mut self, headers: &Headers, body: &[u8]) {
        self.awaits_answer = false;
        let (Some(offer), Some(local)) = (&self.local, &self.capabilities) else { return };
        let Some(text) = session_part(headers, body) else { return };
        let Ok(answer) = SessionDescription::parse(text) else { return };
        if let Ok(stream) = sdp::apply_answer(offer, &answer, local) {
            self.stream = Some(stream);
        }
    }

    /// What media needs to know.
    pub fn stream(&self) -> Option<StreamSettings> {
        let stream = self.stream.as_ref()?;
        let direction = match (stream.direction.sends(), stream.direction.receives()) {
            (true, true) => Direction::SendReceive,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::ReceiveOnly,
            (false, false) => Direction::Inactive,
        };
        Some(StreamSettings {
            // Kept on hold too: it says whose packets are taken. Whether we send is the direction's matter.
            remote_rtp: Some(stream.remote_rtp).filter(|address| !address.ip().is_unspecified()),
            remote_rtcp: stream.rtcp_target(),
            codec: line_codec(&stream.codec),
            payload_type: stream.payload_type,
            telephone_event: stream.telephone_event,
            ptime_ms: u8::try_from(stream.ptime_ms).unwrap_or(20),
            direction,
        })
    }

    /// The codec's name for the record.
    pub fn codec_name(&self) -> String {
        self.stream.as_ref().map(|stream| stream.codec.map.encoding.clone()).unwrap_or_default()
    }

    /// The version of a description must rise by one with each that differs (RFC 3264 §8).
    fn remember(&mut self, answer: SessionDescription) {
        self.local = Some(match &self.local {
            Some(previous) => answer.following(previous),
            None => answer,
        });
    }

    fn capabilities(&self, settings: &CallSettings) -> LocalCapabilities {
        let mut codecs: Vec<Codec> = settings.codecs.iter().map(|codec| wire_codec(*codec)).collect();
        codecs.push(Codec::telephone_event());
        LocalCapabilities {
            codecs,
            ptime_ms: u16::from(settings.ptime_ms),
            prefer_own_order: true,
            ..LocalCapabilities::g711(settings.local_rtp, self.id)
        }
    }
}

/// The session description of a body: the whole of it, or a part (SBCs wrap it together with ISUP or location). A body
/// whose type is not told or not readable counts as one.
fn session_part<'a>(headers: &Headers, body: &'a [u8]) -> Option<&'a [u8]> {
    match headers.content_type() {
        Ok(Some(_)) => body_part(headers, body, sdp::CONTENT_TYPE),
        Ok(None) | Err(_) => Some(body),
    }
}

fn wire_codec(codec: LineCodec) -> Codec {
    match codec {
        LineCodec::Pcmu => Codec::pcmu(),
        LineCodec::Pcma => Codec::pcma(),
    }
}

fn line_codec(codec: &Codec) -> LineCodec {
    if codec.map.encoding.eq_ignore_ascii_case("PCMA") { LineCodec::Pcma } else { LineCodec::Pcmu }
}
