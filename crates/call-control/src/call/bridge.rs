//! The application behind the bridge.

use offhook_call_media::{LegId, MediaCommand};
use offhook_time::Time;

use super::{CallControl, Phase};
use crate::transfer::TransferredBy;
use crate::{EndCause, Output, Role};

impl CallControl {
    /// What the application is told at the start.
    pub(super) fn bridge_metadata(&self) -> String {
        let invite = self.leg.server.as_ref().map(|server| server.invite());
        let caller = invite.and_then(|invite| invite.headers.from().ok()).and_then(|from| from.uri.user());
        let called = invite.and_then(|invite| invite.uri.user());
        let headers: serde_json::Map<String, serde_json::Value> = invite
            .map(|invite| {
                let custom = invite
                    .headers
                    .iter()
                    .filter(|(name, _)| name.len() > 2 && name[..2].eq_ignore_ascii_case("x-"));
                custom
                    .map(|(name, value)| {
                        (name.to_owned(), String::from_utf8_lossy(value).into_owned().into())
                    })
                    .collect()
            })
            .unwrap_or_default();
        serde_json::json!({ "caller": caller, "called": called, "headers": headers }).to_string()
    }

    pub(super) fn handle_bridge_connected(&mut self, now: Time) {
        if self.phase == Phase::Ringing {
            self.answer(now);
        }
    }

    pub(super) fn handle_bridge_clear(&mut self) {
        self.outputs.push_back(Output::Media(MediaCommand::ClearApplication));
    }

    pub(super) fn handle_bridge_hang_up(&mut self, _reason: &str, now: Time) {
        self.end(EndCause::ApplicationHungUp, None, now);
    }

    pub(super) fn handle_bridge_transfer(&mut self, target: &str, now: Time) {
        self.transfer_to(target, None, None, TransferredBy::Application, now);
    }

    pub(super) fn handle_bridge_dtmf(&mut self, digits: &str) {
        if let Some(command) = super::api::send_digits(LegId::CALLER, digits) {
            self.outputs.push_back(Output::Media(command));
        }
    }

    pub(super) fn handle_bridge_closed(&mut self, _why: &str, now: Time) {
        self.end(EndCause::ApplicationUnavailable, None, now);
    }

    pub(super) fn close_bridge(&mut self, cause: EndCause) {
        if matches!(self.settings.role, Role::Bridge(_)) {
            self.outputs.push_back(Output::CloseBridge { reason: cause.word().to_owned() });
        }
    }
}
