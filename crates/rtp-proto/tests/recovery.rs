//! How the jitter buffer's wait follows a line that gets bad, stays bad and gets well: many seeds of each kind.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test prints its figures, and its helpers may panic"
)]

mod support;

use std::time::Duration;

use offhook_rtp_proto::{JitterBuffer, JitterConfig};
use offhook_time::{Randomness, Seed};
use support::{Kind, Sent, assert_gap_free, assert_in_order, count, packet, run_observed, stream};

const NETWORK: Duration = Duration::from_millis(10);
const SEEDS: u64 = 40;

/// Packets of a second.
const SECOND: u32 = 50;

#[test]
fn the_wait_is_over_soon_after_any_impairment_and_nothing_of_it_stays() {
    let mut too_slow = Vec::new();
    for (silent, within_ms) in [(false, 2_350), (true, 700)] {
        for harm in Harm::ALL {
            let slowest = (0..SEEDS).map(|seed| recovery(harm, seed, silent)).max().unwrap();

            println!("{harm:?}, {}: clean after {slowest:?}", if silent { "silence" } else { "speech" });
            if slowest > Duration::from_millis(within_ms) {
                too_slow.push((harm, silent, slowest));
            }
        }
    }
    assert!(too_slow.is_empty(), "{too_slow:?}");
}

#[test]
fn a_line_that_stays_bad_is_waited_for_steadily() {
    // Packets that come out more than 3 ms later than the one before would have, per minute: each is a gap.
    let bounds = [
        (Harm::Jitter20, 0.5),
        (Harm::Jitter40, 0.5),
        (Harm::Jitter60, 1.0),
        (Harm::JitterAndLoss, 0.5),
        (Harm::Reordered, 10.0),
        (Harm::Stalls, 0.0),
        (Harm::Duplicates, 0.0),
    ];
    let mut unsteady = Vec::new();
    for silent in [false, true] {
        for (harm, most) in bounds {
            let minutes: Vec<(u32, usize)> = (0..SEEDS).map(|seed| steadiness(harm, seed, silent)).collect();
            let growths = minutes.iter().map(|(growths, _)| f64::from(*growths)).sum::<f64>() / SEEDS as f64;
            let lost = minutes.iter().map(|(_, lost)| *lost).sum::<usize>() as f64 / SEEDS as f64;

            println!("{harm:?}, silent {silent}: {growths:.2} growths and {lost:.1} missing per minute");
            // In silence the wait follows sooner, and nobody hears the gaps.
            if growths > if silent { 4.0 * most } else { most } {
                unsteady.push((harm, silent, growths));
            }
        }
    }
    assert!(unsteady.is_empty(), "{unsteady:?}");
}

/// What a line may do to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Jitter20,
    Jitter40,
    Jitter60,
    Jitter120,
    JitterAndLoss,
    /// One in twenty comes 30 ms late.
    Reordered,
    /// Up to ten in a row are lost.
    LossBursts,
    /// Nothing comes for 200 ms every other second, then all of it at once.
    Stalls,
    Duplicates,
}

impl Harm {
    const ALL: [Harm; 9] = [
        Harm::Jitter20,
        Harm::Jitter40,
        Harm::Jitter60,
        Harm::Jitter120,
        Harm::JitterAndLoss,
        Harm::Reordered,
        Harm::LossBursts,
        Harm::Stalls,
        Harm::Duplicates,
    ];

    /// Sends `packets` over the line.
    fn strike(self, packets: Vec<Sent>, random: &mut Randomness) -> Vec<Sent> {
        let mut arrived = Vec::new();
        let (mut gone, mut stalled_until, mut last) = (0, packets[0].sent_at, packets[0].sent_at);
        for (n, mut packet) in packets.into_iter().enumerate() {
            let late_ms = match self {
                Harm::Jitter20 | Harm::JitterAndLoss => random.unit() * 20.0,
                Harm::Jitter40 => random.unit() * 40.0,
                Harm::Jitter60 => random.unit() * 60.0,
                Harm::Jitter120 => random.unit() * 120.0,
                Harm::Reordered => f64::from(u8::from(random.below(20) == 0)) * 30.0,
                Harm::LossBursts | Harm::Stalls | Harm::Duplicates => 0.0,
            };
            if self == Harm::LossBursts && gone == 0 && random.below(50) == 0 {
                gone = 1 + random.below(10);
            }
            if self == Harm::Stalls && n % (2 * SECOND as usize) == 30 {
                stalled_until = packet.sent_at + Duration::from_millis(200);
            }
            packet.arrives_at = packet.sent_at + NETWORK + Duration::from_secs_f64(late_ms / 1e3);
            packet.arrives_at = packet.arrives_at.max(stalled_until);
            if self != Harm::Reordered {
                packet.arrives_at = packet.arrives_at.max(last);
            }
            last = packet.arrives_at;
            if gone > 0 || (self == Harm::JitterAndLoss && random.below(20) == 0) {
                gone = gone.saturating_sub(1);
                continue;
            }
            if self == Harm::Duplicates && random.below(10) == 0 {
                let again = packet.arrives_at + Duration::from_millis(7);
                arrived.push(Sent { arrives_at: again, ..packet.clone() });
            }
            arrived.push(packet);
        }
        arrived
    }
}

/// Two good seconds, five bad ones, six good ones: how long after the bad ones a packet still waited.
fn recovery(harm: Harm, seed: u64, silent: bool) -> Duration {
    let mut random = Randomness::new(Seed::from_number(seed));
    let mut packets = stream(13 * SECOND, 20);
    packets.iter_mut().for_each(|packet| packet.arrives_at = packet.sent_at + NETWORK);
    let after = packets.split_off(7 * SECOND as usize);
    let bad = packets.split_off(2 * SECOND as usize);
    let bad = harm.strike(bad, &mut random);
    let well_at = packet(7 * SECOND, 20).arrives_at + NETWORK;
    let held_up = bad.iter().map(|packet| packet.arrives_at).max().unwrap_or(well_at);
    let after = after.into_iter().map(|packet| Sent { arrives_at: packet.arrives_at.max(held_up), ..packet });
    packets.extend(bad.into_iter().chain(after));
    let mut buffer = JitterBuffer::new(JitterConfig::default());

    let outs = run_observed(&mut buffer, packets, |buffer, _| buffer.note_silence(silent));

    assert_in_order(&outs);
    assert_gap_free(&outs);
    assert_eq!(count(&outs[12 * SECOND as usize..], Kind::Lost), 0);
    let late = outs.iter().filter(|out| out.at > well_at && out.delay > NETWORK + Duration::from_millis(3));
    late.map(|out| out.at - well_at).max().unwrap_or_default()
}

/// How often a packet came out more than 3 ms later than the one before it would have, in the last minute of a bad
/// minute and ten seconds, and how much of that minute was missing.
fn steadiness(harm: Harm, seed: u64, silent: bool) -> (u32, usize) {
    let mut random = Randomness::new(Seed::from_number(1_000 + seed));
    let packets = harm.strike(stream(70 * SECOND, 20), &mut random);
    let from = packet(10 * SECOND, 20).sent_at;
    let mut buffer = JitterBuffer::new(JitterConfig::default());

    let outs = run_observed(&mut buffer, packets, |buffer, _| buffer.note_silence(silent));

    let minute: Vec<_> = outs.iter().filter(|out| out.at > from).copied().collect();
    let delays: Vec<Duration> =
        minute.iter().filter(|out| matches!(out.kind, Kind::Packet { .. })).map(|out| out.delay).collect();
    let growths = delays.windows(2).filter(|pair| pair[1] > pair[0] + Duration::from_millis(3)).count();
    (growths as u32, count(&minute, Kind::Lost))
}
