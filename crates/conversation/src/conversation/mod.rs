//! The conversation of one call.

use std::collections::VecDeque;
use std::sync::Arc;

use offhook_time::{Randomness, Seed, Time, WallClock};

use crate::{Bot, Input, Output};

/// What one bot says to one caller, and when. Inputs and `now` go in, outputs and one deadline come out.
#[derive(Debug)]
pub struct Conversation {
    bot: Arc<Bot>,
    randomness: Randomness,
    wall: WallClock,
    outputs: VecDeque<Output>,
}

impl Conversation {
    /// A conversation that waits for [`Input::Start`].
    pub fn new(bot: Arc<Bot>, seed: Seed, wall: WallClock, now: Time) -> Self {
        let _ = now;
        Conversation { bot, randomness: Randomness::new(seed), wall, outputs: VecDeque::new() }
    }

    /// Takes one input. Afterwards [`poll_output`](Self::poll_output) until it gives nothing.
    pub fn handle(&mut self, input: Input, now: Time) {
        let _ = (input, now, &self.bot, &self.wall, &self.randomness);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// Name of the current state; empty before the start.
    pub fn state(&self) -> &str {
        ""
    }

    /// Whether nothing more will come.
    pub fn is_over(&self) -> bool {
        false
    }

    /// The bot this call began with.
    pub fn bot(&self) -> &Arc<Bot> {
        &self.bot
    }
}
