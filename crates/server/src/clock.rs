//! The only clock of the live driver.

use offhook_time::{Time, WallClock};
use rustix::time::{ClockId, clock_gettime};

/// Reads the machine's monotonic clock, in nanoseconds since its own origin: kernel stamps convert to the same scale.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Now.
    pub fn now(self) -> Time {
        let now = clock_gettime(ClockId::Monotonic);
        Time::from_nanos(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
    }

    /// What the clock on the wall shows, in terms of [`now`](Self::now), for a zone `utc_offset_seconds` east of UTC.
    pub fn wall(self, utc_offset_seconds: i32) -> WallClock {
        let wall = clock_gettime(ClockId::Realtime);
        let unix_ms = wall.tv_sec * 1000 + wall.tv_nsec / 1_000_000;
        WallClock { unix_ms_at_zero: unix_ms - self.now().as_millis() as i64, utc_offset_seconds }
    }
}
