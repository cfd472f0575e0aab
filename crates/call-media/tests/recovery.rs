//! After a bad line: how soon the delay is clean again, and that nothing of it stays. Many seeds of every kind of harm.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

mod common;

use std::time::Duration;

use common::{Delays, Scene, assert_continuous, delays, echo, noise, quiet_noise};
use offhook_testkit::{Line, LineQuality};
use offhook_time::{Randomness, Seed};

/// Per harm; each is a call of 13 seconds.
const SEEDS: u64 = 4;

/// What a packet may take on a clean line: the filters, a tick, and what nobody notices.
const CLEAN_MS: f64 = 12.5;

/// The line is good for so long, then bad, then good again.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_millis(5_500);

#[test]
fn speech_that_never_pauses_is_clean_again_after_two_and_a_half_seconds() {
    assert_recoveries("speech", &noise(5), 2_500.0);
}

#[test]
fn silence_is_clean_again_after_eight_tenths_of_a_second() {
    assert_recoveries("silence", &quiet_noise(5), 800.0);
}

fn assert_recoveries(what: &str, says: &[i16], limit_ms: f64) {
    let worst = Harm::ALL.map(|harm| (harm, worst_recovery(harm, says)));

    println!("clean again after ms, in {what}, the worst of {SEEDS} seeds: {worst:?}");
    for (harm, ms) in worst {
        // Its last packets are under way for 120 ms more, and the longest wait takes longest to catch up.
        let limit_ms = if harm == Harm::Jitter120 { limit_ms + 350.0 } else { limit_ms };
        assert!(ms <= limit_ms, "{harm:?}: {ms:.0} ms");
    }
}

/// What may happen to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Jitter20,
    Jitter40,
    Jitter60,
    Jitter120,
    JitterAndLoss,
    Reordered,
    /// Up to ten packets in a row are gone, again and again.
    LossBursts,
    /// Nothing comes for 200 ms, then all of it at once.
    Stall,
    /// The same every second.
    Stalls,
    /// The sender's timestamps leap ahead and back.
    ClockSteps,
    Duplicates,
    Everything,
}

impl Harm {
    const ALL: [Harm; 12] = [
        Harm::Jitter20,
        Harm::Jitter40,
        Harm::Jitter60,
        Harm::Jitter120,
        Harm::JitterAndLoss,
        Harm::Reordered,
        Harm::LossBursts,
        Harm::Stall,
        Harm::Stalls,
        Harm::ClockSteps,
        Harm::Duplicates,
        Harm::Everything,
    ];

    /// What the line does all the while.
    fn quality(self) -> LineQuality {
        let clean = LineQuality::default();
        let jitter = |ms| LineQuality { jitter: Duration::from_millis(ms), ..clean };
        let reordered = LineQuality { reordered: 0.05, reordered_by: Duration::from_millis(30), ..clean };
        match self {
            Harm::Jitter20 => jitter(20),
            Harm::Jitter40 => jitter(40),
            Harm::Jitter60 => jitter(60),
            Harm::Jitter120 => jitter(120),
            Harm::JitterAndLoss => LineQuality { loss: 0.05, ..jitter(20) },
            Harm::Reordered => reordered,
            Harm::LossBursts | Harm::Stall | Harm::Stalls | Harm::ClockSteps => clean,
            Harm::Duplicates => LineQuality { duplicates: 0.1, ..clean },
            Harm::Everything => LineQuality { duplicates: 0.05, loss: 0.03, ..jitter(40) },
        }
    }

    /// Lets it happen for five seconds.
    fn strike(self, scene: &mut Scene, randomness: &mut Randomness) {
        scene.line.set_quality(self.quality());
        for _ in 0..5 {
            let share = 200 + (randomness.unit() * 600.0) as u64;
            scene.run_for(Duration::from_millis(share));
            match self {
                Harm::LossBursts => {
                    scene.line.set_quality(LineQuality { loss: 1.0, ..self.quality() });
                    scene.run_for(Duration::from_millis(20 + (randomness.unit() * 180.0) as u64));
                    scene.line.set_quality(self.quality());
                }
                Harm::Stalls => stall(scene, self.quality()),
                Harm::ClockSteps => scene.leap(((randomness.unit() - 0.5) * 16_000.0) as i32),
                Harm::Everything if share.is_multiple_of(2) => stall(scene, self.quality()),
                _ => {}
            }
            scene.run_for(Duration::from_millis(800 - share));
        }
        if self == Harm::Stall {
            stall(scene, self.quality());
        }
        scene.line.set_quality(LineQuality::default());
    }
}

fn stall(scene: &mut Scene, quality: LineQuality) {
    for left in (1..=10).rev() {
        scene.line.set_quality(LineQuality { delay: Duration::from_millis(left * 20), ..quality });
        scene.run_for(Duration::from_millis(20));
    }
    scene.line.set_quality(quality);
}

/// How long the delay was above the clean one after the harm ended, in the worst of all seeds.
fn worst_recovery(harm: Harm, says: &[i16]) -> f64 {
    let recoveries = (0..SEEDS).map(|seed| {
        let mut randomness = Randomness::new(Seed::from_number(seed));
        let mut scene = Scene::new(echo());
        scene.tick = Some(Duration::from_millis(1));
        scene.line = Line::new(LineQuality::default(), seed);
        scene.says = says.to_vec();
        scene.repeats = true;
        scene.run_for(BEFORE);
        harm.strike(&mut scene, &mut randomness);
        let ended = scene.elapsed_ms();
        scene.run_for(AFTER);

        assert_continuous(&scene.left.rtp, 160);
        let after = delays(&scene, 20).between(ended, ended + AFTER.as_secs_f64() * 1e3);
        assert_nothing_stays(harm, &after, ended);
        after.last_above(CLEAN_MS).map_or(0.0, |at| at - ended)
    });
    recoveries.fold(0.0, f64::max)
}

/// The last two seconds are heard as the caller said them, no later than ever.
fn assert_nothing_stays(harm: Harm, after: &Delays, ended: f64) {
    let last = after.between(ended + 3_500.0, ended + 5_400.0);
    assert!(last.packets.len() >= 90, "{harm:?}: {} packets", last.packets.len());
    assert!(last.percentile(100.0) <= CLEAN_MS, "{harm:?}: {} ms stay", last.percentile(100.0));
}
