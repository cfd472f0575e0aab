//! Logs and metrics of calls. Phone numbers, names and transcripts never above `debug`.

use offhook_call_control::{CallEvent, Fact};

/// Notes one fact.
pub(super) fn note(fact: &Fact) {
    let call_id = fact.call_id.as_str();
    match &fact.event {
        CallEvent::CallStarted { bot, direction, sip_call_id, trunk, trace_id, .. } => {
            let mut labels = vec![("bot", bot.clone())];
            labels.extend(trunk.clone().map(|trunk| ("trunk", trunk)));
            metrics::counter!("offhook_calls_started_total", &labels).increment(1);
            tracing::info!(call_id, bot, direction, sip_call_id, trunk, trace_id, "call begins");
        }
        CallEvent::CallEnded { cause, media } => {
            metrics::counter!("offhook_calls_ended_total", "cause" => cause.word()).increment(1);
            let (lost, late) = media.map_or((0, 0), |media| (media.caller.lost, media.caller.late));
            tracing::info!(call_id, cause = cause.word(), lost, late, "call ends");
        }
        CallEvent::TurnCompleted { ledger } => {
            metrics::histogram!("offhook_turn_seconds").record(ledger.total_micros() as f64 / 1e6);
            for segment in &ledger.segments {
                metrics::histogram!("offhook_turn_segment_seconds", "segment" => segment.name.clone())
                    .record(segment.micros as f64 / 1e6);
            }
        }
        CallEvent::EngineFailed { error } => {
            metrics::counter!("offhook_engine_failures_total").increment(1);
            tracing::warn!(call_id, error, "an engine failed; the call goes on");
        }
        CallEvent::BargeIn { .. } => metrics::counter!("offhook_barge_ins_total").increment(1),
        CallEvent::TransferFinished { failure, status, .. } => {
            let outcome = if failure.is_none() { "succeeded" } else { "failed" };
            metrics::counter!("offhook_transfers_total", "outcome" => outcome).increment(1);
            tracing::info!(call_id, outcome, status, "transfer ends");
        }
        CallEvent::NextHopRefused { address } => {
            metrics::counter!("offhook_next_hops_refused_total").increment(1);
            tracing::warn!(
                call_id,
                %address,
                "the peer's Contact or Record-Route leads to an address of no trunk: \
                 requests go to where its own messages come from"
            );
        }
        CallEvent::RtpTimeout => tracing::warn!(call_id, "no RTP comes"),
        event @ (CallEvent::CallRinging
        | CallEvent::CallAnswered { .. }
        | CallEvent::StateEntered { .. }
        | CallEvent::Said { .. }
        | CallEvent::Understood { .. }
        | CallEvent::NotUnderstood { .. }
        | CallEvent::NoInput { .. }
        | CallEvent::Dtmf { .. }
        | CallEvent::ToolFinished { .. }
        | CallEvent::TransferStarted { .. }
        | CallEvent::Outcome { .. }
        | CallEvent::RtpResumed
        | CallEvent::Mark { .. }
        | CallEvent::CommandFinished { .. }) => tracing::debug!(call_id, ?event, "call event"),
    }
}
