//! Finding each sent frame again in what came back.

use std::time::Duration;

use offhook_time::Time;
use serde::Serialize;

use crate::statistics::{Summary, rounded};
use crate::wav::{FRAME, RATE};

/// What came back, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    samples: Vec<f32>,
    /// Sums of squares before each sample.
    energy: Vec<f64>,
    /// First sample and arrival of each packet.
    packets: Vec<(usize, Time)>,
}

impl Heard {
    /// Nothing yet.
    pub fn new() -> Self {
        Heard { samples: Vec::new(), energy: vec![0.0], packets: Vec::new() }
    }

    /// A packet of audio that arrived at `arrived`.
    pub fn push(&mut self, samples: &[i16], arrived: Time) {
        self.packets.push((self.samples.len(), arrived));
        let mut sum = self.energy.last().copied().unwrap_or(0.0);
        for sample in samples {
            let sample = f32::from(*sample);
            sum += f64::from(sample) * f64::from(sample);
            self.samples.push(sample);
            self.energy.push(sum);
        }
    }

    /// When the sample at `position` could be played: arrival of its packet plus its place in it.
    fn playable(&self, position: usize) -> Option<Time> {
        let index = self.packets.partition_point(|(first, _)| *first <= position).checked_sub(1)?;
        let (first, arrived) = self.packets.get(index)?;
        Some(*arrived + samples_to_time(position - first))
    }

    /// The first sample of the first packet that arrived at or after `at`.
    fn position_at(&self, at: Time) -> usize {
        let index = self.packets.partition_point(|(_, arrived)| *arrived < at);
        self.packets.get(index).map_or(self.samples.len(), |(first, _)| *first)
    }

    /// Normalized cross-correlation of `frame` with what was heard from `position` on; −1 to 1.
    fn correlation(&self, frame: &[f32], frame_energy: f64, position: usize) -> f64 {
        let Some(heard) = self.samples.get(position..position + frame.len()) else { return -1.0 };
        let energy = self.energy[position + frame.len()] - self.energy[position];
        if energy < 1.0 || frame_energy < 1.0 {
            return 0.0;
        }
        f64::from(dot(frame, heard)) / (energy * frame_energy).sqrt()
    }
}

/// One frame found again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameDelay {
    /// The added round trip.
    pub delay_ms: f64,
    /// How alike it is: 1 is the same shape.
    pub correlation: f64,
}

/// What the probe found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Frames looked for.
    pub frames: u64,
    /// Frames that came back damaged or not at all.
    pub damaged: u64,
    /// Times the delay moved by 10 ms or more from one found frame to the next.
    pub slips: u64,
    /// The added round trip over all frames that were found.
    pub added_ms: Summary,
}

/// As alike as a frame must be to count as undamaged. What µ-law, a 16 kHz filter pair and a fractional delay leave
/// is above 0.95; a wrong place in noise of this band reaches 0.4 by chance; a half replaced frame has 0.7.
const ALIKE: f64 = 0.8;

/// Above this the first look, around where the frame before was found, is enough.
const SURE: f64 = 0.9;

/// More alike than this at a whole sample: the delay is that of a whole sample.
const WHOLE: f64 = 0.97;

/// One sample.
const SAMPLE_MS: f64 = 1000.0 / RATE as f64;

/// How far around the expected place the first look goes: 3 ms.
const FIRST_LOOK: usize = 24;

/// Looks for each 20 ms frame of `sent` (the last, incomplete one is left out); `left[n]` is when the packet of frame
/// n left. Answers one entry per frame, `None` where it is not found within `longest`.
pub fn locate(sent: &[i16], left: &[Time], heard: &Heard, longest: Duration) -> Vec<Option<FrameDelay>> {
    let mut expected: Option<usize> = None;
    sent.chunks_exact(FRAME)
        .zip(left)
        .map(|(frame, left)| {
            let found = find(frame, *left, heard, longest, expected);
            expected = found.map(|place| place.position).or(expected).map(|position| position + FRAME);
            let place = found?;
            let whole = heard.playable(place.position)?.signed_since(*left) as f64 / 1e6;
            Some(FrameDelay { delay_ms: whole + place.fraction * SAMPLE_MS, correlation: place.correlation })
        })
        .collect()
}

/// Sums up what [`locate`] found.
pub fn report(delays: &[Option<FrameDelay>]) -> ProbeReport {
    let found: Vec<f64> = delays.iter().flatten().map(|delay| delay.delay_ms).collect();
    ProbeReport {
        frames: delays.len() as u64,
        damaged: (delays.len() - found.len()) as u64,
        slips: found.windows(2).filter(|pair| (pair[1] - pair[0]).abs() >= 10.0).count() as u64,
        added_ms: Summary::of(found.into_iter().map(rounded)),
    }
}

/// Where a frame was found.
#[derive(Clone, Copy, Debug)]
struct Place {
    position: usize,
    /// Of a sample, −1 to 1.
    fraction: f64,
    correlation: f64,
}

fn find(
    frame: &[i16],
    left: Time,
    heard: &Heard,
    longest: Duration,
    expected: Option<usize>,
) -> Option<Place> {
    let frame: Vec<f32> = frame.iter().map(|sample| f32::from(*sample)).collect();
    let energy = f64::from(dot(&frame, &frame));
    // A path may play a frame no earlier than it left; one packet of margin keeps an instant echo inside the window.
    let first = heard.position_at(left).saturating_sub(FRAME);
    let last = heard.position_at(left + longest);
    let best_of = |from: usize, to: usize| {
        (from..to)
            .map(|position| (position, heard.correlation(&frame, energy, position)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(position, correlation)| refine(&frame, energy, heard, position, correlation))
    };
    let near = expected.map(|at| (at.saturating_sub(FIRST_LOOK).max(first), (at + FIRST_LOOK + 1).min(last)));
    if let Some(found) =
        near.and_then(|(from, to)| best_of(from, to)).filter(|found| found.correlation >= SURE)
    {
        return Some(found);
    }
    best_of(first, last).filter(|found| found.correlation >= ALIKE)
}

/// A path whose delay is not a whole sample spreads the likeness over two neighbours: the best mixture of both (least
/// squares) tells how alike it really is, and where between them it lies.
fn refine(frame: &[f32], energy: f64, heard: &Heard, position: usize, at: f64) -> Place {
    let whole = Place { position, fraction: 0.0, correlation: at };
    if at > WHOLE {
        return whole;
    }
    let before = position.checked_sub(1).map_or(-1.0, |before| heard.correlation(frame, energy, before));
    let after = heard.correlation(frame, energy, position + 1);
    let (beside, start, sign) =
        if after >= before { (after, position, 1.0) } else { (before, position.saturating_sub(1), -1.0) };
    // How alike the two neighbours are to each other.
    let Some(stretch) = heard.samples.get(start..start + frame.len()) else { return whole };
    let own = heard.correlation(stretch, f64::from(dot(stretch, stretch)), start + 1);
    let rest = 1.0 - own * own;
    let (here, there) = ((at - own * beside) / rest, (beside - own * at) / rest);
    if rest < 0.01 || here <= 0.0 || there <= 0.0 {
        return whole;
    }
    Place {
        position,
        fraction: sign * there / (here + there),
        correlation: (here * at + there * beside).max(0.0).sqrt().min(1.0),
    }
}

/// Eight sums side by side, so that the compiler can use vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

fn samples_to_time(samples: usize) -> Duration {
    Duration::from_nanos(samples as u64 * 1_000_000_000 / u64::from(RATE))
}
