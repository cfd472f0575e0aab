//! Wireshark is the judge of bundles: it reads each without complaint, and its figures are ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use offhook_journal::bundle::{Bundle, Direction, PacketKind};
use serde_json::Value;

use crate::bundles::{count, finished_bundle};
use crate::common::{Calling, Setup, program, skip, together, tool};

/// How far jitters may be apart, in milliseconds. Both sides round to thousandths; tshark subtracts times as floating
/// point numbers of seconds since 1970.
const TOLERANCE_MS: f64 = 0.002;

/// What tshark says of a file.
#[derive(Debug)]
pub struct Opinion {
    /// Call-IDs of INVITEs.
    pub calls: Vec<String>,
    pub streams: Vec<Judged>,
    /// Packets that it finds broken, or takes for an error.
    pub complaints: Vec<String>,
}

/// A line of tshark's table of RTP streams.
#[derive(Debug)]
pub struct Judged {
    /// Source, destination.
    pub ends: [String; 2],
    pub ssrc: u64,
    pub packets: i64,
    /// Repetitions make it smaller.
    pub lost: i64,
    pub longest_gap_ms: f64,
    pub mean_jitter_ms: f64,
    pub worst_jitter_ms: f64,
}

/// How our figures and tshark's compare over a number of bundles.
#[derive(Clone, Copy, Debug, Default)]
pub struct Agreement {
    pub streams: usize,
    pub packets: i64,
    pub lost: u64,
    pub jitter_apart_ms: f64,
    /// Callers' streams whose figures in the record were compared too.
    pub live: usize,
}

impl Agreement {
    pub fn add(&mut self, more: Agreement) {
        self.streams += more.streams;
        self.packets += more.packets;
        self.lost += more.lost;
        self.live += more.live;
        self.jitter_apart_ms = self.jitter_apart_ms.max(more.jitter_apart_ms);
    }
}

impl Opinion {
    /// One run of tshark for everything.
    #[track_caller]
    pub fn of(tshark: &Path, file: &Path) -> Opinion {
        let output = Command::new(tshark)
            .args(["-n", "-r"])
            .arg(file)
            .args(["-Y", "sip.Method == INVITE || _ws.malformed || _ws.expert.severity == error"])
            .args(["-T", "fields", "-E", "separator=|", "-e", "frame.number", "-e", "sip.Call-ID"])
            .args(["-e", "_ws.malformed", "-e", "_ws.expert.severity", "-e", "_ws.expert.message"])
            .args(["-z", "rtp,streams"])
            .output()
            .unwrap();
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}: {errors}", file.display());
        // What it says of running as root is no matter of the file.
        let complaints = errors.lines().filter(|line| !line.contains("Running as user"));
        let mut complaints: Vec<String> = complaints.map(str::to_owned).collect();
        let (mut calls, mut streams) = (Vec::new(), Vec::new());
        for line in text.lines() {
            if let [_, call, malformed, severity, _] = line.split('|').collect::<Vec<_>>()[..] {
                let is_error = |severity: &str| severity.parse().unwrap_or(0_u32) >= ERROR;
                if !malformed.is_empty() || severity.split(',').any(is_error) {
                    complaints.push(line.to_owned());
                } else if !calls.iter().any(|known| known == call) {
                    calls.push(call.to_owned());
                }
            } else if line.contains(" 0x") {
                streams.push(Judged::of(line).unwrap_or_else(|| panic!("{line}")));
            }
        }
        calls.sort();
        Opinion { calls, streams, complaints }
    }

    /// Compares with `offhook bundle show --json`.
    #[track_caller]
    pub fn must_agree(&self, file: &Path) -> Agreement {
        let output = Command::new(program()).args(["bundle", "show", "--json"]).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let wire = &shown["wire"];
        let about = || format!("{}:\n{self:#?}\n{wire:#}", file.display());
        assert_eq!(self.complaints, Vec::<String>::new(), "{}", about());
        let mut calls: Vec<&str> =
            wire["sip_calls"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        calls.sort_unstable();
        assert_eq!(calls, self.calls, "{}", about());
        let ours = wire["streams"].as_array().unwrap();
        assert_eq!(ours.len(), self.streams.len(), "{}", about());
        let mut agreement =
            Agreement { live: self.live_figures_must_agree(&shown, ours), ..Agreement::default() };
        for stream in ours {
            let ends =
                [&stream["source"], &stream["destination"]].map(|end| end.as_str().unwrap_or_default());
            let theirs = self
                .streams
                .iter()
                .find(|theirs| theirs.ends == ends && Some(theirs.ssrc) == stream["ssrc"].as_u64())
                .unwrap_or_else(|| panic!("tshark does not know {stream}: {}", about()));
            let figure = |name: &str| stream["statistics"][name].as_f64().unwrap();
            let (packets, lost) = (figure("packets") as i64, figure("lost") as i64);
            let repeated = figure("duplicates") as i64;
            assert_eq!((packets, lost - repeated), (theirs.packets, theirs.lost), "{}", about());
            let of_audio = event_of(stream).map(|event| audio_of(file, event, theirs));
            let jitter = of_audio.as_ref().unwrap_or(theirs);
            let mut figures = vec![
                (figure("mean_jitter_ms"), jitter.mean_jitter_ms),
                (figure("worst_jitter_ms"), jitter.worst_jitter_ms),
            ];
            if of_audio.is_none() {
                figures.push((figure("longest_gap_ms"), theirs.longest_gap_ms));
            }
            for (ours, theirs) in figures {
                let apart = (ours - theirs).abs();
                assert!(apart <= TOLERANCE_MS, "{ours} and {theirs} are {apart} ms apart: {}", about());
                agreement.jitter_apart_ms = agreement.jitter_apart_ms.max(apart);
            }
            agreement.add(Agreement { streams: 1, packets, lost: lost as u64, ..Agreement::default() });
        }
        agreement
    }

    /// What the call's record says of the caller's stream was counted while it ran, by other code. Its jitter goes in
    /// steps of the RTP clock. Answers how many were compared: the record of a call does not wait long for the report of
    /// a media worker that is late.
    #[track_caller]
    fn live_figures_must_agree(&self, shown: &Value, ours: &[Value]) -> usize {
        let live = &shown["record"]["media"]["caller"];
        let from_caller = |stream: &&Value| stream["sender"] == "caller";
        let [stream] = ours.iter().filter(from_caller).collect::<Vec<_>>()[..] else { return 0 };
        let statistics = &stream["statistics"];
        // Its received packets are without those that came again.
        if live.is_null() || statistics["duplicates"] != 0 {
            return 0;
        }
        let told = (&live["received"], &live["lost"]);
        assert_eq!((&statistics["packets"], &statistics["lost"]), told, "{live}\n{stream}");
        let jitter = live["jitter_us"].as_f64().unwrap() / 1000.0;
        let apart = (statistics["jitter_ms"].as_f64().unwrap() - jitter).abs();
        assert!(apart <= LIVE_TOLERANCE_MS, "{apart} ms apart\n{live}\n{stream}");
        1
    }
}

/// The payload type of the keys in a stream.
fn event_of(stream: &Value) -> Option<u64> {
    let codecs = stream["codecs"].as_array()?;
    codecs.iter().find(|codec| codec["name"] == "TELEPHONE-EVENT")?["payload_type"].as_u64()
}

/// What tshark says of the audio of a stream with keys. Keys say nothing of jitter (RFC 4733 §2.2.1), and tshark leaves
/// them out; but from the next packet of audio it takes the time since the last key for the time since the last audio,
/// and tells a jitter of 10 ms per key that no line ever had. So it gets a copy without them, made by itself.
#[track_caller]
fn audio_of(file: &Path, event: u64, stream: &Judged) -> Judged {
    let (tshark, folder) = (tool("tshark").unwrap(), tempfile::tempdir().unwrap());
    let copy = folder.path().join("audio.pcapng");
    let filter = format!("!(rtp.p_type == {event})");
    let output = Command::new(&tshark).arg("-r").arg(file).args(["-Y", &filter, "-w"]).arg(&copy).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let opinion = Opinion::of(&tshark, &copy);
    let found =
        opinion.streams.into_iter().find(|other| (&other.ends, other.ssrc) == (&stream.ends, stream.ssrc));
    found.unwrap_or_else(|| panic!("{}: no audio in {stream:?}", file.display()))
}

/// Two steps of a clock of 8000 Hz.
const LIVE_TOLERANCE_MS: f64 = 0.25;

/// PI_ERROR of Wireshark's expert information.
const ERROR: u32 = 0x0080_0000;

impl Judged {
    /// Start, end, source, port, destination, port, SSRC, payload, packets, lost, (share), deltas: least, mean, most,
    /// jitters: least, mean, most.
    pub fn of(line: &str) -> Option<Judged> {
        let words: Vec<&str> = line.split_whitespace().collect();
        // The names of payloads may hold spaces.
        let lost = words.iter().position(|word| word.starts_with('('))?.checked_sub(1)?;
        let end = |at: usize| match words[at].contains(':') {
            true => format!("[{}]:{}", words[at], words[at + 1]),
            false => format!("{}:{}", words[at], words[at + 1]),
        };
        Some(Judged {
            ends: [end(2), end(4)],
            ssrc: u64::from_str_radix(words[6].strip_prefix("0x")?, 16).ok()?,
            packets: words[lost - 1].parse().ok()?,
            lost: words[lost].parse().ok()?,
            longest_gap_ms: words.get(lost + 4)?.parse().ok()?,
            mean_jitter_ms: words.get(lost + 6)?.parse().ok()?,
            worst_jitter_ms: words.get(lost + 7)?.parse().ok()?,
        })
    }
}

#[test]
fn wireshark_sees_the_messages_of_calls_over_udp_and_tcp() {
    let _turn = together();
    let name = "wireshark_sees_the_messages_of_calls_over_udp_and_tcp";
    let Some(tshark) = tool("tshark") else {
        return skip(name, "tshark is not installed (apt install tshark)");
    };
    let server = Setup::new().config("[bundle]\nrecord = \"on\"\n").start();
    let script = "wait 3s\nhangup";
    let udp = Calling::to(&server, "echo").from("by-udp").script(script).start();
    let tcp = Calling::to(&server, "echo").from("by-tcp").tcp().script(script).start();

    for (from, call) in [("by-udp", udp), ("by-tcp", tcp)] {
        let ended = call.finish();
        let path = finished_bundle(&server, from);
        let fields = ["-Y", "sip.Method", "-T", "fields", "-e", "sip.Method", "-e", "sip.Call-ID"];
        let output = Command::new(&tshark).arg("-r").arg(&path).args(fields).output().unwrap();
        let methods = String::from_utf8_lossy(&output.stdout);

        let mut lines: Vec<&str> = methods.lines().collect();
        lines.dedup();
        let expected: Vec<String> = ["INVITE", "ACK", "BYE"]
            .iter()
            .map(|method| format!("{method}\t{}", ended.report.call_id))
            .collect();
        assert_eq!(lines, expected, "{from}");
        let opinion = Opinion::of(&tshark, &path);
        assert_eq!(opinion.calls, [ended.report.call_id.as_str()], "{from}");
        assert_eq!((opinion.streams.len(), opinion.must_agree(&path).lost), (2, 0), "{from}: {opinion:?}");
        let bundle = Bundle::open(std::fs::File::open(&path).unwrap()).unwrap();
        for direction in [Direction::Inbound, Direction::Outbound] {
            let packets = count(&bundle, PacketKind::Rtp, direction) as i64;
            assert!(opinion.streams.iter().any(|stream| stream.packets == packets), "{from}: {opinion:?}");
        }
        assert_eq!(count(&bundle, PacketKind::Rtp, Direction::Inbound), ended.report.sent.packets);
    }
}

/// The gate places the demo's calls before it comes to the tests.
#[test]
fn wireshark_agrees_about_the_calls_of_the_demo() {
    let name = "wireshark_agrees_about_the_calls_of_the_demo";
    let Some(tshark) = tool("tshark") else {
        return skip(name, "tshark is not installed (apt install tshark)");
    };
    let data = Path::new(env!("CARGO_BIN_EXE_offhook")).ancestors().nth(2).unwrap().join("demo-data/bundles");
    let mut files = Vec::new();
    let mut folders = vec![data];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "call") {
                files.push(path);
            }
        }
    }
    if files.is_empty() {
        // No promise is broken by it: the gate has its own stage that sees to the demo.
        eprintln!("SKIPPED {name}: there was no demo yet (make demo)");
        return;
    }
    // Their names grow with time; the last demo made two.
    files.sort_by_key(|path: &PathBuf| path.file_name().map(std::ffi::OsStr::to_owned));
    for path in files.iter().rev().take(2) {
        let opinion = Opinion::of(&tshark, path);
        let agreement = opinion.must_agree(path);

        assert_eq!(opinion.calls.len(), 1, "{opinion:?}");
        assert!(agreement.streams >= 2 && agreement.packets > 500, "{agreement:?}");
        eprintln!("a call of the demo: {agreement:?}");
    }
}
