//! A bad line in user space: what happens to packets between us and the server, in either direction.
//!
//! A line is a pure function of its seed and of the packets that enter: no clock, no thread. What we send waits in one
//! until it is due; what we receive passes one before it is looked at, and has then arrived when it left the line.

mod burst;

pub use burst::GilbertElliott;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use offhook_time::{Randomness, Seed, Time};
use serde::{Deserialize, Serialize};

use burst::Chain;

/// How bad the line is. Percentages are per packet and independent of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Impairment {
    /// Packets that never arrive, each by itself.
    pub loss_percent: f64,
    /// Packets that never arrive, in runs.
    pub burst_loss: Option<GilbertElliott>,
    /// Every packet takes this many milliseconds.
    pub delay_ms: f64,
    /// Each packet is delayed by 0 to this many milliseconds, evenly; neighbours may swap places.
    pub jitter_ms: f64,
    /// Packets that are held back by [`HELD_BACK`] on top.
    pub reorder_percent: f64,
    /// Packets that arrive twice.
    pub duplicate_percent: f64,
    /// Which way is as bad as this; the other one is clean.
    pub direction: Direction,
}

impl Impairment {
    /// Whether the line is clean.
    pub fn is_none(&self) -> bool {
        *self == Impairment { direction: self.direction, ..Impairment::default() }
    }
}

/// Which of the two ways is as bad as an [`Impairment`] says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What we send.
    #[default]
    Out,
    /// What we receive.
    In,
    /// Both, each with accidents of its own.
    Both,
}

impl Direction {
    /// Whether what we send is impaired.
    pub fn is_out(self) -> bool {
        matches!(self, Direction::Out | Direction::Both)
    }

    /// Whether what we receive is impaired.
    pub fn is_in(self) -> bool {
        matches!(self, Direction::In | Direction::Both)
    }
}

/// One and a half packets: long enough that a held-back packet arrives after its successor.
pub const HELD_BACK: Duration = Duration::from_millis(30);

/// What the line did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImpairCounters {
    /// Packets that entered the line.
    pub entered: u64,
    /// Packets that were lost.
    pub lost: u64,
    /// Packets that were held back.
    pub held_back: u64,
    /// Packets that were doubled.
    pub doubled: u64,
}

/// What both ways of a bad line did; absent for a clean way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Impaired {
    /// What we sent.
    pub out: Option<ImpairCounters>,
    /// What they sent.
    pub back: Option<ImpairCounters>,
}

impl ImpairCounters {
    /// Both.
    pub fn and(self, other: ImpairCounters) -> Self {
        ImpairCounters {
            entered: self.entered + other.entered,
            lost: self.lost + other.lost,
            held_back: self.held_back + other.held_back,
            doubled: self.doubled + other.doubled,
        }
    }
}

/// The line itself: packets enter by [`push`](Impairer::push) and leave by [`pop`](Impairer::pop).
#[derive(Debug)]
pub struct Impairer {
    impairment: Impairment,
    randomness: Randomness,
    chain: Chain,
    under_way: BinaryHeap<Reverse<(Time, u64, Vec<u8>)>>,
    counters: ImpairCounters,
    order: u64,
}

impl Impairer {
    /// A line of which `seed` decides every accident.
    pub fn new(impairment: Impairment, seed: u64) -> Self {
        Impairer {
            impairment,
            randomness: Randomness::new(Seed::from_number(seed)),
            chain: Chain::new(seed),
            under_way: BinaryHeap::new(),
            counters: ImpairCounters::default(),
            order: 0,
        }
    }

    /// From now on the line is as bad as `impairment`; packets under way keep their delay.
    pub fn set(&mut self, impairment: Impairment) {
        self.impairment = impairment;
    }

    /// A packet enters the line.
    pub fn push(&mut self, packet: &[u8], now: Time) {
        self.counters.entered += 1;
        // Always the same number of draws per packet: changing one percentage leaves the other accidents in place.
        let [loss, reorder, duplicate] = [(); 3].map(|()| self.randomness.unit() * 100.0);
        let jitters = [(); 2].map(|()| self.randomness.unit() * self.impairment.jitter_ms / 1000.0);
        let in_a_run = self.impairment.burst_loss.is_some_and(|model| self.chain.loses(&model));
        if in_a_run || loss < self.impairment.loss_percent {
            self.counters.lost += 1;
            return;
        }
        let fixed = Duration::from_secs_f64(self.impairment.delay_ms / 1000.0);
        let mut due = now + fixed + Duration::from_secs_f64(jitters[0]);
        if reorder < self.impairment.reorder_percent {
            self.counters.held_back += 1;
            due += HELD_BACK;
        }
        self.enqueue(due, packet);
        if duplicate < self.impairment.duplicate_percent {
            self.counters.doubled += 1;
            self.enqueue(now + fixed + Duration::from_secs_f64(jitters[1]), packet);
        }
    }

    /// The next packet that has reached the far end, if any has.
    pub fn pop(&mut self, now: Time) -> Option<Vec<u8>> {
        self.pop_arrival(now).map(|(_, packet)| packet)
    }

    /// The same, and when it got there.
    pub fn pop_arrival(&mut self, now: Time) -> Option<(Time, Vec<u8>)> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.under_way.pop().map(|Reverse((due, _, packet))| (due, packet))
    }

    /// When the next packet reaches the far end.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.under_way.peek().map(|Reverse((due, _, _))| *due)
    }

    /// What happened so far.
    pub fn counters(&self) -> ImpairCounters {
        self.counters
    }

    fn enqueue(&mut self, due: Time, packet: &[u8]) {
        self.under_way.push(Reverse((due, self.order, packet.to_vec())));
        self.order += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: u64 = 20_000;

    /// Sends one numbered packet every 20 ms and answers when each arrived: (number, delay in ms).
    fn run(impairment: Impairment, seed: u64) -> Vec<(u64, f64)> {
        let mut line = Impairer::new(impairment, seed);
        let sent_at = |number: u64| Time::from_millis(1000 + 20 * number);
        let mut arrived = Vec::new();
        for number in 0..PACKETS {
            line.push(&number.to_be_bytes(), sent_at(number));
            let mut read_until = |until: Time| {
                while let Some(at) = line.poll_timeout().filter(|at| *at <= until) {
                    let number = u64::from_be_bytes(line.pop(at).unwrap().try_into().unwrap());
                    arrived.push((number, at.since(sent_at(number)).as_secs_f64() * 1000.0));
                }
            };
            read_until(sent_at(number + 1).saturating_sub(Duration::from_nanos(1)));
            if number + 1 == PACKETS {
                read_until(Time::MAX);
            }
        }
        arrived
    }

    #[test]
    fn a_clean_line_delivers_everything_at_once_and_in_order() {
        let arrived = run(Impairment::default(), 1);

        assert_eq!(arrived.len() as u64, PACKETS);
        assert!(
            arrived.iter().enumerate().all(|(at, (number, delay))| at as u64 == *number && *delay == 0.0)
        );
    }

    #[test]
    fn loss_and_duplicates_keep_their_percentage() {
        let lossy = run(Impairment { loss_percent: 5.0, ..Impairment::default() }, 2);
        let doubled = run(Impairment { duplicate_percent: 5.0, ..Impairment::default() }, 3);

        let share = |arrived: &[(u64, f64)]| arrived.len() as f64 / PACKETS as f64;
        assert!((share(&lossy) - 0.95).abs() < 0.006, "{}", share(&lossy));
        assert!((share(&doubled) - 1.05).abs() < 0.006, "{}", share(&doubled));
    }

    #[test]
    fn jitter_is_even_between_zero_and_its_limit() {
        let arrived = run(Impairment { jitter_ms: 20.0, ..Impairment::default() }, 4);

        let mean = arrived.iter().map(|(_, delay)| delay).sum::<f64>() / PACKETS as f64;
        let worst = arrived.iter().map(|(_, delay)| *delay).fold(0.0, f64::max);
        assert!((mean - 10.0).abs() < 0.2, "{mean}");
        assert!((19.9..=20.0).contains(&worst), "{worst}");
    }

    #[test]
    fn reordered_packets_arrive_after_their_successor() {
        let arrived = run(Impairment { reorder_percent: 5.0, ..Impairment::default() }, 5);

        let late = arrived.windows(2).filter(|pair| pair[1].0 < pair[0].0).count() as f64 / PACKETS as f64;
        assert_eq!(arrived.len() as u64, PACKETS);
        assert!((late - 0.0475).abs() < 0.008, "{late}");
    }

    #[test]
    fn bursts_leave_every_other_accident_in_place() {
        let single = Impairment { jitter_ms: 40.0, duplicate_percent: 5.0, ..Impairment::default() };
        let in_runs = Impairment { burst_loss: GilbertElliott::runs(5.0, 4.0), ..single };

        let (whole, holed) = (run(single, 8), run(in_runs, 8));

        // What is left arrives exactly as it did: a packet is either gone or where it was.
        let left: std::collections::BTreeSet<u64> = holed.iter().map(|(number, _)| *number).collect();
        let expected: Vec<_> = whole.into_iter().filter(|(number, _)| left.contains(number)).collect();
        assert_eq!(holed, expected);
        let lost = 1.0 - left.len() as f64 / PACKETS as f64;
        assert!((lost - 0.05).abs() < 0.012, "{lost}");
    }

    #[test]
    fn a_fixed_delay_moves_everything_by_itself() {
        let arrived = run(Impairment { delay_ms: 35.0, ..Impairment::default() }, 9);

        assert_eq!(arrived.len() as u64, PACKETS);
        assert!(arrived.iter().all(|(_, delay)| (delay - 35.0).abs() < 1e-9));
    }

    #[test]
    fn the_seed_decides_every_accident() {
        let bad = Impairment {
            loss_percent: 3.0,
            burst_loss: GilbertElliott::runs(2.0, 5.0),
            delay_ms: 15.0,
            jitter_ms: 60.0,
            reorder_percent: 5.0,
            duplicate_percent: 5.0,
            direction: Direction::Out,
        };

        assert_eq!(run(bad, 6), run(bad, 6));
        assert_ne!(run(bad, 6), run(bad, 7));
    }
}
