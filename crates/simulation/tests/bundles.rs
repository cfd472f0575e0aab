//! More than a thousand calls of all kinds, recorded as bundles and run again out of them.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_types)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use offhook_call_control::CallControl;
use offhook_journal::bundle::{Bundle, Item, Keep, OutputBody, Sizes, StepBody};
use offhook_replay::{CallHead, Report, verify};
use offhook_simulation::{CallReport, Kind, Scenario, Simulation};
use offhook_time::Half;

/// Calls of each kind: 1,005 in all.
const CALLS: u64 = 67;

/// All of them, on two cores.
const LONGEST: Duration = Duration::from_secs(180);

fn record(kind: Kind, number: u64, keep: Keep) -> (CallReport, Option<Vec<u8>>) {
    let (report, recording) = Simulation::new(Scenario::new(kind, number)).with_bundle(keep).run();
    (report, recording.into_bundle().map(Result::unwrap))
}

fn bundle(kind: Kind, number: u64) -> Bundle {
    let (_, bytes) = record(kind, number, Keep::Header);
    Bundle::open(bytes.unwrap().as_slice()).unwrap()
}

/// What one call came to.
struct Outcome {
    kind: Kind,
    number: u64,
    report: Option<Report>,
    sizes: Sizes,
    took: Duration,
    packets: u64,
}

fn outcome(kind: Kind, number: u64) -> Outcome {
    let (call, bytes) = record(kind, number, Keep::Header);
    assert_eq!(call.violations, Vec::<String>::new(), "{kind:?} {number}");
    let mut outcome = Outcome {
        kind,
        number,
        report: None,
        sizes: Sizes::default(),
        took: Duration::ZERO,
        packets: call.packets,
    };
    // A caller whose INVITE never came through leaves no call.
    let Some(bytes) = bytes else { return outcome };
    let bundle = Bundle::open(bytes.as_slice()).unwrap();
    assert!(bundle.verify().is_sound(), "{kind:?} {number}: {:?}", bundle.verify());
    outcome.sizes = bundle.sizes;
    let began = Instant::now();
    outcome.report = Some(verify(&bundle).unwrap());
    outcome.took = began.elapsed();
    outcome
}

#[test]
fn a_thousand_calls_do_the_same_again_out_of_their_bundles() {
    let began = Instant::now();
    let calls: Vec<(Kind, u64)> =
        (0..CALLS).flat_map(|number| Kind::ALL.map(|kind| (kind, number))).collect();
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let share = calls.len().div_ceil(threads);
        let workers: Vec<_> = calls
            .chunks(share)
            .map(|calls| {
                scope.spawn(move || calls.iter().map(|(kind, number)| outcome(*kind, *number)).collect())
            })
            .collect();
        workers.into_iter().flat_map(|worker| -> Vec<Outcome> { worker.join().unwrap() }).collect()
    });
    let took = began.elapsed();

    table(&outcomes, took);
    assert!(outcomes.len() >= 1_000);
    for Outcome { kind, number, report, packets, .. } in &outcomes {
        let Some(report) = report else { continue };
        assert!(report.is_equal(), "{kind:?} {number}: {}", words(report));
        let silent = "no packet that we sent is in the bundle: none was compared";
        let notes = if *packets == 0 { vec![silent.to_owned()] } else { Vec::new() };
        assert_eq!(report.notes, notes, "{kind:?} {number}");
        assert!(report.control.facts > 0 && report.control.requests > 0, "{kind:?} {number}");
        // Every packet was compared: those of the caller's stream and the reports beside them.
        assert!(report.media.packets >= *packets, "{kind:?} {number}");
    }
    let replayed = outcomes.iter().filter(|outcome| outcome.report.is_some()).count();
    assert!(replayed >= 990, "{replayed}");
    assert!(took < LONGEST, "{took:?}");
}

fn words(report: &Report) -> String {
    let gaps = [&report.control.gap, &report.media.gap];
    report.first_departure().map_or(format!("{gaps:?}"), ToString::to_string)
}

fn table(outcomes: &[Outcome], took: Duration) {
    println!(
        "{:18} {:>5} {:>9} {:>11} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10}",
        "kind", "calls", "virt. min", "KB/call-min", "in", "out", "steps", "outputs", "blobs", "x real time"
    );
    for kind in Kind::ALL.into_iter().map(Some).chain([None]) {
        let of_kind: Vec<&Outcome> =
            outcomes.iter().filter(|outcome| kind.is_none_or(|kind| outcome.kind == kind)).collect();
        let lasted: f64 = of_kind
            .iter()
            .filter_map(|outcome| outcome.report.as_ref())
            .map(|report| report.lasted.as_secs_f64())
            .sum();
        let run: f64 = of_kind.iter().map(|outcome| outcome.took.as_secs_f64()).sum();
        let minutes = lasted / 60.0;
        let per_minute = |pick: fn(&Sizes) -> u64| {
            of_kind.iter().map(|outcome| pick(&outcome.sizes)).sum::<u64>() as f64 / 1_000.0 / minutes
        };
        println!(
            "{:18} {:>5} {:>9.1} {:>11.0} {:>8.0} {:>8.0} {:>8.0} {:>8.0} {:>8.0} {:>10.0}",
            kind.map_or("all", Kind::name),
            of_kind.len(),
            minutes,
            per_minute(Sizes::total),
            per_minute(|sizes| sizes.packets_in.bytes),
            per_minute(|sizes| sizes.packets_out.bytes),
            per_minute(|sizes| sizes.steps.bytes),
            per_minute(|sizes| sizes.outputs.bytes),
            per_minute(|sizes| sizes.blobs.bytes),
            lasted / run,
        );
    }
    println!("{} calls recorded and replayed in {:.1} s", outcomes.len(), took.as_secs_f64());
}

/// The first of the items that `pick` takes, changed.
fn change(bundle: &mut Bundle, mut pick: impl FnMut(&mut Item) -> bool) {
    assert!(bundle.items.iter_mut().any(&mut pick), "there is nothing to change");
}

#[test]
fn a_call_that_was_sent_other_audio_is_noticed_at_the_packet() {
    let mut bundle = bundle(Kind::Echo, 1);
    let mut skip = 100;
    change(&mut bundle, |item| {
        let Item::Packet(packet) = item else { return false };
        let Some(hash) = &mut packet.payload_hash else { return false };
        skip -= 1;
        hash.0[0] ^= u8::from(skip == 0);
        skip == 0
    });

    let report = verify(&bundle).unwrap();

    let departure = report.first_departure().unwrap();
    assert_eq!(departure.half, Half::Media);
    assert_eq!(departure.what, "the audio in an RTP packet to the caller differs");
    assert!(departure.expected.contains("RTP sequence") && departure.got.contains("RTP sequence"));
    assert_eq!(report.media.packets, 99);
    assert!(report.facts_are_equal());
}

#[test]
fn a_changed_fact_is_told_with_both_sides_and_the_turn() {
    let mut bundle = bundle(Kind::Keys, 2);
    change(&mut bundle, |item| {
        let Item::Output(output) = item else { return false };
        let OutputBody::Whole(bytes) = &mut output.body else { return false };
        let text = String::from_utf8_lossy(bytes).replace("\"digit\":\"1\"", "\"digit\":\"7\"");
        let changed = bytes[0] == b'{' && text.as_bytes() != bytes.as_slice();
        if changed {
            *bytes = text.into_bytes();
        }
        changed
    });

    let report = verify(&bundle).unwrap();

    let departure = report.control.departure.as_ref().unwrap();
    assert_eq!(departure.what, "the event log differs");
    assert!(departure.expected.contains("'7'") && departure.got.contains("'1'"), "{departure}");
    assert!(departure.place.contains("state "), "{departure}");
    assert!(!report.facts_are_equal());
}

#[test]
fn a_time_out_of_another_length_is_noticed_though_nothing_else_changes() {
    // The media half of a call whose end-of-call limits differ is not concerned; its control half wakes at other times.
    let mut bundle = bundle(Kind::Limits, 0);
    let head = CallHead::from_meta(&bundle.meta).unwrap();
    let mut other = head.clone();
    let limits = &mut other.control.limits;
    for limit in [&mut limits.call_time, &mut limits.silence, &mut limits.ring_time, &mut limits.rtp_timeout]
    {
        *limit -= Duration::from_millis(100);
    }
    bundle.meta = other.to_meta(Default::default()).unwrap();

    let departure = verify(&bundle).unwrap().first_departure().unwrap().clone();

    assert_eq!(
        (departure.half, departure.what.as_str()),
        (Half::Control, "a deadline of the control half moved")
    );
}

#[test]
fn a_lost_packet_of_ours_and_a_lost_sip_message_are_noticed() {
    let whole = bundle(Kind::Voice, 3);
    let without = |pick: &dyn Fn(&Item) -> bool| {
        let mut bundle = whole.clone();
        let at = bundle.items.iter().position(pick).unwrap();
        bundle.items.remove(at);
        verify(&bundle).unwrap()
    };
    let of_media = without(&|item| item.as_packet().is_some_and(|packet| packet.payload_hash.is_some()));
    let of_control = without(
        &|item| matches!(item, Item::Output(output) if matches!(output.body, OutputBody::Hash { .. })),
    );

    assert_eq!(of_media.first_departure().unwrap().half, Half::Media);
    assert_eq!(of_control.first_departure().unwrap().what, "what the call sends by SIP differs");
}

#[test]
fn steps_that_the_recorder_lost_are_no_departure_but_a_gap() {
    let mut bundle = bundle(Kind::Keys, 4);
    let at = bundle
        .items
        .iter()
        .rposition(|item| item.as_step().is_some_and(|step| step.head.half == Half::Control));
    bundle.items.remove(at.unwrap() - 40);
    let gone =
        bundle.items.iter().filter_map(Item::as_step).filter(|step| step.head.half == Half::Media).nth(50);
    let gone = gone.unwrap().head;
    bundle.items.retain(|item| item.as_step().is_none_or(|step| step.head != gone));

    let report = verify(&bundle).unwrap();

    assert_eq!(report.media.steps, 50);
    assert!(report.media.gap.is_some() && !report.is_equal());
}

#[test]
fn a_bundle_that_was_cut_is_compared_as_far_as_it_goes() {
    let (_, bytes) = record(Kind::Voice, 5, Keep::Whole);
    let bytes = bytes.unwrap();
    for share in [3, 5, 8] {
        let cut = Bundle::open(&bytes[..bytes.len() * share / 9]).unwrap();

        let report = verify(&cut).unwrap();

        assert!(report.is_equal(), "{}", words(&report));
        assert!(report.media.packets > 50);
        assert!(report.notes[0].contains("never finished"), "{:?}", report.notes);
    }
}

#[test]
fn a_step_of_another_version_is_told_and_not_guessed() {
    let mut bundle = bundle(Kind::Echo, 6);
    change(&mut bundle, |item| {
        let Item::Step(step) = item else { return false };
        let is_media = step.head.half == Half::Media && step.head.sequence == 30;
        if is_media {
            step.body = StepBody::Around { before: vec![99], shared: Arc::from([1]), after: Vec::new() };
        }
        is_media
    });

    let report = verify(&bundle).unwrap();

    assert_eq!(report.media.departure.unwrap().what, "an input cannot be read by this build");
}

#[test]
fn the_halves_are_made_of_the_bundle_alone() {
    let bundle = bundle(Kind::Voice, 7);
    let head = CallHead::from_meta(&bundle.meta).unwrap();

    let settings = head.settings().unwrap();

    assert_eq!(settings.bot_name, "after-sales");
    assert!(!CallControl::new(settings).is_ended());
}
