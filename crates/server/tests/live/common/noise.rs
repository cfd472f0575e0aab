//! How late this machine wakes a thread that has nothing to do with the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A thread that sleeps a millisecond again and again, at the priority that media workers ask for. What it oversleeps
/// is the machine's doing: a test that judges gaps allows for it, so that a noisy neighbour is not called a slow server.
pub struct Noise {
    stop: Arc<AtomicBool>,
    worst_us: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Noise {
    pub fn watch() -> Noise {
        let (stop, worst_us) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, worst) = (Arc::clone(&stop), Arc::clone(&worst_us));
        let thread = std::thread::spawn(move || {
            // Where that is refused, the workers run without it too.
            let _ = offhook_linux_ffi::set_realtime_priority(10);
            let nap = Duration::from_millis(1);
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                std::thread::sleep(nap);
                let late = began.elapsed().saturating_sub(nap);
                worst.fetch_max(late.as_micros() as u64, Ordering::Relaxed);
            }
        });
        Noise { stop, worst_us, thread: Some(thread) }
    }

    /// The longest that it overslept so far.
    pub fn worst(&self) -> Duration {
        Duration::from_micros(self.worst_us.load(Ordering::Relaxed))
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
