//! Decides what to do next: the script, or the utterances of a WAV between the far side's pauses.

use std::collections::VecDeque;
use std::time::Duration;

use offhook_time::Time;

use crate::call::CallOptions;
use crate::listen;
use crate::script::{Action, Line, Speech, Step};

/// What the call looks like now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct View {
    /// Since when they have been talking.
    pub talking_since: Option<Time>,
    /// When they last talked.
    pub last_talked: Option<Time>,
}

/// What shall be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Act {
    /// Say this.
    Say(Speech),
    /// Press these keys.
    Press(String),
    /// Hang up.
    HangUp,
    /// A line for people.
    Tell(String),
}

/// How long things are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub quiet_after: Duration,
    pub greeting: Duration,
    pub answer: Duration,
    pub linger: Duration,
}

impl Patience {
    /// As the options say.
    pub fn of(options: &CallOptions) -> Self {
        Patience {
            quiet_after: options.quiet_after,
            greeting: options.greeting_patience,
            answer: options.answer_patience,
            linger: options.linger,
        }
    }
}

#[derive(Clone, Debug)]
enum Task {
    Step(Line),
    /// Until the playback is out.
    Play,
    /// Until they have been quiet for `linger`.
    Linger,
    /// Until they hang up.
    Listen,
}

/// Goes through its tasks one by one.
#[derive(Debug)]
pub(crate) struct Director {
    tasks: VecDeque<Task>,
    patience: Patience,
    state: State,
    unmet: Vec<String>,
    /// From when on their talking is an answer: the call's answer, then the end of what we said last.
    since: Time,
    has_spoken: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next task begins.
    Idle,
    /// The front task waits since then.
    Waiting { began: Time },
    /// What the front task said or pressed is not out yet.
    Busy,
    /// We hung up.
    Finished,
}

impl Director {
    /// Follows a script.
    pub fn of_script(lines: Vec<Line>, patience: Patience) -> Self {
        Director::new(lines.into_iter().map(Task::Step).collect(), patience)
    }

    /// Says the utterances of a WAV, each after their pause, then waits for the last answer.
    pub fn of_audio(name: &str, samples: &[i16], patience: Patience) -> Self {
        let mut tasks = VecDeque::new();
        let step = |step| Task::Step(Line { number: 0, step });
        for (index, utterance) in listen::split(samples).into_iter().enumerate() {
            tasks.push_back(step(Step::WaitQuiet(None)));
            let speech = Speech {
                name: format!("{name} #{}", index + 1),
                samples: samples.get(utterance.range).unwrap_or_default().into(),
            };
            tasks.push_back(step(Step::Say(speech)));
        }
        tasks.push_back(step(Step::WaitQuiet(None)));
        tasks.push_back(Task::Linger);
        Director::new(tasks, patience)
    }

    /// Waits until the playback is out, and then for the last answer.
    pub fn of_playback(patience: Patience) -> Self {
        Director::new(VecDeque::from([Task::Play, Task::Linger]), patience)
    }

    /// Only listens.
    pub fn of_nothing(patience: Patience) -> Self {
        Director::new(VecDeque::from([Task::Listen]), patience)
    }

    fn new(tasks: VecDeque<Task>, patience: Patience) -> Self {
        Director {
            tasks,
            patience,
            state: State::Idle,
            unmet: Vec::new(),
            since: Time::ZERO,
            has_spoken: false,
        }
    }

    /// They answered.
    pub fn handle_answer(&mut self, now: Time) {
        self.since = now;
    }

    /// What we were saying or pressing is out.
    pub fn handle_done(&mut self, now: Time) {
        if self.state == State::Busy {
            self.since = now;
            self.has_spoken = true;
            self.next();
        }
    }

    /// They hung up: what was still to be said never will be.
    pub fn handle_hangup(&mut self) {
        if self.state == State::Finished {
            return;
        }
        let expected =
            matches!(self.tasks.front(), Some(Task::Step(Line { step: Step::ExpectHangup(_), .. })));
        let rest = self.tasks.drain(..).skip(usize::from(expected)).collect::<Vec<_>>();
        for task in rest {
            if let Task::Step(line) = task
                && let Some(what) = missed(&line.step)
            {
                self.unmet.push(at_line(&line, &format!("they hung up before {what}")));
            }
        }
        self.state = State::Finished;
    }

    /// What did not come true so far.
    pub fn unmet(&self) -> &[String] {
        &self.unmet
    }

    /// What to do now. Call it often.
    pub fn poll_act(&mut self, view: View, now: Time) -> Option<Act> {
        let began = match self.state {
            State::Busy | State::Finished => return None,
            State::Idle => {
                self.state = State::Waiting { began: now };
                now
            }
            State::Waiting { began } => began,
        };
        let Some(task) = self.tasks.front().cloned() else {
            self.state = State::Finished;
            return Some(Act::HangUp);
        };
        match task {
            Task::Listen => None,
            Task::Play => Some(self.busy(Act::Tell("playing the recording".to_owned()))),
            Task::Linger => {
                let quiet_since = view.last_talked.map_or(began, |last| last.max(began));
                let is_over = view.talking_since.is_none() && now.since(quiet_since) >= self.patience.linger;
                is_over.then(|| self.next()).and_then(|()| self.poll_act(view, now))
            }
            Task::Step(line) => self.poll_step(&line, began, view, now),
        }
    }

    fn poll_step(&mut self, line: &Line, began: Time, view: View, now: Time) -> Option<Act> {
        let waited = now.since(began);
        match &line.step {
            Step::Say(speech) => Some(self.busy(Act::Say(speech.clone()))),
            Step::Dtmf(digits) => Some(self.busy(Act::Press(digits.clone()))),
            Step::Wait(how_long) => self.next_when(waited >= *how_long, view, now),
            Step::WaitQuiet(limit) => {
                let over = self.is_quiet(view, now) || self.is_out_of_patience(*limit, waited, view);
                self.next_when(over, view, now)
            }
            Step::Interrupt { after, action } => match view.talking_since {
                Some(since) if now.since(since.max(began)) >= *after => Some(self.busy(match action {
                    Action::Say(speech) => Act::Say(speech.clone()),
                    Action::Dtmf(digits) => Act::Press(digits.clone()),
                })),
                None if waited >= self.patience.answer => {
                    self.unmet.push(at_line(line, "nothing to interrupt: they did not talk"));
                    self.next();
                    Some(Act::Tell("they did not talk, so there is nothing to interrupt".to_owned()))
                }
                Some(_) | None => None,
            },
            Step::ExpectHangup(limit) => {
                let limit = limit.unwrap_or(self.patience.answer);
                if waited < limit {
                    return None;
                }
                self.unmet
                    .push(at_line(line, &format!("they did not hang up within {} s", limit.as_secs_f64())));
                self.next();
                Some(Act::Tell("they did not hang up as expected".to_owned()))
            }
            Step::Hangup => {
                self.state = State::Finished;
                Some(Act::HangUp)
            }
        }
    }

    /// They talked since we did, and have been quiet for long enough.
    fn is_quiet(&self, view: View, now: Time) -> bool {
        view.talking_since.is_none()
            && view
                .last_talked
                .is_some_and(|last| last > self.since && now.since(last) >= self.patience.quiet_after)
    }

    /// A limit of the script's own holds whatever they do; ours never cuts them short.
    fn is_out_of_patience(&self, limit: Option<Duration>, waited: Duration, view: View) -> bool {
        match limit {
            Some(limit) => waited >= limit,
            None => {
                let patience = if self.has_spoken { self.patience.answer } else { self.patience.greeting };
                let has_begun = view.last_talked.is_some_and(|last| last > self.since);
                !has_begun && view.talking_since.is_none() && waited >= patience
            }
        }
    }

    fn next_when(&mut self, condition: bool, view: View, now: Time) -> Option<Act> {
        if !condition {
            return None;
        }
        self.next();
        self.poll_act(view, now)
    }

    fn next(&mut self) {
        self.tasks.pop_front();
        self.state = State::Idle;
    }

    fn busy(&mut self, act: Act) -> Act {
        self.state = State::Busy;
        act
    }
}

/// What is missed when a step never happens; nothing for waits.
fn missed(step: &Step) -> Option<String> {
    match step {
        Step::Say(speech) => Some(format!("{} was said", speech.name)),
        Step::Dtmf(digits) => Some(format!("{digits} was pressed")),
        Step::Interrupt { .. } => Some("they were interrupted".to_owned()),
        Step::Wait(_) | Step::WaitQuiet(_) | Step::ExpectHangup(_) | Step::Hangup => None,
    }
}

fn at_line(line: &Line, what: &str) -> String {
    if line.number == 0 { what.to_owned() } else { format!("line {}: {what}", line.number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        quiet_after: Duration::from_millis(900),
        greeting: Duration::from_secs(3),
        answer: Duration::from_secs(12),
        linger: Duration::from_secs(4),
    };

    /// Plays a far side that talks in these stretches (ms) and hears what we do: (ms, act). What we say takes 500 ms.
    fn play(mut director: Director, talks: &[(u64, u64)], until: u64) -> (Vec<(u64, String)>, Director) {
        let (mut acts, mut busy_until) = (Vec::new(), None);
        director.handle_answer(Time::from_millis(0));
        for at in (1..until).step_by(10) {
            let now = Time::from_millis(at);
            if busy_until.is_some_and(|until| at >= until) {
                busy_until = None;
                director.handle_done(now);
            }
            let talking = talks.iter().find(|(start, end)| (*start..*end).contains(&at));
            let view = View {
                talking_since: talking.map(|(start, _)| Time::from_millis(*start)),
                last_talked: talks
                    .iter()
                    .filter(|(start, _)| *start <= at)
                    .map(|(_, end)| Time::from_millis(at.min(*end)))
                    .max(),
            };
            while let Some(act) = director.poll_act(view, now) {
                if matches!(act, Act::Say(_) | Act::Press(_)) {
                    busy_until = Some(at + 500);
                }
                acts.push((at / 100 * 100, describe(&act)));
            }
        }
        (acts, director)
    }

    fn describe(act: &Act) -> String {
        match act {
            Act::Say(speech) => format!("say {}", speech.name),
            Act::Press(digits) => format!("press {digits}"),
            Act::HangUp => "hang up".to_owned(),
            Act::Tell(text) => text.clone(),
        }
    }

    fn scripted(text: &str) -> Director {
        let mut load = |_: &str| Ok(vec![1; 160]);
        let lines = crate::script::parse(text, std::path::Path::new("s"), &mut load).unwrap();
        Director::of_script(lines, PATIENCE)
    }

    fn acts(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
        expected.iter().map(|(at, what)| (*at, (*what).to_owned())).collect()
    }

    #[test]
    fn utterances_wait_for_the_greeting_and_for_each_answer() {
        let voice = vec![3000i16; 8000];
        let mut samples = voice.clone();
        samples.extend([0; 8000]);
        samples.extend(&voice);
        let director = Director::of_audio("a.wav", &samples, PATIENCE);

        let (done, _) = play(director, &[(500, 2000), (4000, 5000), (5300, 6000), (8000, 9000)], 20_000);

        assert_eq!(done, acts(&[(2900, "say a.wav #1"), (6900, "say a.wav #2"), (13_900, "hang up")]));
    }

    #[test]
    fn who_never_greets_is_spoken_to_after_three_seconds() {
        let director = Director::of_audio("a.wav", &[3000; 8000], PATIENCE);

        let (done, _) = play(director, &[], 40_000);

        assert_eq!(
            done,
            acts(&[(3000, "say a.wav #1"), (15_500, "hang up")].map(|(at, what)| match what {
                "hang up" => (at + 4000, what),
                _ => (at, what),
            }))
        );
    }

    #[test]
    fn an_interruption_waits_until_they_talk_and_then_as_long_as_it_says() {
        let director = scripted("interrupt after 1s say no.wav\nwait 2s\ndtmf 5\nexpect-hangup 3s\nhangup");

        let (done, director) = play(director, &[(1000, 6000)], 20_000);

        assert_eq!(
            done,
            acts(&[
                (2000, "say no.wav"),
                (4500, "press 5"),
                (8000, "they did not hang up as expected"),
                (8000, "hang up")
            ])
        );
        assert_eq!(director.unmet(), ["line 4: they did not hang up within 3 s"]);
    }

    #[test]
    fn a_hangup_that_was_expected_is_fine_and_one_that_was_not_is_told() {
        let (_, mut expected) = play(scripted("wait 1s\nexpect-hangup\nhangup"), &[], 3000);
        let (_, mut early) = play(scripted("wait 5s\nsay more.wav\ndtmf 1"), &[], 3000);

        expected.handle_hangup();
        early.handle_hangup();

        assert!(expected.unmet().is_empty());
        assert_eq!(
            early.unmet(),
            ["line 2: they hung up before more.wav was said", "line 3: they hung up before 1 was pressed"]
        );
    }

    #[test]
    fn our_patience_never_cuts_them_short_but_a_limit_of_the_script_does() {
        let (ours, _) = play(scripted("wait-quiet\nhangup"), &[(1000, 30_000)], 40_000);
        let (theirs, _) = play(scripted("wait-quiet 5s\nhangup"), &[(1000, 30_000)], 40_000);

        assert_eq!(ours, acts(&[(30_900, "hang up")]));
        assert_eq!(theirs, acts(&[(5000, "hang up")]));
    }
}
