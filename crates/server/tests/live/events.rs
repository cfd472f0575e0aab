//! `/v1/events`: every fact of every call, in order.

use crate::common::{Calling, Server, together};

#[test]
fn a_call_is_told_from_its_first_to_its_last_fact_in_sequence() {
    let _turn = together();
    let server = Server::start();
    let events = server.api.events("");

    Calling::to(&server, "echo").from("told").script("wait 200ms\ndtmf 42\nwait 300ms\nhangup").place();

    events.wait_for("call_ended");
    let all = events.all();
    let kinds: Vec<_> = all.iter().map(|event| event["event"]["type"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["call_started", "call_answered", "dtmf", "dtmf", "call_ended"], "{all:#?}");
    let numbers: Vec<_> = all.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    let moments: Vec<_> = all.iter().map(|event| event["at_unix_ms"].as_i64().unwrap()).collect();
    assert!(moments.is_sorted(), "{moments:?}");
    assert!(all.iter().all(|event| event["call_id"] == all[0]["call_id"]));
    assert_eq!(all[0]["event"]["caller"], "told");
    assert_eq!((&all[2]["event"]["digit"], &all[2]["leg"]), (&"4".into(), &0.into()), "{:?}", all[2]);
}

#[test]
fn a_filter_shows_one_call_and_sequences_of_calls_are_their_own() {
    let _turn = together();
    let server = Server::start();
    let everything = server.api.events("");
    let first = Calling::to(&server, "echo").from("first").start();
    let id = server.api.answered_call_from("first");
    let only = server.api.events(&format!("?call={id}"));

    let second = Calling::to(&server, "echo").from("second").script("wait 200ms\nhangup").place();
    assert!(second.report.is_success());
    first.hang_up();

    only.wait_for("call_ended");
    assert!(only.all().iter().all(|event| event["call_id"] == id.as_str()), "{:?}", only.all());
    let last = everything.wait_until("the end of the first call", |event| {
        event["call_id"] == id.as_str() && event["event"]["type"] == "call_ended"
    });
    assert_eq!(last["sequence"], 2, "the second call's facts are not counted in the first: {last}");
}
