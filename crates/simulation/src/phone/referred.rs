//! Being transferred: what the telephone makes of a REFER (RFC 3515).

use std::time::Duration;

use offhook_sip_proto::endpoint::SipAction;
use offhook_sip_proto::message::{Method, Request, StatusCode, header};
use offhook_time::Time;

use crate::plan::ReferPlan;

use super::{CALL, Later, Phase, Phone};

impl Phone {
    /// Begins what the plan says about the next REFER; answers with what to respond.
    pub(super) fn referred(&mut self, refer: &Request, now: Time) -> StatusCode {
        if !refer.headers.has(header::REFER_TO) {
            return StatusCode::BAD_REQUEST;
        }
        let plan = self.plan.refers.first().copied().unwrap_or(ReferPlan::Refuse(603));
        if self.plan.refers.len() > 1 {
            self.plan.refers.remove(0);
        }
        let soon = |millis: u64| now + Duration::from_millis(millis);
        let refuse = |status| StatusCode::new(status).unwrap_or(StatusCode::DECLINE);
        match plan {
            ReferPlan::Refuse(status) => return refuse(status),
            ReferPlan::Report(status) => {
                self.at(soon(5), Later::Notify { status: 100, is_last: false });
                self.at(soon(120), Later::Notify { status: 180, is_last: false });
                self.at(soon(900), Later::Notify { status, is_last: true });
            }
            ReferPlan::Leave => self.at(soon(200), Later::HangUp),
            ReferPlan::Silent => self.at(soon(5), Later::Notify { status: 180, is_last: false }),
            ReferPlan::EndWithoutOutcome => self.at(soon(400), Later::EndSubscription),
        }
        StatusCode::ACCEPTED
    }

    pub(super) fn notify(&mut self, status: Option<u16>, is_last: bool, now: Time) {
        let Some(dialog) = self.dialog.as_mut().filter(|_| self.phase == Phase::Up) else { return };
        let mut request = dialog.request(Method::Notify);
        request.headers.push(header::EVENT, "refer");
        let state = if is_last { "terminated;reason=noresource" } else { "active;expires=60" };
        request.headers.push(header::SUBSCRIPTION_STATE, state);
        if let Some(status) = status {
            let line = format!("SIP/2.0 {status} Reported\r\n");
            request.set_body("message/sipfrag;version=2.0", line.into_bytes());
        }
        let (transaction, destination) = (self.ids.take(), dialog.destination(&self.peer));
        self.endpoint.perform(CALL, SipAction::Request { transaction, request, destination }, now);
    }
}
