//! Facts: one beginning, one end, every command and every transfer one outcome, ledgers that sum.

use std::collections::BTreeMap;

use offhook_call_control::{CallEvent, CallRecord, EndCause, Fact};

#[derive(Debug, Default)]
pub(crate) struct FactWatch {
    pub record: CallRecord,
    /// How often each kind of event was told.
    pub counts: BTreeMap<String, u64>,
    expected: u64,
    ended: Option<EndCause>,
    /// Commands that were given, and how often their outcome was told.
    commands: BTreeMap<String, u32>,
    transfers_open: u32,
}

impl FactWatch {
    pub fn command(&mut self, id: &str) {
        self.commands.entry(id.to_owned()).or_default();
    }

    pub fn take(&mut self, fact: &Fact) -> Result<(), String> {
        self.record.apply(fact);
        *self.counts.entry(name(&fact.event)).or_default() += 1;
        let sequence = std::mem::replace(&mut self.expected, fact.sequence + 1);
        if fact.sequence != sequence {
            return Err(format!("fact {} where {sequence} was due", fact.sequence));
        }
        if (fact.sequence == 0) != matches!(fact.event, CallEvent::CallStarted { .. }) {
            return Err(format!("fact {} is {:?}", fact.sequence, fact.event));
        }
        let is_late = self.ended.is_some() && !matches!(fact.event, CallEvent::CommandFinished { .. });
        if is_late {
            return Err(format!("after the end: {:?}", fact.event));
        }
        match &fact.event {
            CallEvent::CallEnded { cause, .. } => {
                self.ended = Some(*cause);
                if self.transfers_open > 0 {
                    return Err("the call ended and a transfer did not".to_owned());
                }
            }
            CallEvent::CommandFinished { command_id, .. } => {
                let Some(times) = self.commands.get_mut(command_id) else {
                    return Err(format!("nobody gave the command {command_id}"));
                };
                *times += 1;
                if *times > 1 {
                    return Err(format!("command {command_id} finished {times} times"));
                }
            }
            CallEvent::TurnCompleted { ledger } => {
                let sum: u64 = ledger.segments.iter().map(|segment| segment.micros).sum();
                if sum != ledger.total_micros() {
                    return Err(format!("segments sum to {sum}, the silence is {}", ledger.total_micros()));
                }
            }
            CallEvent::TransferStarted { .. } => self.transfers_open += 1,
            CallEvent::TransferFinished { .. } => match self.transfers_open.checked_sub(1) {
                Some(open) => self.transfers_open = open,
                None => return Err("a transfer finished that was not begun".to_owned()),
            },
            CallEvent::CallStarted { .. }
            | CallEvent::CallRinging
            | CallEvent::CallAnswered { .. }
            | CallEvent::StateEntered { .. }
            | CallEvent::Said { .. }
            | CallEvent::Understood { .. }
            | CallEvent::NotUnderstood { .. }
            | CallEvent::NoInput { .. }
            | CallEvent::Dtmf { .. }
            | CallEvent::BargeIn { .. }
            | CallEvent::ToolFinished { .. }
            | CallEvent::Outcome { .. }
            | CallEvent::NextHopRefused { .. }
            | CallEvent::RtpTimeout
            | CallEvent::RtpResumed
            | CallEvent::EngineFailed { .. }
            | CallEvent::Mark { .. } => {}
        }
        Ok(())
    }

    pub fn finish(&self, cause: Option<EndCause>) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.ended.is_none() || self.ended != cause {
            wrong.push(format!("the record says {:?}, the call {cause:?}", self.ended));
        }
        for (command, times) in &self.commands {
            if *times != 1 {
                wrong.push(format!("command {command} has {times} outcomes"));
            }
        }
        wrong
    }
}

/// The event's name in the API.
fn name(event: &CallEvent) -> String {
    let json = serde_json::to_value(event).unwrap_or_default();
    json["type"].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use offhook_call_control::{CommandOutcome, Segment, TurnLedger};
    use offhook_time::Time;

    use super::*;

    #[test]
    fn a_second_end_a_missing_number_and_a_ledger_that_does_not_sum_are_seen() {
        let ended = || CallEvent::CallEnded { cause: EndCause::CallerHungUp, media: None };
        let began_at = Time::from_millis(1);
        let segments = vec![Segment { name: "queue".to_owned(), micros: 999 }];
        let ledger =
            TurnLedger { began_at, ended_at: Time::from_millis(2), segments, ..TurnLedger::default() };

        assert!(begun().take(&fact(1, ended())).is_ok());
        assert!(begun().take(&fact(2, ended())).is_err());
        assert!(begun().take(&fact(1, CallEvent::TurnCompleted { ledger })).is_err());
        let mut twice = begun();
        twice.take(&fact(1, ended())).unwrap();
        assert!(twice.take(&fact(2, ended())).is_err());
    }

    #[test]
    fn a_command_without_an_outcome_or_with_two_is_seen() {
        let told = |sequence| {
            let outcome = CommandOutcome::Succeeded;
            fact(sequence, CallEvent::CommandFinished { command_id: "c".to_owned(), outcome })
        };
        let mut watch = begun();
        watch.command("c");
        assert_eq!(watch.finish(None).len(), 2, "no outcome, no end");

        watch.take(&told(1)).unwrap();

        assert_eq!(watch.finish(None).len(), 1);
        assert!(watch.take(&told(2)).is_err());
    }

    fn begun() -> FactWatch {
        let mut watch = FactWatch::default();
        let empty = String::new;
        let started = CallEvent::CallStarted {
            caller: empty(),
            called: empty(),
            sip_call_id: empty(),
            bot: empty(),
            bot_version: empty(),
            direction: empty(),
            trunk: None,
            trace_id: empty(),
        };
        watch.take(&fact(0, started)).unwrap();
        watch
    }

    fn fact(sequence: u64, event: CallEvent) -> Fact {
        Fact { call_id: String::new(), sequence, at_unix_ms: 0, leg: None, event }
    }
}
