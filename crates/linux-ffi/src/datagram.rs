//! UDP in batches, with the moment at which the kernel received each datagram.

use std::io;
use std::mem::size_of;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::address;
use crate::stamp::{StampClock, nanos};

/// Room for one stamp: the header of a control message and a timespec, rounded up generously.
const CONTROL_WORDS: usize = 8;

/// Asks the kernel to stamp what this socket receives. For the first socket of the machine that asks, stamps of the
/// first milliseconds may be those of reading.
///
/// # Errors
/// Where the descriptor is not a socket.
pub fn enable_arrival_stamps(socket: BorrowedFd<'_>) -> io::Result<()> {
    crate::socket::set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// A datagram in the receiver's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// What was sent.
    pub bytes: &'a [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// When the kernel received it, in nanoseconds of `CLOCK_MONOTONIC`; `None` where stamps are not enabled.
    pub arrived_at: Option<u64>,
    /// It was longer than the buffer: `bytes` is only its beginning.
    pub truncated: bool,
}

/// Receives up to a batch of datagrams with one system call. All memory is allocated at construction.
pub struct DatagramReceiver {
    slots: Box<[Slot]>,
    headers: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
    buffer: Box<[u8]>,
    datagram_size: usize,
}

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Slot {
    from: libc::sockaddr_storage,
    control: [u64; CONTROL_WORDS],
}

// SAFETY: the raw pointers in `headers` and `vectors` point only into boxes of the same value, and are written anew
// before each system call.
unsafe impl Send for DatagramReceiver {}

impl DatagramReceiver {
    /// Room for `batch` datagrams of `datagram_size` octets.
    pub fn new(batch: usize, datagram_size: usize) -> Self {
        let batch = batch.clamp(1, 1024);
        DatagramReceiver {
            slots: vec![Slot { from: address::empty(), control: [0; CONTROL_WORDS] }; batch].into(),
            headers: vec![empty_header(); batch].into(),
            vectors: vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; batch].into(),
            buffer: vec![0; batch * datagram_size].into(),
            datagram_size,
        }
    }

    /// Takes what waits at `socket`, never waiting itself, and hands over each datagram in turn; answers how many.
    /// Fewer than the batch means that the socket is empty. Never allocates.
    ///
    /// # Errors
    /// What the kernel says; an empty socket is no error, and neither is a peer's ICMP refusal of what we sent
    /// earlier (`ECONNREFUSED` is taken off the socket and receiving goes on).
    pub fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        clock: StampClock,
        mut handle: impl FnMut(Datagram<'_>),
    ) -> io::Result<usize> {
        let received = loop {
            self.point();
            // SAFETY: every header points to an address, a control buffer and one vector of this value, each with
            // its true length; the kernel writes within them. A null timeout is allowed.
            let received = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    self.headers.len() as libc::c_uint,
                    libc::MSG_DONTWAIT,
                    std::ptr::null_mut(),
                )
            };
            if received >= 0 {
                break received as usize;
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EAGAIN) => return Ok(0),
                Some(libc::EINTR | libc::ECONNREFUSED) => {}
                _ => return Err(error),
            }
        };
        for index in 0..received {
            if let Some(datagram) = self.datagram(index, clock) {
                handle(datagram);
            }
        }
        Ok(received)
    }

    /// The size of a batch.
    pub fn batch(&self) -> usize {
        self.headers.len()
    }

    fn point(&mut self) {
        let buffers = self.buffer.chunks_exact_mut(self.datagram_size);
        let places = self.headers.iter_mut().zip(&mut self.slots).zip(&mut self.vectors).zip(buffers);
        for (((header, slot), vector), buffer) in places {
            vector.iov_base = buffer.as_mut_ptr().cast();
            vector.iov_len = buffer.len();
            header.msg_hdr.msg_name = std::ptr::from_mut(&mut slot.from).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = slot.control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = size_of::<[u64; CONTROL_WORDS]>() as _;
            header.msg_hdr.msg_flags = 0;
        }
    }

    fn datagram(&self, index: usize, clock: StampClock) -> Option<Datagram<'_>> {
        let header = &self.headers[index];
        let start = index * self.datagram_size;
        let length = (header.msg_len as usize).min(self.datagram_size);
        Some(Datagram {
            bytes: &self.buffer[start..start + length],
            from: address::read(&self.slots[index].from)?,
            arrived_at: stamp(&header.msg_hdr).map(|wall| clock.to_monotonic(wall)),
            truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        })
    }
}

impl std::fmt::Debug for DatagramReceiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DatagramReceiver({} of {})", self.headers.len(), self.datagram_size)
    }
}

/// Collects datagrams of one socket and sends them with one system call. All memory is allocated at construction.
pub struct DatagramSender {
    targets: Box<[libc::sockaddr_storage]>,
    target_lengths: Box<[libc::socklen_t]>,
    headers: Box<[libc::mmsghdr]>,
    vectors: Box<[libc::iovec]>,
    buffer: Box<[u8]>,
    lengths: Box<[usize]>,
    datagram_size: usize,
    queued: usize,
}

// SAFETY: the raw pointers in `headers` and `vectors` point only into boxes of the same value, and are written anew
// before each system call.
unsafe impl Send for DatagramSender {}

impl DatagramSender {
    /// Room for `batch` datagrams of `datagram_size` octets.
    pub fn new(batch: usize, datagram_size: usize) -> Self {
        let batch = batch.clamp(1, 1024);
        DatagramSender {
            targets: vec![address::empty(); batch].into(),
            target_lengths: vec![0; batch].into(),
            headers: vec![empty_header(); batch].into(),
            vectors: vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; batch].into(),
            buffer: vec![0; batch * datagram_size].into(),
            lengths: vec![0; batch].into(),
            datagram_size,
            queued: 0,
        }
    }

    /// Adds a datagram; answers whether there was room for it (a place, and its length).
    pub fn queue(&mut self, bytes: &[u8], to: SocketAddr) -> bool {
        if self.queued == self.targets.len() || bytes.len() > self.datagram_size {
            return false;
        }
        let (index, start) = (self.queued, self.queued * self.datagram_size);
        self.buffer[start..start + bytes.len()].copy_from_slice(bytes);
        self.lengths[index] = bytes.len();
        self.target_lengths[index] = address::write(to, &mut self.targets[index]);
        self.queued += 1;
        true
    }

    /// How many datagrams wait.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Sends all that wait through `socket`, in order; answers how many the kernel took. What it refuses (full socket
    /// buffer, unreachable target) is dropped: late audio is worth nothing. Never allocates, never waits.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> usize {
        let (mut at, mut sent) = (0, 0);
        self.point();
        while at < self.queued {
            let rest = &mut self.headers[at..self.queued];
            // SAFETY: each header in `rest` points to an address and one vector of this value with their true
            // lengths; the kernel only reads them and writes `msg_len`.
            let taken = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as libc::c_uint,
                    libc::MSG_DONTWAIT,
                )
            };
            if taken > 0 {
                at += taken as usize;
                sent += taken as usize;
            } else if io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
                at += 1;
            }
        }
        self.queued = 0;
        sent
    }

    fn point(&mut self) {
        for index in 0..self.queued {
            let start = index * self.datagram_size;
            let bytes = &mut self.buffer[start..start + self.lengths[index]];
            let vector = &mut self.vectors[index];
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = bytes.len();
            let header = &mut self.headers[index].msg_hdr;
            header.msg_name = std::ptr::from_mut(&mut self.targets[index]).cast();
            header.msg_namelen = self.target_lengths[index];
            header.msg_iov = vector;
            header.msg_iovlen = 1;
        }
    }
}

impl std::fmt::Debug for DatagramSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DatagramSender({} of {} queued)", self.queued, self.targets.len())
    }
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: mmsghdr is integers and raw pointers; all zeroes is a valid value (null pointers, no lengths).
    unsafe { std::mem::zeroed() }
}

/// The stamp among the control messages, in nanoseconds since 1970.
fn stamp(header: &libc::msghdr) -> Option<u64> {
    // SAFETY: the kernel filled the control buffer of this header and set its length; the CMSG functions stay
    // within that length, and a timespec stands behind a header of this level and type.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = message.as_ref() {
            if control.cmsg_level == libc::SOL_SOCKET && control.cmsg_type == libc::SCM_TIMESTAMPNS {
                let spec = libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned();
                return Some(nanos(spec));
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    use super::*;
    use crate::monotonic_nanos;

    #[test]
    fn a_datagram_carries_the_moment_it_arrived_and_not_that_it_was_read() {
        let (ours, theirs) = pair();
        enable_arrival_stamps(ours.as_fd()).unwrap();
        // The first socket of the whole machine that asks is served by a work queue of the kernel.
        std::thread::sleep(Duration::from_millis(50));
        let before = monotonic_nanos();
        theirs.send_to(b"now", ours.local_addr().unwrap()).unwrap();
        let after = monotonic_nanos();
        std::thread::sleep(Duration::from_millis(30));

        let mut arrived = None;
        let received = DatagramReceiver::new(4, 200)
            .receive(ours.as_fd(), StampClock::sample(), |datagram| {
                assert_eq!(datagram.bytes, b"now");
                assert_eq!(datagram.from, theirs.local_addr().unwrap());
                arrived = datagram.arrived_at;
            })
            .unwrap();

        assert_eq!(received, 1);
        let arrived = arrived.unwrap();
        // The two clocks are sampled some nanoseconds apart.
        assert!(arrived + 1_000_000 >= before && arrived <= after + 1_000_000, "{before} {arrived} {after}");
    }

    #[test]
    fn a_batch_is_sent_and_received_in_order_and_in_turns() {
        let (ours, theirs) = pair();
        let mut sender = DatagramSender::new(32, 200);
        let mut receiver = DatagramReceiver::new(16, 200);
        for n in 0..20u8 {
            assert!(sender.queue(&[n; 172], ours.local_addr().unwrap()));
        }

        assert_eq!(sender.send(theirs.as_fd()), 20);

        let mut seen = Vec::new();
        let clock = StampClock::sample();
        let mut turns = Vec::new();
        for _ in 0..3 {
            let mut take = |datagram: Datagram<'_>| {
                assert!(datagram.arrived_at.is_none() && !datagram.truncated && datagram.bytes.len() == 172);
                seen.push(datagram.bytes[0]);
            };
            turns.push(receiver.receive(ours.as_fd(), clock, &mut take).unwrap());
        }
        assert_eq!(turns, [16, 4, 0]);
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
        assert_eq!(sender.queued(), 0);
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let (ours, theirs) = pair();
        theirs.send_to(&[7; 300], ours.local_addr().unwrap()).unwrap();
        let mut cut = false;

        DatagramReceiver::new(2, 200)
            .receive(ours.as_fd(), StampClock::sample(), |datagram| {
                cut = datagram.truncated && datagram.bytes.len() == 200;
            })
            .unwrap();

        assert!(cut);
        let mut sender = DatagramSender::new(1, 200);
        assert!(!sender.queue(&[0; 201], ours.local_addr().unwrap()));
        assert!(sender.queue(&[0; 200], ours.local_addr().unwrap()));
        assert!(!sender.queue(&[0; 1], ours.local_addr().unwrap()));
    }

    #[test]
    fn a_target_that_is_refused_does_not_hold_up_the_others() {
        let (ours, theirs) = pair();
        let mut sender = DatagramSender::new(3, 200);
        sender.queue(b"1", ours.local_addr().unwrap());
        // An IPv6 target through an IPv4 socket is refused at once.
        sender.queue(b"2", "[::1]:9".parse().unwrap());
        sender.queue(b"3", ours.local_addr().unwrap());

        assert_eq!(sender.send(theirs.as_fd()), 2);

        let received = DatagramReceiver::new(4, 200).receive(ours.as_fd(), StampClock::sample(), |_| {});
        assert_eq!(received.unwrap(), 2);
    }

    fn pair() -> (UdpSocket, UdpSocket) {
        let bind = || UdpSocket::bind("127.0.0.1:0").unwrap();
        (bind(), bind())
    }
}
