//! Traces: what a collector of OpenTelemetry gets of a call.

use std::time::Duration;

use rustix::process::Signal;

use crate::common::{Calling, HttpSink, SeenSpan, Server, Setup, spans_of, together, until};

/// A bot that asks a business system when a key is pressed.
const BOT: &str = r#"bot: traced
start: ask
config: { service: ~ }
variables: { found: ~ }
no_input: [{ goto: ask }]
no_match: [{ goto: ask }]
tools:
  look_up: { url: "{{ config.service }}/things/4711" }
states:
  ask: { say: Press five., listen: { keys: { "5": look } } }
  look: { call: { tool: look_up, set: { found: answer.body.found }, answered: tell, on_error: tell } }
  tell: { say: Here it is. Goodbye., hang_up: true }
"#;

const PRESS: &str = "wait 700ms\ndtmf 5\nexpect-hangup 20s";

const CAME: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

struct Traced {
    collector: HttpSink,
    service: HttpSink,
    server: Server,
    _bots: tempfile::TempDir,
}

impl Traced {
    fn start(more: &str, first: &[&str]) -> Traced {
        let collector = HttpSink::start(first, "");
        let service = HttpSink::start(&[], "{\"found\": true}");
        let trace = format!(
            "[trace]\notlp = \"http://{}/v1/traces\"\nheaders.x-token = \"env:OTLP_TOKEN\"\n{more}\n",
            collector.address
        );
        let (bots, config) = bots_and(&trace, &format!("http://{}", service.address));
        let server = Setup::new().config(&config).env("OTLP_TOKEN", "t0ken").start();
        Traced { collector, service, server, _bots: bots }
    }

    fn spans(&self) -> Vec<SeenSpan> {
        self.collector.asked().iter().flat_map(|asked| spans_of(&asked.body).0).collect()
    }

    /// All spans of a trace, once the call's own is there: it is the last.
    fn whole(&self, name: &str) -> Vec<SeenSpan> {
        until("the span of the call", || self.spans().iter().any(|span| span.name == name).then_some(()));
        self.spans()
    }
}

/// A folder with the bot, and a configuration that knows it and where its business system is.
fn bots_and(more: &str, service: &str) -> (tempfile::TempDir, String) {
    let bots = tempfile::tempdir().unwrap();
    std::fs::write(bots.path().join("traced.yaml"), BOT).unwrap();
    let folder = bots.path().display().to_string();
    let config = format!(
        "{more}[engine]\nrecognizer = \"none\"\n[bots]\nfolder = \"{folder}\"\n[bots.config]\nservice = \"{service}\"\n"
    );
    (bots, config)
}

#[test]
fn a_call_its_turns_and_its_tools_are_spans_at_their_times() {
    let _turn = together();
    let traced = Traced::start("", &[]);

    let ended = Calling::to(&traced.server, "traced").from("4930777").script(PRESS).place();

    assert!(ended.report.is_success(), "{}", ended.said);
    let spans = traced.whole("call traced");
    let record = traced.server.api.ended_call_from("4930777");
    let call_id = record["call_id"].as_str().unwrap();
    let trace = call_id.replace('-', "");
    assert_eq!(record["trace_id"], trace.as_str(), "the trace is that of the call's id");
    assert!(spans.iter().all(|span| span.trace == trace), "{spans:#?}");
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let (call, setup, turn) = (named("call traced"), named("setup"), named("turn"));
    assert_eq!((call.parent.as_str(), call.kind), ("", 2));
    assert_eq!(call.attributes["offhook.call.id"], call_id);
    assert_eq!(call.attributes["offhook.cause"], "bot_hung_up");
    assert!(call.events.contains(&"state_entered".to_owned()), "{call:?}");
    assert_eq!((&setup.parent, &turn.parent), (&call.id, &call.id));
    // The ledger that the API tells is the turn that the collector sees.
    let ledger = &record["turns"][0]["ledger"];
    let segments = ledger["segments"].as_array().unwrap();
    let micros = segments.iter().map(|segment| segment["micros"].as_u64().unwrap()).sum::<u64>();
    assert!((turn.end - turn.start).abs_diff(micros * 1000) < 1000, "{turn:?} {ledger}");
    let parts: Vec<_> = spans.iter().filter(|span| span.parent == turn.id).collect();
    let lasted: u64 = parts.iter().map(|span| span.end - span.start).sum();
    assert!(lasted.abs_diff(turn.end - turn.start) < 100_000, "{parts:#?}");
    assert!(parts.iter().any(|span| span.name == "synthesizer"), "{parts:#?}");
    for span in &spans {
        assert!(call.start <= span.start && span.start <= span.end && span.end <= call.end, "{span:?}");
    }
    let within = |outer: i64, at: u64| (outer - (at / 1_000_000).cast_signed()).abs() <= 2;
    assert!(within(record["started_unix_ms"].as_i64().unwrap(), call.start), "{record} {call:?}");
    assert!(within(record["ended_unix_ms"].as_i64().unwrap(), call.end), "{record} {call:?}");
    let tool = named("GET look_up");
    assert_eq!((&tool.parent, tool.kind), (&turn.id, 3));
    assert_eq!(tool.attributes["http.response.status_code"], "200");
    let asked = &traced.service.asked()[0];
    assert_eq!(asked.header("traceparent"), Some(format!("00-{trace}-{}-01", tool.id).as_str()));
    let told = format!("{spans:?}");
    assert!(!told.contains("4930777") && !told.contains("4711"), "numbers stay here: {told}");
    let export = &traced.collector.asked()[0];
    assert_eq!(export.line, "POST /v1/traces HTTP/1.1");
    assert_eq!(export.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(export.header("x-token"), Some("t0ken"));
    assert_eq!(spans_of(&export.body).1["service.name"], "offhook");
    let exported = traced.server.metric("offhook_trace_spans_exported_total");
    assert_eq!(exported, Some(spans.len() as f64));
    let log = traced.server.log();
    assert!(log.lines().any(|line| line.contains("call begins") && line.contains(&trace)), "{log}");
}

#[test]
fn every_line_of_the_log_that_a_call_causes_names_the_call() {
    let _turn = together();
    let debug =
        "warn,offhook_server=debug,offhook_engines=debug,offhook_call_control=debug,offhook_replay=debug";
    let (_bots, config) = bots_and("[bundle]\nrecord = \"on\"\n", "http://127.0.0.1:1");
    let server = Setup::new().config(&config).env("OFFHOOK_LOG", debug).start();
    let begun = server.log().lines().count();

    let ended = Calling::to(&server, "traced").from("named").script(PRESS).place();

    assert!(ended.report.is_success(), "{}", ended.said);
    let id = server.api.ended_call_from("named")["call_id"].as_str().unwrap().to_owned();
    let log = server.log();
    let lines: Vec<serde_json::Value> =
        log.lines().skip(begun).map(|line| serde_json::from_str(line).unwrap()).collect();
    // What engines do while they warm belongs to nobody's call.
    let of_calls = lines.iter().filter(|line| line["target"] != "offhook_engines::host::place");
    let nameless: Vec<_> = of_calls.filter(|line| line["fields"]["call_id"] != id.as_str()).collect();
    assert!(nameless.is_empty(), "{nameless:#?}");
    assert!(lines.len() > 8, "the call is told: {lines:#?}");
}

#[test]
fn a_trace_that_the_cti_began_goes_on_to_the_tools() {
    let _turn = together();
    let traced = Traced::start("", &[]);
    let events = traced.server.api.events("");

    let call = Calling::to(&traced.server, "traced").from("followed").header("traceparent", CAME);
    assert!(call.script(PRESS).place().report.is_success());
    let spans = traced.whole("call traced");

    let call = spans.iter().find(|span| span.name == "call traced").unwrap();
    assert_eq!((call.trace.as_str(), call.parent.as_str()), (&CAME[3..35], &CAME[36..52]));
    assert_eq!(events.wait_for("call_started")["event"]["trace_id"], &CAME[3..35]);
    assert!(traced.service.asked()[0].header("traceparent").unwrap().starts_with(&CAME[..35]));
}

#[test]
fn a_trace_that_is_not_recorded_is_handed_on_as_it_came_and_not_exported() {
    let _turn = together();
    let traced = Traced::start("", &[]);
    let unrecorded = CAME.replace("-01", "-00");

    let call = Calling::to(&traced.server, "traced").header("traceparent", &unrecorded).script(PRESS);
    assert!(call.place().report.is_success());
    let other = Calling::to(&traced.server, "echo").script("wait 100ms\nhangup").place();
    assert!(other.report.is_success());

    // The later call's span is there, so the earlier one's would be.
    let spans = traced.whole("call echo");
    assert!(spans.iter().all(|span| span.name != "call traced"), "{spans:#?}");
    assert_eq!(traced.service.asked()[0].header("traceparent"), Some(unrecorded.as_str()));
}

#[test]
fn a_collector_that_is_busy_is_asked_again() {
    let _turn = together();
    let busy = ["503 Service Unavailable\r\nRetry-After: 0", "429 Too Many Requests"];
    let traced = Traced::start("", &busy);

    assert!(Calling::to(&traced.server, "echo").script("wait 100ms\nhangup").place().report.is_success());

    until("the third try", || (traced.collector.asked().len() >= 3).then_some(()));
    let bodies: Vec<_> = traced.collector.asked().into_iter().map(|asked| asked.body).collect();
    assert!(bodies[0] == bodies[1] && bodies[1] == bodies[2], "the same spans");
    until("the count", || {
        (traced.server.metric("offhook_trace_spans_exported_total") > Some(0.0)).then_some(())
    });
    assert_eq!(traced.server.metric("offhook_trace_spans_failed_total"), Some(0.0));
}

#[test]
fn a_collector_that_refuses_costs_its_spans_and_no_call_and_the_end_of_the_server_brings_the_last() {
    let _turn = together();
    let mut traced = Traced::start("", &["400 Bad Request"]);
    let echo = || Calling::to(&traced.server, "echo").script("wait 100ms\nhangup").place();
    assert!(echo().report.is_success());
    until("the refusal", || {
        (traced.server.metric("offhook_trace_spans_failed_total") > Some(0.0)).then_some(())
    });
    until("the warning", || (traced.server.log().matches("takes no spans").count() == 1).then_some(()));
    assert!(echo().report.is_success());

    traced.server.signal(Signal::TERM);
    assert!(traced.server.wait(Duration::from_secs(10)).success());

    let asked = traced.collector.asked();
    let (last, _) = spans_of(&asked.last().unwrap().body);
    assert!(last.iter().any(|span| span.name == "call echo"), "{last:#?}");
}

#[test]
fn no_more_calls_are_traced_than_the_configuration_wants() {
    let _turn = together();
    let traced = Traced::start("sample = 0.0", &[]);

    let call = Calling::to(&traced.server, "echo").script("wait 100ms\nhangup");
    assert!(call.place().report.is_success());
    let followed = Calling::to(&traced.server, "echo").header("traceparent", CAME);
    assert!(followed.script("wait 100ms\nhangup").place().report.is_success());

    let spans = traced.whole("call echo");
    assert!(spans.iter().all(|span| span.trace == CAME[3..35]), "only the CTI's own: {spans:#?}");
}
