//! The RTCP of one stream: what the peer reported, and our reports when they are due.

use std::time::Duration;

use offhook_time::{Randomness, Time, WallClock};

use super::packet::{
    Compound, NtpTimestamp, RtcpPacket, SenderInfo, from_short, write_bye, write_report,
    write_source_description,
};
use super::{ReceptionStatistics, ReportSchedule};
use crate::{Malformed, RtpTimestamp, SentCounts, Ssrc};

/// A canonical name: the same for all streams of a participant, unpredictable (RFC 7022 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cname([u8; 16]);

impl Cname {
    /// 96 random bits in sixteen printable characters.
    pub fn new(randomness: &mut Randomness) -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        Cname(std::array::from_fn(|_| ALPHABET[(randomness.next_u32() & 63) as usize]))
    }

    /// The characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a session is told at its beginning.
#[derive(Clone, Copy, Debug)]
pub struct RtcpConfig {
    /// Source of the stream that we send.
    pub ssrc: Ssrc,
    /// Our canonical name.
    pub cname: Cname,
    /// Bits per second of the media in one direction.
    pub session_bandwidth: u32,
    /// What the clock on the wall said at `Time::ZERO`.
    pub wall: WallClock,
}

/// What a datagram of the peer said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Share of our packets that the peer missed since its last report, in 1/256.
    pub our_fraction_lost: Option<u8>,
    /// Jitter of our packets at the peer, in timestamp units.
    pub our_jitter: Option<u32>,
    /// From our last report to the peer and back, less the time it lay there.
    pub round_trip: Option<Duration>,
    /// A BYE was among it. For the record only: a call ends by SIP.
    pub bye: bool,
}

/// The RTCP machine of one stream. Give it the peer's datagrams, ask it at its deadline for a report.
#[derive(Clone, Debug)]
pub struct RtcpSession {
    config: RtcpConfig,
    schedule: ReportSchedule,
    randomness: Randomness,
    malformed: u64,
    last: Heard,
    packets_at_last_report: u32,
}

/// Octets of our usual compound: SR with one block, SDES with a name of sixteen characters.
const USUAL_SIZE: usize = 52 + 28;

impl RtcpSession {
    /// Octets of the longest datagram that [`poll_transmit`](Self::poll_transmit) and
    /// [`write_goodbye`](Self::write_goodbye) write.
    pub const MAX_DATAGRAM: usize = USUAL_SIZE + 8;

    /// Starts reporting. `randomness` is forked: what is drawn here does not disturb the call's sequence.
    pub fn new(config: RtcpConfig, randomness: &mut Randomness, now: Time) -> Self {
        let mut randomness = Randomness::new(randomness.fork());
        let schedule = ReportSchedule::new(config.session_bandwidth, USUAL_SIZE, &mut randomness, now);
        RtcpSession {
            config,
            schedule,
            randomness,
            malformed: 0,
            last: Heard::default(),
            packets_at_last_report: 0,
        }
    }

    /// Reads a datagram of the peer. Packets before one that is malformed count.
    ///
    /// # Errors
    /// [`Malformed`] where it does not even begin as RTCP.
    pub fn handle_datagram(
        &mut self,
        datagram: &[u8],
        reception: &mut ReceptionStatistics,
        arrived_at: Time,
    ) -> Result<Heard, Malformed> {
        let compound = Compound::open(datagram).inspect_err(|_| self.malformed += 1)?;
        self.schedule.note_received(datagram.len());
        let mut heard = Heard::default();
        for packet in compound {
            let Ok(packet) = packet else {
                self.malformed += 1;
                break;
            };
            self.hear(&packet, &mut heard, reception, arrived_at);
        }
        self.last = Heard {
            our_fraction_lost: heard.our_fraction_lost.or(self.last.our_fraction_lost),
            our_jitter: heard.our_jitter.or(self.last.our_jitter),
            round_trip: heard.round_trip.or(self.last.round_trip),
            bye: heard.bye || self.last.bye,
        };
        Ok(heard)
    }

    /// The latest of everything that the peer reported.
    pub fn last_heard(&self) -> Heard {
        self.last
    }

    /// Datagrams and packets that could not be read.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    /// When [`poll_transmit`](Self::poll_transmit) is to be asked.
    pub fn poll_timeout(&self) -> Option<Time> {
        Some(self.schedule.poll_timeout())
    }

    /// Writes a report into `buffer` if one leaves now; answers its length. A sender report where packets were sent
    /// since the last one, a receiver report otherwise. `rtp_now` is the RTP timestamp of this moment.
    pub fn poll_transmit(
        &mut self,
        sent: SentCounts,
        rtp_now: RtpTimestamp,
        reception: &mut ReceptionStatistics,
        buffer: &mut [u8],
        now: Time,
    ) -> Option<usize> {
        if buffer.len() < Self::MAX_DATAGRAM || !self.schedule.is_due(&mut self.randomness, now) {
            return None;
        }
        let length = self.write_compound(sent, rtp_now, reception, buffer, now).ok()?;
        self.schedule.note_sent(length, &mut self.randomness, now);
        self.packets_at_last_report = sent.packets;
        Some(length)
    }

    /// Writes the last report with a BYE, for the end of the stream; answers its length.
    ///
    /// # Errors
    /// [`Malformed::BufferTooSmall`] below [`MAX_DATAGRAM`](Self::MAX_DATAGRAM) octets.
    pub fn write_goodbye(
        &self,
        sent: SentCounts,
        rtp_now: RtpTimestamp,
        reception: &mut ReceptionStatistics,
        buffer: &mut [u8],
        now: Time,
    ) -> Result<usize, Malformed> {
        let length = self.write_compound(sent, rtp_now, reception, buffer, now)?;
        Ok(length + write_bye(self.config.ssrc, buffer.get_mut(length..).unwrap_or_default())?)
    }

    fn write_compound(
        &self,
        sent: SentCounts,
        rtp_now: RtpTimestamp,
        reception: &mut ReceptionStatistics,
        buffer: &mut [u8],
        now: Time,
    ) -> Result<usize, Malformed> {
        let info = (sent.packets != self.packets_at_last_report).then_some(SenderInfo {
            ntp: NtpTimestamp::at(self.config.wall, now),
            rtp: rtp_now,
            packets: sent.packets,
            octets: sent.octets,
        });
        let block = reception.take_report_block(now);
        let length = write_report(self.config.ssrc, info, block.as_ref(), buffer)?;
        let rest = buffer.get_mut(length..).unwrap_or_default();
        Ok(length + write_source_description(self.config.ssrc, self.config.cname.as_bytes(), rest)?)
    }

    fn hear(
        &mut self,
        packet: &RtcpPacket<'_>,
        heard: &mut Heard,
        reception: &mut ReceptionStatistics,
        arrived_at: Time,
    ) {
        match packet {
            RtcpPacket::SenderReport { ssrc, info, .. } => {
                reception.note_sender_report(*ssrc, info.ntp.middle(), arrived_at);
            }
            RtcpPacket::Bye { .. } => {
                heard.bye = true;
                self.schedule.note_bye();
            }
            RtcpPacket::ReceiverReport { .. }
            | RtcpPacket::SourceDescription { .. }
            | RtcpPacket::Other { .. } => {}
        }
        for block in packet.report_blocks().filter(|block| block.ssrc == self.config.ssrc) {
            heard.our_fraction_lost = Some(block.fraction_lost);
            heard.our_jitter = Some(block.jitter);
            heard.round_trip = self.round_trip(&block, arrived_at).or(heard.round_trip);
        }
    }

    /// RFC 3550 §6.4.1: now less LSR less DLSR. A result below zero is a peer that misreports.
    fn round_trip(&self, block: &super::ReportBlock, arrived_at: Time) -> Option<Duration> {
        if block.last_sender_report == 0 {
            return None;
        }
        let now = NtpTimestamp::at(self.config.wall, arrived_at).middle();
        let elapsed = now.wrapping_sub(block.last_sender_report);
        let short = elapsed.wrapping_sub(block.delay_since_last_sender_report);
        (short < 1 << 31).then(|| from_short(short))
    }
}

#[cfg(test)]
mod tests {
    use offhook_time::Seed;

    use super::*;

    #[test]
    fn two_sessions_learn_the_round_trip_from_each_other() {
        let (mut ours, mut theirs) = (session(1, 1), session(2, 2));
        let (mut our_reception, mut their_reception) = (heard_from(2), heard_from(1));
        let mut buffer = [0; RtcpSession::MAX_DATAGRAM];

        let (report, sent_at) = transmit(&mut ours, &mut our_reception, &mut buffer);
        let arrived = sent_at + Duration::from_millis(30);
        theirs.handle_datagram(&report, &mut their_reception, arrived).unwrap();
        let mut answer_at = theirs.poll_timeout().unwrap().max(arrived);
        let answer = loop {
            let sent = SentCounts { packets: 3, octets: 480 };
            let length =
                theirs.poll_transmit(sent, RtpTimestamp(0), &mut their_reception, &mut buffer, answer_at);
            if let Some(length) = length {
                break buffer[..length].to_vec();
            }
            answer_at = theirs.poll_timeout().unwrap().max(arrived);
        };
        let heard =
            ours.handle_datagram(&answer, &mut our_reception, answer_at + Duration::from_millis(25)).unwrap();

        let round_trip = heard.round_trip.unwrap().as_millis();
        assert!((54..=55).contains(&round_trip), "30 ms there and 25 ms back, measured {round_trip}");
        assert_eq!(heard.our_fraction_lost, Some(0));
        assert!(!heard.bye);
    }

    #[test]
    fn who_sends_nothing_reports_as_a_receiver() {
        let mut session = session(1, 1);
        let mut reception = heard_from(2);
        let mut buffer = [0; RtcpSession::MAX_DATAGRAM];
        let mut now = session.poll_timeout().unwrap();
        let length = loop {
            let nothing = SentCounts::default();
            match session.poll_transmit(nothing, RtpTimestamp(0), &mut reception, &mut buffer, now) {
                Some(length) => break length,
                None => now = session.poll_timeout().unwrap(),
            }
        };

        let first = Compound::open(&buffer[..length]).unwrap().next().unwrap().unwrap();
        assert!(matches!(first, RtcpPacket::ReceiverReport { ssrc: Ssrc(1), .. }));
        assert_eq!(first.report_blocks().next().unwrap().ssrc, Ssrc(2));
    }

    #[test]
    fn a_bye_is_heard_and_reporting_goes_on() {
        let (mut ours, theirs) = (session(1, 1), session(2, 2));
        let mut buffer = [0; RtcpSession::MAX_DATAGRAM];
        let length = theirs
            .write_goodbye(SentCounts::default(), RtpTimestamp(0), &mut heard_from(1), &mut buffer, START)
            .unwrap();

        let heard = ours.handle_datagram(&buffer[..length], &mut heard_from(2), START).unwrap();

        assert!(heard.bye && ours.last_heard().bye);
        assert!(ours.poll_timeout().is_some());
    }

    #[test]
    fn rubbish_is_counted_and_dropped() {
        let mut session = session(1, 1);

        assert!(session.handle_datagram(&[1, 2, 3], &mut heard_from(2), START).is_err());
        assert!(session.handle_datagram(&[0x80, 200, 0, 99], &mut heard_from(2), START).is_ok());

        assert_eq!(session.malformed(), 2);
    }

    const START: Time = Time::from_millis(1_000);

    fn session(ssrc: u32, seed: u64) -> RtcpSession {
        let mut randomness = Randomness::new(Seed::from_number(seed));
        let config = RtcpConfig {
            ssrc: Ssrc(ssrc),
            cname: Cname::new(&mut randomness),
            session_bandwidth: 64_000,
            wall: WallClock { unix_ms_at_zero: 1_700_000_000_000, utc_offset_seconds: 0 },
        };
        RtcpSession::new(config, &mut randomness, START)
    }

    fn heard_from(ssrc: u32) -> ReceptionStatistics {
        let header = crate::RtpHeader {
            marker: false,
            payload_type: crate::PayloadType::PCMU,
            sequence: crate::SequenceNumber(1),
            timestamp: RtpTimestamp(1),
            ssrc: Ssrc(ssrc),
        };
        let mut reception = ReceptionStatistics::new(8000);
        let packet = crate::RtpPacket { header, csrcs: &[], extension: None, payload: &[] };
        reception.note_packet(&packet, START);
        reception
    }

    fn transmit(
        session: &mut RtcpSession,
        reception: &mut ReceptionStatistics,
        buffer: &mut [u8],
    ) -> (Vec<u8>, Time) {
        let sent = SentCounts { packets: 5, octets: 800 };
        loop {
            let now = session.poll_timeout().unwrap();
            if let Some(length) = session.poll_transmit(sent, RtpTimestamp(0), reception, buffer, now) {
                return (buffer[..length].to_vec(), now);
            }
        }
    }
}
