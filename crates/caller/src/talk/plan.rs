//! When a talker speaks.

use std::sync::Arc;
use std::time::Duration;

use offhook_time::Time;

use crate::call::director::{Act, Director, Patience, View};
use crate::script::{Line, Speech, Step};

/// What a talker does in its call.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Says one thing after the other, each after the far side's pause.
    Turns(Director),
    /// Lets the far side talk, at most once into it.
    IntoPrompt(IntoPrompt),
}

impl Plan {
    /// Says `speech`, one after the other, and hangs up after the last answer.
    pub fn turns(speech: impl IntoIterator<Item = Speech>, patience: Patience) -> Plan {
        let step = |step| Line { number: 0, step };
        let steps =
            speech.into_iter().flat_map(|speech| [step(Step::WaitQuiet(None)), step(Step::Say(speech))]);
        Plan::Turns(Director::of_script(steps.chain([step(Step::WaitQuiet(None))]).collect(), patience))
    }

    /// The call was answered.
    pub fn handle_answer(&mut self, now: Time) {
        match self {
            Plan::Turns(director) => director.handle_answer(now),
            Plan::IntoPrompt(plan) => plan.state = State::Waiting { since: now },
        }
    }

    /// What was to be said is out.
    pub fn handle_done(&mut self, now: Time) {
        match self {
            Plan::Turns(director) => director.handle_done(now),
            Plan::IntoPrompt(plan) => plan.state = State::Listening { since: now },
        }
    }

    /// What to do now; `first_talked` is when the far side first did.
    pub fn poll_act(&mut self, view: View, first_talked: Option<Time>, now: Time) -> Option<Act> {
        match self {
            Plan::Turns(director) => director.poll_act(view, now),
            Plan::IntoPrompt(plan) => plan.poll_act(view, first_talked, now),
        }
    }
}

/// Speaks at a known moment of the far side's first prompt, then listens; or only listens.
#[derive(Debug)]
pub(crate) struct IntoPrompt {
    /// What is said, so long after the prompt's first audible packet.
    speech: Option<(Duration, Speech)>,
    /// How long is listened after that; without speech, how long the prompt must be over.
    listen: Duration,
    /// How long the prompt is waited for.
    patience: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting { since: Time },
    Speaking,
    Listening { since: Time },
    Finished,
}

impl IntoPrompt {
    /// Says `samples`, named `name`, `moment` after the prompt began.
    pub fn say(
        moment: Duration,
        name: &str,
        samples: &Arc<[i16]>,
        listen: Duration,
        patience: Duration,
    ) -> Plan {
        let speech = Speech { name: name.to_owned(), samples: Arc::clone(samples) };
        IntoPrompt::plan(Some((moment, speech)), listen, patience)
    }

    /// Says nothing: learns when the prompt talks.
    pub fn only_listen(over_for: Duration, patience: Duration) -> Plan {
        IntoPrompt::plan(None, over_for, patience)
    }

    fn plan(speech: Option<(Duration, Speech)>, listen: Duration, patience: Duration) -> Plan {
        let state = State::Waiting { since: Time::ZERO };
        Plan::IntoPrompt(IntoPrompt { speech, listen, patience, state })
    }

    fn poll_act(&mut self, view: View, first_talked: Option<Time>, now: Time) -> Option<Act> {
        let is_over = match (self.state, first_talked) {
            (State::Waiting { since }, None) => now.since(since) >= self.patience,
            (State::Waiting { .. }, Some(first)) => match &self.speech {
                Some((moment, speech)) if now.since(first) >= *moment => {
                    self.state = State::Speaking;
                    return Some(Act::Say(speech.clone()));
                }
                Some(_) => false,
                None => view.last_talked.is_some_and(|last| now.since(last) >= self.listen),
            },
            (State::Listening { since }, _) => now.since(since) >= self.listen,
            (State::Speaking | State::Finished, _) => false,
        };
        is_over.then(|| {
            self.state = State::Finished;
            Act::HangUp
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    /// Polls every 20 ms; the far side talks from 1000 to 4000 ms. What is said takes 300 ms.
    fn play(mut plan: Plan) -> Vec<(u64, &'static str)> {
        let (mut acts, mut done_at) = (Vec::new(), None);
        plan.handle_answer(at(0));
        for ms in (0..20_000).step_by(20) {
            if done_at == Some(ms) {
                plan.handle_done(at(ms));
            }
            let first = (ms >= 1000).then(|| at(1000));
            let last = (ms >= 1000).then(|| at(ms.min(4000)));
            let view = View { talking_since: first.filter(|_| ms < 4200), last_talked: last };
            match plan.poll_act(view, first, at(ms)) {
                Some(Act::HangUp) => acts.push((ms, "hang up")),
                Some(_) => {
                    acts.push((ms, "say"));
                    done_at = Some(ms + 300);
                }
                None => {}
            }
        }
        acts
    }

    #[test]
    fn it_speaks_at_its_moment_of_the_prompt_and_listens_afterwards() {
        let samples: Arc<[i16]> = vec![1; 2400].into();
        let plan = IntoPrompt::say(
            Duration::from_millis(1500),
            "no",
            &samples,
            Duration::from_secs(3),
            Duration::from_secs(10),
        );

        assert_eq!(play(plan), [(2500, "say"), (5800, "hang up")]);
    }

    #[test]
    fn who_only_listens_hangs_up_when_the_prompt_is_over() {
        let plan = IntoPrompt::only_listen(Duration::from_secs(2), Duration::from_secs(10));

        assert_eq!(play(plan), [(6000, "hang up")]);
    }

    #[test]
    fn a_prompt_that_never_comes_is_not_waited_for_for_ever() {
        let mut plan = IntoPrompt::only_listen(Duration::from_secs(2), Duration::from_secs(3));
        plan.handle_answer(at(500));

        assert_eq!(plan.poll_act(View::default(), None, at(3499)), None);
        assert_eq!(plan.poll_act(View::default(), None, at(3500)), Some(Act::HangUp));
    }
}
