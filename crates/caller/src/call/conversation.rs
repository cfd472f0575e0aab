//! The loop of a call: what SIP says, what the audio says, what the script wants.

use std::io::Write;
use std::time::Duration;

use offhook_sip_proto::endpoint::{CallKey, EndpointEvent};
use offhook_sip_proto::message::{ReferTo, Request, StatusCode, Uri, header};
use offhook_time::{Randomness, Seed, Time};

use crate::CallerError;
use crate::call::director::{Act, Director, Patience, View};
use crate::call::leg::{Callee, Leg, LegEvent, Phase};
use crate::call::media::{MediaEvent, MediaResult};
use crate::call::options::{CallOptions, OnRefer, Stop};
use crate::call::record;
use crate::call::report::{CallEvent, CallReport, EndedBy, Outcome, SendReport, TransferReport};
use crate::call::signalling::Signalling;
use crate::clock;
use crate::listen::{self, Continuity};
use crate::statistics::rounded;
use crate::target::Target;
use crate::{script, wav};

/// How often script and limits are looked at.
const TURN: Duration = Duration::from_millis(5);

/// After the last word on SIP we still answer what was repeated because our answer was lost.
const AFTERWORD: Duration = Duration::from_millis(300);

/// How long the transferor may keep its leg after the transfer succeeded.
const TRANSFEROR_LEAVES: Duration = Duration::from_secs(5);

/// How long a BYE or CANCEL of ours may stay unanswered before the report is written without it.
const ENDING: Duration = Duration::from_secs(33);

/// The same where somebody asked us to stop and waits: one repetition of it.
const LEAVING: Duration = Duration::from_secs(1);

/// See [`super::run`].
pub(crate) fn run(
    options: &CallOptions,
    progress: &mut dyn Write,
    stop: &Stop,
) -> Result<CallReport, CallerError> {
    let target = Target::parse(&options.uri)?;
    let director = director(options)?;
    let seed = options.seed.unwrap_or_else(clock::entropy);
    let mut randomness = Randomness::new(Seed::from_number(seed));
    let ip = target.local_ip(options.bind)?;
    let signalling = Signalling::open(ip, randomness.fork())?;
    let mut call = Conversation {
        options,
        progress,
        signalling,
        randomness,
        director,
        legs: Vec::new(),
        active: 0,
        began: clock::now(),
        answered: None,
        ended: None,
        outcome: None,
        setup: None,
        transfers: Vec::new(),
        under_way: None,
        events: Vec::new(),
    };
    let uri: Uri = options.uri.parse().map_err(|_| CallerError::Address {
        uri: options.uri.clone(),
        reason: "expected sip:USER@HOST:PORT".to_owned(),
    })?;
    call.tell(format!("calling {}", options.uri));
    call.call(Callee { uri, target, headers: options.extra_headers.clone() })?;
    call.stay(stop)?;
    call.report()
}

fn director(options: &CallOptions) -> Result<Director, CallerError> {
    let patience = Patience::of(options);
    if options.playback.is_some() {
        return Ok(Director::of_playback(patience));
    }
    Ok(match (&options.script, &options.audio) {
        (Some(path), _) => Director::of_script(script::read(path)?, patience),
        (None, Some(path)) => {
            let samples = wav::read(path)?;
            if listen::split(&samples).is_empty() {
                return Err(CallerError::Wav {
                    path: path.clone(),
                    reason: "nothing but silence".to_owned(),
                });
            }
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            Director::of_audio(&name, &samples, patience)
        }
        (None, None) => Director::of_nothing(patience),
    })
}

/// A transfer that we follow.
#[derive(Debug)]
struct UnderWay {
    /// The leg that they sent us from, and its REFER.
    from: usize,
    refer: Request,
    /// The leg to the target, and its entry in the report.
    to: usize,
    report: usize,
    /// When the target answered.
    succeeded: Option<Time>,
}

struct Conversation<'a> {
    options: &'a CallOptions,
    progress: &'a mut dyn Write,
    signalling: Signalling,
    randomness: Randomness,
    director: Director,
    legs: Vec<Leg>,
    /// The leg that talks.
    active: usize,
    began: Time,
    answered: Option<Time>,
    ended: Option<Time>,
    outcome: Option<Outcome>,
    setup: Option<Duration>,
    transfers: Vec<TransferReport>,
    under_way: Option<UnderWay>,
    events: Vec<CallEvent>,
}

impl Conversation<'_> {
    fn call(&mut self, callee: Callee) -> Result<usize, CallerError> {
        let key = CallKey(self.legs.len() as u64);
        let leg = Leg::call(key, &callee, self.options, &mut self.signalling, &mut self.randomness)?;
        self.legs.push(leg);
        Ok(self.legs.len() - 1)
    }

    /// Until every leg is over and what was repeated is answered.
    fn stay(&mut self, stop: &Stop) -> Result<(), CallerError> {
        let mut ending_since: Option<Time> = None;
        loop {
            for event in self.signalling.turn(TURN) {
                self.handle_endpoint(event)?;
            }
            let now = clock::now();
            for at in 0..self.legs.len() {
                self.legs[at].handle_timeout(&mut self.signalling, now);
                self.handle_media(at, now);
            }
            if self.legs.iter().all(|leg| leg.phase == Phase::Over) {
                break;
            }
            if let Some(since) = ending_since {
                let longest = if stop.is_raised() { LEAVING } else { ENDING };
                // RFC 3261 §9.1: no CANCEL before a response. Where none came there is nothing to wait for; one that
                // comes in our afterword is still answered by a CANCEL.
                let is_unheard = |leg: &Leg| leg.phase == Phase::Calling && !leg.is_heard;
                let is_left = |leg: &Leg| leg.phase == Phase::Over || is_unheard(leg);
                if now.since(since) >= longest || (stop.is_raised() && self.legs.iter().all(is_left)) {
                    break;
                }
            } else if self.must_end(stop, now) {
                ending_since = Some(now);
                self.end(EndedBy::Caller)?;
            } else {
                self.direct(now)?;
                self.leave_transferor(now)?;
            }
            for leg in self.legs.iter_mut().filter(|leg| matches!(leg.phase, Phase::Ending | Phase::Over)) {
                leg.stop_media()?;
            }
        }
        let until = clock::now() + AFTERWORD;
        while clock::now() < until {
            for event in self.signalling.turn(TURN) {
                self.handle_endpoint(event)?;
            }
        }
        if stop.is_raised() {
            self.outcome.get_or_insert(Outcome::Cancelled);
        }
        Ok(())
    }

    fn must_end(&mut self, stop: &Stop, now: Time) -> bool {
        let reason = match self.answered {
            _ if stop.is_raised() => "asked to stop",
            Some(answered) if now.since(answered) >= self.options.max_duration => {
                "the longest duration is reached"
            }
            None if now.since(self.began) >= self.options.ring_time => "it rings for too long",
            Some(_) | None => return false,
        };
        self.tell(reason.to_owned());
        true
    }

    /// Hangs up or cancels whatever is left.
    fn end(&mut self, by: EndedBy) -> Result<(), CallerError> {
        if self.answered.is_some() {
            self.outcome.get_or_insert(Outcome::Completed { ended_by: by });
        }
        for leg in &mut self.legs {
            match leg.phase {
                Phase::Calling => leg.cancel(&mut self.signalling),
                Phase::Up => {
                    leg.stop_media()?;
                    leg.hang_up(&mut self.signalling);
                }
                Phase::Ending | Phase::Over => {}
            }
        }
        Ok(())
    }

    fn handle_endpoint(&mut self, event: EndpointEvent) -> Result<(), CallerError> {
        match event {
            EndpointEvent::Call { call, event } => {
                let at = call.0 as usize;
                let Some(leg) = self.legs.get_mut(at) else { return Ok(()) };
                for event in leg.handle(&event, &mut self.signalling) {
                    self.handle_leg(at, event)?;
                }
            }
            // We are a caller: nobody calls us.
            EndpointEvent::NewCall { transaction, request, .. } => {
                let response = request.response(StatusCode::BUSY_HERE, Some(&self.randomness.hex(16)));
                self.signalling.refuse(transaction, response);
            }
            EndpointEvent::OutOfDialog { transaction, request, .. } => {
                let response = request.response(StatusCode::OK, Some(&self.randomness.hex(16)));
                self.signalling.refuse(transaction, response);
            }
        }
        Ok(())
    }

    fn handle_leg(&mut self, at: usize, event: LegEvent) -> Result<(), CallerError> {
        let is_target = self.under_way.as_ref().is_some_and(|transfer| transfer.to == at);
        match event {
            LegEvent::Told(what) => self.tell(what),
            LegEvent::Provisional(status) => {
                self.tell(format!("{status}{}", if is_target { " from the target" } else { "" }));
                if is_target && status > 100 {
                    self.notify(status);
                }
            }
            LegEvent::Answered if is_target => self.transferred(at),
            LegEvent::Answered => {
                let now = clock::now();
                self.setup.get_or_insert(now.since(self.began));
                self.answered = Some(now);
                self.director.handle_answer(now);
                self.tell("answered".to_owned());
            }
            LegEvent::Refused { status, reason } if is_target => {
                self.tell(format!("the target refused: {status} {reason}"));
                self.transfer_failed(status);
            }
            LegEvent::Failed(reason) if is_target => {
                self.tell(format!("the target failed: {reason}"));
                self.transfer_failed(408);
            }
            LegEvent::Refused { status, reason } => {
                self.setup.get_or_insert(clock::now().since(self.began));
                self.tell(format!("refused: {status} {reason}"));
                self.outcome.get_or_insert(Outcome::Refused { status, reason });
            }
            LegEvent::Failed(reason) => {
                self.tell(format!("failed: {reason}"));
                self.outcome.get_or_insert(Outcome::Failed { reason });
            }
            LegEvent::Cancelled => {
                self.tell("cancelled".to_owned());
                self.outcome.get_or_insert(Outcome::Cancelled);
            }
            LegEvent::Ended => {
                self.ended.get_or_insert(clock::now());
                self.tell("our BYE is answered".to_owned());
            }
            LegEvent::HungUp => self.hung_up(at)?,
            LegEvent::Referred { transaction, request } => self.referred(at, transaction, *request)?,
        }
        Ok(())
    }

    fn hung_up(&mut self, at: usize) -> Result<(), CallerError> {
        self.tell(if at == self.active { "they hung up" } else { "the transferor left" }.to_owned());
        let target_rings = self.under_way.as_ref().is_some_and(|transfer| transfer.succeeded.is_none());
        if at == self.active && !target_rings {
            self.director.handle_hangup();
            self.ended.get_or_insert(clock::now());
            self.end(EndedBy::FarEnd)?;
        }
        Ok(())
    }

    fn referred(
        &mut self,
        at: usize,
        transaction: offhook_sip_proto::endpoint::TransactionId,
        request: Request,
    ) -> Result<(), CallerError> {
        let refer_to = request.headers.first::<ReferTo>(header::REFER_TO).ok().flatten();
        let name = refer_to.as_ref().map(|to| to.0.uri.to_string()).unwrap_or_default();
        self.tell(format!("they transfer us to {name}"));
        let callee = refer_to.as_ref().and_then(callee_of);
        let answer = match (self.options.on_refer, &callee) {
            (_, None) => 400,
            (OnRefer::Decline(status), _) => status,
            (OnRefer::Follow, _) if self.under_way.is_some() => 491,
            (OnRefer::Follow | OnRefer::Ignore, Some(_)) => 202,
        };
        let status = StatusCode::new(answer).unwrap_or(StatusCode::SERVER_INTERNAL_ERROR);
        if let Some(leg) = self.legs.get_mut(at) {
            leg.respond(transaction, &request, status, &mut self.signalling);
        }
        self.transfers.push(TransferReport { target: name, answered: answer, target_status: None });
        let (OnRefer::Follow, 202, Some(callee)) = (self.options.on_refer, answer, callee) else {
            return Ok(());
        };
        if let Some(leg) = self.legs.get_mut(at) {
            leg.notify(&request, StatusCode::TRYING, &mut self.signalling);
        }
        let to = self.call(callee)?;
        let report = self.transfers.len() - 1;
        self.under_way = Some(UnderWay { from: at, refer: request, to, report, succeeded: None });
        Ok(())
    }

    /// The target answered: it is who we talk to from here on.
    fn transferred(&mut self, at: usize) {
        self.tell("the target answered".to_owned());
        self.active = at;
        self.set_target_status(200);
        self.notify(200);
        if let Some(transfer) = &mut self.under_way {
            transfer.succeeded = Some(clock::now());
        }
        self.director.handle_answer(clock::now());
    }

    /// We stay with whom we have, where they are still there.
    fn transfer_failed(&mut self, status: u16) {
        self.set_target_status(status);
        self.notify(status);
        let from = self.under_way.take().map(|transfer| transfer.from);
        let is_alone = from.and_then(|from| self.legs.get(from)).is_none_or(|leg| leg.phase == Phase::Over);
        if is_alone {
            self.director.handle_hangup();
            self.ended.get_or_insert(clock::now());
            self.outcome.get_or_insert(Outcome::Completed { ended_by: EndedBy::FarEnd });
        }
    }

    fn set_target_status(&mut self, status: u16) {
        let entry = self.under_way.as_ref().and_then(|transfer| self.transfers.get_mut(transfer.report));
        if let Some(entry) = entry {
            entry.target_status = Some(status);
        }
    }

    fn notify(&mut self, status: u16) {
        let (Some(transfer), Some(status)) = (&self.under_way, StatusCode::new(status)) else { return };
        if let Some(leg) = self.legs.get_mut(transfer.from) {
            leg.notify(&transfer.refer, status, &mut self.signalling);
        }
    }

    /// RFC 5589 §6.1: the transferor hangs up once it knows; one that does not is left.
    fn leave_transferor(&mut self, now: Time) -> Result<(), CallerError> {
        let Some(transfer) = &self.under_way else { return Ok(()) };
        if transfer.succeeded.is_some_and(|at| now.since(at) >= TRANSFEROR_LEAVES) {
            let from = transfer.from;
            self.under_way = None;
            if let Some(leg) = self.legs.get_mut(from) {
                leg.stop_media()?;
                leg.hang_up(&mut self.signalling);
            }
        }
        Ok(())
    }

    fn handle_media(&mut self, at: usize, now: Time) {
        while let Some(event) = self.legs.get(at).and_then(|leg| leg.media.as_ref()?.poll_event()) {
            match event {
                MediaEvent::Done(name) => {
                    self.tell(format!("said {name}"));
                    self.director.handle_done(now);
                }
                MediaEvent::Key(key) => self.tell(format!("they pressed {key}")),
            }
        }
    }

    fn direct(&mut self, now: Time) -> Result<(), CallerError> {
        let Some(media) = self
            .legs
            .get(self.active)
            .filter(|leg| leg.phase == Phase::Up)
            .and_then(|leg| leg.media.as_ref())
        else {
            return Ok(());
        };
        let (talking_since, last_talked) = media.far();
        let Some(act) = self.director.poll_act(View { talking_since, last_talked }, now) else {
            return Ok(());
        };
        match act {
            Act::Say(speech) => {
                media.say(&speech.name, &speech.samples);
                self.tell(format!("saying {}", speech.name));
            }
            Act::Press(digits) => {
                media.press(&digits);
                self.tell(format!("pressing {digits}"));
            }
            Act::HangUp => {
                self.tell("hanging up".to_owned());
                self.end(EndedBy::Caller)?;
            }
            Act::Tell(what) => self.tell(what),
        }
        Ok(())
    }

    fn tell(&mut self, what: String) {
        let at_ms = rounded(clock::now().since(self.began).as_secs_f64() * 1000.0);
        // Nobody reading along is no reason to end a call.
        let _ = writeln!(self.progress, "{:>9.3} s  {what}", at_ms / 1000.0);
        self.events.push(CallEvent { at_ms, what });
    }

    fn report(mut self) -> Result<CallReport, CallerError> {
        let ended = self.ended.unwrap_or_else(clock::now);
        let first = self.legs.first();
        let (call_id, law) =
            (first.map(|leg| leg.call_id.clone()).unwrap_or_default(), first.and_then(|leg| leg.law));
        let mut results: Vec<MediaResult> = Vec::new();
        for leg in &mut self.legs {
            leg.stop_media()?;
            results.extend(leg.heard.take());
        }
        let mut spoken: Vec<_> = results.iter().flat_map(|result| result.spoken.clone()).collect();
        let mut heard: Vec<_> = results.iter().flat_map(|result| result.heard.clone()).collect();
        spoken.sort_by_key(|spoken| spoken.onset);
        heard.sort_by_key(|segment| segment.start);
        let answered = self.answered.unwrap_or(self.began);
        let turns = listen::ledger(&spoken, &heard, answered);
        let digits_received = results.iter().map(|result| result.keys.as_str()).collect();
        let received = results.first().map_or_else(Continuity::default, |result| result.received.clone());
        let sent = results.first().map_or_else(SendReport::default, |result| result.sent.clone());
        let tracks: Vec<_> = results.into_iter().map(|result| result.tracks).collect();
        let recordings = match &self.options.record_to {
            Some(folder) => record::write(folder, &tracks)?,
            None => None,
        };
        Ok(CallReport {
            uri: self.options.uri.clone(),
            call_id,
            outcome: self.outcome.unwrap_or(Outcome::Failed { reason: "it never ended".to_owned() }),
            setup_ms: self.setup.map(|setup| rounded(setup.as_secs_f64() * 1000.0)),
            duration_ms: self
                .answered
                .map_or(0.0, |answered| rounded(ended.since(answered).as_secs_f64() * 1000.0)),
            codec: law.map(|law| law.name().to_owned()),
            answered_monotonic_ns: self.answered.map(Time::as_nanos),
            turns,
            received,
            sent,
            digits_received,
            transfers: self.transfers,
            unmet: self.director.unmet().to_vec(),
            recordings,
            events: self.events,
        })
    }
}

/// Whom a Refer-To names: its headers (Replaces) go into the INVITE. `None` where it is no SIP URI or asks for another
/// method than INVITE.
fn callee_of(refer_to: &ReferTo) -> Option<Callee> {
    if refer_to.method().ok()? != offhook_sip_proto::message::Method::Invite {
        return None;
    }
    let mut uri = refer_to.0.uri.clone();
    let headers = uri
        .as_sip()?
        .unescaped_headers()
        .into_iter()
        .filter_map(|(name, value)| Some((name, String::from_utf8(value).ok()?)))
        .filter(|(name, _)| name.eq_ignore_ascii_case(header::REPLACES))
        .collect();
    let sip = uri.as_sip_mut()?;
    sip.headers.clear();
    sip.params.remove("method");
    let host = sip.host.to_string();
    let port = sip.port.unwrap_or(5060);
    let mut target = Target::parse(&format!("sip:{host}:{port}")).ok()?;
    target.uri = uri.to_string();
    Some(Callee { uri, target, headers })
}
