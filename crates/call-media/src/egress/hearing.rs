//! One column of the who-hears-whom matrix: the sources of a leg, with their gains and what waits of them.

use std::time::Duration;

use offhook_audio::gain::GainRamp;
use offhook_time::Time;

use crate::live::{Available, LiveQueue, mix_through};
use crate::{Gain, Port};

/// Samples over which a gain changes: 5 ms at the line's rate.
const GAIN_CHANGE: u32 = 40;

/// What a far end hears.
#[derive(Debug)]
pub(crate) struct Hearing {
    live: Vec<LiveSource>,
    bot: Option<RouteGain>,
}

/// A source that gives audio at its own pace.
#[derive(Debug)]
struct LiveSource {
    port: Port,
    queue: LiveQueue,
    gain: Option<RouteGain>,
}

#[derive(Clone, Copy, Debug)]
struct RouteGain {
    ramp: GainRamp,
    /// The route was taken out: it goes when its fade has ended.
    leaving: bool,
}

/// How early the live audio of a packet was ready, over all its sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slack {
    /// The least that was seen lately.
    pub(crate) least: Option<i64>,
    /// The same, once all sources are known well enough to move to earlier.
    pub(crate) trusted: Option<i64>,
    /// Nothing in it was loud enough for anybody to hear when it leaves.
    pub(crate) quiet: bool,
}

impl Hearing {
    /// Room for these live sources, with the frames that may wait of each.
    pub(crate) fn new(sources: &[(Port, usize)]) -> Self {
        let source = |(port, frames): &(Port, usize)| LiveSource {
            port: *port,
            queue: LiveQueue::new(*frames),
            gain: None,
        };
        Hearing { live: sources.iter().map(source).collect(), bot: None }
    }

    /// Routes a source here, or changes its gain. False where it can never be heard here.
    pub(crate) fn set_gain(&mut self, from: Port, gain: Gain) -> bool {
        let factor = f32::from(gain.0) / f32::from(Gain::UNITY.0);
        let mut found = false;
        for slot in self.slots(from) {
            found = true;
            match slot {
                Some(route) => {
                    route.leaving = false;
                    route.ramp.move_to(factor, GAIN_CHANGE);
                }
                None => *slot = Some(RouteGain { ramp: GainRamp::new(factor), leaving: false }),
            }
        }
        found
    }

    /// Takes a route out, with a fade.
    pub(crate) fn remove(&mut self, from: Port) {
        for route in self.slots(from).flatten() {
            route.leaving = true;
            route.ramp.move_to(0.0, GAIN_CHANGE);
        }
    }

    /// Whether the source is routed here.
    pub(crate) fn hears(&self, from: Port) -> bool {
        let pulled = self.bot.filter(|_| from == Port::Bot);
        let gain = pulled.or(self.live(from).and_then(|source| source.gain));
        gain.is_some_and(|route| !route.leaving)
    }

    /// Live audio. Returns whether the source begins anew.
    pub(crate) fn push(&mut self, from: Port, samples: &[i16], available: Available) -> bool {
        let source = self.live.iter_mut().find(|source| source.port == from);
        match source {
            Some(source) if source.gain.is_some_and(|route| !route.leaving) => {
                source.queue.push(samples, available)
            }
            Some(_) | None => false,
        }
    }

    /// Whether so many samples of the source wait.
    pub(crate) fn has(&self, from: Port, samples: usize) -> bool {
        self.live(from).is_some_and(|source| source.queue.len() >= samples)
    }

    /// Whether a source that is live has less than `samples`, and more is on its way.
    pub(crate) fn is_short(&self, samples: usize, now: Time) -> bool {
        self.live
            .iter()
            .filter(|source| source.gain.is_some())
            .any(|source| source.queue.len() < samples && source.queue.is_expected(now))
    }

    /// Whole frames of the source that may still be pushed.
    pub(crate) fn room(&self, from: Port) -> Option<usize> {
        self.live(from).map(|source| source.queue.room())
    }

    /// Samples of the source ever pushed and ever taken.
    pub(crate) fn progress(&self, from: Port) -> Option<(u64, u64)> {
        self.live(from).map(|source| (source.queue.written(), source.queue.read()))
    }

    /// Frames dropped because a queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.live.iter().map(|source| source.queue.dropped()).sum()
    }

    /// Throws away what waits of a source.
    pub(crate) fn clear(&mut self, from: Port) {
        self.live.iter_mut().filter(|source| source.port == from).for_each(|source| source.queue.clear());
    }

    /// Throws away what waits of all.
    pub(crate) fn clear_all(&mut self) {
        self.live.iter_mut().for_each(|source| source.queue.clear());
    }

    /// The deadlines moved to later by `nanos`.
    pub(crate) fn shift(&mut self, nanos: i64) {
        if nanos != 0 {
            self.live.iter_mut().for_each(|source| source.queue.shift(nanos));
        }
    }

    /// The source's frames come that much sooner from now on: what waited under the old habit waits longer.
    pub(crate) fn expect_sooner(&mut self, from: Port, sooner: Duration) {
        self.live
            .iter_mut()
            .filter(|source| source.port == from)
            .for_each(|source| source.queue.expect_sooner(sooner));
    }

    /// The gain of the bot, where it is routed here and pulled by this leg.
    pub(crate) fn bot_gain(&mut self) -> Option<&mut GainRamp> {
        if self.bot.is_some_and(|route| route.leaving && !route.ramp.is_moving()) {
            self.bot = None;
        }
        self.bot.as_mut().map(|route| &mut route.ramp)
    }

    /// Adds the next samples of all live sources to `mixed`; they were due at `deadline`.
    pub(crate) fn mix(&mut self, mixed: &mut [i16], deadline: Time) -> Slack {
        let mut slack = Slack { quiet: true, ..Slack::default() };
        let mut untrusted = false;
        for source in &mut self.live {
            let Some(route) = &mut source.gain else { continue };
            let mut buffer = [0i16; super::LONGEST_PACKET];
            let samples = &mut buffer[..mixed.len()];
            let taken = source.queue.take(samples, deadline);
            mix_through(&mut route.ramp, samples, mixed);
            if route.leaving && !route.ramp.is_moving() {
                source.gain = None;
                source.queue.clear();
            } else if taken.audio && source.queue.is_live() {
                let window = source.queue.window();
                slack.least = least_of(slack.least, window.least());
                slack.trusted = least_of(slack.trusted, window.trusted());
                untrusted |= window.trusted().is_none();
                slack.quiet &= taken.quiet;
            }
        }
        if untrusted {
            slack.trusted = None;
        }
        slack
    }

    fn live(&self, port: Port) -> Option<&LiveSource> {
        self.live.iter().find(|source| source.port == port)
    }

    /// The places of a source: the bot has two, as it may be pulled here or come from the leg that pulls it.
    fn slots(&mut self, from: Port) -> impl Iterator<Item = &mut Option<RouteGain>> {
        let pulled = (from == Port::Bot).then_some(&mut self.bot);
        let live = self.live.iter_mut().filter(move |source| source.port == from);
        live.map(|source| &mut source.gain).chain(pulled)
    }
}

fn least_of(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
