//! Numbers that wrap: sequence numbers and timestamps (RFC 3550 §5.1), and the names beside them.

#[cfg(feature = "planted-faults")]
use offhook_planted::{Fault, is_planted};
use serde::{Deserialize, Serialize};

use crate::Malformed;

/// Counts the packets of a stream, modulo 2^16.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number of the next packet.
    pub const fn next(self) -> Self {
        SequenceNumber(self.0.wrapping_add(1))
    }

    /// How many packets after `earlier` this one was sent; negative where it was sent before.
    pub const fn since(self, earlier: SequenceNumber) -> i32 {
        self.0.wrapping_sub(earlier.0) as i16 as i32
    }
}

/// The sampling instant of the first octet of a packet, in units of the payload's clock, modulo 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RtpTimestamp(pub u32);

impl RtpTimestamp {
    /// The timestamp `units` later.
    pub const fn plus(self, units: u32) -> Self {
        RtpTimestamp(self.0.wrapping_add(units))
    }

    /// Units from `earlier` to this; negative where this lies before it.
    pub const fn since(self, earlier: RtpTimestamp) -> i64 {
        self.0.wrapping_sub(earlier.0) as i32 as i64
    }
}

/// Names a synchronization source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ssrc(pub u32);

/// Names a payload format within a session (0..=127).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct PayloadType(u8);

impl PayloadType {
    /// G.711 µ-law (RFC 3551).
    pub const PCMU: PayloadType = PayloadType(0);
    /// G.711 A-law (RFC 3551).
    pub const PCMA: PayloadType = PayloadType(8);
    /// G.722 (RFC 3551): its RTP clock runs at 8000 although it samples at 16000.
    pub const G722: PayloadType = PayloadType(9);
    /// Comfort noise at 8000 Hz (RFC 3389).
    pub const COMFORT_NOISE: PayloadType = PayloadType(13);

    /// A payload type of `number`.
    ///
    /// # Errors
    /// [`Malformed::PayloadType`] above 127: the field has seven bits.
    pub const fn new(number: u8) -> Result<Self, Malformed> {
        if number > 127 { Err(Malformed::PayloadType) } else { Ok(PayloadType(number)) }
    }

    /// The seven bits of a header octet that also holds the marker.
    pub(crate) const fn from_low_bits(octet: u8) -> Self {
        PayloadType(octet & 0x7f)
    }

    /// The number as it stands in the header and in SDP.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for PayloadType {
    type Error = Malformed;

    fn try_from(number: u8) -> Result<Self, Malformed> {
        PayloadType::new(number)
    }
}

impl From<PayloadType> for u8 {
    fn from(payload_type: PayloadType) -> u8 {
        payload_type.0
    }
}

/// Unfolds sequence numbers into a count that does not wrap, always relative to the highest seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedSequence {
    highest: u64,
}

impl ExtendedSequence {
    /// Starts at `first`. The count starts well above zero, so that packets sent before `first` have a place.
    pub const fn new(first: SequenceNumber) -> Self {
        ExtendedSequence { highest: (1 << 32) | first.0 as u64 }
    }

    /// The count that `sequence` stands for: the one nearest to the highest seen.
    pub fn unfold(&self, sequence: SequenceNumber) -> u64 {
        #[cfg(feature = "planted-faults")]
        if is_planted(Fault::WrapNotUnfolded) {
            return (self.highest & !0xffff) | u64::from(sequence.0);
        }
        self.highest.wrapping_add_signed(sequence.since(SequenceNumber(self.highest as u16)) as i64)
    }

    /// Takes note of `extended`; the highest never goes back.
    pub const fn advance(&mut self, extended: u64) {
        if extended > self.highest {
            self.highest = extended;
        }
    }

    /// The highest count so far.
    pub const fn highest(&self) -> u64 {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_compared_across_the_wrap() {
        assert_eq!(SequenceNumber(2).since(SequenceNumber(65_534)), 4);
        assert_eq!(SequenceNumber(65_534).since(SequenceNumber(2)), -4);
        assert_eq!(RtpTimestamp(80).since(RtpTimestamp(u32::MAX - 79)), 160);
        assert_eq!(SequenceNumber(u16::MAX).next(), SequenceNumber(0));
    }

    #[test]
    fn a_payload_type_has_seven_bits() {
        assert_eq!(PayloadType::new(127).map(PayloadType::number), Ok(127));
        assert_eq!(PayloadType::new(200), Err(Malformed::PayloadType));
    }

    proptest! {
        #[test]
        fn unfolding_follows_the_count_through_any_number_of_wraps(
            first: u16,
            steps in prop::collection::vec(-500i64..2_000, 1..300),
        ) {
            let mut extended = ExtendedSequence::new(SequenceNumber(first));
            let mut truth = extended.highest();
            for step in steps {
                let sent = truth.wrapping_add_signed(step);
                prop_assert_eq!(extended.unfold(SequenceNumber(sent as u16)), sent);
                extended.advance(sent);
                truth = truth.max(sent);
            }
            prop_assert_eq!(extended.highest(), truth);
        }
    }
}
