//! The kernel stamps datagrams with the wall clock; we measure in monotonic time.

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub fn monotonic_nanos() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC)
}

/// The distance between the wall clock and the monotonic clock, sampled.
///
/// The wall clock is slewed and sometimes set: sample once a second or so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StampClock {
    /// Wall clock less monotonic clock.
    offset: i128,
}

impl StampClock {
    /// Samples both clocks: the tightest of a few readings, so that a preemption between two reads does not count.
    pub fn sample() -> Self {
        let (_, offset) = std::array::from_fn::<_, 5, _>(|_| {
            let before = monotonic_nanos();
            let wall = read_clock(libc::CLOCK_REALTIME);
            let after = monotonic_nanos();
            (after - before, i128::from(wall) - i128::from(before / 2 + after / 2))
        })
        .into_iter()
        .min()
        .unwrap_or_default();
        StampClock { offset }
    }

    /// A stamp of the wall clock, in nanoseconds since 1970, as monotonic nanoseconds.
    pub fn to_monotonic(self, wall_nanos: u64) -> u64 {
        (i128::from(wall_nanos) - self.offset).clamp(0, i128::from(u64::MAX)) as u64
    }
}

/// Whether the wall clock follows a time server, as far as the kernel was told.
///
/// # Errors
/// What the kernel says.
pub fn clock_is_synchronised() -> std::io::Result<bool> {
    // SAFETY: all fields of a timex are numbers, for which zero is a value; `modes: 0` asks and changes nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is a valid timex that outlives the call.
    let verdict = unsafe { libc::adjtimex(&mut state) };
    if verdict < 0 { Err(std::io::Error::last_os_error()) } else { Ok(state.status & libc::STA_UNSYNC == 0) }
}

fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut spec = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `spec` is a valid timespec that outlives the call; both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &mut spec) };
    nanos(spec)
}

pub(crate) fn nanos(spec: libc::timespec) -> u64 {
    spec.tv_sec as u64 * 1_000_000_000 + spec.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_of_now_is_the_monotonic_clock_of_now() {
        let clock = StampClock::sample();

        let wall = read_clock(libc::CLOCK_REALTIME);
        let monotonic = monotonic_nanos();

        let difference = clock.to_monotonic(wall).abs_diff(monotonic);
        assert!(difference < 50_000_000, "{difference} ns apart");
        assert!(monotonic_nanos() >= monotonic);
    }
}
