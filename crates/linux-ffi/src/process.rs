//! Threads and processes: real-time priority, children that die with us, open files.

use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Why a thread did not get real-time priority, and what to do about it.
#[derive(Debug)]
pub struct RealtimeRefused {
    priority: i32,
    cause: io::Error,
}

impl fmt::Display for RealtimeRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = match self.cause.raw_os_error() {
            Some(libc::EPERM) => "; grant CAP_SYS_NICE, or a LimitRTPRIO of at least that, or run without",
            Some(libc::EINVAL) => "; priorities are 1 to 99",
            _ => "",
        };
        write!(f, "SCHED_FIFO at priority {} was refused: {}{remedy}", self.priority, self.cause)
    }
}

impl std::error::Error for RealtimeRefused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Puts the calling thread under `SCHED_FIFO` at `priority` (1..=99). Its children do not inherit it.
///
/// # Errors
/// [`RealtimeRefused`], which says what is missing.
pub fn set_realtime_priority(priority: i32) -> Result<(), RealtimeRefused> {
    let parameters = libc::sched_param { sched_priority: priority };
    // SAFETY: 0 names the calling thread and `parameters` outlives the call.
    let result =
        unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &parameters) };
    if result == 0 { Ok(()) } else { Err(RealtimeRefused { priority, cause: io::Error::last_os_error() }) }
}

/// Keeps up to `octets` of what a thread freed at the end of its heap, instead of 128 KiB. A thread whose memory goes
/// up and down by more than that every few milliseconds (a burst of frames, sent and freed) otherwise returns it to the
/// kernel and asks for it again page by page. Call it before threads are started.
pub fn keep_freed_memory(octets: u32) {
    // What is larger than this has its own mapping and goes back at once; said because naming a limit for the heap's end
    // switches off glibc's own adjustment of this one.
    const OWN_MAPPING: libc::c_int = 1 << 20;
    // SAFETY: mallopt only sets numbers of the allocator.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, octets.min(1 << 30) as libc::c_int);
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_MAPPING);
    }
}

/// Lets the process end quietly, by SIGPIPE, where nobody reads any more what it prints (`| head`), as other command line
/// tools do; a Rust program ignores that signal. Not for programs that write to pipes of children.
pub fn end_when_nobody_reads() {
    // SAFETY: SIG_DFL runs no code of ours.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}

/// Makes the child of `command` die (SIGKILL) when the thread that spawns it does: spawn from a thread that lives as
/// long as the process, or the child is gone early.
pub fn kill_with_parent(command: &mut Command) {
    let parent = std::process::id() as libc::pid_t;
    let arm = move || {
        // SAFETY: PR_SET_PDEATHSIG takes one signal number and touches no memory.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // The parent may have died between fork and prctl; then the child has been given to another one.
        // SAFETY: getppid cannot fail and touches no memory.
        if unsafe { libc::getppid() } != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only makes two system calls that are safe in a signal handler, and
    // allocates nothing.
    unsafe { command.pre_exec(arm) };
}

/// Raises the limit of open files towards `wanted`, at most to the hard limit (which is raised too where allowed);
/// answers the limit that holds now.
///
/// # Errors
/// What the kernel says.
pub fn raise_open_file_limit(wanted: u64) -> io::Result<u64> {
    let before = open_file_limit()?;
    if before.rlim_cur >= wanted {
        return Ok(before.rlim_cur);
    }
    let full = libc::rlimit { rlim_cur: wanted, rlim_max: before.rlim_max.max(wanted) };
    if set_open_file_limit(&full).is_err() {
        set_open_file_limit(&libc::rlimit { rlim_cur: wanted.min(before.rlim_max), ..before })?;
    }
    Ok(open_file_limit()?.rlim_cur)
}

fn open_file_limit() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that outlives the call.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    if result == 0 { Ok(limit) } else { Err(io::Error::last_os_error()) }
}

fn set_open_file_limit(limit: &libc::rlimit) -> io::Result<()> {
    // SAFETY: `limit` is a valid rlimit that outlives the call.
    let result = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_time_is_granted_or_the_refusal_says_what_is_missing() {
        std::thread::spawn(|| match set_realtime_priority(5) {
            Ok(()) => {
                // SAFETY: 0 names the calling thread.
                let policy = unsafe { libc::sched_getscheduler(0) };
                assert_eq!(policy & !libc::SCHED_RESET_ON_FORK, libc::SCHED_FIFO);
            }
            Err(refused) => assert!(refused.to_string().contains("CAP_SYS_NICE"), "{refused}"),
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_priority_out_of_range_is_refused() {
        let refused = set_realtime_priority(100).unwrap_err();

        assert!(refused.to_string().contains("priorities are 1 to 99"), "{refused}");
    }

    #[test]
    fn the_limit_of_open_files_rises_and_never_falls() {
        let before = open_file_limit().unwrap().rlim_cur;

        let same = raise_open_file_limit(1).unwrap();
        let raised = raise_open_file_limit(before.saturating_add(1)).unwrap();

        assert_eq!(same, before);
        assert!(raised == before + 1 || raised == open_file_limit().unwrap().rlim_max);
    }

    #[test]
    fn a_child_dies_with_the_thread_that_spawned_it() {
        let mut child = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            command.arg("60");
            kill_with_parent(&mut command);
            command.spawn().unwrap()
        })
        .join()
        .unwrap();

        let status = child.wait().unwrap();

        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGKILL));
    }
}
