//! The Interface Description Block.

use super::{Options, Order, code};

/// What the packets of one interface are, and what their time stamps mean.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub link: u16,
    /// No packet keeps more bytes than this; zero where there is no limit.
    pub snap: u32,
    pub name: Vec<u8>,
    resolution: u8,
    offset_seconds: i64,
}

/// Microseconds, where the block does not say.
const USUAL_RESOLUTION: u8 = 6;
const SECOND: u128 = 1_000_000_000;

impl Interface {
    /// Reads the body of the block.
    pub(crate) fn parse(body: &[u8], order: Order) -> Option<Self> {
        let mut interface = Interface {
            link: order.u16(body, 0)?,
            snap: order.u32(body, 4)?,
            name: Vec::new(),
            resolution: USUAL_RESOLUTION,
            offset_seconds: 0,
        };
        for (code, value) in Options::new(body, 8, order) {
            match (code, value) {
                (code::NAME, name) => interface.name = name.to_vec(),
                (code::TIME_RESOLUTION, [resolution]) => interface.resolution = *resolution,
                (code::TIME_OFFSET, value) if value.len() == 8 => {
                    let (low, high) = match order {
                        Order::Little => (order.u32(value, 0)?, order.u32(value, 4)?),
                        Order::Big => (order.u32(value, 4)?, order.u32(value, 0)?),
                    };
                    interface.offset_seconds = (u64::from(high) << 32 | u64::from(low)) as i64;
                }
                _ => {}
            }
        }
        Some(interface)
    }

    /// A time stamp in Unix nanoseconds. The highest bit of the resolution chooses powers of two over powers of ten.
    pub(crate) fn unix_ns(&self, ticks: u64) -> u64 {
        let ticks = u128::from(ticks);
        let exponent = u32::from(self.resolution & 0x7F);
        let ns = if self.resolution & 0x80 != 0 {
            (ticks * SECOND).checked_shr(exponent).unwrap_or(0)
        } else if exponent <= 9 {
            ticks * 10_u128.pow(9 - exponent)
        } else {
            10_u128.checked_pow(exponent - 9).map_or(0, |unit| ticks / unit)
        };
        let ns = u64::try_from(ns).unwrap_or(u64::MAX);
        ns.saturating_add_signed(self.offset_seconds.saturating_mul(SECOND as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(resolution: u8, offset: i64) -> Interface {
        let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0];
        super::super::option(&mut body, code::TIME_RESOLUTION, &[resolution]);
        super::super::option(&mut body, code::TIME_OFFSET, &offset.to_le_bytes());
        Interface::parse(&body, Order::Little).unwrap()
    }

    #[test]
    fn time_stamps_of_every_resolution_become_nanoseconds() {
        assert_eq!(interface(6, 0).unix_ns(1_500_000), 1_500_000_000);
        assert_eq!(interface(9, 2).unix_ns(7), 2_000_000_007);
        assert_eq!(interface(12, 0).unix_ns(7_000), 7);
        assert_eq!(interface(0, -1).unix_ns(3), 2_000_000_000);
        assert_eq!(interface(0x80 | 10, 0).unix_ns(512), 500_000_000);
    }

    #[test]
    fn absurd_resolutions_and_offsets_do_not_overflow() {
        for resolution in 0..=u8::MAX {
            for offset in [i64::MIN, -1, 0, i64::MAX] {
                let _ = interface(resolution, offset).unix_ns(u64::MAX);
            }
        }
    }
}
