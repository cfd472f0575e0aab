//! The benches against a reflector, over loopback: what they say about nothing at all must be nothing.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use offhook_caller::bench::cps::{self, CpsOptions};
use offhook_caller::bench::latency::{self, LatencyOptions};
use offhook_caller::bench::load::{self, LoadOptions, LoadSize};
use offhook_caller::bench::soak::{self, DriftVerdict, SoakOptions};
use offhook_caller::bench::{Verdict, json_line, repeat};
use offhook_caller::call::Stop;
use offhook_caller::impair::Impairment;
use offhook_caller::reflector::Reflector;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn a_reflector_adds_next_to_nothing_and_damages_nothing() {
    let _alone = alone();
    let reflector = Reflector::start(LOCAL, false).unwrap();
    let mut options = LatencyOptions::to(reflector.uri());
    options.calls = 3;
    options.measure = Duration::from_secs(3);
    options.reflector = false;

    let report = latency::run(&options, &Stop::default()).unwrap();

    assert_eq!(report.each_call.len(), 3);
    assert_eq!((report.own_lateness_ms.min, report.own_lateness_ms.count > 400), (0.0, true));
    assert!(report.all.frames > 250, "{}", report.all.frames);
    assert_eq!((report.all.damaged, report.rtp.lost, report.rtp.timestamp_breaks), (0, 0, 0));
    // A shared machine may be late, but no queue may build up.
    assert!(report.all.added_ms.p50 < 3.0, "{}", json_line(&report));
}

#[test]
fn a_bad_line_shows_as_what_it_is() {
    let _alone = alone();
    let reflector = Reflector::start(LOCAL, false).unwrap();
    let mut options = LatencyOptions::to(reflector.uri());
    options.measure = Duration::from_secs(6);
    options.reflector = false;
    options.impairment = Some(Impairment { loss_percent: 10.0, jitter_ms: 15.0, ..Impairment::default() });
    options.impaired_for = Some(Duration::from_secs(3));

    let report = latency::run(&options, &Stop::default()).unwrap();

    let lost = report.rtp.lost as f64 / report.all.frames as f64;
    assert!((0.01..0.12).contains(&lost), "{}", json_line(&report));
    assert!(report.all.added_ms.p95 > 5.0, "{}", json_line(&report));
    // A caller that was late itself says so, and cannot say when the line was clean again.
    let is_quiet = report.verdict == Verdict::Measured;
    assert!(
        !is_quiet || report.recovered_after_ms.is_some_and(|after| after < 1000.0),
        "{}",
        json_line(&report)
    );
}

#[test]
fn several_runs_are_told_as_median_and_worst() {
    let _alone = alone();
    let reflector = Reflector::start(LOCAL, false).unwrap();
    let mut options = LatencyOptions::to(reflector.uri());
    options.measure = Duration::from_secs(2);
    options.reflector = false;

    let report = repeat::run(&options, 3, &Stop::default()).unwrap();

    assert_eq!((report.runs, report.each.len()), (3, 3));
    assert!(
        report.p99_ms.worst >= report.p99_ms.median && report.p50_ms.median < 3.0,
        "{}",
        json_line(&report)
    );
    let spoiled = report.each.iter().filter(|run| run.verdict == Verdict::MachineTooNoisy).count();
    assert_eq!(report.spoiled, spoiled);
    let counts = |run: &&offhook_caller::bench::latency::LatencyReport| {
        spoiled == 3 || run.verdict == Verdict::Measured
    };
    let largest = report.each.iter().filter(counts).map(|run| run.all.added_ms.p99).fold(0.0, f64::max);
    assert_eq!(report.p99_ms.worst, largest);
}

#[test]
fn fifty_calls_at_once_lose_nothing() {
    let _alone = alone();
    let reflector = Reflector::start(LOCAL, false).unwrap();
    let mut options = LoadOptions::to(reflector.uri());
    options.size = LoadSize::Calls(50);
    options.hold = Duration::from_secs(2);
    options.settle = Duration::from_millis(300);
    options.server_pid = Some(std::process::id());
    options.application_pid = Some(std::process::id());

    let report = load::run(&options, &Stop::default()).unwrap();

    let step = &report.steps[0];
    assert_eq!((step.held, step.out_of_order), (50, 0), "{}", json_line(&report));
    // On a machine that is busy with something else nobody is on time: the report has to say so, and does.
    let is_quiet = report.verdict == Verdict::Measured;
    assert!(!is_quiet || (step.loss_percent == 0.0 && step.packets > 4700), "{}", json_line(&report));
    // Server, application and caller are one process here: each took the same, and the sum counts all three.
    let took =
        [step.cpu_ms_per_call_second, step.application_ms_per_call_second, step.caller_ms_per_call_second];
    assert!(took.iter().all(|cost| cost.is_some_and(|cost| cost > 0.0)), "{}", json_line(&report));
    let sum: f64 = took.iter().flatten().sum();
    assert!((step.processors - sum * 50.0 / 1000.0).abs() < 0.01, "{}", json_line(&report));
}

#[test]
fn set_ups_per_second_are_counted() {
    let _alone = alone();
    let reflector = Reflector::start(LOCAL, false).unwrap();
    let mut options = CpsOptions::to(reflector.uri());
    options.measure = Duration::from_secs(1);

    let report = cps::run(&options, &Stop::default()).unwrap();

    assert!(report.server.completed > 200, "{}", json_line(&report));
    assert_eq!(report.server.failed, 0, "{}", json_line(&report));
    assert!(report.server.set_up_ms.p50 > 0.0);
}

#[test]
fn nobody_there_is_an_error_that_says_so_at_once() {
    let _alone = alone();
    let free = std::net::UdpSocket::bind((LOCAL, 0)).unwrap().local_addr().unwrap();
    let uri = format!("sip:echo@{free}");
    let stop = Stop::default();
    let began = std::time::Instant::now();

    let latency = latency::run(&LatencyOptions { reflector: false, ..LatencyOptions::to(&uri) }, &stop);
    let size = LoadSize::Calls(2000);
    let load = load::run(&LoadOptions { reflector: false, size, ..LoadOptions::to(&uri) }, &stop);
    let soak = soak::run(&SoakOptions { reflector: false, ..SoakOptions::to(&uri) }, &stop, &mut |_| ());

    let expected = format!("cannot measure: {uri}: ");
    for error in [latency.err(), load.err(), soak.err()] {
        let error = error.unwrap().to_string();
        assert!(error.starts_with(&expected) && error.contains("nothing listens at"), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_soak_takes_calls_down_and_up_again_and_misses_nothing() {
    let _alone = alone();
    let reflector = Reflector::start(LOCAL, false).unwrap();
    let options = SoakOptions {
        calls: 10,
        mean_call: Duration::from_secs(2),
        window: Duration::from_secs(1),
        measure: Duration::from_secs(4),
        reflector: false,
        server_pid: Some(std::process::id()),
        ..SoakOptions::to(reflector.uri())
    };
    let mut seen = 0;

    let report = soak::run(&options, &Stop::default(), &mut |_| seen += 1).unwrap();

    assert_eq!((report.windows.len(), seen, report.failed), (4, 4, 0), "{}", json_line(&report));
    assert!(report.set_ups >= 10 && report.release_ms.count >= 10, "{}", json_line(&report));
    assert!(report.windows.iter().all(|window| window.calls > 1.0 && window.server.is_some()));
    assert_eq!(report.drift, DriftVerdict::TooShort);
    // A machine that is busy with something else may cut a window short of its last packets.
    let is_quiet = report.windows.iter().all(|window| !window.spoiled);
    assert!(!is_quiet || report.loss_percent < 5.0, "{}", json_line(&report));
}

/// Each test measures: one at a time has the machine.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static MACHINE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    MACHINE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
