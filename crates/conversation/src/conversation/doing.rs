//! What takes others: HTTP tools and transfers.

use std::sync::Arc;
use std::time::Duration;

use offhook_time::Time;
use serde_json::Value as Json;

use super::{Conversation, Failure, Next, Phase};
use crate::bot::Scope;
use crate::bot::file::{CallFile, ToolFile, TransferFile};
use crate::{
    Bot, Event, Output, Secret, ToolAnswer, ToolCall, ToolError, ToolFailure, ToolId, ToolSecret,
    TransferCall, TransferId, TransferOutcome,
};

/// How long a target may ring where nobody says.
const RING_TIME: Duration = Duration::from_secs(30);

/// Signalling of a transfer takes a moment beyond the ringing; then it has failed whatever comes.
const TRANSFER_GRACE: Duration = Duration::from_secs(10);

/// Waits for an HTTP tool.
#[derive(Debug)]
pub(super) struct Calling {
    id: ToolId,
    deadline: Time,
}

impl Calling {
    pub(super) fn id(&self) -> ToolId {
        self.id
    }

    pub(super) fn deadline(&self) -> Time {
        self.deadline
    }
}

/// Waits for the prompts to end, then for the target.
#[derive(Debug)]
pub(super) struct Transferring {
    /// Which of the state's targets.
    index: usize,
    sent: Option<(TransferId, Time)>,
}

impl Transferring {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.sent.map(|(_, deadline)| deadline)
    }
}

impl Conversation {
    pub(super) fn call(&mut self, call: &CallFile, now: Time) -> Result<Next, Failure> {
        self.stop_listening();
        let bot = Arc::clone(&self.bot);
        let Some(tool) = bot.file().tools.get(call.tool.as_str()) else {
            return Err(Failure(format!("there is no tool `{}`", call.tool.value)));
        };
        let id = ToolId(self.next_request());
        let mut request = request(&bot, id, &call.tool, tool, &self.scope(now))?;
        if !bot.masked_names().is_empty() {
            let (headers, body) = headers_and_body(&bot, tool, &self.revealed_scope(now))?;
            request.secret = Secret::new(ToolSecret { headers, body });
        }
        if !request.url.starts_with("http://") && !request.url.starts_with("https://") {
            // A value of the configuration is missing: nobody needs to be asked to know the answer.
            let outcome = Err(ToolFailure::Refused("the URL is not absolute".to_owned()));
            return self.tool_finished(call, outcome, now);
        }
        let deadline = now + request.timeout;
        self.outputs.push_back(Output::CallTool(request));
        self.phase = Phase::Calling(Calling { id, deadline });
        Ok(Next::Stay)
    }

    pub(super) fn handle_tool_result(
        &mut self,
        tool: ToolId,
        outcome: Result<ToolAnswer, ToolFailure>,
        now: Time,
    ) {
        match &self.phase {
            Phase::Calling(calling) if calling.id == tool => self.tool_came_back(outcome, now),
            // Late: the conversation went on without it.
            Phase::Calling(_)
            | Phase::Waiting
            | Phase::Listening(_)
            | Phase::Transferring(_)
            | Phase::Leaving(_)
            | Phase::Over => {}
        }
    }

    pub(super) fn handle_tool_deadline(&mut self, now: Time) {
        if let Phase::Calling(calling) = &self.phase {
            self.outputs.push_back(Output::CancelTool(calling.id));
            self.tool_came_back(Err(ToolFailure::TimedOut), now);
        }
    }

    fn tool_came_back(&mut self, outcome: Result<ToolAnswer, ToolFailure>, now: Time) {
        let bot = Arc::clone(&self.bot);
        let call = bot.file().states.get(self.state.as_str()).and_then(|state| state.call.as_ref());
        if let Some(call) = call {
            let next = self.tool_finished(call, outcome, now);
            self.run_result(next, now);
        }
    }

    fn tool_finished(
        &mut self,
        call: &CallFile,
        outcome: Result<ToolAnswer, ToolFailure>,
        now: Time,
    ) -> Result<Next, Failure> {
        let seen = match &outcome {
            Ok(answer) => Ok(answer.status),
            Err(ToolFailure::TimedOut) => Err(ToolError::TimedOut),
            Err(failure @ (ToolFailure::Unreachable(_) | ToolFailure::Refused(_))) => {
                Err(ToolError::Failed(failure.to_string()))
            }
        };
        self.event(Event::ToolFinished { tool: call.tool.value.clone(), outcome: seen });
        match outcome {
            Ok(answer) => {
                // Not every service speaks JSON: then the body is its text.
                let body = serde_json::from_str(&answer.body).unwrap_or(Json::String(answer.body));
                self.memory.answer = Some((answer.status, body));
                if (200..300).contains(&answer.status) {
                    self.set(&call.set, now)?;
                }
                let by_status = call.on_status.get(answer.status.to_string().as_str());
                let is_good = (200..300).contains(&answer.status);
                self.go(by_status.unwrap_or(if is_good { &call.answered } else { &call.on_error }), now)
            }
            Err(ToolFailure::TimedOut) => {
                self.memory.answer = None;
                self.go(call.on_timeout.as_ref().unwrap_or(&call.on_error), now)
            }
            Err(ToolFailure::Unreachable(_) | ToolFailure::Refused(_)) => {
                self.memory.answer = None;
                self.go(&call.on_error, now)
            }
        }
    }

    pub(super) fn transfer(&mut self, _transfer: &TransferFile, now: Time) -> Result<Next, Failure> {
        self.stop_listening();
        self.phase = Phase::Transferring(Transferring { index: 0, sent: None });
        if self.speaking.is_silent() {
            self.send_transfer(now);
        }
        Ok(Next::Stay)
    }

    /// Sends the transfer to the target whose turn it is, unless it is on its way.
    pub(super) fn send_transfer(&mut self, now: Time) {
        let bot = Arc::clone(&self.bot);
        let id = TransferId(self.next_request());
        let Phase::Transferring(transferring) = &mut self.phase else { return };
        let Some(name) = target_of(&bot, &self.state, transferring.index) else { return };
        if transferring.sent.is_some() {
            return;
        }
        let target = bot.file().targets.get(name);
        let ring_time = target.and_then(|target| target.ring_time).map_or(RING_TIME, |span| span.0);
        transferring.sent = Some((id, now + ring_time + TRANSFER_GRACE));
        self.outputs.push_back(Output::Transfer(TransferCall {
            id,
            target: name.to_owned(),
            uri: target.and_then(|target| target.uri.as_ref()).map(|uri| uri.value.clone()),
            ring_time,
        }));
    }

    pub(super) fn handle_transfer_outcome(
        &mut self,
        transfer: TransferId,
        outcome: TransferOutcome,
        now: Time,
    ) {
        let Phase::Transferring(transferring) = &self.phase else { return };
        if transferring.sent.is_none_or(|(id, _)| id != transfer) {
            return;
        }
        match outcome {
            TransferOutcome::Succeeded => {
                let target =
                    target_of(&self.bot, &self.state, transferring.index).unwrap_or_default().to_owned();
                self.event(Event::TransferFinished { target, failure: None });
                self.phase = Phase::Over;
            }
            TransferOutcome::Failed { cause, status } => self.transfer_failed(cause, status, now),
        }
    }

    pub(super) fn handle_transfer_deadline(&mut self, now: Time) {
        self.transfer_failed("no_answer".to_owned(), None, now);
    }

    /// The next target, or the state's way out.
    fn transfer_failed(&mut self, cause: String, status: Option<u16>, now: Time) {
        let bot = Arc::clone(&self.bot);
        let Phase::Transferring(transferring) = &mut self.phase else { return };
        let target = target_of(&bot, &self.state, transferring.index).unwrap_or_default().to_owned();
        transferring.index += 1;
        transferring.sent = None;
        let has_another = target_of(&bot, &self.state, transferring.index).is_some();
        self.event(Event::TransferFinished { target: target.clone(), failure: Some(cause.clone()) });
        self.memory.transfer = Some((target, cause, status));
        if has_another {
            return self.send_transfer(now);
        }
        let transfer = bot.file().states.get(self.state.as_str()).and_then(|state| state.transfer.as_ref());
        if let Some(transfer) = transfer {
            let next = self.go(&transfer.on_failed, now);
            self.run_result(next, now);
        }
    }
}

fn target_of<'a>(bot: &'a Bot, state: &str, index: usize) -> Option<&'a str> {
    let transfer = bot.file().states.get(state)?.transfer.as_ref()?;
    transfer.to.0.get(index).map(|target| target.as_str())
}

fn request(bot: &Bot, id: ToolId, name: &str, tool: &ToolFile, scope: &Scope) -> Result<ToolCall, Failure> {
    let (headers, body) = headers_and_body(bot, tool, scope)?;
    Ok(ToolCall {
        id,
        name: name.to_owned(),
        method: tool.method.value.clone(),
        url: bot.templates().url(&tool.url, scope)?,
        headers,
        body,
        timeout: tool.timeout.0,
        secret: Secret::default(),
    })
}

type HeadersAndBody = (Vec<(String, String)>, Option<String>);

fn headers_and_body(bot: &Bot, tool: &ToolFile, scope: &Scope) -> Result<HeadersAndBody, Failure> {
    let templates = bot.templates();
    let mut headers = Vec::new();
    for (header, value) in &tool.headers {
        // A line break inside would begin a header of its own.
        let value = templates.text(value, scope)?.replace(['\r', '\n'], " ");
        headers.push((header.value.clone(), value));
    }
    let body = match &tool.body {
        None => None,
        Some(body) => Some(match &body.value {
            Json::String(text) => templates.text(text, scope)?,
            structure @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => {
                filled(bot, structure, scope)?.to_string()
            }
        }),
    };
    Ok((headers, body))
}

/// A body with its templates rendered; JSON takes care of quotes.
fn filled(bot: &Bot, body: &Json, scope: &Scope) -> Result<Json, Failure> {
    Ok(match body {
        Json::String(text) => Json::String(bot.templates().text(text, scope)?),
        Json::Array(items) => {
            Json::Array(items.iter().map(|item| filled(bot, item, scope)).collect::<Result<_, _>>()?)
        }
        Json::Object(fields) => Json::Object(
            fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), filled(bot, field, scope)?)))
                .collect::<Result<_, Failure>>()?,
        ),
        plain @ (Json::Null | Json::Bool(_) | Json::Number(_)) => plain.clone(),
    })
}
