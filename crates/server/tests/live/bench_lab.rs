//! `offhook bench` as a command: what it prints, what it compares with, what it exits with. Figures are not judged here.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::{Server, Setup, program, together, until};

#[test]
fn a_bench_says_what_machine_method_and_floor_are_and_compares_with_an_earlier_run() {
    let _turn = together();
    let server = Setup::new().start();
    let folder = tempfile::tempdir().unwrap();
    let (earlier, page) = (folder.path().join("earlier.json"), folder.path().join("page.html"));
    let options = ["--calls", "3", "--seconds", "1", "--no-reflector", "--json", "--seed", "9"];
    let bad_line = ["--loss", "20", "--loss-run", "3", "--impair", "both", "--max-loss", "100"];

    let first = bench(&server, "load", &[&options[..], &bad_line].concat());
    std::fs::write(&earlier, &first.stdout).unwrap();
    let compared = ["--baseline", text(&earlier), "--tolerance", "1000000", "--html", text(&page)];
    let second = bench(&server, "load", &[&options[..], &bad_line, &compared].concat());

    let report = report(&second);
    assert_eq!(report["exit_code"], second.status.code().unwrap(), "{report:#}");
    assert!(matches!(second.status.code(), Some(0 | 3 | 5)), "{report:#}");
    assert_eq!((&report["bench"], &report["run"]["seed"]), (&"load".into(), &9.into()));
    assert!(report["server_software"].as_str().unwrap().starts_with("offhook/"), "{report:#}");
    assert!(report["run"]["command_line"].as_str().unwrap().contains(" bench load sip:echo@"), "{report:#}");
    assert!(!report["machine"]["kernel"].as_str().unwrap().is_empty() && report["method"].is_string());
    assert_eq!(report["floor"][0]["name"], "own_lateness_p99_ms");
    assert!(report["steps"][0]["lateness_ms"]["p99_9"].is_f64(), "{report:#}");
    assert!(report["steps"][0]["quality"]["mos"].is_f64(), "{report:#}");
    // Same seed, same accidents: both ways lost what they lost before, as far as both runs were as long.
    let lost = |report: &Value, way: &str| report["steps"][0]["impaired"][way]["lost"].as_u64().unwrap();
    let before = self::report(&first);
    for way in ["out", "back"] {
        let (then, now) = (lost(&before, way), lost(&report, way));
        assert!(now > 0 && then.abs_diff(now) <= then / 2, "{way}: {then} then, {now} now");
    }
    assert_eq!(report["baseline"]["figures"][0]["name"], "lateness_p50_ms");
    assert!(std::fs::read_to_string(&page).unwrap().starts_with("<!DOCTYPE html>"));

    let refused = bench(&server, "cps", &["--no-reflector", "--baseline", text(&earlier)]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("it holds no run of `bench cps`, only of load"), "{said}");
    let other = ["--calls", "4", "--no-reflector", "--baseline", text(&earlier)];
    let refused = bench(&server, "load", &other);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("calls was 3, is 4"));
}

#[test]
fn a_soak_that_is_interrupted_releases_its_calls_and_gives_its_verdict() {
    let _turn = together();
    let server = Setup::new().start();
    let uri = server.uri("echo");
    let mut soak = Command::new(program())
        .args(["bench", "soak", &uri, "--calls", "3", "--call-seconds", "2", "--window", "1"])
        .args(["--seconds", "600", "--no-reflector", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(soak.stderr.take().unwrap()).lines().map_while(Result::ok);

    let windows = told.by_ref().filter(|line| line.contains(" set up ")).take(2).count();
    kill_process(Pid::from_child(&soak), Signal::INT).unwrap();
    let rest: Vec<String> = told.collect();
    let output = soak.wait_with_output().unwrap();

    assert_eq!(windows, 2, "{rest:?}");
    let report = report(&output);
    assert_eq!((&report["run"]["interrupted"], &report["drift"]), (&true.into(), &"too_short".into()));
    assert!(report["set_ups"].as_u64().unwrap() > 0 && report["failed"] == 0, "{report:#}");
    assert_eq!(report["exit_code"], output.status.code().unwrap());
    let running = || server.api.get("/v1/calls?state=running").body["calls"].clone();
    until("the server to have no calls", || running().as_array()?.is_empty().then_some(()));
}

fn bench(server: &Server, what: &str, options: &[&str]) -> Output {
    Command::new(program()).args(["bench", what, &server.uri("echo")]).args(options).output().unwrap()
}

fn report(output: &Output) -> Value {
    let line = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&line)
        .unwrap_or_else(|error| panic!("{error}: {line}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
