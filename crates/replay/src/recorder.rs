//! From a running call into its bundle: which bytes are stored once, and as what.

use std::io::Write;
use std::net::SocketAddr;

use offhook_call_control::Output;
use offhook_call_media::{Arrival, LegId, SharedBytes, StepParts, datagram_edges};
use offhook_journal::bundle::{
    Direction, Keep, Meta, Packet, PacketKind, Sizes, StepHead, WriteError, Writer,
};
use offhook_rtp_proto::DatagramKind;
use offhook_time::{Half, Step, Time};

use crate::EncodedOutput;

/// Writes one call's bundle from what its driver sees. Everything in the order of handling.
///
/// - [`step`](Self::step): each input of either half, as the half encoded it. Datagrams become packets and synthesized
///   audio blobs, each stored once.
/// - [`sent`](Self::sent): each packet of the media half, while its step is the latest one.
/// - [`output`](Self::output): each output of the control half, likewise, as [`EncodedOutput`] says.
/// - [`sip`](Self::sip): each SIP message, for those who read the bundle; replay does not need them.
#[derive(Debug)]
pub struct Recorder<W> {
    writer: Writer<W>,
    rtp: SocketAddr,
    keep: Keep,
    control: StepHead,
    media: StepHead,
    /// Room for what stands around a datagram in its step.
    edges: (Vec<u8>, Vec<u8>),
}

impl<W: Write> Recorder<W> {
    /// Begins the bundle. `rtp` is our RTP address as the peer sees it; RTCP has the port above.
    ///
    /// # Errors
    /// The file refuses.
    pub fn begin(out: W, meta: &Meta, rtp: SocketAddr, keep: Keep) -> Result<Self, WriteError> {
        let [control, media] =
            [Half::Control, Half::Media].map(|half| StepHead { half, sequence: 0, now: Time::ZERO });
        Ok(Recorder {
            writer: Writer::begin(out, meta)?,
            rtp,
            keep,
            control,
            media,
            edges: Default::default(),
        })
    }

    /// An input of one half.
    ///
    /// # Errors
    /// The file refuses, or it is longer than the format holds.
    pub fn step(&mut self, step: Step<'_>) -> Result<(), WriteError> {
        let head = StepHead { half: step.half, sequence: step.sequence, now: step.now };
        if step.half == Half::Control {
            self.control = head;
            return self.writer.step(step);
        }
        self.media = head;
        let Some(parts) = StepParts::split(step.payload) else {
            return self.writer.step(step);
        };
        match parts.kind {
            SharedBytes::Speech { .. } => {
                self.writer.blob_step(head, parts.before, parts.shared, parts.after)
            }
            SharedBytes::Rtp(arrival) => self.received(head, &parts, &arrival, self.rtp),
            SharedBytes::Rtcp(arrival) => self.received(head, &parts, &arrival, rtcp_of(self.rtp)),
        }
    }

    /// An input of the media half that is a datagram: the same as [`step`](Self::step) with the step that it makes.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn datagram(
        &mut self,
        sequence: u64,
        arrival: &Arrival,
        rtcp: bool,
        bytes: &[u8],
        now: Time,
    ) -> Result<(), WriteError> {
        let head = StepHead { half: Half::Media, sequence, now };
        let (mut before, mut after) = std::mem::take(&mut self.edges);
        before.clear();
        after.clear();
        if datagram_edges(arrival, rtcp, bytes.len(), &mut before, &mut after).is_err() {
            return Err(WriteError::TooLong(bytes.len()));
        }
        let (kind, destination) = if rtcp {
            (SharedBytes::Rtcp(*arrival), rtcp_of(self.rtp))
        } else {
            (SharedBytes::Rtp(*arrival), self.rtp)
        };
        let written = self.received(
            head,
            &StepParts { before: &before, shared: bytes, after: &after, kind },
            arrival,
            destination,
        );
        self.edges = (before, after);
        written
    }

    fn received(
        &mut self,
        head: StepHead,
        parts: &StepParts<'_>,
        arrival: &Arrival,
        destination: SocketAddr,
    ) -> Result<(), WriteError> {
        let packet = Packet {
            kind: kind_of(parts.shared, parts.kind),
            direction: Direction::Inbound,
            at: arrival.arrived_at,
            source: arrival.source,
            destination,
            bytes: parts.shared,
        };
        self.writer.packet_step(head, parts.before, &packet, parts.after)
    }

    /// A packet that the media half sent: as [`Outputs::rtp`](offhook_call_media::Outputs::rtp) got it, or with `rtcp`
    /// as [`Outputs::rtcp`](offhook_call_media::Outputs::rtcp) did.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn sent(
        &mut self,
        _leg: LegId,
        rtcp: bool,
        to: SocketAddr,
        bytes: &[u8],
        now: Time,
    ) -> Result<(), WriteError> {
        let (kind, source) =
            if rtcp { (PacketKind::Rtcp, rtcp_of(self.rtp)) } else { (PacketKind::Rtp, self.rtp) };
        let packet = Packet { kind, direction: Direction::Outbound, at: now, source, destination: to, bytes };
        self.writer.packet(&packet, self.keep)
    }

    /// An output of the latest step of the control half.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn output(&mut self, output: &Output) -> Result<(), WriteError> {
        match EncodedOutput::of(output) {
            Some(output) => output.write(self.control, &mut self.writer),
            None => Ok(()),
        }
    }

    /// What the media half made of masked sound in its latest step
    /// ([`Outputs::judged`](offhook_call_media::Outputs::judged)).
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn judged(&mut self, judgement: &[u8]) -> Result<(), WriteError> {
        self.writer.output(self.media, judgement)
    }

    /// A SIP message that came or went. The body of an INFO, which may hold keys and which nobody here reads, is masked.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn sip(&mut self, packet: &Packet<'_>) -> Result<(), WriteError> {
        if packet.bytes.starts_with(b"INFO ")
            && let Some(body) = packet.bytes.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let mut bytes = packet.bytes.to_vec();
            bytes[body + 4..].fill(b'X');
            return self.writer.packet(&Packet { bytes: &bytes, ..*packet }, Keep::Whole);
        }
        self.writer.packet(packet, Keep::Whole)
    }

    /// [`Writer::flush_due`].
    ///
    /// # Errors
    /// The file refuses.
    pub fn flush_due(&mut self, now: Time) -> Result<(), WriteError> {
        self.writer.flush_due(now)
    }

    /// Ends the bundle; answers the file and what its bytes were spent on.
    ///
    /// # Errors
    /// The file refuses.
    pub fn finish(self) -> Result<(W, Sizes), WriteError> {
        self.writer.finish()
    }

    /// The writer below.
    pub fn writer(&mut self) -> &mut Writer<W> {
        &mut self.writer
    }
}

/// With rtcp-mux (RFC 5761) an RTP socket receives RTCP too.
fn kind_of(datagram: &[u8], from: SharedBytes) -> PacketKind {
    match (from, DatagramKind::of(datagram)) {
        (SharedBytes::Rtcp(_), _) | (_, DatagramKind::Rtcp) => PacketKind::Rtcp,
        (SharedBytes::Rtp(_) | SharedBytes::Speech { .. }, DatagramKind::Rtp | DatagramKind::Other) => {
            PacketKind::Rtp
        }
    }
}

fn rtcp_of(mut rtp: SocketAddr) -> SocketAddr {
    rtp.set_port(rtp.port().saturating_add(1));
    rtp
}
