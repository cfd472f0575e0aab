//! What calls notice of a disk that is full, and of a database that somebody locks: nothing.

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sqlx::Connection;

use crate::common::{Calling, Phone, Server, Setup, together, until};

#[test]
fn a_full_disk_costs_running_calls_nothing_refuses_new_ones_and_heals() {
    let _turn = together();
    // A process that may write no longer files gets a signal with it, which ends programs that do not expect it.
    let server = Setup::new().shell("trap '' XFSZ").start();
    let through = Calling::to(&server, "echo").from("through").start();
    let ends = Calling::to(&server, "echo").from("ends-meanwhile").start();
    for (call, user) in [(&through, "through"), (&ends, "ends-meanwhile")] {
        call.wait_for("answered");
        server.api.call_that_is_up(user);
    }

    let before = may_write(&server, Some(1));
    until("readiness to be gone", || {
        let ready = server.api.send("GET", "/readyz", None, None);
        let reasons = ready.body["reasons"].to_string();
        (ready.status == 503 && reasons.contains("storage: the journal cannot be written")).then_some(())
    });
    let refused = Phone::udp(&server).invite("echo", "");
    let options = Phone::udp(&server).ask("OPTIONS", "echo", "", "");
    let dialled = server.api.post("/v1/calls", r#"{"to":"sip:a@127.0.0.1:9","bot":"echo"}"#);
    let ended = ends.hang_up();
    may_write(&server, before);

    assert_eq!((refused.status(), refused.header("retry-after").is_some()), (503, true), "{refused:?}");
    assert_eq!((options.status(), dialled.status), (503, 503));
    assert!(ended.report.is_success() && ended.report.received.lost == 0, "{}", ended.said);
    until("readiness to be back", || {
        (server.api.send("GET", "/readyz", None, None).status == 200).then_some(())
    });
    assert!(server.metric("offhook_journal_failures_total") > Some(0.0));
    assert!(
        Calling::to(&server, "echo").from("after").script("wait 100ms\nhangup").place().report.is_success()
    );
    let through = through.hang_up();
    assert!(through.report.is_success() && through.report.received.lost == 0, "{}", through.said);
    for user in ["through", "ends-meanwhile", "after"] {
        assert_eq!(server.api.ended_call_from(user)["cause"], "caller_hung_up", "{user}");
    }
    until("every record to be in the database", || (queued(&server, "records") == 0.0).then_some(()));
}

#[test]
fn a_database_that_somebody_locks_costs_no_call_and_no_record() {
    let _turn = together();
    let server = Server::start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", server.data.join("offhook.db").display());
    let lock = runtime.block_on(async {
        let mut lock = sqlx::AnyConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut lock).await.unwrap();
        lock
    });

    for number in 0..4 {
        let call = Calling::to(&server, "echo").from(&format!("locked-{number}"));
        assert!(call.script("wait 100ms\nhangup").place().report.is_success());
    }
    until("records to wait", || (queued(&server, "records") > 0.0).then_some(()));
    drop(lock);

    until("every record to be in the database", || {
        let stored: i64 = runtime.block_on(async {
            let mut reader = sqlx::AnyConnection::connect(&url).await.ok()?;
            let count = "SELECT COUNT(*) FROM calls WHERE cause = 'caller_hung_up'";
            sqlx::query_scalar(count).fetch_one(&mut reader).await.ok()
        })?;
        (stored == 4).then_some(())
    });
    until("nothing to wait", || (queued(&server, "records") == 0.0).then_some(()));
}

/// What waits there; below zero where nobody answers.
fn queued(server: &Server, queue: &str) -> f64 {
    server.metric(&format!("offhook_queue_waiting{{queue=\"{queue}\"}}")).unwrap_or(-1.0)
}

/// Sets how long a file of the server may become; answers how long it might before.
fn may_write(server: &Server, bytes: Option<u64>) -> Option<u64> {
    let pid = Pid::from_raw(server.pid().cast_signed());
    let maximum = rustix::process::getrlimit(Resource::Fsize).maximum;
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap().current
}
