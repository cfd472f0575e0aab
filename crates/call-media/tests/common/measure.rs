//! How late what the caller said comes back, found by correlation.

use offhook_time::{Randomness, Seed, StepSink};

use super::Scene;

/// Delays of packets in milliseconds, in order of sending; packets in which nothing was recognized are left out.
pub struct Delays {
    /// When the packet left, in milliseconds, and how late its content was.
    pub packets: Vec<(f64, f64)>,
    /// Packets in which nothing of what the caller said was found.
    pub unknown: usize,
}

impl Delays {
    pub fn percentile(&self, percent: f64) -> f64 {
        let mut sorted: Vec<f64> = self.packets.iter().map(|(_, delay)| *delay).collect();
        sorted.sort_by(f64::total_cmp);
        let at = ((sorted.len() as f64 * percent / 100.0).ceil() as usize).clamp(1, sorted.len());
        sorted[at - 1]
    }

    /// Only those that left between the two moments of the scene, in milliseconds since its start.
    pub fn between(&self, from: f64, to: f64) -> Delays {
        let start = offhook_testkit::start().as_millis() as f64;
        let packets =
            self.packets.iter().filter(|(at, _)| (from..to).contains(&(at - start))).copied().collect();
        Delays { packets, unknown: self.unknown }
    }

    /// When the last packet with more than `limit` milliseconds left, since the start of the scene.
    pub fn last_above(&self, limit: f64) -> Option<f64> {
        let start = offhook_testkit::start().as_millis() as f64;
        self.packets.iter().rev().find(|(_, delay)| *delay > limit).map(|(at, _)| at - start)
    }

    pub fn print(&self, what: &str) {
        println!(
            "{what}: p50 {:.2} ms, p95 {:.2}, p99 {:.2}, max {:.2} over {} packets, {} not recognized",
            self.percentile(50.0),
            self.percentile(95.0),
            self.percentile(99.0),
            self.percentile(100.0),
            self.packets.len(),
            self.unknown
        );
    }
}

impl<S: StepSink> Scene<S> {
    /// Since the scene began.
    pub fn elapsed_ms(&self) -> f64 {
        self.now.since(offhook_testkit::start()).as_secs_f64() * 1e3
    }

    /// The sender's timestamps leap by so many units, ahead or back, while its voice goes on.
    pub fn leap(&mut self, units: i32) {
        self.sender.skip(units as u32);
    }
}

/// The delay of every packet that left after `skip` packets: from when the caller sent a sample until it comes back.
pub fn delays<S: StepSink>(scene: &Scene<S>, skip: usize) -> Delays {
    const LONGEST: i64 = 8 * 700;
    let mut result = Delays { packets: Vec::new(), unknown: 0 };
    let mut expected: Option<i64> = None;
    for (at, samples) in scene.heard().into_iter().skip(skip) {
        let at = at.as_nanos() as f64 / 1e6;
        // The sample that the caller sends right now.
        let newest = ((at - scene.sent_at(0.0)) * 8.0) as i64;
        let near = expected.map(|offset| (newest - offset - 200).max(0)..=newest - offset + 200);
        let found = near
            .and_then(|near| best(scene, &samples, near))
            .or_else(|| best(scene, &samples, (newest - LONGEST).max(0)..=newest));
        match found {
            Some(position) => {
                expected = Some(newest - position);
                result.packets.push((at, at - scene.sent_at(position as f64)));
            }
            None => result.unknown += 1,
        }
    }
    result
}

/// The position in what the caller said that `samples` resemble most.
fn best<S: StepSink>(scene: &Scene<S>, samples: &[i16], positions: impl Iterator<Item = i64>) -> Option<i64> {
    let energy = |samples: &mut dyn Iterator<Item = i16>| -> f64 {
        samples.map(|sample| f64::from(sample) * f64::from(sample)).sum()
    };
    let own = energy(&mut samples.iter().copied());
    if own == 0.0 {
        return None;
    }
    let mut best = (0.6, None);
    for position in positions.filter(|position| *position >= 0) {
        let said = |n: usize| scene.sample_at(position as usize + n);
        let theirs = energy(&mut (0..samples.len()).map(said));
        if theirs == 0.0 {
            continue;
        }
        let product: f64 =
            samples.iter().enumerate().map(|(n, sample)| f64::from(*sample) * f64::from(said(n))).sum();
        let likeness = product / (own * theirs).sqrt();
        if likeness > best.0 {
            best = (likeness, Some(position));
        }
    }
    best.1
}

/// Noise as loud as speech, `seconds` long: every place in it is recognized.
pub fn noise(seconds: usize) -> Vec<i16> {
    noise_of(seconds, 3_000.0)
}

/// Noise of a quiet room.
pub fn quiet_noise(seconds: usize) -> Vec<i16> {
    noise_of(seconds, 90.0)
}

fn noise_of(seconds: usize, amplitude: f64) -> Vec<i16> {
    let mut randomness = Randomness::new(Seed::from_number(7));
    let mut last = 0.0;
    let samples = (0..seconds * 8_000).map(|_| {
        // Less of the highest tones, which no telephone line carries.
        let white = (randomness.unit() - 0.5) * 2.0 * amplitude;
        let sample = (white + last) * 0.6;
        last = white;
        sample as i16
    });
    samples.collect()
}
