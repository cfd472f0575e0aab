//! RTP by hand: a socket that talks or is quiet, and keeps what it hears.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::until;

/// A packet that came.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    pub at: Instant,
}

/// One end of a stream of G.711.
pub struct RtpLine {
    local: SocketAddr,
    talks_to: Arc<Mutex<Option<SocketAddr>>>,
    heard: Arc<Mutex<Vec<Packet>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl RtpLine {
    /// On a free port of `ip`; quiet until it is told to talk.
    pub fn open(ip: IpAddr) -> RtpLine {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let local = socket.local_addr().unwrap();
        let talks_to = Arc::new(Mutex::new(None));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (to, kept, stopped) = (Arc::clone(&talks_to), Arc::clone(&heard), Arc::clone(&stop));
        let thread = Some(std::thread::spawn(move || carry(&socket, &to, &kept, &stopped)));
        RtpLine { local, talks_to, heard, stop, thread }
    }

    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// A packet every 20 ms from now on.
    pub fn talk(&self, to: SocketAddr) {
        *self.talks_to.lock().unwrap() = Some(to);
    }

    /// Nothing more, until it talks again.
    pub fn be_quiet(&self) {
        *self.talks_to.lock().unwrap() = None;
    }

    pub fn heard(&self) -> Vec<Packet> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits for that many packets more and answers them.
    #[track_caller]
    pub fn hear(&self, packets: usize) -> Vec<Packet> {
        self.hear_after(self.heard().len(), packets)
    }

    /// Waits for that many packets after the first `before` and answers them.
    #[track_caller]
    pub fn hear_after(&self, before: usize, packets: usize) -> Vec<Packet> {
        until(&format!("{packets} packets"), || {
            let heard = self.heard();
            (heard.len() >= before + packets).then(|| heard[before..].to_vec())
        })
    }

    /// What comes within `time`: how tests see that nothing does.
    pub fn hear_for(&self, time: Duration) -> Vec<Packet> {
        let before = self.heard().len();
        std::thread::sleep(time);
        self.heard()[before..].to_vec()
    }
}

impl Drop for RtpLine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry(
    socket: &UdpSocket,
    talks_to: &Mutex<Option<SocketAddr>>,
    heard: &Mutex<Vec<Packet>>,
    stop: &AtomicBool,
) {
    // Where that is refused it is as late as the machine is busy.
    let _ = offhook_linux_ffi::set_realtime_priority(10);
    let mut buffer = [0; 2048];
    let (began, mut number) = (Instant::now(), 0u32);
    while !stop.load(Ordering::Relaxed) {
        if let Ok((length, _)) = socket.recv_from(&mut buffer)
            && length >= 12
        {
            let word =
                |at: usize| u32::from_be_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]]);
            heard.lock().unwrap().push(Packet {
                marker: buffer[1] & 0x80 != 0,
                sequence: u16::from_be_bytes([buffer[2], buffer[3]]),
                timestamp: word(4),
                ssrc: word(8),
                at: Instant::now(),
            });
        }
        if began.elapsed() >= Duration::from_millis(20) * number {
            if let Some(to) = *talks_to.lock().unwrap() {
                let mut packet = vec![0x80, 0];
                packet.extend_from_slice(&(number as u16).to_be_bytes());
                packet.extend_from_slice(&(number * 160).to_be_bytes());
                packet.extend_from_slice(&[0x0f, 0xf0, 0x0c, 0xa1]);
                packet.extend(
                    (0..160).map(|sample: u32| if (sample / 20).is_multiple_of(2) { 0x20 } else { 0xa0 }),
                );
                let _ = socket.send_to(&packet, to);
            }
            number += 1;
        }
    }
}
