//! What commands were answered, so that one that is repeated is answered the same.

use std::collections::{BTreeMap, VecDeque};

use offhook_call_control::{Command, Refusal};
use sha2::{Digest, Sha256};

use super::handle::CommandReply;

/// Answers that are kept, the latest ones: minutes of a busy API, where a client repeats within seconds.
const KEPT: usize = 16_384;

/// Call and command id.
type Key = (String, String);

/// Answers by call and command id. They outlive their call: a hangup that is repeated has still succeeded.
#[derive(Debug, Default)]
pub(super) struct CommandMemory {
    answered: BTreeMap<Key, Answered>,
    order: VecDeque<Key>,
}

#[derive(Debug)]
struct Answered {
    /// A hash of the command: its text may be long, and nobody reads it again.
    command: [u8; 32],
    reply: CommandReply,
}

impl CommandMemory {
    /// The answer that a command got before; a refusal where the id was another command's.
    pub fn recall(&self, call: &str, id: &str, command: &Command) -> Option<CommandReply> {
        let answered = self.answered.get(&(call.to_owned(), id.to_owned()))?;
        Some(if answered.command == fingerprint(command) {
            answered.reply.clone()
        } else {
            let what = format!("command_id '{id}' was another command of this call: give each its own id");
            CommandReply::Refused(Refusal::bad_argument(what))
        })
    }

    /// Keeps the answer to a command.
    pub fn keep(&mut self, call: &str, id: &str, command: [u8; 32], reply: CommandReply) {
        let key = (call.to_owned(), id.to_owned());
        if self.answered.insert(key.clone(), Answered { command, reply }).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.answered.remove(&oldest);
        }
    }
}

/// Tells commands apart.
pub(super) fn fingerprint(command: &Command) -> [u8; 32] {
    Sha256::digest(format!("{command:?}").as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_command_gets_the_answer_it_got_and_another_one_with_its_id_is_refused() {
        let mut memory = CommandMemory::default();
        let refused = CommandReply::Refused(Refusal::wrong_state("not up"));
        memory.keep("a", "1", fingerprint(&Command::Answer), refused.clone());

        assert_eq!(memory.recall("a", "1", &Command::Answer), Some(refused));
        assert_eq!(memory.recall("a", "2", &Command::Answer), None);
        assert_eq!(memory.recall("b", "1", &Command::Answer), None);
        let other = memory.recall("a", "1", &Command::HangUp { status: None, reason: None });
        assert!(matches!(other, Some(CommandReply::Refused(refusal)) if refusal.code == "bad_argument"));
    }

    #[test]
    fn the_oldest_answers_are_forgotten() {
        let mut memory = CommandMemory::default();

        for number in 0..KEPT + 10 {
            memory.keep("a", &number.to_string(), fingerprint(&Command::Answer), CommandReply::Accepted);
        }

        assert_eq!((memory.answered.len(), memory.order.len()), (KEPT, KEPT));
        assert_eq!(memory.recall("a", "9", &Command::Answer), None);
        assert_eq!(memory.recall("a", "10", &Command::Answer), Some(CommandReply::Accepted));
    }
}
