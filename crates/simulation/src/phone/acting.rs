//! The caller's script, looked at once per packet.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_sip_proto::endpoint::SipAction;
use offhook_sip_proto::message::Method;
use offhook_time::Time;

use crate::clips::Clips;
use crate::plan::Act;

use super::session::Session;
use super::{CALL, Phase, Phone};

/// How long between two keys.
const BETWEEN_KEYS: Duration = Duration::from_millis(180);

/// Where the caller is in its script.
#[derive(Debug)]
pub(super) struct Acting {
    acts: VecDeque<Act>,
    /// When the present act began; `None` before the call is up.
    since: Option<Time>,
    /// The present act was begun; what remains is to wait for its end.
    begun: bool,
    next_key: Time,
    keys: VecDeque<char>,
}

impl Acting {
    pub fn new(acts: Vec<Act>) -> Self {
        let (acts, keys) = (acts.into(), VecDeque::new());
        Acting { acts, since: None, begun: false, next_key: Time::ZERO, keys }
    }

    pub fn begin(&mut self, now: Time) {
        self.since.get_or_insert(now);
    }

    fn next(&mut self, now: Time) {
        self.acts.pop_front();
        self.since = Some(now);
        self.begun = false;
    }
}

impl Phone {
    /// Goes on with the script.
    pub(super) fn act(&mut self, now: Time) {
        let Some(since) = self.acting.since.filter(|_| self.phase == Phase::Up) else { return };
        let Some(act) = self.acting.acts.front().cloned() else {
            if now.since(since) >= self.plan.patience {
                self.hang_up(now);
            }
            return;
        };
        let is_new = !std::mem::replace(&mut self.acting.begun, true);
        let done = match act {
            Act::Wait(time) => now.since(since) >= time,
            Act::AwaitPause { quiet, longest } => {
                self.ears.paused(quiet, since, now) || now.since(since) >= longest
            }
            Act::AwaitVoice { heard, longest } => {
                self.ears.speaking(heard, since, now) || now.since(since) >= longest
            }
            Act::Say { clip, text } => {
                if is_new {
                    self.mouth.say(&Clips::get().speech[clip]);
                    self.said.push_back(text);
                }
                self.mouth.is_idle()
            }
            Act::Cough { clip } => {
                if is_new {
                    self.mouth.say(&Clips::get().coughs[clip]);
                }
                self.mouth.is_idle()
            }
            Act::Press(keys) => {
                if is_new {
                    self.acting.keys = keys.chars().collect();
                }
                self.press_next(now)
            }
            Act::Redirect(direction) => {
                self.change_session(Some(|session: &mut Session| session.redirect(direction)))
            }
            Act::Recode(codecs) => self.change_session(Some(|session: &mut Session| session.recode(&codecs))),
            Act::ReinviteWithoutOffer => self.change_session(None::<fn(&mut Session)>),
            Act::Ping => {
                self.ping(now);
                true
            }
            Act::FallSilent => {
                self.mouth.silent = true;
                true
            }
        };
        // A session change that has to wait for another one is tried again with the next packet.
        if done {
            self.acting.next(now);
        }
    }

    /// Whether all keys are pressed.
    fn press_next(&mut self, now: Time) -> bool {
        if now >= self.acting.next_key
            && let Some(key) = self.acting.keys.pop_front()
        {
            self.mouth.press(key);
            self.acting.next_key = now + BETWEEN_KEYS;
        }
        self.acting.keys.is_empty() && self.mouth.is_idle()
    }

    fn ping(&mut self, now: Time) {
        let Some(dialog) = &mut self.dialog else { return };
        let request = dialog.request(Method::Options);
        let (transaction, destination) = (self.ids.take(), dialog.destination(&self.peer));
        self.endpoint.perform(CALL, SipAction::Request { transaction, request, destination }, now);
    }
}
