//! `offhook bundle`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use offhook_call_control::{CallRecord, Speaker};
use offhook_journal::Ending;
use offhook_journal::bundle::{
    Amount, Bundle, Direction, Item, OutputBody, PacketKind, Reader, RecordedPacket, Sizes,
};
use offhook_replay::{CallHead, RoleHead, decode_fact};
use offhook_sip_proto::message::{Limits, Message};
use offhook_time::{Half, Time};
use serde::Serialize;

use super::{bundle_file, bundle_streams, bundle_wav};
use crate::cli::{BundleCommand, BundleFileArgs};

/// What these commands answer where a file cannot be opened.
pub(super) const CANNOT_OPEN: u8 = 2;

pub(super) fn run(command: BundleCommand) -> anyhow::Result<ExitCode> {
    let done = match command {
        BundleCommand::List { paths, key, json } => list(&paths, key.as_deref(), json),
        BundleCommand::Show { file, ladder } => show(&file, ladder),
        BundleCommand::ExportWav { file, out } => bundle_wav::export(&file, out),
        BundleCommand::Verify { file } => verify(&file),
    };
    done.or_else(|error| {
        eprintln!("offhook: {error:#}");
        Ok(ExitCode::from(CANNOT_OPEN))
    })
}

/// Prints a line. Who reads only the first ones (`| head`) closes the pipe, and that is no mistake of ours.
pub(super) fn print(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// One bundle in a list.
#[derive(Debug, Serialize)]
struct Listed<'a> {
    file: &'a Path,
    call_id: String,
    bot_hash: String,
    build: String,
    encrypted_or_packed_bytes: u64,
    bytes: u64,
    sizes: Sizes,
    ending: String,
    record: CallRecord,
}

fn list(paths: &[PathBuf], key: Option<&str>, json: bool) -> anyhow::Result<ExitCode> {
    let mut files = Vec::new();
    for path in paths {
        anyhow::ensure!(
            path.exists(),
            "{}: there is no such folder or file; `offhook serve` writes bundles below its data folder (--data)",
            path.display()
        );
        find(path, &mut files);
    }
    files.sort();
    let mut unreadable = 0;
    if !json {
        print(format_args!(
            "{:19}  {:8}  {:>6}  {:>7}  {:14}  {:16}  {:20}  file",
            "began (UTC)", "ending", "secs", "KB", "caller", "bot", "cause"
        ));
    }
    for file in &files {
        match look_at(file, key) {
            Ok(listed) if json => print(serde_json::to_string(&listed)?),
            Ok(listed) => print(row(&listed)),
            Err(error) => {
                unreadable += 1;
                eprintln!("offhook: {error:#}");
            }
        }
    }
    Ok(if unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find(path: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(path) else { return files.push(path.to_owned()) };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "call") {
            files.push(path);
        }
    }
}

/// Reads a bundle once, holding one block at a time.
fn look_at<'a>(file: &'a Path, key: Option<&str>) -> anyhow::Result<Listed<'a>> {
    let mut reader = Reader::new(bundle_file::plain(file, key)?);
    let (mut meta, mut record) = (None, CallRecord::default());
    for item in &mut reader {
        if let Item::Meta(found) = item {
            meta = Some(found);
        } else if let Item::Output(output) = item
            && let OutputBody::Whole(bytes) = &output.body
            && let Some(fact) = decode_fact(bytes)
        {
            record.apply(&fact);
        }
    }
    let ending = reader.ending().unwrap_or(Ending::Complete);
    let Some(meta) = meta else {
        anyhow::bail!("{}: no call bundle ({})", file.display(), bundle_file::ending(ending));
    };
    Ok(Listed {
        file,
        call_id: meta.call.clone(),
        bot_hash: meta.bot_hash.clone(),
        build: meta.build.clone(),
        encrypted_or_packed_bytes: std::fs::metadata(file).map_or(0, |about| about.len()),
        bytes: reader.sizes().total(),
        sizes: *reader.sizes(),
        ending: bundle_file::ending(ending),
        record,
    })
}

fn row(listed: &Listed<'_>) -> String {
    let record = &listed.record;
    let cause = record.cause.map_or("-", |cause| cause.word());
    let ending = listed.ending.split([' ', ':']).next().unwrap_or_default();
    format!(
        "{:19}  {ending:8}  {:>6.1}  {:>7}  {:14}  {:16}  {cause:20}  {}",
        clock(record.started_unix_ms),
        record.talk_time().as_secs_f64(),
        listed.encrypted_or_packed_bytes / 1000,
        record.caller,
        record.bot,
        listed.file.display(),
    )
}

/// Unix milliseconds as date and time in UTC.
fn clock(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000).rem_euclid(86_400);
    let day = crate::recorder::day(unix_ms);
    format!("{day} {:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn show(args: &BundleFileArgs, ladder: bool) -> anyhow::Result<ExitCode> {
    let bundle = bundle_file::open(&args.file, args.key.as_deref())?;
    let messages = messages(&bundle);
    if ladder {
        if args.json {
            print(serde_json::to_string(&messages)?);
        } else {
            messages.iter().for_each(print);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let wire = bundle_streams::read(&args.file, args.key.as_deref())?;
    let facts: Vec<_> = facts(&bundle).collect();
    let mut record = CallRecord::default();
    facts.iter().for_each(|(_, fact)| record.apply(fact));
    if args.json {
        let told = serde_json::json!({
            "meta": bundle.meta,
            "ending": bundle_file::ending(bundle.ending),
            "sizes": bundle.sizes,
            "bytes": bundle.sizes.total(),
            "record": record,
            "wire": wire,
            "facts": facts.iter().map(|(_, fact)| fact).collect::<Vec<_>>(),
        });
        print(told);
        return Ok(ExitCode::SUCCESS);
    }
    tell_head(&bundle, &record);
    let opened = CallHead::from_meta(&bundle.meta).map_or(Time::ZERO, |head| head.opened_at);
    print("\nwhat happened (seconds from its beginning)");
    for (at, fact) in &facts {
        let seconds = at.since(opened).as_secs_f64();
        print(format_args!("  {seconds:>9.3}  {}", event(&fact.event)));
    }
    wire.tell();
    tell_sizes(&bundle.sizes, record.talk_time());
    Ok(ExitCode::SUCCESS)
}

fn facts(bundle: &Bundle) -> impl Iterator<Item = (Time, offhook_call_control::Fact)> {
    bundle.outputs(Half::Control).filter_map(|output| match &output.body {
        OutputBody::Whole(bytes) => decode_fact(bytes).map(|fact| (output.head.now, fact)),
        OutputBody::Hash { .. } => None,
    })
}

fn tell_head(bundle: &Bundle, record: &CallRecord) {
    let meta = &bundle.meta;
    print(format_args!("call      {}", meta.call));
    print(format_args!("began     {} UTC", clock(record.started_unix_ms)));
    print(format_args!(
        "trace     {}",
        if record.trace_id.is_empty() { "not known" } else { &record.trace_id }
    ));
    print(format_args!("from, to  {} → {} ({})", record.caller, record.called, record.direction));
    match CallHead::from_meta(meta) {
        Ok(head) => match &head.control.role {
            RoleHead::Bot { file_name, .. } => {
                print(format_args!(
                    "bot       {} ({file_name}, version {})",
                    head.control.bot_name, meta.bot_hash
                ));
            }
            RoleHead::Echo | RoleHead::Bridge(_) => {
                print(format_args!("bot       {}", head.control.bot_name))
            }
        },
        Err(error) => print(format_args!("bot       not known: {error}")),
    }
    let cause = record.cause.map_or("not over", |cause| cause.word());
    let outcome = record.outcome.as_deref().unwrap_or("none");
    let talked = record.talk_time().as_secs_f64();
    print(format_args!("ended     {cause} after {talked:.1} s; outcome {outcome}"));
    print(format_args!("build     {} on {} ({})", meta.build, meta.cpu_class, meta.os));
    print(format_args!("file      {}", bundle_file::ending(bundle.ending)));
}

/// One event in a line.
fn event(event: &offhook_call_control::CallEvent) -> String {
    use offhook_call_control::CallEvent;
    if let CallEvent::Said { speaker, text, .. } = event {
        let who = match speaker {
            Speaker::Caller => "caller",
            Speaker::Bot => "bot",
        };
        return format!("{who}: {text}");
    }
    if let CallEvent::TurnCompleted { ledger } = event {
        let parts: Vec<String> = ledger
            .segments
            .iter()
            .map(|segment| format!("{} {}", segment.name, segment.micros / 1000))
            .collect();
        return format!("turn_completed: {} ms = {}", ledger.total_micros() / 1000, parts.join(" + "));
    }
    let json = serde_json::to_value(event).unwrap_or_default();
    let mut words = vec![json["type"].as_str().unwrap_or_default().to_owned()];
    for (name, value) in json.as_object().into_iter().flatten().filter(|(name, _)| *name != "type") {
        if !value.is_null() && !value.is_object() {
            let text = value.as_str().map_or(value.to_string(), str::to_owned);
            words.push(format!("{name}={text}"));
        }
    }
    words.join(" ")
}

fn tell_sizes(sizes: &Sizes, talked: Duration) {
    print("\nwhat the bytes are spent on (before packing)");
    let Sizes { packets_in, packets_out, steps, outputs, blobs, meta, unknown } = sizes;
    let rows = [
        ("packets that came", packets_in),
        ("packets that we sent", packets_out),
        ("steps", steps),
        ("outputs", outputs),
        ("synthesized audio", blobs),
        ("head and end", meta),
        ("not known to this build", unknown),
    ];
    for (name, Amount { count, bytes }) in rows.into_iter().filter(|(_, amount)| amount.bytes > 0) {
        print(format_args!("  {name:24} {count:>8}  {bytes:>10} bytes"));
    }
    let minutes = talked.as_secs_f64() / 60.0;
    let total = sizes.total();
    if minutes > 0.0 {
        let per_minute = total as f64 / 1000.0 / minutes;
        print(format_args!(
            "  {:24} {:>8}  {total:>10} bytes, {per_minute:.0} KB for each minute",
            "all", ""
        ));
    }
}

/// One SIP message of a ladder.
#[derive(Debug, Serialize)]
struct Rung {
    /// Seconds from the first message.
    at: f64,
    inbound: bool,
    remote: std::net::SocketAddr,
    message: String,
    octets: usize,
}

impl std::fmt::Display for Rung {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let arrow = if self.inbound { "───▶" } else { "◀───" };
        write!(f, "{:>9.3}  {:>21} {arrow} offhook  {}", self.at, self.remote.to_string(), self.message)
    }
}

fn messages(bundle: &Bundle) -> Vec<Rung> {
    let sip = |packet: &&RecordedPacket| {
        matches!(packet.kind, PacketKind::SipUdp | PacketKind::SipTcp | PacketKind::SipTls)
    };
    let first = bundle.packets().find(sip).map_or(Time::ZERO, |packet| packet.at);
    let rung = |packet: &RecordedPacket| {
        let inbound = packet.direction == Direction::Inbound;
        Rung {
            at: packet.at.since(first).as_secs_f64(),
            inbound,
            remote: if inbound { packet.source } else { packet.destination },
            message: summary(&packet.bytes),
            octets: packet.original_length,
        }
    };
    bundle.packets().filter(sip).map(rung).collect()
}

/// The first line of a message and what tells it from others.
fn summary(bytes: &[u8]) -> String {
    let (line, headers, body) = match Message::parse(bytes, &Limits::default()) {
        Ok(Message::Request(request)) => {
            (format!("{} {}", request.method, request.uri), request.headers, request.body)
        }
        Ok(Message::Response(response)) => {
            let method = response.headers.cseq().map_or(String::new(), |cseq| format!(" ({})", cseq.method));
            let reason = String::from_utf8_lossy(&response.reason).into_owned();
            (format!("{} {reason}{method}", response.status.code()), response.headers, response.body)
        }
        Err(_) => return String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes)).trim().to_owned(),
    };
    let kind = headers.content_type().ok().flatten().filter(|_| !body.is_empty());
    kind.map_or(line.clone(), |kind| format!("{line} [{kind}]"))
}

fn verify(args: &BundleFileArgs) -> anyhow::Result<ExitCode> {
    let bundle = bundle_file::open(&args.file, args.key.as_deref())?;
    let verdict = bundle.verify();
    let (ending, problems) = (bundle_file::ending(verdict.ending), &verdict.problems);
    if args.json {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        print(serde_json::json!({ "sound": verdict.is_sound(), "ending": ending, "problems": problems }));
    } else {
        print(format_args!("{}: {ending}", args.file.display()));
        problems.iter().for_each(print);
        if verdict.is_sound() {
            print(
                "every byte is as it was written; `offhook replay` tells whether the call does the same again",
            );
        }
    }
    Ok(if verdict.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
