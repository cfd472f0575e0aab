//! SIPp: a foreign SIP stack calls by the hundred, with audio.

use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use offhook_caller::call::{EndedBy, Outcome};

use crate::common::{Calling, Capture, Noise, Server, Setup, alone, repository, skip, tool};

/// The longest that a stream may stand still, on a machine that does not.
const LONGEST_GAP_MS: f64 = 40.0;

/// How long each of SIPp's calls lasts.
const CALL: Duration = Duration::from_secs(5);

#[test]
fn two_hundred_sipp_calls_with_audio_all_succeed_and_their_rtp_never_breaks() {
    let _turn = alone();
    let name = "two_hundred_sipp_calls_with_audio_all_succeed_and_their_rtp_never_breaks";
    let Some(sipp) = tool("sipp") else {
        return skip(name, "SIPp is not installed (apt install sip-tester)");
    };
    let server = Setup::new().calls(300).start();
    let capture = Capture::start(&server);
    let noise = Noise::watch();
    // Callers of ours beside SIPp's: they hear what came, SIPp does not look.
    let witnesses: Vec<_> = (0..4)
        .map(|number| {
            Calling::to(&server, "echo")
                .from(&format!("witness-{number}"))
                .audio("order-status-slt.wav")
                .start()
        })
        .collect();

    let flow = if rustix::process::geteuid().is_root() { "caller-pcap.xml" } else { "caller-stream.xml" };
    let report = storm(&sipp, flow, &server, "u1", 200);

    assert_eq!((report.succeeded, report.failed), (200, 0), "{}", report.said);
    let allowed = LONGEST_GAP_MS + noise.worst().as_secs_f64() * 1000.0;
    eprintln!(
        "SIPp over UDP ({flow}): 200 calls, 0 failed, {} retransmissions; machine's own gap {:?}",
        report.retransmissions,
        noise.worst()
    );
    for witness in witnesses {
        let ended = witness.hang_up();
        assert_eq!(ended.report.outcome, Outcome::Completed { ended_by: EndedBy::Caller }, "{}", ended.said);
        let heard = &ended.report.received;
        assert_eq!(
            (heard.lost, heard.duplicates, heard.reordered, heard.timestamp_breaks, heard.ssrc_changes),
            (0, 0, 0, 0, 0),
            "{heard:?}"
        );
        assert!(heard.max_gap_ms <= allowed, "a gap of {} ms, allowed {allowed}", heard.max_gap_ms);
    }
    let capture = match capture {
        Ok(capture) => capture,
        Err(why) => return skip(name, &format!("the RTP of SIPp's own calls is not judged: {why}")),
    };
    let streams: Vec<_> = capture.finish().into_values().filter(|stream| stream.packets.len() > 10).collect();
    assert_eq!(streams.len(), 204, "a stream of each call");
    let full = CALL.as_millis() as usize / 20;
    let mut worst: f64 = 0.0;
    for stream in &streams {
        assert_eq!((stream.sequence_breaks(), stream.timestamp_breaks()), (0, 0), "{stream:?}");
        assert!(
            stream.packets.len() >= full - 5,
            "from answer to BYE: {} packets of {full}",
            stream.packets.len()
        );
        worst = worst.max(stream.longest_gap());
    }
    eprintln!(
        "RTP of {} captured streams: sequence +1, timestamp +160 throughout, longest gap {worst:.1} ms",
        streams.len()
    );
    assert!(worst <= allowed, "a gap of {worst} ms, allowed {allowed}");
    assert_eq!(server.metric("offhook_calls"), Some(0.0));
}

#[test]
fn sipp_calls_over_tcp_all_succeed_on_one_connection_and_on_many() {
    let _turn = alone();
    let Some(sipp) = tool("sipp") else {
        return skip("sipp_calls_over_tcp", "SIPp is not installed (apt install sip-tester)");
    };
    let server = Setup::new().calls(100).start();

    for (transport, meaning) in [("t1", "one connection"), ("tn", "a connection for each call")] {
        let report = storm(&sipp, "caller-stream.xml", &server, transport, 30);

        assert_eq!((report.succeeded, report.failed), (30, 0), "{meaning}: {}", report.said);
    }
    let ended = server.api.get("/v1/calls?state=ended&limit=1000").body;
    let causes: Vec<_> =
        ended["calls"].as_array().unwrap().iter().map(|call| call["cause"].clone()).collect();
    assert_eq!(causes.len(), 60);
    assert!(causes.iter().all(|cause| cause == "caller_hung_up"), "{causes:?}");
}

pub struct Report {
    pub succeeded: u64,
    pub failed: u64,
    retransmissions: u64,
    pub said: String,
}

/// Runs SIPp at ten calls per second, over IPv4 or IPv6 as the server listens.
pub fn storm(sipp: &Path, flow: &str, server: &Server, transport: &str, calls: u32) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let speech = speech();
    std::fs::write(folder.path().join("speech.ulaw"), &speech).unwrap();
    std::fs::write(folder.path().join("speech.pcap"), pcap(&speech)).unwrap();
    // SIPp takes the next free port from this one on.
    let host = server.sip.ip().to_string();
    let media = UdpSocket::bind((server.sip.ip(), 0)).unwrap().local_addr().unwrap().port() & !1;
    let output = Command::new(sipp)
        .current_dir(folder.path())
        .args(["-i", &host, "-mi", &host, "-s", "echo", "-r", "10", "-nostdin", "-trace_stat", "-trace_err"])
        .args([
            "-stf",
            "stat.csv",
            "-error_file",
            "errors.log",
            "-fd",
            "1",
            "-max_socket",
            "1000",
            "-timeout",
            "90",
            "-t",
            transport,
        ])
        .args(["-m", &calls.to_string(), "-d", &CALL.as_millis().to_string(), "-mp", &media.to_string()])
        .arg("-sf")
        .arg(repository("sip-fixtures/flows").join(flow).canonicalize().unwrap())
        .arg(server.sip.to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let statistics = read("stat.csv");
    let column = |name: &str| -> u64 {
        let mut lines = statistics.lines();
        let names: Vec<_> = lines.next().unwrap_or_default().split(';').collect();
        let values: Vec<_> = lines.last().unwrap_or_default().split(';').collect();
        let at = names.iter().position(|known| *known == name).unwrap_or(usize::MAX);
        values.get(at).and_then(|value| value.parse().ok()).unwrap_or(u64::MAX)
    };
    let said = format!("{}\n{}\n{statistics}", output.status, read("errors.log"));
    Report {
        succeeded: column("SuccessfulCall(C)"),
        failed: column("FailedCall(C)"),
        retransmissions: column("Retransmissions(C)"),
        said,
    }
}

/// What the calls play: µ-law of a sample caller.
fn speech() -> Vec<u8> {
    let samples = offhook_caller::wav::read(&repository("audio-samples/order-status-slt.wav")).unwrap();
    let samples = &samples[..8000 * CALL.as_secs() as usize];
    let mut codes = vec![0; samples.len()];
    offhook_audio::G711::MuLaw.encode(samples, &mut codes);
    codes
}

/// The same as a capture of RTP packets, as SIPp wants it.
fn pcap(speech: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xA1B2_C3D4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for (number, payload) in speech.chunks_exact(160).enumerate() {
        let mut packet = vec![0; 12];
        packet.extend_from_slice(&[0x08, 0x00]);
        let (udp, ip) = (8 + 12 + payload.len() as u16, 20 + 8 + 12 + payload.len() as u16);
        packet.extend_from_slice(&[0x45, 0]);
        packet.extend_from_slice(&ip.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend_from_slice(&[0x17, 0x70, 0x17, 0x70]);
        packet.extend_from_slice(&udp.to_be_bytes());
        packet.extend_from_slice(&[0, 0, 0x80, if number == 0 { 0x80 } else { 0 }]);
        packet.extend_from_slice(&(number as u16).to_be_bytes());
        packet.extend_from_slice(&(number as u32 * 160).to_be_bytes());
        packet.extend_from_slice(&0x5155_5257_u32.to_be_bytes());
        packet.extend_from_slice(payload);
        let micros = number as u32 * 20_000;
        for word in [micros / 1_000_000, micros % 1_000_000, packet.len() as u32, packet.len() as u32] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&packet);
    }
    file
}
