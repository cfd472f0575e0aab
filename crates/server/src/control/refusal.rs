//! Calls that are not let in: what the caller is answered, and what is kept of it.

use offhook_call_control::{CallEvent, EndCause, Fact, TraceContext};
use offhook_sip_proto::endpoint::TransactionId;
use offhook_sip_proto::message::{Method, Reason, Request, StatusCode, header};
use offhook_time::Time;

use super::admission::Refused;
use super::run::Control;

/// Seconds after which it is worth another try.
const RETRY_AFTER: &str = "5";

impl Control {
    /// Refuses an INVITE. One that a limit of the configuration refuses leaves a record; a flood of others does not.
    pub(super) fn refuse_call(
        &mut self,
        transaction: TransactionId,
        request: &Request,
        refused: &Refused,
        now: Time,
    ) {
        let mut labels = vec![("status", refused.status.code().to_string())];
        let trunk =
            refused.trunk.and_then(|index| self.config.trunks.get(index)).map(|trunk| trunk.name.clone());
        labels.extend(trunk.clone().map(|trunk| ("trunk", trunk)));
        metrics::counter!("offhook_calls_refused_total", &labels).increment(1);
        self.refuse(transaction, request, refused.status, refused.cause, now);
        if let Some(cause) = refused.cause {
            self.record_refused(request, refused, cause, trunk, now);
        }
    }

    /// Refuses any request outside of a call.
    pub(super) fn refuse(
        &mut self,
        transaction: TransactionId,
        request: &Request,
        status: StatusCode,
        cause: Option<EndCause>,
        now: Time,
    ) {
        let tag = self.randomness.hex(16);
        let mut response = request.response(status, Some(&tag));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers.push(header::RETRY_AFTER, RETRY_AFTER);
        }
        if let Some(row) = cause.filter(|_| request.method == Method::Invite).map(EndCause::row) {
            // RFC 6432 §1: a response may carry the Q.850 cause.
            let reason = Reason::q850(u16::from(row.q850), row.text);
            response.headers.push(header::REASON, reason.to_string());
        }
        response.headers.push(header::SERVER, self.config.user_agent.as_str());
        self.endpoint.respond(transaction, response, now);
    }

    fn record_refused(
        &self,
        request: &Request,
        refused: &Refused,
        cause: EndCause,
        trunk: Option<String>,
        now: Time,
    ) {
        let call_id = uuid::Uuid::now_v7().to_string();
        tracing::info!(call_id, bot = refused.bot, trunk, cause = cause.word(), "call refused");
        let caller = request.headers.from().ok().and_then(|from| from.uri.user()).unwrap_or_default();
        let started = CallEvent::CallStarted {
            caller,
            called: request.uri.user().unwrap_or_default(),
            sip_call_id: request.headers.call_id().map(|id| id.to_string()).unwrap_or_default(),
            bot: refused.bot.clone(),
            bot_version: String::new(),
            direction: "inbound".to_owned(),
            trunk,
            trace_id: TraceContext::of_invite(request, &call_id).trace_id(),
        };
        let at_unix_ms = self.wall.unix_ms(now);
        for (sequence, event) in
            [started, CallEvent::CallEnded { cause, media: None }].into_iter().enumerate()
        {
            let sequence = sequence as u64;
            let fact = Fact { call_id: call_id.clone(), sequence, at_unix_ms, leg: None, event };
            self.events.publish(&fact);
            self.storage.fact(fact);
        }
    }
}
