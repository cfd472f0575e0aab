//! Jumping from deadline to deadline.

use offhook_time::Time;

/// A moment that is not zero, so that a forgotten addition shows.
pub fn start() -> Time {
    Time::from_millis(1_000)
}

/// Steps a machine to each of its deadlines until it has none: `next` gives the deadline, `step` handles it and
/// returns whether something was sent. Answers the moments at which something was sent.
///
/// # Panics
/// After 10,000 deadlines: the machine never rests.
pub fn drive<M>(
    machine: &mut M,
    next: impl Fn(&M) -> Option<Time>,
    mut step: impl FnMut(&mut M, Time) -> bool,
) -> Vec<Time> {
    let mut sent_at = Vec::new();
    for _ in 0..10_000 {
        let Some(deadline) = next(machine) else { return sent_at };
        if step(machine, deadline) {
            sent_at.push(deadline);
        }
    }
    panic!("the machine still has a deadline after 10,000 steps");
}

/// Whole milliseconds from `start` to each moment.
pub fn millis_since(start: Time, moments: &[Time]) -> Vec<u64> {
    moments.iter().map(|at| at.since(start).as_millis() as u64).collect()
}
