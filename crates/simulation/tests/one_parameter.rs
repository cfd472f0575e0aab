//! One parameter of one state is changed, and calls are played again: the turns in that state change by just that, and
//! everything else stays as it was.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, clippy::print_stdout)]

use std::time::Duration;

use offhook_call_control::{CallEvent, Speaker, TurnLedger};
use offhook_conversation::Bot;
use offhook_journal::bundle::{Bundle, Keep};
use offhook_replay::{Beyond, Changes, PlayReport, play};
use offhook_simulation::{CallReport, Kind, Scenario, Simulation};

/// A packet of the longest ptime: what a moment may move by when the one before it moves.
const PACKET: Duration = Duration::from_millis(65);

/// The silence that ends a turn in `ask_number` from now on; it was 1000 ms for the number and 700 for yes or no.
const LONGER: i64 = 1_300_000;

/// A turn: the state in which the caller was heard, and its ledger.
struct Turn {
    state: String,
    ledger: TurnLedger,
}

#[test]
fn a_longer_pause_in_one_state_changes_the_spoken_turns_of_that_state_by_just_that_and_no_other() {
    let (mut changed, mut kept, mut whole) = (0, 0, 0);
    for (kind, number) in calls() {
        let Some((call, report)) = again(kind, number) else { continue };
        let at = format!("{} {number}", kind.name());
        let turns = turns(&call);
        assert_eq!(turns.len(), report.recorded.turns.len(), "{at}");
        // What cannot be played to its end has no more turns to compare, and says why.
        let played = report.played.turns.len();
        assert!(played == turns.len() || report.stopped.is_some(), "{at}: {report:#?}");
        whole += usize::from(report.stopped.is_none());
        let differs = report.changed_turns(PACKET);
        for (turn, (then, now)) in turns.iter().zip(&report.played.turns).enumerate() {
            let waited = segment(&then.ledger, "voice_activity");
            let is_concerned = then.state == "ask_number" && waited > 0;
            let at = format!("{at}, turn {} in {}: {:?} became {:?}", turn + 1, then.state, then.ledger, now);
            if !is_concerned {
                assert!(!differs.contains(&(turn + 1)), "{at}");
                kept += 1;
                continue;
            }
            let now = segment(&now.ledger, "voice_activity");
            let before = if waited > 950_000 { 1_000_000 } else { 700_000 };
            let moved = now - waited;
            assert!((moved - (LONGER - before)).abs() <= PACKET.as_micros() as i64, "{at}");
            changed += 1;
        }
        let said = report.played.transcript.len();
        assert_eq!(report.played.transcript, report.recorded.transcript[..said], "{at}");
        let states = report.played.states.len();
        assert_eq!(report.played.states, report.recorded.states[..states], "{at}");
        if report.stopped.is_none() {
            assert_eq!(report.played.transcript, report.recorded.transcript, "{at}");
            assert_eq!(
                (report.played.cause, &report.played.outcome),
                (report.recorded.cause, &report.recorded.outcome),
                "{at}"
            );
        }
    }
    println!(
        "{changed} turns changed by what was asked, {kept} kept; {whole} calls were played to their end"
    );
    assert!(changed >= 15 && kept >= 30 && whole >= 10, "{changed} {kept} {whole}");
}

/// By voice and by keypad.
fn calls() -> impl Iterator<Item = (Kind, u64)> {
    (0..16).flat_map(|number| [(Kind::Voice, number), (Kind::Keys, number)])
}

fn again(kind: Kind, number: u64) -> Option<(CallReport, PlayReport)> {
    let (call, recording) = Simulation::new(Scenario::new(kind, number)).with_bundle(Keep::Header).run();
    let bytes = recording.into_bundle()?.unwrap();
    let bundle = Bundle::open(bytes.as_slice()).unwrap();
    let report = play(&bundle, &longer_pause(), Beyond::Stop).unwrap();
    Some((call, report))
}

fn longer_pause() -> Changes {
    let text = include_str!("../../../bots/after-sales.yaml");
    let line = "      slot: order_number\n";
    assert_eq!(text.matches(line).count(), 1);
    let text = text.replace(line, &format!("{line}      end_of_speech: {}ms\n", LONGER / 1_000));
    let mut changes = Changes::default();
    changes.bot(Bot::parse(&text, "after-sales.yaml").unwrap());
    changes
}

/// The turns of a call in the order in which they were completed.
fn turns(call: &CallReport) -> Vec<Turn> {
    let (mut state, mut heard_in, mut turns) = (String::new(), String::new(), Vec::new());
    for (_, event) in &call.told {
        match event {
            CallEvent::StateEntered { state: entered } => state.clone_from(entered),
            CallEvent::Said { speaker: Speaker::Caller, .. }
            | CallEvent::NotUnderstood { .. }
            | CallEvent::Dtmf { .. } => {
                heard_in.clone_from(&state);
            }
            CallEvent::TurnCompleted { ledger } => {
                turns.push(Turn { state: heard_in.clone(), ledger: ledger.clone() });
            }
            _ => {}
        }
    }
    turns
}

/// Microseconds.
fn segment(ledger: &TurnLedger, name: &str) -> i64 {
    let found = ledger.segments.iter().find(|segment| segment.name == name);
    found.map_or(0, |segment| segment.micros as i64)
}
