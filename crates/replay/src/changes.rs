//! What is to be different when a call is played again.

use std::sync::Arc;
use std::time::Duration;

use offhook_call_control::{CallSettings, Role};
use offhook_call_media::{JitterPreference, MediaCommand, TurnPolicy};
use offhook_conversation::{Bot, BotErrors};

use crate::{CallHead, HeadError, RoleHead};

/// One setting that can be changed: its name, what it takes, what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: &'static str,
    /// What it takes.
    pub value: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

/// Every setting that can be changed. Those of turns, and barge-in, win over the bot file.
pub const SETTINGS: [Setting; 14] = [
    setting("end_of_speech", TIME, "silence that ends the caller's turn"),
    setting("pause_after", TIME, "voice after which the bot pauses"),
    setting("decide_within", TIME, "when a sound is speech or is not, at the latest"),
    setting("longest_speech", TIME, "speech without a pause after which the turn ends anyway"),
    setting("fade", TIME, "how long the bot fades when it pauses, stops or resumes"),
    setting("barge_in", "speech|recognized|digits|none", "what may interrupt the bot"),
    setting("call_time", TIME, "longest call"),
    setting("ring_time", TIME, "longest ringing"),
    setting("rtp_timeout", TIME, "silence on the line that ends the call"),
    setting("silence", TIME, "a caller's silence that ends the call"),
    setting("recognizer", TIME, "how long a recognizer may take"),
    setting("synthesizer", TIME, "how long a synthesizer may take"),
    setting("jitter", "delay|loss", "what the jitter buffer prefers"),
    setting("has_recognizer", "true|false", "whether the bot can hear words"),
];

const TIME: &str = "700ms, 2s, 1m";

const fn setting(key: &'static str, value: &'static str, meaning: &'static str) -> Setting {
    Setting { key, value, meaning }
}

/// What is to be different. The default changes nothing.
#[derive(Debug, Default)]
pub struct Changes {
    policy: Vec<(PolicyTime, Duration)>,
    barge_in: Option<&'static str>,
    limits: Vec<(LimitTime, Duration)>,
    jitter: Option<JitterPreference>,
    has_recognizer: Option<bool>,
    bot: Option<Bot>,
}

type PolicyTime = fn(&mut TurnPolicy) -> &mut Duration;
type LimitTime = fn(&mut offhook_call_control::Limits) -> &mut Duration;

/// Why a setting cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// It has no `=`.
    #[error("'{0}' changes nothing: write KEY=VALUE, for example end_of_speech=500ms")]
    NoValue(String),
    /// There is no such setting.
    #[error("there is no setting '{0}': known are {1}")]
    Unknown(String, String),
    /// The value is none.
    #[error("'{value}' is no value of {key}: it takes {takes}")]
    Value {
        /// Which setting.
        key: &'static str,
        /// What was given.
        value: String,
        /// What it takes.
        takes: &'static str,
    },
}

impl Changes {
    /// Takes one more, written as `key=value`.
    ///
    /// # Errors
    /// There is no such setting, or it does not take this value.
    pub fn set(&mut self, change: &str) -> Result<(), ChangeError> {
        let (key, value) = change.split_once('=').ok_or_else(|| ChangeError::NoValue(change.to_owned()))?;
        let (key, value) = (key.trim(), value.trim());
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let known: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
            return Err(ChangeError::Unknown(key.to_owned(), known.join(", ")));
        };
        let taken = match key {
            "end_of_speech" => self.policy(|policy| &mut policy.end_of_speech, value),
            "pause_after" => self.policy(|policy| &mut policy.pause_after, value),
            "decide_within" => self.policy(|policy| &mut policy.decide_within, value),
            "longest_speech" => self.policy(|policy| &mut policy.longest_speech, value),
            "fade" => self.policy(|policy| &mut policy.fade, value),
            "call_time" => self.limit(|limits| &mut limits.call_time, value),
            "ring_time" => self.limit(|limits| &mut limits.ring_time, value),
            "rtp_timeout" => self.limit(|limits| &mut limits.rtp_timeout, value),
            "silence" => self.limit(|limits| &mut limits.silence, value),
            "recognizer" => self.limit(|limits| &mut limits.recognizer, value),
            "synthesizer" => self.limit(|limits| &mut limits.synthesizer, value),
            "barge_in" => keep(&mut self.barge_in, barge_in(value)),
            "jitter" => keep(&mut self.jitter, jitter(value)),
            _ => keep(&mut self.has_recognizer, value.parse().ok()),
        };
        let wrong = || ChangeError::Value { key: setting.key, value: value.to_owned(), takes: setting.value };
        taken.ok_or_else(wrong)
    }

    /// Another bot takes the call.
    pub fn bot(&mut self, bot: Bot) {
        self.bot = Some(bot);
    }

    /// The bot that takes a call with this head; `None` where a built-in one does.
    ///
    /// # Errors
    /// The bot in the head is not accepted by this build.
    pub fn bot_of(&self, head: &CallHead) -> Result<Option<Arc<Bot>>, HeadError> {
        match self.settings(&self.apply(head))?.role {
            Role::Bot(bot) => Ok(Some(bot)),
            Role::Echo | Role::Bridge(_) => Ok(None),
        }
    }

    /// Whether nothing is to be different.
    pub fn is_empty(&self) -> bool {
        let Changes { policy, barge_in, limits, jitter, has_recognizer, bot } = self;
        policy.is_empty()
            && limits.is_empty()
            && barge_in.is_none()
            && jitter.is_none()
            && has_recognizer.is_none()
            && bot.is_none()
    }

    /// The head of the call as it is to be.
    pub(crate) fn apply(&self, head: &CallHead) -> CallHead {
        let mut head = head.clone();
        self.apply_policy(&mut head.control.turn_policy);
        self.apply_policy(&mut head.media.policy);
        for (pick, value) in &self.limits {
            *pick(&mut head.control.limits) = *value;
        }
        head.media.jitter = self.jitter.unwrap_or(head.media.jitter);
        head.control.has_recognizer = self.has_recognizer.unwrap_or(head.control.has_recognizer);
        if let Some(bot) = &self.bot {
            head.control.role = RoleHead::bot(bot);
        }
        head
    }

    /// What the control half is made of: the bot in it is interrupted as is to be.
    pub(crate) fn settings(&self, head: &CallHead) -> Result<CallSettings, BotErrors> {
        let mut settings = head.settings()?;
        if let (Some(word), Role::Bot(bot)) = (self.barge_in, &mut settings.role)
            && let Some(bot) = Arc::get_mut(bot)
        {
            bot.interrupt_everywhere_by(word);
        }
        Ok(settings)
    }

    /// A command on its way to the media half: the bot file's turn policy comes with these.
    pub(crate) fn on_the_way(&self, mut command: MediaCommand) -> MediaCommand {
        if let MediaCommand::SetPolicy(policy) = &mut command {
            self.apply_policy(policy);
        }
        command
    }

    fn apply_policy(&self, policy: &mut TurnPolicy) {
        for (pick, value) in &self.policy {
            *pick(policy) = *value;
        }
    }

    fn policy(&mut self, pick: PolicyTime, value: &str) -> Option<()> {
        self.policy.push((pick, duration(value)?));
        Some(())
    }

    fn limit(&mut self, pick: LimitTime, value: &str) -> Option<()> {
        self.limits.push((pick, duration(value)?));
        Some(())
    }
}

fn keep<T>(place: &mut Option<T>, value: Option<T>) -> Option<()> {
    *place = Some(value?);
    Some(())
}

fn barge_in(word: &str) -> Option<&'static str> {
    ["speech", "recognized", "digits", "none"].into_iter().find(|known| *known == word)
}

fn jitter(word: &str) -> Option<JitterPreference> {
    match word {
        "delay" => Some(JitterPreference::Delay),
        "loss" => Some(JitterPreference::Loss),
        _ => None,
    }
}

/// A length of time with its unit, up to a day.
fn duration(text: &str) -> Option<Duration> {
    let (number, seconds) = if let Some(number) = text.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1.0)
    } else {
        (text.strip_suffix('m')?, 60.0)
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = plain.then(|| number.parse::<f64>().ok()).flatten()? * seconds;
    (seconds > 0.0 && seconds <= 86_400.0).then(|| Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_in_the_list_can_be_set_and_nothing_else() {
        for setting in SETTINGS {
            let value = setting.value.split([',', '|']).next().unwrap();
            let mut changes = Changes::default();
            assert_eq!(changes.set(&format!("{} = {value}", setting.key)), Ok(()));
            assert!(!changes.is_empty());

            let wrong = Changes::default().set(&format!("{}=blue", setting.key)).unwrap_err();
            assert!(wrong.to_string().contains(setting.value), "{wrong}");
        }
        assert!(
            Changes::default().set("end_of_speach=1s").unwrap_err().to_string().contains("end_of_speech")
        );
        assert!(Changes::default().set("end_of_speech").unwrap_err().to_string().contains("KEY=VALUE"));
        assert!(Changes::default().set("end_of_speech=-1s").is_err());
    }

    #[test]
    fn a_changed_turn_policy_wins_over_the_one_of_the_bot_file() {
        let mut changes = Changes::default();
        changes.set("end_of_speech=450ms").unwrap();
        let of_bot = TurnPolicy { end_of_speech: Duration::from_secs(1), ..TurnPolicy::default() };

        let MediaCommand::SetPolicy(policy) = changes.on_the_way(MediaCommand::SetPolicy(of_bot)) else {
            panic!()
        };

        assert_eq!(policy, TurnPolicy { end_of_speech: Duration::from_millis(450), ..of_bot });
    }
}
