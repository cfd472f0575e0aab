//! What the recorder counts: read by `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the recorder and of those who feed it.
#[derive(Debug, Default)]
pub struct RecorderStats {
    /// Bytes written to bundles.
    pub bytes: AtomicU64,
    /// Packets written to bundles: SIP, RTP, RTCP.
    pub packets: AtomicU64,
    /// Steps, packets and outputs that found no room because the recorder was behind.
    pub dropped: AtomicU64,
    /// Bundles that are being written.
    pub open: AtomicU64,
    /// Bundles that could not be begun or not be written to their end.
    pub failed: AtomicU64,
    /// Bundles removed because of their age or to make room.
    pub purged: AtomicU64,
}

impl RecorderStats {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// All counters: name, type, what it counts, value.
    pub fn all(&self) -> [(&'static str, &'static str, &'static str, u64); 6] {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("offhook_bundle_bytes_total", "counter", "Bytes written to call bundles.", read(&self.bytes)),
            (
                "offhook_bundle_packets_total",
                "counter",
                "Packets written to call bundles.",
                read(&self.packets),
            ),
            (
                "offhook_bundle_dropped_total",
                "counter",
                "Records of calls that were left out because the recorder was behind.",
                read(&self.dropped),
            ),
            ("offhook_bundles_open", "gauge", "Call bundles that are being written.", read(&self.open)),
            (
                "offhook_bundles_failed_total",
                "counter",
                "Call bundles that could not be begun, or not be written to their end.",
                read(&self.failed),
            ),
            (
                "offhook_bundles_purged_total",
                "counter",
                "Call bundles removed for their age or to make room.",
                read(&self.purged),
            ),
        ]
    }
}
