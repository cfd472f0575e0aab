//! RTP that leaves us: sequence +1, timestamp + one packet, never a gap while the direction lets us send.

use std::time::Duration;

use offhook_call_media::StreamSettings;
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
        if now < last.at || now - last.at > interval + LATEST {
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
        if stream.direction.sends() && !self.changed && now.since(last.at) > interval + LATEST {
            return Err(format!("no RTP for {:?} before the end", now.since(last.at)));
        }
        Ok(())
    }
}
