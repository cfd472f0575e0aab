//! `offhook demo`: one command from nothing to a real call.
//!
//! It starts a server of its own (as a child process, as a user would), an order service and an agent's telephone,
//! places real SIP/RTP calls with recorded speech, and prints what was said and where each second went.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use offhook_call_control::{CallRecord, EndCause, Speaker, TurnLedger};
use offhook_caller::call::{self, CallOptions, CallReport, Stop};
use offhook_caller::listen::Turn;
use offhook_caller::reflector::Reflector;
use serde::Deserialize;

use crate::cli::DemoArgs;

/// How long the server may take to be ready, and the embedded recognizer to be warm.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Two sides that mean the same turn differ by less in when the bot began.
const SAME_TURN_MS: f64 = 500.0;

/// The samples that call where nobody names others.
const SAMPLES: [&str; 2] = ["order-status-rms-mulaw.wav", "barge-in-rms.wav"];

pub(super) fn run(args: &DemoArgs) -> anyhow::Result<ExitCode> {
    let stop = super::stop_on_interrupt();
    let agent = Reflector::start([127, 0, 0, 1].into(), false)?;
    let orders = order_service()?;
    std::fs::create_dir_all(&args.data).with_context(|| args.data.display().to_string())?;
    let config = write_config(&args.data, orders, &agent.uri())?;
    println!("starting the server, an order service on {orders} and an agent's telephone …");
    let server = Server::start(&config, &args.data)?;
    let wavs: Vec<PathBuf> = if args.wav.is_empty() {
        SAMPLES.iter().map(|name| args.samples.join(name)).collect()
    } else {
        args.wav.clone()
    };
    let mut fine = true;
    for wav in &wavs {
        fine &= place_call(&server, wav, &args.data, &stop)?;
        if stop.is_raised() {
            break;
        }
    }
    if !args.once && !stop.is_raised() {
        println!();
        println!("The server stays up: dial sip:after-sales@{} with your own softphone", server.sip);
        println!(
            "(orders 12345678, 24691357 and 11112222 exist; sip:echo@{} returns your voice).",
            server.sip
        );
        println!("Ctrl-C ends it.");
        while !stop.is_raised() {
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn place_call(server: &Server, wav: &Path, data: &Path, stop: &Stop) -> anyhow::Result<bool> {
    println!();
    println!("── {} calls sip:after-sales@{}", wav.display(), server.sip);
    let mut options = CallOptions::to(format!("sip:after-sales@{}", server.sip));
    options.audio = Some(wav.to_owned());
    let report = call::run(&options, &mut std::io::sink(), stop)?;
    let record = server.latest_record()?;
    print_transcript(&record);
    print_ledgers(&record, &report);
    let path = data.join(format!("{}.json", record.call_id));
    std::fs::write(&path, serde_json::to_vec_pretty(&record)?).with_context(|| path.display().to_string())?;
    println!(
        "record: {} (and row {} of {})",
        path.display(),
        record.call_id,
        data.join("offhook.db").display()
    );
    if let Some(bundle) = server.bundle_of(&record.call_id)? {
        println!("bundle: {bundle} (Wireshark opens it, `offhook replay` runs it again)");
    }
    let understood = record.transcript.iter().any(|(speaker, _)| *speaker == Speaker::Caller);
    // Served to the end: the bot said goodbye or handed over, and knows what the call was good for.
    let served =
        matches!(record.cause, Some(EndCause::BotHungUp | EndCause::Transferred)) && record.outcome.is_some();
    if !understood {
        println!("the bot understood nothing of what was said");
    }
    if !report.is_success() || !served {
        let cause = record.cause.map_or("still running", EndCause::word);
        println!("this call was not served to its end: {:?}, {cause}", report.outcome);
    }
    Ok(report.is_success() && served && understood)
}

fn print_transcript(record: &CallRecord) {
    println!();
    for (speaker, text) in &record.transcript {
        let who = match speaker {
            Speaker::Caller => "caller",
            Speaker::Bot => "bot",
        };
        println!("  {who:>6}: {text}");
    }
    for transfer in &record.transfers {
        match &transfer.failure {
            None => println!("          [transferred to {}]", transfer.target),
            Some(why) => println!("          [the transfer to {} failed: {why}]", transfer.target),
        }
    }
    let cause = record.cause.map_or("still running", EndCause::word);
    println!("          [{cause}; outcome: {}]", record.outcome.as_deref().unwrap_or("none"));
}

/// The server's ledger, turn by turn, beside what the caller measured on the wire.
fn print_ledgers(record: &CallRecord, report: &CallReport) {
    println!();
    println!("  where the silence of each turn went (milliseconds, the server's ledger):");
    for (number, turn) in record.turns.iter().enumerate() {
        let ledger = &turn.ledger;
        let segments: Vec<String> = ledger
            .segments
            .iter()
            .map(|segment| format!("{} {:.0}", segment.name, segment.micros as f64 / 1000.0))
            .collect();
        let total = ledger.total_micros() as f64 / 1000.0;
        let measured = measured_turn(ledger, report);
        let silence = measured.and_then(|turn| turn.response_ms);
        let silence = silence.map_or_else(|| "not found".to_owned(), |ms| format!("{ms:.0}"));
        println!(
            "    turn {}: {total:6.0} = {}; the caller measured {silence}",
            number + 1,
            segments.join(" + ")
        );
        if let Some(micros) = ledger.barge_in_micros {
            let stopped = measured.and_then(|turn| turn.barge_in).map(|barge_in| barge_in.stopped_after_ms);
            let stopped = stopped.map_or_else(|| "not found".to_owned(), |ms| format!("{ms:.0}"));
            println!(
                "            the caller spoke into the bot, which fell silent after {:.0}; measured {stopped}",
                micros as f64 / 1000.0
            );
        }
    }
    println!("  the same turns as the caller measured them from the audio on the wire:");
    for line in report.turns.to_string().lines() {
        println!("    {line}");
    }
}

/// The turn that the caller heard answered when this ledger ends: both count on the same clock.
fn measured_turn<'a>(ledger: &TurnLedger, report: &'a CallReport) -> Option<&'a Turn> {
    let answered = report.answered_monotonic_ns?;
    let heard_at = |turn: &Turn| Some(answered as f64 / 1e6 + turn.bot_start_ms?);
    let ended_at = ledger.ended_at.as_nanos() as f64 / 1e6;
    let apart = |turn: &Turn| heard_at(turn).map_or(f64::MAX, |at| (at - ended_at).abs());
    let nearest = report.turns.turns.iter().min_by(|one, other| apart(one).total_cmp(&apart(other)))?;
    (apart(nearest) < SAME_TURN_MS).then_some(nearest)
}

/// An order service on a port of the kernel's choice, for as long as this process lives.
fn order_service() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("orders".into()).spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                let _ = axum::serve(listener, super::order_service::router()).await;
            }
        });
    })?;
    Ok(address)
}

fn write_config(data: &Path, orders: SocketAddr, agent: &str) -> anyhow::Result<PathBuf> {
    let path = data.join("demo.toml");
    let text = format!(
        "[bundle]\nrecord = \"on\"\n\n[bots.config]\norder_service = \"http://{orders}\"\n\n[bots.targets]\nagents = \"{agent}\"\n"
    );
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

#[derive(Deserialize)]
struct Listed {
    calls: Vec<CallRecord>,
}

struct Server {
    child: Child,
    sip: String,
    api: String,
    key: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(config: &Path, data: &Path) -> anyhow::Result<Server> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--sip", "127.0.0.1:0", "--api", "127.0.0.1:0", "--config"])
            .arg(config)
            .arg("--data")
            .arg(data)
            .env("OFFHOOK_LOG", "info")
            .env("OFFHOOK_LOG_JSON", "1")
            .stderr(Stdio::piped())
            .spawn()
            .context("the server cannot be started")?;
        let Some(stderr) = child.stderr.take() else { bail!("the server has no standard error") };
        let mut lines = BufReader::new(stderr).lines();
        let (sip, api) = loop {
            let Some(line) = lines.next() else { bail!("the server ended before it was ready") };
            let line = line?;
            let value: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let fields = &value["fields"];
            if value["level"] == "WARN" || value.is_null() {
                println!("  server: {}", fields["message"].as_str().unwrap_or(&line));
            }
            if let (Some(sip), Some(api)) = (fields["sip"].as_str(), fields["api"].as_str()) {
                break (sip.to_owned(), api.to_owned());
            }
        };
        // Its log is read to the end, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        let key =
            std::fs::read_to_string(data.join("api-key")).context("the server's API key")?.trim().to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let server = Server { child, sip, api, key, client: reqwest::Client::new(), runtime };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            let body = self.get("readyz").unwrap_or_default();
            if body["ready"] == true {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("the server was not ready within {} s", READY_WITHIN.as_secs())
    }

    fn get(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let url = format!("http://{}/{path}", self.api);
        self.runtime.block_on(async {
            let request = self.client.get(url).bearer_auth(&self.key);
            Ok(request.send().await?.json().await?)
        })
    }

    /// Where a call's bundle is.
    fn bundle_of(&self, call_id: &str) -> anyhow::Result<Option<String>> {
        Ok(self.get(&format!("v1/calls/{call_id}"))?["bundle"].as_str().map(str::to_owned))
    }

    /// The newest record, once its call has ended.
    fn latest_record(&self) -> anyhow::Result<CallRecord> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let listed: Listed = serde_json::from_value(self.get("v1/calls?limit=1")?)?;
            let newest = listed.calls.into_iter().max_by_key(|call| call.started_unix_ms);
            match newest {
                Some(record) if record.ended_unix_ms.is_some() || Instant::now() > deadline => {
                    return Ok(record);
                }
                Some(_) | None if Instant::now() > deadline => bail!("the server has no record of the call"),
                Some(_) | None => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM: it says BYE to whoever is still on the line.
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
