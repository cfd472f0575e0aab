//! What the spans of a call are made of, handed on as it happens.

use offhook_call_control::Fact;
use offhook_conversation::{ToolAnswer, ToolCall, ToolFailure};
use offhook_time::Time;

use super::run::Control;
use crate::trace::{CallTrace, Span};

impl Control {
    /// A fact of a call.
    pub(super) fn trace_fact(&mut self, key: u64, fact: &Fact, now: Time) {
        self.with_trace(key, |trace, send| trace.fact(fact, now, send));
    }

    /// A tool is about to be asked; answers the `traceparent` for its request, where there is one.
    pub(super) fn trace_tool(&mut self, key: u64, tool: &ToolCall, now: Time) -> Option<String> {
        let call = self.calls.get_mut(&key)?;
        match &mut call.trace {
            Some(trace) => Some(trace.tool_asked(tool, now)),
            None => call.traceparent.clone(),
        }
    }

    /// A tool came back.
    pub(super) fn trace_answer(
        &mut self,
        key: u64,
        tool: u64,
        outcome: &Result<ToolAnswer, ToolFailure>,
        now: Time,
    ) {
        self.with_trace(key, |trace, send| trace.tool_answered(tool, outcome, now, send));
    }

    /// A tool is not wanted any more.
    pub(super) fn trace_cancelled(&mut self, key: u64, tool: u64, now: Time) {
        self.with_trace(key, |trace, send| trace.tool_cancelled(tool, now, send));
    }

    fn with_trace(&mut self, key: u64, work: impl FnOnce(&mut CallTrace, &mut dyn FnMut(Span))) {
        let Some(tracer) = &self.tracer else { return };
        if let Some(trace) = self.calls.get_mut(&key).and_then(|call| call.trace.as_mut()) {
            work(trace, &mut |span| tracer.send(span));
        }
    }
}
