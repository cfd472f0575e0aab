//! RTP that leaves us: sequence +1, timestamp + one packet, never a gap while the direction lets us send.

use std::time::Duration;

use offhook_call_media::{Direction, StreamSettings};
use offhook_rtp_proto::{RtpHeader, RtpPacket};
use offhook_time::Time;

/// A packet may be so much later than its interval: a shift of the playout phase, and the driver's tick.
const LATEST: Duration = Duration::from_millis(22);

/// Payload type of the telephone's events.
const EVENTS: u8 = 101;

#[derive(Debug, Default)]
pub(crate) struct RtpWatch {
    stream: Option<StreamSettings>,
    last: Option<Last>,
    /// The direction, the packet time or the codec changed since the last packet.
    changed: bool,
    sent: u64,
    /// Our machine stands still now and then: nobody can keep the pace, everything else holds.
    pub stands_still: bool,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    header: RtpHeader,
    at: Time,
    /// The stream's clock at its packet; events carry another timestamp.
    clock: u32,
}

impl RtpWatch {
    pub fn stream(&mut self, settings: StreamSettings) {
        self.changed |= self.stream.is_some_and(|before| {
            before.direction != settings.direction || before.ptime_ms != settings.ptime_ms
        });
        self.stream = Some(settings);
    }

    pub fn direction(&self) -> Option<Direction> {
        self.stream.map(|stream| stream.direction)
    }

    pub fn sent(&self) -> u64 {
        self.sent
    }

    pub fn packet(&mut self, packet: &[u8], now: Time) -> Result<(), String> {
        let packet = RtpPacket::parse(packet).map_err(|error| format!("our RTP cannot be read: {error}"))?;
        let Some(stream) = self.stream else { return Err("RTP before the answer".to_owned()) };
        if !stream.direction.sends() {
            return Err("RTP although the direction forbids it".to_owned());
        }
        self.sent += 1;
        let (header, samples) = (packet.header, u32::from(stream.ptime_ms) * 8);
        let is_event = header.payload_type.number() == EVENTS;
        if !is_event
            && (header.payload_type.number() != stream.payload_type
                || packet.payload.len() != samples as usize)
        {
            return Err(format!(
                "{} octets of payload type {}",
                packet.payload.len(),
                header.payload_type.number()
            ));
        }
        let changed = std::mem::take(&mut self.changed);
        let Some(last) = self.last else {
            self.last = Some(Last { header, at: now, clock: header.timestamp.0 });
            return if header.marker { Ok(()) } else { Err("the first packet has no marker".to_owned()) };
        };
        let interval = Duration::from_millis(u64::from(stream.ptime_ms));
        let clock = if is_event { last.clock.wrapping_add(samples) } else { header.timestamp.0 };
        self.last = Some(Last { header, at: now, clock });
        if header.ssrc != last.header.ssrc {
            return Err("another SSRC".to_owned());
        }
        if header.sequence != last.header.sequence.next() {
            return Err(format!("sequence {:?} after {:?}", header.sequence, last.header.sequence));
        }
        if changed {
            let ran_on = clock.wrapping_sub(last.clock) as i32 > 0;
            return if ran_on { Ok(()) } else { Err("the timestamp went back over a change".to_owned()) };
        }
        if !self.stands_still && (now < last.at || now - last.at > interval + LATEST) {
            return Err(format!("{:?} between two packets", now - last.at));
        }
        if is_event {
            let in_event = header.timestamp == last.header.timestamp || header.timestamp.0 == clock;
            return if in_event { Ok(()) } else { Err(format!("an event at {:?}", header.timestamp)) };
        }
        if clock.wrapping_sub(last.clock) != samples {
            return Err(format!("timestamp + {}", clock.wrapping_sub(last.clock) as i32));
        }
        if header.marker && last.header.payload_type.number() != EVENTS {
            return Err("a marker in the middle".to_owned());
        }
        Ok(())
    }

    pub fn close(&mut self, now: Time) -> Result<(), String> {
        let (Some(stream), Some(last)) = (self.stream, self.last) else { return Ok(()) };
        let interval = Duration::from_millis(u64::from(stream.ptime_ms));
        if stream.direction.sends()
            && !self.changed
            && !self.stands_still
            && now.since(last.at) > interval + LATEST
        {
            return Err(format!("no RTP for {:?} before the end", now.since(last.at)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use offhook_call_media::LineCodec;
    use offhook_rtp_proto::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

    use super::*;

    #[test]
    fn a_steady_stream_is_well() {
        let mut watch = watch();

        for n in 0..50 {
            watch.packet(&packet(n, n.into(), n == 0), Time::from_millis(20 * u64::from(n))).unwrap();
        }
    }

    #[test]
    fn a_lost_number_a_jump_a_gap_and_a_stray_marker_are_seen() {
        let at = Time::from_millis(20);
        let second = |packet: &[u8], at: Time| {
            let mut watch = watch();
            watch.packet(&self::packet(0, 0, true), Time::ZERO).unwrap();
            watch.packet(packet, at)
        };

        assert!(second(&packet(1, 1, false), at).is_ok());
        assert!(second(&packet(2, 1, false), at).is_err());
        assert!(second(&packet(1, 2, false), at).is_err());
        assert!(second(&packet(1, 1, true), at).is_err());
        assert!(second(&packet(1, 1, false), Time::from_millis(60)).is_err());
    }

    #[test]
    fn rtp_on_hold_is_seen_and_the_gap_after_it_is_allowed() {
        let mut watch = watch();
        watch.packet(&packet(0, 0, true), Time::ZERO).unwrap();
        watch.stream(StreamSettings { direction: Direction::ReceiveOnly, ..stream() });
        assert!(watch.packet(&packet(1, 1, false), Time::from_millis(20)).is_err());

        watch.stream(stream());

        assert!(watch.packet(&packet(1, 100, true), Time::from_millis(2_000)).is_ok());
        assert!(watch.close(Time::from_millis(2_020)).is_ok());
        assert!(watch.close(Time::from_millis(2_200)).is_err());
    }

    fn watch() -> RtpWatch {
        let mut watch = RtpWatch::default();
        watch.stream(stream());
        watch
    }

    fn stream() -> StreamSettings {
        StreamSettings {
            remote_rtp: None,
            remote_rtcp: None,
            codec: LineCodec::Pcmu,
            payload_type: 0,
            telephone_event: Some(EVENTS),
            ptime_ms: 20,
            direction: Direction::SendReceive,
        }
    }

    fn packet(sequence: u16, interval: u32, marker: bool) -> Vec<u8> {
        let header = RtpHeader {
            marker,
            payload_type: PayloadType::PCMU,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(interval * 160),
            ssrc: Ssrc(7),
        };
        let mut buffer = [0; 200];
        let length = header.write_packet(&[0xff; 160], &mut buffer).unwrap();
        buffer[..length].to_vec()
    }
}
