//! What others recorded: `offhook replay` on captures of foreign callers, told and called again.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::common::{Server, Setup, alone, dumpcap, program, repository, skip, together, tool, until};
use crate::made_capture::{LISTENER, Recorded};
use crate::storm::storm;
use crate::wireshark::Judged;

#[test]
fn a_capture_of_a_hundred_sipp_calls_is_taken_apart_completely_and_agrees_with_tshark() {
    let _turn = alone();
    let name = "a_capture_of_a_hundred_sipp_calls_is_taken_apart_completely_and_agrees_with_tshark";
    let (Some(sipp), Some(tshark)) = (tool("sipp"), tool("tshark")) else {
        return skip(name, "SIPp or tshark is not installed (apt install sip-tester tshark)");
    };
    let server = Setup::new().calls(200).start();
    let wire = match Wire::tap() {
        Ok(wire) => wire,
        Err(why) => return skip(name, &why),
    };
    let flow = if rustix::process::geteuid().is_root() { "caller-pcap.xml" } else { "caller-stream.xml" };
    let storm = storm(&sipp, flow, &server, "u1", 100);
    assert_eq!((storm.succeeded, storm.failed), (100, 0), "{}", storm.said);
    let (file, _folder) = wire.finish();

    let told = replay(&file, &["--json"]);

    let calls: Vec<&Value> = of_server(&told, &server);
    assert_eq!(calls.len(), 100, "{}", told["account"]);
    let mut streams = Vec::new();
    for call in &calls {
        assert_eq!(call["end"]["kind"], "caller-hung-up", "{call}");
        assert_eq!(call["codec"], "PCMU", "{call}");
        for side in ["caller", "callee"] {
            let [stream] = &call[side]["streams"].as_array().unwrap()[..] else { panic!("{side}: {call}") };
            assert!(stream["statistics"]["packets"].as_u64() > Some(200), "{side}: {stream}");
            streams.push(stream.clone());
        }
    }
    let judged = tshark_streams(&tshark, &file);
    let mut worst: f64 = 0.0;
    for stream in &streams {
        let ends = [&stream["source"], &stream["destination"]].map(|end| end.as_str().unwrap().to_owned());
        let theirs = judged.iter().find(|theirs| theirs.ends == ends);
        let theirs = theirs.unwrap_or_else(|| panic!("tshark does not know {ends:?}"));
        let ours = &stream["statistics"];
        assert_eq!(
            (ours["packets"].as_u64(), ours["lost"].as_i64()),
            (Some(theirs.packets as u64), Some(theirs.lost)),
            "{stream}"
        );
        let apart = (ours["worst_jitter_ms"].as_f64().unwrap() - theirs.worst_jitter_ms).abs();
        worst = worst.max(apart);
    }
    eprintln!(
        "{} streams of 100 calls: packets and losses as tshark's, worst jitter within {worst:.3} ms",
        streams.len()
    );
    assert!(worst <= 0.01, "jitter {worst} ms apart");
    let account = &told["account"];
    let left: u64 = account["unused"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    let used: u64 = ["sip_in_calls", "rtp_in_calls", "rtp_without_sip"]
        .iter()
        .filter_map(|name| account[*name].as_u64())
        .sum();
    assert_eq!(Some(used + left), account["looked_at"].as_u64(), "{account}");

    // One of them calls again, with the packets that SIPp sent.
    let number = calls[41]["number"].to_string();
    let again =
        replay(&file, &["--json", "--live", &server.uri("echo"), "--call", &number, "--linger", "0.5"]);
    assert_eq!(again["succeeded"], 1, "{again}");
    let [call] = &again["calls"].as_array().unwrap()[..] else { panic!("{again}") };
    assert!(call["report"]["sent"]["packets"].as_u64() >= call["packets"].as_u64(), "{call}");
    assert!(call["report"]["received"]["packets"].as_u64() > Some(200), "{call}");

    // All of them meet a bot, faster than they were: each comes to its end, and its bundle replays.
    let folder = tempfile::tempdir().unwrap();
    let bot = folder.path().join("listener.yaml");
    std::fs::write(&bot, LISTENER).unwrap();
    let (bot, out) = (bot.to_str().unwrap(), folder.path().join("met"));
    let began = Instant::now();
    let met = replay(&file, &["--json", "--bot", bot, "--engine", "none", "-o", out.to_str().unwrap()]);
    let took = began.elapsed();
    let ours = calls.iter().map(|call| call["number"].as_u64()).collect::<Vec<_>>();
    let of_ours = |call: &&Value| ours.contains(&call["number"].as_u64());
    let all: Vec<&Value> = met["calls"].as_array().unwrap().iter().filter(of_ours).collect();
    assert_eq!(all.len(), 100, "{met}");
    let mut lasted = 0.0;
    for call in &all {
        let record = &call["report"]["record"];
        assert!(call["report"]["stopped"].is_null() && record["cause"] == "caller_hung_up", "{call}");
        assert!(record["media"]["caller"]["received"].as_u64() > Some(200), "{record}");
        assert_eq!(record["media"]["caller"]["lost"], 0, "{record}");
        lasted += call["report"]["lasted"]["secs"].as_f64().unwrap();
    }
    eprintln!("100 calls of {lasted:.0} s met a bot in {:.1} s", took.as_secs_f64());
    for number in [ours[0], ours[41], ours[99]] {
        let bundle = out.join(format!("call-{}.call", number.unwrap()));
        let again = Command::new(program()).arg("replay").arg(&bundle).output().unwrap();
        assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stdout));
    }
}

#[test]
fn captured_callers_call_a_bot_again_with_their_jitter_losses_and_keys() {
    let _turn = together();
    let (server, bots) = listening();
    let file = bots.path().join("recorded.pcap");
    let mut recorded = Recorded::default();
    for (number, sample) in ["order-status-slt", "return-awb", "order-status-rms-mulaw"].iter().enumerate() {
        recorded.call(number, &format!("recorded-{number}"), &voice(sample));
    }
    std::fs::write(&file, recorded.pcap()).unwrap();

    let told = replay(&file, &["--json", "--live", &server.uri("listener"), "--at-once", "3"]);

    assert_eq!((told["succeeded"].as_u64(), told["failed"].as_u64()), (Some(3), Some(0)), "{told}");
    for call in told["calls"].as_array().unwrap() {
        let report = &call["report"];
        let turns = report["turns"]["turns"].as_array().unwrap();
        let answered = turns.iter().filter(|turn| turn["response_ms"].is_number()).count();
        assert!(answered >= 2, "{}", report["turns"]);
        assert_eq!(
            (call["digits"].as_str(), report["sent"]["digits"].as_str()),
            (Some("1"), Some("1")),
            "{call}"
        );
        assert!(turns.iter().any(|turn| turn["said"] == "1"), "{}", report["turns"]);
    }
    for number in 0..3 {
        let record = server.api.ended_call_from(&format!("recorded-{number}"));
        assert_eq!(record["cause"], "caller_hung_up", "{record}");
        let media = &record["media"]["caller"];
        assert!(media["lost"].as_u64() >= Some(recorded.lost(number)), "{record}");
    }
}

#[test]
fn a_clean_line_has_no_losses_and_the_audio_of_both_sides_is_written() {
    let _turn = together();
    let (server, bots) = listening();
    let (file, folder) = (bots.path().join("recorded.pcap"), bots.path().join("wav"));
    let mut recorded = Recorded::default();
    recorded.call(0, "clean", &voice("return-awb")[..32_000]);
    std::fs::write(&file, recorded.pcap()).unwrap();

    let told = replay(&file, &["--json", "--wav", folder.to_str().unwrap()]);
    let again = replay(&file, &["--json", "--clean", "--live", &server.uri("echo"), "--linger", "0.5"]);

    let text = Command::new(program()).arg("replay").arg(&file).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("used: 5 SIP messages and "), "{text}");
    assert!(text.contains(" clean ") && text.contains("PCMU") && text.contains("caller hung up"), "{text}");
    assert!(told["calls"][0]["caller"]["streams"][0]["statistics"]["lost"].as_u64() >= Some(1), "{told}");
    let caller = offhook_caller::wav::read(&folder.join("call-1-caller.wav")).unwrap();
    // Four seconds of speech, two of silence.
    assert!(caller.len().abs_diff(48_000) <= 480, "{}", caller.len());
    assert!(folder.join("call-1.wav").is_file() && folder.join("call-1-callee.wav").is_file());
    assert_eq!(again["succeeded"], 1, "{again}");
    let record = server.api.ended_call_from("clean");
    assert_eq!(record["media"]["caller"]["lost"], 0, "{record}");
}

#[test]
fn the_left_channel_of_a_recorder_s_wav_calls_a_bot() {
    let _turn = together();
    let (server, bots) = listening();
    let file = bots.path().join("recorder.wav");
    let left = voice("return-awb");
    let right: Vec<i16> = (0..left.len()).map(|at| if at % 32 < 16 { 6000 } else { -6000 }).collect();
    offhook_caller::wav::write(&file, &[&left, &right]).unwrap();

    let told = replay(&file, &["--json", "--live", &server.uri("listener")]);

    assert_eq!(told["succeeded"], 1, "{told}");
    let turns = told["calls"][0]["report"]["turns"]["turns"].as_array().unwrap();
    // The tone on the right would be one turn without a pause.
    assert!(turns.len() >= 2 && turns[0]["response_ms"].is_number(), "{told}");
}

#[test]
fn what_is_no_capture_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        file
    };
    let run = |file: &Path, options: &[&str]| {
        let output = Command::new(program()).arg("replay").arg(file).args(options).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };

    let (code, said) = run(&write("notes.txt", b"not a capture at all"), &[]);
    assert!(code == Some(1) && said.contains("neither a pcap nor a pcapng file"), "{said}");
    let (code, said) = run(&write("a.wav", b"RIFF1234WAVE"), &[]);
    assert!(code == Some(1) && said.contains("--live sip:USER@HOST:PORT"), "{said}");
    let (code, said) = run(&write("one.pcap", &Recorded::default().pcap()), &["--call", "3"]);
    assert!(code == Some(1) && said.contains("there is no call 3: the capture has 0"), "{said}");
}

fn listening() -> (Server, tempfile::TempDir) {
    let bots = tempfile::tempdir().unwrap();
    std::fs::write(bots.path().join("listener.yaml"), LISTENER).unwrap();
    let config = format!("[bots]\nfolder = \"{}\"\n", bots.path().display());
    (Setup::new().config(&config).start(), bots)
}

fn voice(sample: &str) -> Vec<i16> {
    offhook_caller::wav::read(&repository("audio-samples").join(format!("{sample}.wav"))).unwrap()
}

/// Runs `offhook replay`, whose output is JSON.
#[track_caller]
fn replay(file: &Path, options: &[&str]) -> Value {
    let output = Command::new(program()).arg("replay").arg(file).args(options).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{said}", output.status))
}

/// The calls of a capture that were to this server: others may run on the same interface.
fn of_server<'a>(told: &'a Value, server: &Server) -> Vec<&'a Value> {
    let to = server.sip.to_string();
    let calls = told["calls"].as_array().unwrap();
    calls.iter().filter(|call| call["signalling"]["hop"][1] == to.as_str()).collect()
}

/// tshark's table of RTP streams.
fn tshark_streams(tshark: &Path, file: &Path) -> Vec<Judged> {
    let output = Command::new(tshark).arg("-r").arg(file).args(["-q", "-z", "rtp,streams"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| line.contains(" 0x"));
    lines.filter_map(Judged::of).collect()
}

/// dumpcap on the loopback interface: all of UDP, whole packets.
struct Wire {
    child: Child,
    file: PathBuf,
    folder: Option<tempfile::TempDir>,
}

impl Wire {
    fn tap() -> Result<Wire, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wire.pcapng");
        let child = dumpcap(&["-B", "64", "-f", "udp"], &file)?;
        Ok(Wire { child, file, folder: Some(folder) })
    }

    /// Ends the capture, once it has what was sent before: the kernel hands packets over in blocks.
    fn finish(mut self) -> (PathBuf, tempfile::TempDir) {
        let mark = format!("the end of {}", self.file.display());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        until("the end of the capture", || {
            socket.send_to(mark.as_bytes(), to).unwrap();
            let file = std::fs::read(&self.file).unwrap();
            let tail = &file[file.len().saturating_sub(20_000)..];
            tail.windows(mark.len()).any(|window| window == mark.as_bytes()).then_some(())
        });
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        until("dumpcap to end", || self.child.try_wait().unwrap());
        (self.file.clone(), self.folder.take().unwrap())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
