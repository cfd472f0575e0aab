//! The audio of one leg: a thread that sends a packet every 20 ms exactly, and reads what comes between.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use offhook_time::Time;

use crate::CallerError;
use crate::call::playback::Playback;
use crate::call::playing::Playing;
use crate::call::record::{FarTrack, Tracks};
use crate::call::report::SendReport;
use crate::call::sent::SentLog;
use crate::clock;
use crate::g711::Law;
use crate::impair::{Impairer, Impairment};
use crate::line::pace::Pace;
use crate::listen::{Continuity, ContinuityMeter, FarSpeech, RtpSeen, Segment, Spoken};
use crate::net::{self, Inbox};
use crate::rtp::{KeyPacket, KeyReceiver, KeySender, Packet};
use crate::sdp;
use crate::statistics::Summary;
use crate::wav::FRAME;

pub(super) const PACKET_TIME: Duration = Duration::from_millis(20);

/// The socket of a leg, before there is anything to send or anywhere to send it.
#[derive(Debug)]
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    local: SocketAddr,
}

impl MediaSocket {
    /// Opens one on `ip`.
    pub fn open(ip: IpAddr) -> Result<MediaSocket, CallerError> {
        let socket = net::udp(ip, 1 << 20)?;
        let local = socket.local_addr().map_err(CallerError::io("opening an RTP socket"))?;
        Ok(MediaSocket { socket, local })
    }

    /// What goes into the offer.
    pub fn local(&self) -> SocketAddr {
        self.local
    }
}

/// How packets leave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// What happens to them on their way.
    pub impairment: Option<Impairment>,
    /// Decides SSRC, first numbers and accidents.
    pub seed: u64,
    /// Real-time priority for the thread.
    pub realtime: bool,
}

/// What the thread is told.
#[derive(Debug)]
enum Command {
    Remote(sdp::Remote),
    Say { name: String, samples: Vec<i16> },
    Press(String),
    Finish,
}

/// What the thread has to say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MediaEvent {
    /// Everything that was asked for is said or pressed.
    Done(String),
    /// They pressed a key.
    Key(char),
}

/// When the far side talked, readable at any time.
#[derive(Debug, Default)]
struct FarState {
    /// Nanoseconds; 0 while it is quiet.
    talking_since: AtomicU64,
    /// Nanoseconds; 0 where it never talked.
    last_talked: AtomicU64,
}

/// What was sent and heard.
#[derive(Debug)]
pub(crate) struct MediaResult {
    /// What we sent.
    pub sent: SendReport,
    /// What we received.
    pub received: Continuity,
    /// When they talked.
    pub heard: Vec<Segment>,
    /// What we said.
    pub spoken: Vec<Spoken>,
    /// Keys that they pressed.
    pub keys: String,
    /// Both sides as audio.
    pub tracks: Tracks,
}

/// A leg that can talk.
#[derive(Debug)]
pub(crate) struct Media {
    commands: Sender<Command>,
    events: Receiver<MediaEvent>,
    far: Arc<FarState>,
    thread: JoinHandle<MediaResult>,
}

impl Media {
    /// Begins to send silence, or the playback, to `remote`.
    pub fn start(
        socket: MediaSocket,
        remote: sdp::Remote,
        line: Line,
        playback: Option<Arc<Playback>>,
    ) -> Result<Media, CallerError> {
        let (commands, command_receiver) = channel();
        let (event_sender, events) = channel();
        let far = Arc::new(FarState::default());
        let shared = Arc::clone(&far);
        let thread = std::thread::Builder::new()
            .name("caller-media".to_owned())
            .spawn(move || {
                let realtime = line.realtime && net::become_realtime();
                let impairer = line.impairment.map(|impairment| Impairer::new(impairment, line.seed));
                let mut talker =
                    Talker::new(socket.socket, remote, impairer, line.seed, event_sender, shared);
                if let Some(playback) = playback {
                    talker.play(&playback);
                }
                talker.run(&command_receiver);
                talker.finish(realtime)
            })
            .map_err(CallerError::io("starting the media thread"))?;
        Ok(Media { commands, events, far, thread })
    }

    /// They changed where or how they want audio.
    pub fn set_remote(&self, remote: sdp::Remote) {
        self.tell(Command::Remote(remote));
    }

    /// Says `samples`.
    pub fn say(&self, name: &str, samples: &[i16]) {
        self.tell(Command::Say { name: name.to_owned(), samples: samples.to_vec() });
    }

    /// Presses keys.
    pub fn press(&self, digits: &str) {
        self.tell(Command::Press(digits.to_owned()));
    }

    /// What happened since the last time.
    pub fn poll_event(&self) -> Option<MediaEvent> {
        self.events.try_recv().ok()
    }

    /// Since when they have been talking, and when they last did.
    pub fn far(&self) -> (Option<Time>, Option<Time>) {
        let moment =
            |nanos: &AtomicU64| Some(nanos.load(Ordering::Relaxed)).filter(|n| *n != 0).map(Time::from_nanos);
        (moment(&self.far.talking_since), moment(&self.far.last_talked))
    }

    /// Ends the thread and fetches what it measured.
    pub fn finish(self) -> Result<MediaResult, CallerError> {
        self.tell(Command::Finish);
        self.thread.join().map_err(|_| CallerError::CannotMeasure("the media thread panicked".to_owned()))
    }

    fn tell(&self, command: Command) {
        // A thread that has ended says why when it is joined.
        let _ = self.commands.send(command);
    }
}

/// Something to say, and how much of it is said.
#[derive(Debug)]
enum Saying {
    Speech { name: String, samples: Vec<i16>, at: usize },
    Keys { name: String, keys: KeySender },
}

pub(super) struct Talker {
    socket: Arc<UdpSocket>,
    pub(super) remote: sdp::Remote,
    impairer: Option<Impairer>,
    pub(super) events: Sender<MediaEvent>,
    far_state: Arc<FarState>,
    /// What is played, until it is out.
    pub(super) playing: Option<Playing>,
    queue: VecDeque<Saying>,
    pub(super) started: Time,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// The next packet of audio is the first after a gap (RFC 3551 §4.1).
    marker: bool,
    pub(super) packets: u64,
    pub(super) lateness_ms: Vec<f64>,
    pub(super) digits: String,
    pub(super) said: Vec<i16>,
    pub(super) log: SentLog,
    /// The first packet of what is being said.
    saying_from: Option<usize>,
    far: FarSpeech,
    far_track: FarTrack,
    meter: ContinuityMeter,
    key_receiver: KeyReceiver,
    keys: String,
    pub(super) packet: Vec<u8>,
}

impl Talker {
    fn new(
        socket: UdpSocket,
        remote: sdp::Remote,
        impairer: Option<Impairer>,
        seed: u64,
        events: Sender<MediaEvent>,
        far_state: Arc<FarState>,
    ) -> Self {
        let mut randomness = offhook_time::Randomness::new(offhook_time::Seed::from_number(seed ^ 0x72_7470));
        let started = clock::now();
        Talker {
            socket: Arc::new(socket),
            remote,
            impairer,
            events,
            far_state,
            playing: None,
            queue: VecDeque::new(),
            started,
            sequence: randomness.next_u32() as u16,
            timestamp: randomness.next_u32(),
            ssrc: randomness.next_u32(),
            marker: true,
            packets: 0,
            lateness_ms: Vec::new(),
            digits: String::new(),
            said: Vec::new(),
            log: SentLog::new(),
            saying_from: None,
            far: FarSpeech::new(),
            far_track: FarTrack::new(started),
            meter: ContinuityMeter::new(),
            key_receiver: KeyReceiver::default(),
            keys: String::new(),
            packet: Vec::with_capacity(256),
        }
    }

    fn run(&mut self, commands: &Receiver<Command>) {
        let mut pace = Pace::start(self.started, PACKET_TIME);
        let first = self.playing.as_ref().map_or_else(|| pace.next(), |playing| playing.due(self.started));
        let (mut due, mut inbox) = (first, Inbox::new(16, 2048));
        let socket = Arc::clone(&self.socket);
        loop {
            let mut wake = due;
            if let Some(at) = self.impairer.as_ref().and_then(Impairer::poll_timeout) {
                wake = wake.min(at);
            }
            net::wait_readable(&socket, wake.since(clock::now()));
            while inbox.receive(&socket, |bytes, _, arrived| self.handle_packet(bytes, arrived)) {}
            while let Ok(command) = commands.try_recv() {
                match command {
                    Command::Remote(remote) => self.set_remote(remote),
                    Command::Say { name, samples } => {
                        self.queue.push_back(Saying::Speech { name, samples, at: 0 });
                    }
                    Command::Press(digits) => {
                        let keys = KeySender::new(&digits);
                        self.queue.push_back(Saying::Keys { keys, name: digits });
                    }
                    Command::Finish => return,
                }
            }
            let now = clock::now();
            if now >= due {
                due = match self.playing.take() {
                    Some(playing) => self.play_next(playing, due, &mut pace),
                    None => {
                        self.handle_deadline(due);
                        pace.next()
                    }
                };
            }
            self.flush(clock::now());
        }
    }

    fn set_remote(&mut self, remote: sdp::Remote) {
        self.marker |= remote.receives && !self.remote.receives;
        self.remote = remote;
    }

    /// The next 20 ms leave.
    fn handle_deadline(&mut self, due: Time) {
        let now = clock::now();
        self.lateness_ms.push(now.since(due).as_secs_f64() * 1000.0);
        let law = self.remote.law;
        let mut frame = [0i16; FRAME];
        let mut event = None;
        let mut finished = None;
        if !self.queue.is_empty() {
            self.saying_from.get_or_insert(self.log.next());
        }
        match self.queue.front_mut() {
            Some(Saying::Speech { name, samples, at }) => {
                let next = (*at + FRAME).min(samples.len());
                let part = samples.get(*at..next).unwrap_or_default();
                frame[..part.len()].copy_from_slice(part);
                *at = next;
                if next >= samples.len() {
                    finished = Some((name.clone(), false));
                }
            }
            Some(Saying::Keys { name, keys }) => match keys.next(self.timestamp) {
                Some(KeyPacket::Event { payload, timestamp, marker }) => {
                    event = self.remote.telephone_event.map(|kind| (kind, payload, timestamp, marker));
                }
                Some(KeyPacket::Pause) => {}
                None => {
                    self.digits.push_str(name);
                    finished = Some((name.clone(), true));
                }
            },
            None => {}
        }
        match event {
            Some((kind, payload, timestamp, marker)) => {
                if self.remote.receives {
                    self.log.key(payload[1] & 0x80 != 0, timestamp);
                }
                self.send(kind, marker, timestamp, &payload, now);
            }
            None => {
                let payload = frame.map(|sample| law.encode(sample));
                if self.remote.receives {
                    self.log.audio(&payload.map(|octet| law.decode(octet)));
                }
                let marker = std::mem::take(&mut self.marker);
                self.send(law.payload_type(), marker, self.timestamp, &payload, now);
            }
        }
        self.said.extend_from_slice(&frame);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        if let Some((name, is_keys)) = finished {
            self.queue.pop_front();
            if let Some(from) = self.saying_from.take() {
                self.log.said(name.clone(), from, is_keys);
            }
            // Whoever started us is gone only when the call is: nobody waits for this then.
            let _ = self.events.send(MediaEvent::Done(name));
        }
        self.notice_far(now);
    }

    /// They are quiet after a while without audible packets, also where none come at all.
    pub(super) fn notice_far(&mut self, now: Time) {
        let talking = self.far.talking_since(now).map_or(0, Time::as_nanos);
        self.far_state.talking_since.store(talking, Ordering::Relaxed);
    }

    /// On hold nothing leaves; time runs on (RFC 3264 §8.4).
    fn send(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8], now: Time) {
        if !self.remote.receives {
            return;
        }
        let mut bytes = std::mem::take(&mut self.packet);
        let (sequence, ssrc) = (self.sequence, self.ssrc);
        Packet { payload_type, marker, sequence, timestamp, ssrc, payload }.write(&mut bytes);
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        match &mut self.impairer {
            Some(line) => line.push(&bytes, now),
            None => self.transmit(&bytes),
        }
        self.packet = bytes;
    }

    fn flush(&mut self, now: Time) {
        while let Some(packet) = self.impairer.as_mut().and_then(|line| line.pop(now)) {
            self.transmit(&packet);
        }
    }

    /// Sends a packet of the playback past the impairer; answers whether the kernel took it.
    pub(super) fn transmit_played(&mut self, packet: &[u8]) -> bool {
        self.packets += 1;
        self.socket.send_to(packet, self.remote.address).is_ok()
    }

    fn transmit(&mut self, packet: &[u8]) {
        let now = clock::now();
        // A datagram that the kernel does not take is lost, as on any network.
        let sent = self.socket.send_to(packet, self.remote.address).is_ok();
        if let (true, Some(sent)) = (sent, Packet::parse(packet)) {
            self.log.reached_the_wire(usize::from(self.sequence.wrapping_sub(sent.sequence)), now);
        }
    }

    fn handle_packet(&mut self, bytes: &[u8], arrived: Time) {
        let Some(packet) = Packet::parse(bytes) else { return };
        if Some(packet.payload_type) == self.remote.telephone_event
            || packet.payload_type == sdp::TELEPHONE_EVENT
        {
            self.meter.push_event(RtpSeen {
                ssrc: packet.ssrc,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                arrived,
            });
            if let Some(key) = self.key_receiver.push(&packet) {
                self.keys.push(key);
                let _ = self.events.send(MediaEvent::Key(key));
            }
            return;
        }
        let Some(law) = Law::of_payload_type(packet.payload_type) else { return };
        let (ssrc, sequence, timestamp) = (packet.ssrc, packet.sequence, packet.timestamp);
        if !self.meter.push(RtpSeen { ssrc, sequence, timestamp, arrived }) {
            return;
        }
        let mut samples = Vec::with_capacity(packet.payload.len());
        law.decode_into(packet.payload, &mut samples);
        self.far.push(&samples, arrived);
        self.far_track.push(&samples, ssrc, timestamp, arrived);
        if let Some(last) = self.far.last_talked() {
            self.far_state.last_talked.store(last.as_nanos(), Ordering::Relaxed);
        }
        self.notice_far(arrived);
    }

    fn finish(mut self, realtime: bool) -> MediaResult {
        if let Some(playing) = self.playing.take() {
            self.said = playing.into_track();
        }
        // What was cut short was heard as far as it went.
        if let (Some(saying), Some(from)) = (self.queue.pop_front(), self.saying_from) {
            let (name, is_keys) = match saying {
                Saying::Speech { name, .. } => (name, false),
                Saying::Keys { name, .. } => (name, true),
            };
            self.log.said(format!("{name} (cut short)"), from, is_keys);
        }
        let (mut heard, spoken) = (self.far.segments().to_vec(), self.log.spoken());
        let keys = spoken.iter().filter(|spoken| spoken.is_keys).map(|spoken| spoken.onset);
        FarSpeech::cut_at_keys(&mut heard, self.far.audible(), keys);
        MediaResult {
            sent: SendReport {
                packets: self.packets,
                lateness_ms: Summary::of(self.lateness_ms),
                digits: self.digits,
                realtime,
            },
            received: self.meter.finish(),
            heard,
            spoken,
            keys: self.keys,
            tracks: Tracks { started: self.started, caller: self.said, far: self.far_track.into_samples() },
        }
    }
}
