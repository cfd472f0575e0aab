//! One call's panic is its own.

use offhook_caller::call::{EndedBy, Outcome};

use crate::common::{Calling, Noise, Phone, Setup, alone, together, until};

/// The longest that a neighbour's stream may stand still, on a machine that does not.
const LONGEST_GAP_MS: f64 = 40.0;

#[test]
fn a_panic_in_one_of_twenty_calls_ends_it_with_a_bye_and_its_neighbours_lose_no_frame() {
    let _turn = alone();
    for (planted, half) in [("panic-media 120", "media"), ("panic-control 2", "control")] {
        // With backtraces, as people run it: finding names takes long, and must not take it from the neighbours.
        let server = Setup::new().arg("--allow-planted-panics").env("RUST_BACKTRACE", "1").start();
        let noise = Noise::watch();
        let neighbours: Vec<_> = (0..19)
            .map(|number| {
                Calling::to(&server, "echo")
                    .from(&format!("neighbour-{number}"))
                    .script("wait 4s\nhangup")
                    .start()
            })
            .collect();
        neighbours.iter().for_each(|call| call.wait_for("answered"));

        let victim = Calling::to(&server, "echo").from("victim").header("X-Offhook-Test", planted).place();

        assert_eq!(
            victim.report.outcome,
            Outcome::Completed { ended_by: EndedBy::FarEnd },
            "{half}: {}",
            victim.said
        );
        let record = server.api.ended_call_from("victim");
        assert_eq!(record["cause"], "internal_error", "{half}: {record}");
        let allowed = LONGEST_GAP_MS + noise.worst().as_secs_f64() * 1000.0;
        let mut longest: f64 = 0.0;
        for neighbour in neighbours {
            let ended = neighbour.finish();
            let heard = &ended.report.received;
            assert!(ended.report.is_success(), "{half}: {}", ended.said);
            assert_eq!(
                (heard.lost, heard.duplicates, heard.timestamp_breaks, heard.ssrc_changes),
                (0, 0, 0, 0),
                "{half}: {heard:?}"
            );
            longest = longest.max(heard.max_gap_ms);
            assert!(
                heard.max_gap_ms <= allowed,
                "{half}: a gap of {} ms, allowed {allowed}",
                heard.max_gap_ms
            );
        }
        eprintln!(
            "a panic in the {half} half: 19 neighbours lost nothing, their longest gap was {longest:.1} ms"
        );
        assert_eq!(server.metric("offhook_call_panics_total"), Some(1.0));
        until("the log to say where", || {
            server.log().contains("a panic was planted in this call").then_some(())
        });
        // A panic allocates where it happens: the counter that must stand still elsewhere can move.
        let counted: f64 = (0..64)
            .filter_map(|n| server.metric(&format!("offhook_worker_allocations_total{{worker=\"{n}\"}}")))
            .sum();
        assert_eq!(counted > 0.0, half == "media", "{half}: {counted}");
        until("every port to be given back", || (server.metric("offhook_calls") == Some(0.0)).then_some(()));
        // It goes on as if nothing had been.
        assert!(Calling::to(&server, "echo").script("wait 200ms\nhangup").place().report.is_success());
    }
}

#[test]
fn a_panic_before_the_answer_refuses_the_call() {
    let _turn = together();
    let server = Setup::new().arg("--allow-planted-panics").start();

    let answer = Phone::udp(&server).invite("echo", "X-Offhook-Test: panic-control\r\n");

    assert_eq!(answer.status(), 500, "{answer:?}");
    until("the call to be gone", || (server.metric("offhook_calls") == Some(0.0)).then_some(()));
}

#[test]
fn nobody_plants_a_panic_from_outside_unless_the_command_line_allows_it() {
    let _turn = together();
    let server = Setup::new().start();

    let call = Calling::to(&server, "echo")
        .header("X-Offhook-Test", "panic-media 50")
        .script("wait 1500ms\nhangup")
        .place();

    assert_eq!(call.report.outcome, Outcome::Completed { ended_by: EndedBy::Caller }, "{}", call.said);
    assert_eq!(server.metric("offhook_call_panics_total"), None);
}
