//! What really went over the wire: dumpcap on the loopback interface, read back.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{Server, tool, until};

/// A capture of a server's RTP that runs.
pub struct Capture {
    child: Child,
    file: PathBuf,
    first: u16,
    last: u16,
    _folder: tempfile::TempDir,
}

/// The packets of one stream that the server sent, in the order of the wire.
#[derive(Clone, Debug, Default)]
pub struct RtpStream {
    /// Sequence number, timestamp, microseconds.
    pub packets: Vec<(u16, u32, u64)>,
}

impl RtpStream {
    /// Steps of the sequence other than +1.
    pub fn sequence_breaks(&self) -> usize {
        self.packets.windows(2).filter(|pair| pair[1].0 != pair[0].0.wrapping_add(1)).count()
    }

    /// Steps of the timestamp other than +160.
    pub fn timestamp_breaks(&self) -> usize {
        self.packets.windows(2).filter(|pair| pair[1].1 != pair[0].1.wrapping_add(160)).count()
    }

    /// The longest time between two packets, in milliseconds.
    pub fn longest_gap(&self) -> f64 {
        let gaps = self.packets.windows(2).map(|pair| pair[1].2.saturating_sub(pair[0].2));
        gaps.max().unwrap_or(0) as f64 / 1000.0
    }
}

/// dumpcap on the loopback interface, which already captures into `file`; says why where that is not possible here.
pub fn dumpcap(options: &[&str], file: &Path) -> Result<Child, String> {
    let program = tool("dumpcap").ok_or("dumpcap is not installed (apt install tshark)")?;
    let mut child = Command::new(program)
        .args(["-i", "lo"])
        .args(options)
        .arg("-w")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("dumpcap cannot be run: {error}"))?;
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    loop {
        let before = said.len();
        if stderr.read_line(&mut said).unwrap_or(0) == 0 {
            let _ = child.wait();
            return Err(format!("dumpcap may not capture here: {}", said.trim()));
        }
        if said[before..].starts_with("File:") {
            break;
        }
    }
    // Whoever is not read is stopped.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    Ok(child)
}

impl Capture {
    /// Starts one; says why where that is not possible here.
    pub fn start(server: &Server) -> Result<Capture, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rtp.pcap");
        let (first, last) = server.ports;
        let filter = format!("udp and src portrange {first}-{last}");
        let child = dumpcap(&["-s", "96", "-B", "32", "-P", "-f", &filter], &file)?;
        Ok(Capture { child, file, first, last, _folder: folder })
    }

    /// Ends it and gives the streams, by source port and SSRC.
    pub fn finish(mut self) -> BTreeMap<(u16, u32), RtpStream> {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        until("dumpcap to end", || self.child.try_wait().unwrap());
        let bytes = std::fs::read(&self.file).unwrap();
        let mut streams: BTreeMap<(u16, u32), RtpStream> = BTreeMap::new();
        for (micros, udp) in datagrams(&bytes) {
            let (port, payload) = (u16::from_be_bytes([udp[0], udp[1]]), &udp[8..]);
            // RTP has the even ports; RTCP the odd ones.
            let is_rtp = port % 2 == 0 && (self.first..=self.last).contains(&port);
            if !is_rtp || payload.len() < 12 || payload[0] >> 6 != 2 {
                continue;
            }
            let number = |at: usize| {
                u32::from_be_bytes([payload[at], payload[at + 1], payload[at + 2], payload[at + 3]])
            };
            let packet = (u16::from_be_bytes([payload[2], payload[3]]), number(4), micros);
            streams.entry((port, number(8))).or_default().packets.push(packet);
        }
        streams
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Time in microseconds and UDP header with payload of every packet of a classic pcap file from a loopback interface.
fn datagrams(file: &[u8]) -> Vec<(u64, &[u8])> {
    let number = |at: usize| u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]);
    assert_eq!(number(0), 0xA1B2_C3D4, "a pcap file with microseconds");
    assert_eq!(number(20), 1, "Ethernet, which loopback pretends to be");
    let mut found = Vec::new();
    let mut at = 24;
    while at + 16 <= file.len() {
        let micros = u64::from(number(at)) * 1_000_000 + u64::from(number(at + 4));
        let length = number(at + 8) as usize;
        let Some(frame) = file.get(at + 16..at + 16 + length) else { break };
        at += 16 + length;
        let ip = &frame[14..];
        let header = usize::from(ip[0] & 15) * 4;
        if ip[0] >> 4 == 4 && ip[9] == 17 && ip.len() >= header + 8 {
            found.push((micros, &ip[header..]));
        }
    }
    found
}
