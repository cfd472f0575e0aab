//! Safe wrappers of the few Linux calls that rustix does not offer.
//!
//! Owns every `unsafe` of the live side that is not a native library: datagrams with the kernel's arrival stamp
//! ([`DatagramReceiver`], [`DatagramSender`]), real-time scheduling ([`set_realtime_priority`]), the allocator that
//! counts per thread ([`CountingAllocator`]), and small things of processes and sockets. It knows nothing of calls.

mod address;
mod allocator;
mod datagram;
mod process;
mod socket;
mod stamp;

pub use allocator::{CountingAllocator, ThreadAllocations, register_thread};
pub use datagram::{Datagram, DatagramReceiver, DatagramSender, enable_arrival_stamps};
pub use process::{
    RealtimeRefused, end_when_nobody_reads, keep_freed_memory, kill_with_parent, raise_open_file_limit,
    set_realtime_priority,
};
pub use socket::{bind_port_pair, report_icmp_errors, set_dscp};
pub use stamp::{StampClock, clock_is_synchronised, monotonic_nanos};
