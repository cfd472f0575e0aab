//! Fifty bundles, recorded by the healthy code, replayed with each fault of `crates/replay/FAULTS.md`: is it noticed,
//! and where? `make test-faults` builds and runs it; see there for the feature.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use offhook_journal::bundle::{Bundle, Keep};
use offhook_planted::{Fault, choose};
use offhook_replay::{Departure, Report, verify};
use offhook_simulation::{Kind, Scenario, Simulation};
use offhook_time::Half;

/// How many bundles are recorded and replayed.
const BUNDLES: usize = 50;

/// How many of each kind. Signalling goes wrong in nine ways; that an ACK never comes at all is seldom drawn.
const SHARES: [(Kind, usize); 15] = [
    (Kind::Echo, 2),
    (Kind::Bridge, 3),
    (Kind::Voice, 3),
    (Kind::Keys, 3),
    (Kind::BargeIn, 2),
    (Kind::TransferSucceeds, 2),
    (Kind::TransferFails, 3),
    (Kind::HangUp, 3),
    (Kind::Signalling, 13),
    (Kind::Hold, 3),
    (Kind::EngineFailures, 3),
    (Kind::Commands, 3),
    (Kind::Outbound, 2),
    (Kind::Limits, 3),
    (Kind::ClockJumps, 2),
];

/// Calls of which one may leave no bundle, because the caller's INVITE never came through.
const SPARE: usize = 2;

/// The list that was there before the faults were.
const LIST: &str = include_str!("../../replay/FAULTS.md");

struct Recorded {
    kind: Kind,
    number: u64,
    bundle: Bundle,
}

/// What came of one fault.
struct Found {
    fault: Fault,
    noticed: Vec<(Kind, u64, Departure)>,
    panics: usize,
}

#[test]
fn replaying_fifty_bundles_notices_each_of_the_twenty_faults() {
    let bundles = record();
    let kinds =
        Kind::ALL.iter().filter(|kind| bundles.iter().any(|recorded| recorded.kind == **kind)).count();
    assert_eq!((bundles.len(), kinds), (BUNDLES, Kind::ALL.len()));

    let found = in_parallel(Fault::ALL.len(), |index| replay_with(Fault::ALL[index], &bundles));

    table(&found);
    for Found { fault, noticed, panics } in &found {
        assert_eq!(*panics, 0, "{fault:?} ends a replay, which is no report");
        assert!(!noticed.is_empty(), "{fault:?} is not noticed");
        for (kind, number, departure) in noticed {
            let at = format!("{fault:?}, {} {number}: {departure}", kind.name());
            assert_eq!(departure.half, half_of(*fault), "{at}");
            assert!(departure.expected != departure.got && !departure.place.is_empty(), "{at}");
        }
    }
}

#[test]
fn the_faults_that_are_planted_are_those_of_the_list() {
    let listed: Vec<(u8, &str)> = LIST.lines().filter_map(row).collect();

    assert_eq!(listed, Fault::ALL.map(|fault| (fault.number(), fault.name())));
}

/// Number and name in a row of the list.
fn row(line: &str) -> Option<(u8, &str)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    Some((cells.next()?.parse().ok()?, cells.next()?.trim_matches('`')))
}

/// Calls of all kinds, each green when it is replayed by the code that recorded it.
fn record() -> Vec<Recorded> {
    let calls: Vec<(Kind, u64)> = SHARES
        .iter()
        .flat_map(|(kind, share)| (0..(share + SPARE) as u64).map(|number| (*kind, number)))
        .collect();
    let recorded = in_parallel(calls.len(), |index| {
        let (kind, number) = calls[index];
        choose(0);
        let (call, recording) = Simulation::new(Scenario::new(kind, number)).with_bundle(Keep::Header).run();
        assert_eq!(call.violations, Vec::<String>::new(), "{kind:?} {number}");
        let bytes = recording.into_bundle()?.unwrap();
        let bundle = Bundle::open(bytes.as_slice()).unwrap();
        let report = verify(&bundle).unwrap();
        assert!(report.is_equal(), "{kind:?} {number}: {report:?}");
        Some(Recorded { kind, number, bundle })
    });
    let mut left = SHARES.map(|(_, share)| share);
    let mut take = |recorded: &Recorded| {
        let place = SHARES.iter().position(|(kind, _)| *kind == recorded.kind);
        place.is_some_and(|place| left[place].checked_sub(1).map(|rest| left[place] = rest).is_some())
    };
    recorded.into_iter().flatten().filter(|recorded| take(recorded)).collect()
}

fn replay_with(fault: Fault, bundles: &[Recorded]) -> Found {
    let mut found = Found { fault, noticed: Vec::new(), panics: 0 };
    for Recorded { kind, number, bundle } in bundles {
        choose(fault.number());
        let report = catch_unwind(AssertUnwindSafe(|| verify(bundle).unwrap()));
        choose(0);
        match report.as_ref().map(Report::first_departure) {
            Ok(Some(departure)) => found.noticed.push((*kind, *number, departure.clone())),
            Ok(None) => {}
            Err(_) => found.panics += 1,
        }
    }
    found
}

/// Which half of a call runs the code that a fault stands in.
fn half_of(fault: Fault) -> Half {
    match fault {
        Fault::WrapNotUnfolded
        | Fault::ConcealedOneFrameLess
        | Fault::EndPacketsTwo
        | Fault::JitterNotRounded
        | Fault::MarkerMissing
        | Fault::OldestTapMissing
        | Fault::PercentileRoundedDown
        | Fault::EndOfSpeechOneFrameLate
        | Fault::ConcealedFramesWithheld
        | Fault::SlackOfTheWorst => Half::Media,
        Fault::Second2xxMissing
        | Fault::IntervalBeyondT2
        | Fault::CseqReused
        | Fault::DirectionNotReversed
        | Fault::LadderOneRungAhead
        | Fault::BetweenKeysFromTheFirst
        | Fault::ExpectNothingDropped
        | Fault::RtpTimeOutTooLong
        | Fault::RepeatedCommandRuns
        | Fault::ByeBeforeAck => Half::Control,
    }
}

fn table(found: &[Found]) {
    println!("{:>2} {:28} {:>6}  first departure", "#", "fault", "of 50");
    for Found { fault, noticed, panics } in found {
        let panics = if *panics > 0 { format!(" ({panics} panics)") } else { String::new() };
        let (number, name, count) = (fault.number(), fault.name(), noticed.len());
        let first = noticed.first().map_or("none".to_owned(), |(kind, number, departure)| {
            let seconds = departure.at.as_secs_f64();
            format!("{} {number}, {seconds:.3} s, {}: {}", kind.name(), departure.place, departure.what)
        });
        println!("{number:>2} {name:28} {count:>6}  {first}{panics}");
    }
}

/// `work` for each index below `count`, on as many threads as there are cores; the results in order.
fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let mut results: Vec<(usize, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let indices = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
                    let mine = indices.take_while(|index| *index < count);
                    mine.map(|index| (index, work(index))).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
