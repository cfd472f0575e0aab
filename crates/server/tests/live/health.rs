//! `/healthz`, `/readyz`, `/metrics`: what a load balancer and a dashboard see.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::common::{Calling, Server, together, until};

#[test]
fn a_server_is_ready_within_five_seconds_and_says_so_without_a_key() {
    let _turn = together();
    let server = Server::start();

    let ready = server.api.send("GET", "/readyz", None, None);

    assert!(server.ready_within < Duration::from_secs(5), "{:?}", server.ready_within);
    assert_eq!((ready.status, ready.body["ready"].as_bool()), (200, Some(true)), "{:?}", ready.body);
    assert_eq!(server.api.send("GET", "/healthz", None, None).status, 200);
}

#[test]
fn metrics_count_calls_ticks_and_ports() {
    let _turn = together();
    let server = Server::start();
    let ports_before = server.metric("offhook_rtp_ports_free").unwrap();

    let call = Calling::to(&server, "echo").start();
    call.wait_for("answered");

    assert_eq!(server.metric("offhook_calls"), Some(1.0));
    let shown = server.api.text("/metrics");
    let named = |start: &str| -> std::collections::BTreeSet<String> {
        let names = shown.lines().filter_map(|line| line.strip_prefix(start)?.split(' ').next());
        names.map(str::to_owned).collect()
    };
    let silent: Vec<_> = named("# TYPE ").difference(&named("# HELP ")).cloned().collect();
    assert!(silent.is_empty(), "metrics without help: {silent:?}");
    assert_eq!(server.metric("offhook_rtp_ports_free"), Some(ports_before - 1.0));
    assert_eq!(server.metric("offhook_calls_started_total{bot=\"echo\"}"), Some(1.0));
    assert!(server.api.text("/metrics").contains("# TYPE offhook_tick_lateness_seconds histogram"));
    until("the ticks of a running call", || {
        let ticks =
            |worker| server.metric(&format!("offhook_tick_lateness_seconds_count{{worker=\"{worker}\"}}"));
        ((0..4).filter_map(ticks).sum::<f64>() > 200.0).then_some(())
    });
    call.hang_up();
    until("the ports to be given back", || {
        (server.metric("offhook_rtp_ports_free") == Some(ports_before)).then_some(())
    });
}

#[test]
fn the_data_folder_and_the_key_are_the_owners_alone() {
    let _turn = together();
    let server = Server::start();

    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;

    assert_eq!(mode(server.data.clone()), 0o700);
    assert_eq!(mode(server.data.join("api-key")), 0o600);
    assert!(server.api.key().len() >= 32);
}
