//! The wall clock as an input.

use serde::{Deserialize, Serialize};

use crate::Time;

/// What a clock on the wall would show: an input of a call, read once by the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallClock {
    /// Unix time in milliseconds at [`Time::ZERO`].
    pub unix_ms_at_zero: i64,
    /// Offset of the configured zone from UTC in seconds, east positive.
    pub utc_offset_seconds: i32,
}

impl WallClock {
    /// Unix time in milliseconds at `now`.
    pub fn unix_ms(&self, now: Time) -> i64 {
        self.unix_ms_at_zero + now.as_millis() as i64
    }

    /// Seconds since midnight in the configured zone at `now` (0..86400).
    pub fn seconds_of_day(&self, now: Time) -> u32 {
        let local = self.unix_ms(now).div_euclid(1000) + i64::from(self.utc_offset_seconds);
        local.rem_euclid(86_400) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_moves_the_hour_of_the_day() {
        let shanghai = WallClock { unix_ms_at_zero: 0, utc_offset_seconds: 8 * 3600 };

        assert_eq!(shanghai.seconds_of_day(Time::from_millis(1_000)), 8 * 3600 + 1);
    }
}
