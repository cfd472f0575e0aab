//! `kill -9`: no call is forgotten.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::{Calling, OnTheLine, Setup, together, until};

/// What the records may be off from the moment of the kill.
const EXACT_WITHIN: Duration = Duration::from_secs(2);

#[test]
fn every_call_of_a_killed_server_is_in_the_records_of_the_next_one() {
    let _turn = together();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let done =
        Calling::to(&server, "echo").from("done").script("wait 200ms\ndtmf 12\nwait 300ms\nhangup").place();
    assert!(done.report.is_success(), "{}", done.said);
    let before = server.api.ended_call_from("done");
    let calls: Vec<_> = (0..12)
        .map(|number| Calling::to(&server, "echo").from(&format!("caller-{number}")).start())
        .collect();
    let ids: Vec<_> =
        (0..12).map(|number| server.api.answered_call_from(&format!("caller-{number}"))).collect();
    // Time goes by without any fact of these calls: the end must not be the last fact's moment.
    let began = unix_ms();
    until("the calls to run for a while", || (unix_ms() - began > 3000).then_some(()));

    server.kill();
    let killed_at = unix_ms();
    let next = Setup::new().data(&data).start();

    for (number, id) in ids.iter().enumerate() {
        let record = next.api.get(&format!("/v1/calls/{id}")).body;
        assert_eq!(record["cause"], "crash", "{record}");
        assert_eq!(record["caller"], format!("caller-{number}"));
        assert!(record["started_unix_ms"].as_i64().unwrap() >= began - 30_000);
        assert!(!record["answered_unix_ms"].is_null());
        let off = killed_at - record["ended_unix_ms"].as_i64().unwrap();
        assert!(off.unsigned_abs() <= EXACT_WITHIN.as_millis() as u64, "the end is off by {off} ms");
    }
    assert_eq!(next.api.ended_call_from("done"), before, "a completed call's record is what it was");
    let listed = next.api.get("/v1/calls?limit=1000").body;
    assert_eq!(listed["calls"].as_array().unwrap().len(), 13);
    calls.into_iter().for_each(OnTheLine::abandon);
}

#[test]
fn a_call_that_had_just_begun_is_in_the_records_too() {
    let _turn = together();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Setup::new().data(&data).start();
    let call = Calling::to(&server, "echo").from("young").start();
    let id = server.api.answered_call_from("young");
    // The promise is 50 ms for a fact to reach the journal's file.
    std::thread::sleep(Duration::from_millis(50));

    server.kill();
    let next = Setup::new().data(&data).start();

    let record = next.api.get(&format!("/v1/calls/{id}")).body;
    assert_eq!((&record["cause"], &record["codec"]), (&"crash".into(), &"PCMU".into()), "{record}");
    call.abandon();
}

#[test]
fn a_server_that_ended_properly_leaves_nothing_to_recover() {
    let _turn = together();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = Setup::new().data(&data).start();
    Calling::to(&server, "echo").from("proper").script("wait 200ms\nhangup").place();
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.wait(Duration::from_secs(10)).code(), Some(0));

    let next = Setup::new().data(&data).start();

    let listed = next.api.get("/v1/calls").body;
    assert_eq!(listed["calls"].as_array().unwrap().len(), 1);
    assert_eq!(listed["calls"][0]["cause"], "caller_hung_up");
    let key_of_next = next.api.key().to_owned();
    assert_eq!(key_of_next, server.api.key(), "the key is made once");
}

fn unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}
