//! Where it ran, and what the server cost: read from `/proc`.

use std::fs;

use offhook_time::Time;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::statistics::rounded;

/// The machine, for the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The model of its processor.
    pub processor: String,
    /// How many of them the system shows.
    pub processors: usize,
    /// The kernel's release.
    pub kernel: String,
    /// Main memory.
    pub memory_mib: u64,
    /// Load average of the last minute when the run began.
    pub load_average: f64,
    /// Share of the run in which the hypervisor ran somebody else, in percent.
    pub steal_percent: f64,
    /// Share of the run in which the processors were busy, with anything, in percent.
    pub busy_percent: f64,
}

/// Watches the machine from here on; [`finish`](MachineWatch::finish) says how it was.
#[derive(Clone, Debug)]
pub struct MachineWatch {
    load_average: f64,
    times: CpuTimes,
}

impl MachineWatch {
    /// Begins.
    pub fn start() -> Self {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        MachineWatch {
            load_average: load.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0),
            times: CpuTimes::read(),
        }
    }

    /// Ends.
    pub fn finish(&self) -> Machine {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            line.split_once(':').map(|(_, value)| value.trim().to_owned())
        };
        let times = CpuTimes::read();
        let share = |part: u64| {
            let total = times.total.saturating_sub(self.times.total).max(1);
            rounded(100.0 * part as f64 / total as f64)
        };
        Machine {
            processor: field("model name")
                .or_else(|| field("CPU part"))
                .unwrap_or_else(|| "unknown".to_owned()),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            memory_mib: kib_of("/proc/meminfo", "MemTotal:").unwrap_or(0) / 1024,
            load_average: self.load_average,
            steal_percent: share(times.steal.saturating_sub(self.times.steal)),
            busy_percent: share(times.busy.saturating_sub(self.times.busy)),
        }
    }
}

/// What a process cost over a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ServerCost {
    /// Its user and system time in that stretch.
    pub cpu_ms: f64,
    /// The stretch.
    pub seconds: f64,
    /// Its resident memory at the end.
    pub rss_kib: u64,
    /// How much more than at the beginning.
    pub rss_grown_kib: i64,
}

impl ServerCost {
    /// Of one processor, in percent.
    pub fn cpu_percent(&self) -> f64 {
        if self.seconds == 0.0 { 0.0 } else { rounded(self.cpu_ms / self.seconds / 10.0) }
    }
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    pid: u32,
    at: Time,
    cpu_ms: f64,
    rss_kib: u64,
}

impl Usage {
    /// Reads `/proc/PID`. `None` where there is no such process, or not for us.
    pub fn of(pid: u32) -> Option<Usage> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command's name may hold anything, but nothing after its last parenthesis does.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok());
        // utime and stime are fields 14 and 15 of proc(5); the state, field 3, is the first one here.
        let cpu = ticks(11)? + ticks(12)?;
        let rss_kib = kib_of(&format!("/proc/{pid}/smaps_rollup"), "Rss:")
            .or_else(|| kib_of(&format!("/proc/{pid}/status"), "VmRSS:"))?;
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        Some(Usage { pid, at: clock::now(), cpu_ms: cpu * 1000.0 / per_second, rss_kib })
    }

    /// What it cost from here to now.
    pub fn until_now(&self) -> Option<ServerCost> {
        let now = Usage::of(self.pid)?;
        Some(ServerCost {
            cpu_ms: rounded(now.cpu_ms - self.cpu_ms),
            seconds: rounded(now.at.since(self.at).as_secs_f64()),
            rss_kib: now.rss_kib,
            rss_grown_kib: now.rss_kib as i64 - self.rss_kib as i64,
        })
    }

    /// Whose it is.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Resident memory.
    pub fn rss_kib(&self) -> u64 {
        self.rss_kib
    }
}

#[derive(Clone, Copy, Debug)]
struct CpuTimes {
    busy: u64,
    steal: u64,
    total: u64,
}

impl CpuTimes {
    fn read() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let first = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> =
            first.split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
        let at = |index: usize| ticks.get(index).copied().unwrap_or(0);
        // user nice system idle iowait irq softirq steal; guest time is inside user.
        let total = ticks.iter().take(8).sum();
        CpuTimes { busy: total - at(3) - at(4) - at(7), steal: at(7), total }
    }
}

fn kib_of(file: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_work_shows_in_our_own_usage() {
        let before = Usage::of(std::process::id()).unwrap();

        let mut sum = 0u64;
        while clock::now().since(before.at).as_millis() < 150 {
            sum = std::hint::black_box(sum.wrapping_mul(3).wrapping_add(1));
        }
        let cost = before.until_now().unwrap();

        assert!(cost.cpu_ms > 20.0 && cost.rss_kib > 500, "{cost:?}");
        assert!(cost.cpu_percent() > 0.0);
    }

    #[test]
    fn the_machine_is_described() {
        let machine = MachineWatch::start().finish();

        assert!(
            machine.processors >= 1 && machine.memory_mib > 100 && !machine.kernel.is_empty(),
            "{machine:?}"
        );
    }

    #[test]
    fn a_process_that_does_not_exist_has_no_usage() {
        assert!(Usage::of(u32::MAX).is_none());
    }
}
