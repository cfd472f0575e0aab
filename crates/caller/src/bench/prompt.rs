//! A prompt as it is heard by who says nothing, and what became of it when somebody spoke into it.

use offhook_time::Time;
use serde::Serialize;

use crate::statistics::rounded;
use crate::talk::talker::Talked;

/// Without an audible packet for so long they are silent. Gaps between words are shorter.
const SILENT_MS: f64 = 200.0;

/// Two hearings of one prompt whose stretches begin and end within this are the same: packets and word edges.
const SAME_MS: f64 = 60.0;

/// Who falls silent this near to the prompt's own next pause may just have come to it.
const NEAR_PAUSE_MS: f64 = 100.0;

/// How much of the prompt must be left, without a pause, at a moment that is good for speaking into it: the first of
/// these that some moment has.
const ROOMS_MS: [f64; 4] = [2000.0, 1500.0, 1000.0, 600.0];

/// So many moments are chosen.
const MOMENTS: usize = 5;

/// Moments are looked for on this grid, and not before the second step.
const GRID_MS: usize = 100;

/// When a prompt is heard, in milliseconds from its first audible packet on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prompt {
    /// Stretches of talk: pauses of 200 ms and more lie between them.
    pub stretches_ms: Vec<(f64, f64)>,
}

impl Prompt {
    /// The prompt of a call in which we said nothing; `None` where there was none.
    pub(super) fn of(talked: &Talked) -> Option<Prompt> {
        let began = talked.heard.first()?.start;
        let audible = talked.audible.iter().filter(|at| **at >= began).map(|at| ms_between(began, *at));
        let mut stretches: Vec<(f64, f64)> = Vec::new();
        for at in audible {
            match stretches.last_mut() {
                Some((_, last)) if at - *last < SILENT_MS => *last = at,
                Some(_) | None => stretches.push((at, at)),
            }
        }
        Some(Prompt { stretches_ms: stretches })
    }

    /// How long they talk on from here without a pause; 0 in a pause.
    pub(super) fn room_ms(&self, at_ms: f64) -> f64 {
        let found = self.stretches_ms.iter().find(|(from, to)| (*from..*to).contains(&at_ms));
        found.map_or(0.0, |(_, to)| rounded(to - at_ms))
    }

    /// Whether it is the same prompt, heard again.
    pub(super) fn is_like(&self, other: &Prompt) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= SAME_MS;
        self.stretches_ms.len() == other.stretches_ms.len()
            && self
                .stretches_ms
                .iter()
                .zip(&other.stretches_ms)
                .all(|(a, b)| near(a.0, b.0) && near(a.1, b.1))
    }
}

/// How long all hearings talk on from here.
pub(super) fn room_of_all(prompts: &[Prompt], at_ms: f64) -> f64 {
    prompts.iter().map(|prompt| prompt.room_ms(at_ms)).fold(f64::INFINITY, f64::min)
}

/// Moments with as much of the prompt left as there are, spread over it.
pub(super) fn moments(prompts: &[Prompt]) -> Vec<f64> {
    let end = prompts.iter().filter_map(|prompt| prompt.stretches_ms.last()).map(|(_, to)| *to);
    let steps = end.fold(f64::INFINITY, f64::min).clamp(0.0, 120_000.0) as usize / GRID_MS;
    for room in ROOMS_MS {
        let good: Vec<f64> = (2..=steps)
            .map(|step| (step * GRID_MS) as f64)
            .filter(|at| room_of_all(prompts, *at) >= room)
            .collect();
        if !good.is_empty() {
            let chosen = good.len().min(MOMENTS);
            let step = (good.len() - 1) as f64 / (chosen.max(2) - 1) as f64;
            return (0..chosen)
                .filter_map(|n| good.get((n as f64 * step).round() as usize).copied())
                .collect();
        }
    }
    Vec::new()
}

/// What became of a prompt into which we spoke.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reaction {
    /// There was no prompt, or it was over before our moment came.
    NoPrompt,
    /// We hit a pause of the prompt.
    InPause,
    /// They talked on until the prompt's own next pause.
    TalkedOn,
    /// They fell silent.
    Stopped {
        /// From our first packet of speech to their last audible one.
        after_ms: f64,
        /// How long they were silent; `None` where that lasted to the end of the call.
        silent_ms: Option<f64>,
        /// From our last packet of speech to their next audible one; negative where they talked over us.
        answer_ms: Option<f64>,
    },
}

/// What they did about what we said, against how the prompt goes where nobody speaks.
pub(super) fn reaction(talked: &Talked, prompts: &[Prompt]) -> Reaction {
    let (Some(said), Some(first)) = (talked.spoken.first(), talked.heard.first()) else {
        return Reaction::NoPrompt;
    };
    if first.start > said.onset {
        return Reaction::NoPrompt;
    }
    let room = room_of_all(prompts, ms_between(first.start, said.onset));
    if room <= NEAR_PAUSE_MS {
        return Reaction::InPause;
    }
    let from = talked.audible.partition_point(|at| *at <= said.onset).saturating_sub(1);
    let rest = talked.audible.get(from..).unwrap_or_default();
    let last = rest
        .iter()
        .zip(rest.iter().skip(1).copied().map(Some).chain([None]))
        .find(|(at, next)| ms_between(**at, next.unwrap_or(talked.ended)) >= SILENT_MS);
    // Talking when the call ended.
    let Some((last, next)) = last else { return Reaction::TalkedOn };
    let after_ms = ms_between(said.onset, *last).max(0.0);
    if after_ms >= room - NEAR_PAUSE_MS {
        return Reaction::TalkedOn;
    }
    Reaction::Stopped {
        after_ms: rounded(after_ms),
        silent_ms: next.map(|next| rounded(ms_between(*last, next))),
        answer_ms: next.map(|next| rounded(ms_between(said.end, next))),
    }
}

fn ms_between(from: Time, to: Time) -> f64 {
    to.signed_since(from) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::{ContinuityMeter, Segment, Spoken};

    const BEGAN: u64 = 5000;

    /// A call in which they talk in these stretches (ms from the prompt's begin), a packet every 20 ms, and we from
    /// `said.0` to `said.1`. It ends at 10 s.
    fn call(stretches: &[(u64, u64)], said: Option<(u64, u64)>) -> Talked {
        let at = |ms: u64| Time::from_millis(BEGAN + ms);
        let spoken = said.map(|(onset, end)| Spoken {
            name: "no".into(),
            is_keys: false,
            onset: at(onset),
            end: at(end),
        });
        Talked {
            answered: at(0),
            spoken: spoken.into_iter().collect(),
            heard: stretches.iter().map(|(from, to)| Segment { start: at(*from), end: at(*to) }).collect(),
            audible: stretches.iter().flat_map(|(from, to)| (*from..=*to).step_by(20)).map(at).collect(),
            ended: at(10_000),
            meter: ContinuityMeter::new(),
        }
    }

    fn prompt(stretches: &[(u64, u64)]) -> Prompt {
        Prompt::of(&call(stretches, None)).unwrap()
    }

    #[test]
    fn a_prompt_is_its_stretches_of_talk_and_the_room_that_each_moment_has() {
        let prompt = prompt(&[(0, 1000), (1180, 2000), (2400, 5000)]);

        assert_eq!(prompt.stretches_ms, [(0.0, 2000.0), (2400.0, 5000.0)]);
        assert_eq!([500.0, 2200.0, 3000.0, 9000.0].map(|at| prompt.room_ms(at)), [1500.0, 0.0, 2000.0, 0.0]);
        assert_eq!(Prompt::of(&call(&[], None)), None);
    }

    #[test]
    fn moments_are_spread_over_what_leaves_enough_room() {
        let long = prompt(&[(0, 6000)]);
        let short = prompt(&[(0, 400), (800, 1900)]);

        assert_eq!(moments(std::slice::from_ref(&long)), [200.0, 1200.0, 2100.0, 3100.0, 4000.0]);
        assert_eq!(moments(std::slice::from_ref(&short)), [800.0, 900.0]);
        assert_eq!(moments(&[long, short]), [800.0, 900.0]);
        assert!(moments(&[prompt(&[(0, 300)])]).is_empty());
    }

    #[test]
    fn who_is_interrupted_falls_silent_before_the_prompts_own_pause() {
        let whole = [prompt(&[(0, 6000)])];

        let stopped = reaction(&call(&[(0, 2140), (4000, 5000)], Some((2000, 2900))), &whole);
        let for_good = reaction(&call(&[(0, 2140)], Some((2000, 2900))), &whole);
        let over_us = reaction(&call(&[(0, 2140), (2500, 6000)], Some((2000, 2900))), &whole);

        assert_eq!(
            stopped,
            Reaction::Stopped { after_ms: 140.0, silent_ms: Some(1860.0), answer_ms: Some(1100.0) }
        );
        assert_eq!(for_good, Reaction::Stopped { after_ms: 140.0, silent_ms: None, answer_ms: None });
        assert_eq!(
            over_us,
            Reaction::Stopped { after_ms: 140.0, silent_ms: Some(360.0), answer_ms: Some(-400.0) }
        );
    }

    #[test]
    fn who_talks_on_to_the_next_pause_was_not_interrupted() {
        let whole = [prompt(&[(0, 3000), (3400, 6000)])];

        assert_eq!(
            reaction(&call(&[(0, 3000), (3400, 6000)], Some((2000, 2500))), &whole),
            Reaction::TalkedOn
        );
        assert_eq!(
            reaction(&call(&[(0, 2940), (6000, 7000)], Some((2000, 2500))), &whole),
            Reaction::TalkedOn
        );
        assert_eq!(reaction(&call(&[(0, 10_000)], Some((2000, 2500))), &whole), Reaction::TalkedOn);
    }

    #[test]
    fn a_moment_in_a_pause_and_a_prompt_that_never_came_measure_nothing() {
        let whole = [prompt(&[(0, 3000), (3400, 6000)])];

        assert_eq!(reaction(&call(&[(0, 3000)], Some((3100, 3500))), &whole), Reaction::InPause);
        assert_eq!(reaction(&call(&[(0, 3000)], None), &whole), Reaction::NoPrompt);
        assert_eq!(reaction(&call(&[(2000, 3000)], Some((500, 900))), &whole), Reaction::NoPrompt);
    }

    #[test]
    fn a_bot_that_was_between_two_words_when_it_stopped_needed_no_time() {
        let whole = [prompt(&[(0, 1000), (1180, 6000)])];

        let found = reaction(&call(&[(0, 1000)], Some((1100, 2000))), &whole);

        assert_eq!(found, Reaction::Stopped { after_ms: 0.0, silent_ms: None, answer_ms: None });
    }

    #[test]
    fn two_hearings_of_one_prompt_are_alike() {
        let one = prompt(&[(0, 3000), (3400, 6000)]);

        assert!(one.is_like(&prompt(&[(0, 3020), (3440, 6000)])));
        assert!(!one.is_like(&prompt(&[(0, 3020), (3500, 6000)])));
        assert!(!one.is_like(&prompt(&[(0, 3000)])));
    }
}
