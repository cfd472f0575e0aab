//! One call as its worker holds it.

use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use offhook_audio::Frame;
use offhook_call_media::{Arrival, CallMedia, Input, LegId, MediaCommand, MediaEvent, Outputs, hide_sent};
use offhook_engines::websocket::BridgeUplink;
use offhook_time::{Step, StepSink, Time};

use super::run::WorkerConfig;
use super::{FromWorker, HeardFrame, MediaSockets};
use crate::recorder::MediaTap;

/// The longest datagram that a worker reads.
const LONGEST_RECORDED: usize = 2048;

/// Longer than any packet that is sent: 60 ms and a header.
const LONGEST_SENT: usize = 512;

/// The worker's end of a bridge.
#[derive(Debug)]
pub struct BridgeEnd {
    /// Towards the application.
    pub uplink: BridgeUplink,
    /// From the application.
    pub downlink: Arc<ArrayQueue<Frame>>,
}

/// Everything a worker needs for one call. Built by control, so that the worker allocates nothing.
#[derive(Debug)]
pub struct WorkerCall {
    /// Its sockets.
    pub sockets: MediaSockets,
    /// The rest.
    pub half: MediaHalf,
}

/// A media half and what stands around it.
#[derive(Debug)]
pub struct MediaHalf {
    /// The call, as control numbers it.
    pub key: u64,
    /// The machine.
    pub media: CallMedia,
    /// Whether a recognizer listens.
    pub recognized: bool,
    /// Whether it is recorded.
    pub recorded: bool,
    /// The application behind the bridge.
    pub bridge: Option<BridgeEnd>,
    rtp_to: Option<SocketAddr>,
    due: Time,
    closed: bool,
    panicked: bool,
    panic_planted: PlantedPanic,
    /// Counts the inputs, as the machine does.
    steps: u64,
    /// The recorder had no room for something that left.
    lost_sent: bool,
}

impl MediaHalf {
    /// A half that has had no input yet.
    pub fn new(key: u64, media: CallMedia, recognized: bool, recorded: bool) -> Self {
        let due = media.poll_timeout().unwrap_or(Time::MAX);
        MediaHalf {
            key,
            media,
            recognized,
            recorded,
            bridge: None,
            rtp_to: None,
            due,
            closed: false,
            panicked: false,
            panic_planted: PlantedPanic::default(),
            steps: 0,
            lost_sent: false,
        }
    }

    /// Makes the `input`-th of the next inputs panic: how the tests see that a panic ends its call and no other.
    pub fn plant_panic(&mut self, input: u32) {
        self.panic_planted = PlantedPanic::at(input);
    }

    /// When it wants to be called; [`Time::MAX`] for never.
    pub(super) fn due(&self) -> Time {
        self.due
    }

    /// Whether the worker is done with it.
    pub(super) fn is_over(&self) -> bool {
        self.closed || self.panicked
    }

    /// Whether its code panicked.
    pub(super) fn panicked(&self) -> bool {
        self.panicked
    }

    /// Hands one input to the machine. A panic in there ends this call and no other.
    pub(super) fn step(
        &mut self,
        sockets: &MediaSockets,
        worker: &WorkerConfig,
        input: Input<'_>,
        now: Time,
    ) -> bool {
        if self.is_over() {
            return false;
        }
        if let Input::Command(MediaCommand::SetStream { settings, .. }) = &input {
            self.rtp_to = settings.remote_rtp;
        }
        let tap = worker.tap.as_ref().filter(|_| self.recorded);
        let mut sink = self.record(tap, &input, now);
        self.steps += 1;
        let mut told = false;
        let finished = catch_unwind(AssertUnwindSafe(|| {
            assert!(!self.panic_planted.is_due(), "a panic was planted in this call");
            let mut outputs = CallOutputs {
                key: self.key,
                sockets,
                rtp_to: &mut self.rtp_to,
                recognized: self.recognized,
                bridge: self.bridge.as_mut().map(|bridge| &mut bridge.uplink),
                worker,
                told: &mut told,
                closed: &mut self.closed,
                tap,
                step: (self.steps - 1, now),
                lost_sent: &mut self.lost_sent,
            };
            self.media.handle_recorded(input, &mut outputs, &mut sink, now);
            self.due = self.media.poll_timeout().unwrap_or(Time::MAX);
        }));
        if finished.is_err() {
            self.panicked = true;
            return true;
        }
        told
    }

    /// Where this input is recorded. What is long is recorded here as it came, instead of being encoded first.
    fn record<'a>(&mut self, tap: Option<&'a MediaTap>, input: &Input<'_>, now: Time) -> StepTap<'a> {
        let (call, sequence) = (self.key, self.steps);
        let mut step = StepTap { call, tap };
        let Some(tap) = tap else { return step };
        if std::mem::take(&mut self.lost_sent) {
            // Who reads the bundle sees that something is missing by the steps, so one of them goes too.
            tap.left_out();
            step.tap = None;
            return step;
        }
        let is_encoded = match *input {
            Input::Rtp { leg, datagram, source, arrived_at } if self.media.hides(leg, datagram) => {
                let mut room = [0; LONGEST_RECORDED];
                let datagram = self.media.recordable(leg, datagram, &mut room);
                tap.datagram(call, sequence, false, Arrival { leg, source, arrived_at }, datagram, now);
                false
            }
            Input::Rtp { leg, datagram, source, arrived_at } => {
                tap.datagram(call, sequence, false, Arrival { leg, source, arrived_at }, datagram, now);
                false
            }
            Input::Rtcp { leg, datagram, source, arrived_at } => {
                tap.datagram(call, sequence, true, Arrival { leg, source, arrived_at }, datagram, now);
                false
            }
            Input::Speech { utterance, ref chunk } if self.media.is_masked_utterance(utterance) => {
                tap.masked_speech(call, sequence, utterance, chunk, now);
                false
            }
            Input::Speech { utterance, ref chunk } => {
                tap.speech(call, sequence, utterance, chunk, now);
                false
            }
            Input::Deadline | Input::Command(_) | Input::Application(_) => true,
        };
        step.tap = step.tap.filter(|_| is_encoded);
        step
    }
}

/// Takes the steps of one call; of one that is not recorded it takes none.
struct StepTap<'a> {
    call: u64,
    tap: Option<&'a MediaTap>,
}

impl StepSink for StepTap<'_> {
    fn record(&mut self, step: Step<'_>) {
        if let Some(tap) = self.tap {
            tap.step(self.call, step);
        }
    }

    fn is_recording(&self) -> bool {
        self.tap.is_some()
    }
}

/// A panic that a test planted: counts inputs down.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PlantedPanic(u32);

impl PlantedPanic {
    /// At the `input`-th input from now, counted from 1.
    pub fn at(input: u32) -> Self {
        PlantedPanic(input)
    }

    /// Counts one input. Whether it is the one.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.0 == 1;
        self.0 = self.0.saturating_sub(1);
        is_due
    }
}

/// What leaves one call during one input.
struct CallOutputs<'a> {
    key: u64,
    sockets: &'a MediaSockets,
    rtp_to: &'a mut Option<SocketAddr>,
    recognized: bool,
    bridge: Option<&'a mut BridgeUplink>,
    worker: &'a WorkerConfig,
    told: &'a mut bool,
    closed: &'a mut bool,
    tap: Option<&'a MediaTap>,
    /// The number and the moment of this input.
    step: (u64, Time),
    lost_sent: &'a mut bool,
}

impl CallOutputs<'_> {
    fn sent(&mut self, leg: LegId, rtcp: bool, to: SocketAddr, packet: &[u8]) {
        if let Some(tap) = self.tap {
            *self.lost_sent |= !tap.sent(self.key, leg, rtcp, to, packet);
        }
    }
}

impl Outputs for CallOutputs<'_> {
    fn rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        send(&self.sockets.rtp, packet, to);
        self.sent(leg, false, to, packet);
    }

    fn masked_rtp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        send(&self.sockets.rtp, packet, to);
        let mut hidden = [0; LONGEST_SENT];
        let len = packet.len().min(hidden.len());
        hidden[..len].copy_from_slice(&packet[..len]);
        hide_sent(&mut hidden[..len]);
        self.sent(leg, false, to, &hidden[..len]);
    }

    fn judged(&mut self, judgement: &[u8]) {
        if let Some(tap) = self.tap {
            let (step, now) = self.step;
            *self.lost_sent |= !tap.judged(self.key, step, judgement, now);
        }
    }

    fn rtcp(&mut self, leg: LegId, to: SocketAddr, packet: &[u8]) {
        // With rtcp-mux both share a port (RFC 5761).
        let socket = if *self.rtp_to == Some(to) { &self.sockets.rtp } else { &self.sockets.rtcp };
        send(socket, packet, to);
        self.sent(leg, true, to, packet);
    }

    fn caller_audio(&mut self, frame: &Frame, _in_utterance: bool) {
        if self.recognized {
            self.worker.speech.push(HeardFrame { call: self.key, frame: *frame });
        }
    }

    fn application_audio(&mut self, frame: &Frame) {
        if let Some(bridge) = &mut self.bridge {
            bridge.push(frame);
        }
    }

    fn event(&mut self, event: MediaEvent) {
        *self.closed |= matches!(event, MediaEvent::Closed(_));
        // With rtcp-mux the reports follow RTP to where it goes now.
        if let MediaEvent::RemoteLearned { remote_rtp, .. } = &event {
            *self.rtp_to = Some(*remote_rtp);
        }
        *self.told = true;
        self.worker.control.push(FromWorker::Event(self.key, event));
    }
}

fn send(socket: &UdpSocket, packet: &[u8], to: SocketAddr) {
    // A full socket buffer or an ICMP error of an earlier packet costs this packet, as the network might have.
    let _ = socket.send_to(packet, to);
}
