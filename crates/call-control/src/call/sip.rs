//! What comes over the dialog.

use offhook_sip_proto::endpoint::{Peer, SipAction, SipEvent, TransactionId};
use offhook_sip_proto::message::{Method, Request, StatusCode, header};
use offhook_sip_proto::transaction::Timing;
use offhook_sip_proto::user_agent::{InviteClientEvent, InviteServer, InviteServerEvent};
use offhook_time::Time;

use super::begin::ALLOW;
use super::offer::Offer;
use super::{CallControl, Phase};
use crate::fact::CallEvent;
use crate::{EndCause, Output};

impl CallControl {
    pub(super) fn handle_sip(&mut self, event: SipEvent, now: Time) {
        if self.phase == Phase::New {
            if let SipEvent::Request { transaction, request, peer } = event {
                self.begin(transaction, request, peer, now);
            }
            return;
        }
        if self.leg.server.as_mut().is_some_and(|server| server.handle(&event, now)) {
            return self.drain_invite_server(now);
        }
        if let Some(client) = &mut self.leg.client
            && client.handle(&event, &mut self.ids)
        {
            if let SipEvent::Response { peer, .. } = &event {
                self.leg.peer = Some(*peer);
            }
            return self.drain_invite_client(now);
        }
        if self.offer_to_transfer(&event, now) {
            return;
        }
        match event {
            SipEvent::Request { transaction, request, peer } => {
                self.handle_request(transaction, &request, peer, now);
            }
            SipEvent::Response { transaction, response, .. } => {
                if response.status.is_final() {
                    self.request_is_answered(transaction);
                }
            }
            SipEvent::Failed { transaction, .. } => self.request_is_answered(transaction),
            // An ACK that repeats, a CANCEL that came too late: nothing is waiting for them.
            SipEvent::AckFor2xx { .. } | SipEvent::Cancelled { .. } => {}
        }
    }

    fn request_is_answered(&mut self, transaction: TransactionId) {
        if self.leg.bye == Some(transaction) {
            self.leg.bye = None;
        }
    }

    fn handle_request(&mut self, transaction: TransactionId, request: &Request, peer: Peer, now: Time) {
        let Some(dialog) = &mut self.leg.dialog else {
            let response = request.response(StatusCode::CALL_DOES_NOT_EXIST, None);
            return self.outputs.push_back(Output::Sip(SipAction::Respond { transaction, response }));
        };
        if let Err(out_of_place) = dialog.handle_request(request) {
            return self.respond(transaction, request, out_of_place.status());
        }
        match &request.method {
            Method::Bye => {
                self.respond(transaction, request, StatusCode::OK);
                self.leg.bye_after_ack = None;
                self.end(EndCause::CallerHungUp, None, now);
            }
            Method::Invite => self.handle_reinvite(transaction, request, peer, now),
            Method::Options => {
                let response = self.leg.dialog.as_ref().map(|dialog| {
                    let mut response = dialog.response(request, StatusCode::OK);
                    response.headers.push(header::ALLOW, ALLOW);
                    response.headers.push(header::ACCEPT, "application/sdp");
                    response
                });
                if let Some(response) = response {
                    self.outputs.push_back(Output::Sip(SipAction::Respond { transaction, response }));
                }
            }
            // No subscription of ours is open: a transfer would have taken it.
            Method::Notify => self.respond(transaction, request, StatusCode::CALL_DOES_NOT_EXIST),
            Method::Ack
            | Method::Cancel
            | Method::Register
            | Method::Refer
            | Method::Info
            | Method::Update
            | Method::Prack
            | Method::Subscribe
            | Method::Message
            | Method::Publish
            | Method::Other(_) => self.respond(transaction, request, StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    fn respond(&mut self, transaction: TransactionId, request: &Request, status: StatusCode) {
        let Some(dialog) = &self.leg.dialog else { return };
        let mut response = dialog.response(request, status);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.headers.push(header::ALLOW, ALLOW);
        }
        self.outputs.push_back(Output::Sip(SipAction::Respond { transaction, response }));
    }

    /// RFC 3261 §14.2: a new offer within the dialog.
    fn handle_reinvite(&mut self, transaction: TransactionId, request: &Request, peer: Peer, now: Time) {
        if self.leg.server.as_ref().is_some_and(|server| server.is_pending() || server.awaits_ack()) {
            return self.respond(transaction, request, StatusCode::REQUEST_PENDING);
        }
        if self.phase == Phase::Ending {
            return self.respond(transaction, request, StatusCode::CALL_DOES_NOT_EXIST);
        }
        self.leg.peer = Some(peer);
        self.session.take_offer(&request.headers, &request.body);
        let tag = self.leg.dialog.as_ref().map(|dialog| dialog.id().local_tag.clone()).unwrap_or_default();
        self.leg.server = Some(InviteServer::new(transaction, request.clone(), &tag, Timing::default()));
        match self.session.prepare_answer(&self.settings) {
            Offer::Usable | Offer::Absent => {
                let body = self.session.answer_or_offer(&self.settings);
                self.respond_to_invite(StatusCode::OK, Some(body), now);
                self.apply_stream(now);
            }
            // The session goes on as it was (RFC 3261 §14.2).
            Offer::NoCommonCodec | Offer::Unreadable => {
                self.respond_to_invite(StatusCode::NOT_ACCEPTABLE_HERE, None, now);
            }
        }
    }

    pub(super) fn drain_invite_server(&mut self, now: Time) {
        while let Some(event) = self.leg.server.as_mut().and_then(InviteServer::poll_event) {
            match event {
                InviteServerEvent::Acknowledged(ack) => self.handle_ack(&ack, now),
                InviteServerEvent::Cancelled(_) => self.end(EndCause::Cancelled, None, now),
                InviteServerEvent::AckMissing => {
                    self.end(EndCause::NoAck, None, now);
                    self.send_deferred_bye();
                }
                InviteServerEvent::Failed(_) => self.end(EndCause::TransportFailed, None, now),
            }
        }
    }

    fn handle_ack(&mut self, ack: &Request, now: Time) {
        if self.leg.bye_after_ack.is_some() {
            return self.send_deferred_bye();
        }
        if self.session.awaits_answer() {
            self.session.take_answer(&ack.headers, &ack.body);
            if self.session.stream().is_none() {
                return self.end(EndCause::NoCommonCodec, None, now);
            }
            self.apply_stream(now);
        }
        self.is_confirmed(now);
    }

    fn drain_invite_client(&mut self, now: Time) {
        while let Some(event) =
            self.leg.client.as_mut().and_then(offhook_sip_proto::user_agent::InviteClient::poll_event)
        {
            match event {
                InviteClientEvent::Provisional { response, .. } => {
                    if response.status == StatusCode::RINGING {
                        self.fact(CallEvent::CallRinging, now);
                    }
                }
                InviteClientEvent::Answered { dialog, response } => {
                    self.leg.dialog = Some(*dialog);
                    if self.phase != Phase::Dialing {
                        continue;
                    }
                    self.session.take_answer(&response.headers, &response.body);
                    self.phase = Phase::Answered;
                    if self.session.stream().is_none() {
                        self.end(EndCause::NoCommonCodec, None, now);
                        continue;
                    }
                    self.is_answered(now);
                    self.is_confirmed(now);
                }
                // No credentials are configured for outgoing calls.
                InviteClientEvent::Challenged(_) => self.end(EndCause::Rejected, None, now),
                InviteClientEvent::Refused(response) => {
                    self.end(EndCause::of_refusal(response.status.code()), None, now);
                }
                InviteClientEvent::Cancelled => self.end(EndCause::NoAnswer, None, now),
                InviteClientEvent::Failed(_) => self.end(EndCause::Unreachable, None, now),
            }
        }
    }
}
