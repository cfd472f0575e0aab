//! The span of an HTTP request, in the terms of the semantic conventions for HTTP clients.

use offhook_conversation::{ToolAnswer, ToolCall, ToolFailure};
use offhook_time::Time;

use super::span::{Attributes, Span};

/// A tool that was asked and has not answered.
#[derive(Debug)]
pub(super) struct RunningTool {
    pub began: Time,
    span_id: [u8; 8],
    name: String,
    attributes: Attributes,
}

impl RunningTool {
    pub fn new(call: &ToolCall, span_id: [u8; 8], now: Time) -> Self {
        let mut attributes: Attributes = vec![
            ("http.request.method", call.method.as_str().into()),
            ("offhook.tool", call.name.as_str().into()),
        ];
        // The path and the query hold what the caller said: they stay here, `url.full` is left out.
        if let Ok(url) = reqwest::Url::parse(&call.url) {
            attributes.push(("url.scheme", url.scheme().into()));
            attributes.extend(url.host_str().map(|host| ("server.address", host.into())));
            attributes.extend(url.port_or_known_default().map(|port| ("server.port", port.into())));
        }
        RunningTool { began: now, span_id, name: format!("{} {}", call.method, call.name), attributes }
    }

    /// Fills in what the request was and what came of it.
    pub fn describe(self, span: &mut Span, status: Option<u16>, failure: Option<String>) {
        span.span_id = self.span_id;
        span.name = self.name;
        span.attributes = self.attributes;
        if let Some(status) = status {
            span.attributes.push(("http.response.status_code", status.into()));
        }
        if let Some(failure) = &failure {
            span.attributes.push(("error.type", failure.as_str().into()));
        }
        span.failure = failure;
    }
}

/// The `error.type` of an outcome; `None` where it was well. A 4xx is an error to who asked.
pub(super) fn failure(outcome: &Result<ToolAnswer, ToolFailure>) -> Option<String> {
    match outcome {
        Ok(answer) => (answer.status >= 400).then(|| answer.status.to_string()),
        Err(ToolFailure::TimedOut) => Some("timeout".to_owned()),
        Err(ToolFailure::Unreachable(_)) => Some("unreachable".to_owned()),
        Err(ToolFailure::Refused(_)) => Some("refused".to_owned()),
    }
}
