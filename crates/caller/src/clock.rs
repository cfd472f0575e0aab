//! The one place of this crate that reads a clock. [`Time`] here is `CLOCK_MONOTONIC`.

use offhook_time::Time;
use rustix::thread::NanosleepRelativeResult;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Now.
pub(crate) fn now() -> Time {
    Time::from_nanos(nanos(clock_gettime(ClockId::Monotonic)))
}

/// The wall clock, in milliseconds of Unix time: for dates in reports, never for a measurement.
pub(crate) fn wall_unix_ms() -> u64 {
    nanos(clock_gettime(ClockId::Realtime)) / 1_000_000
}

/// A number that differs from call to call: for tags and Call-IDs where no seed is given.
pub(crate) fn entropy() -> u64 {
    let wall = nanos(clock_gettime(ClockId::Realtime));
    wall.rotate_left(20) ^ now().as_nanos() ^ (u64::from(std::process::id()) << 48)
}

/// Sleeps until `deadline`, which may be past.
pub(crate) fn sleep_until(deadline: Time) {
    loop {
        let left = deadline.since(now());
        if left.is_zero() {
            return;
        }
        let request = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match rustix::thread::nanosleep(&request) {
            NanosleepRelativeResult::Ok => {}
            NanosleepRelativeResult::Interrupted(_) => {}
            NanosleepRelativeResult::Err(_) => return,
        }
    }
}

fn nanos(at: Timespec) -> u64 {
    (at.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(at.tv_nsec as u64)
}
