//! Sockets: datagrams with the moment the kernel received them, readiness of many, limits of the process.

use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use offhook_linux_ffi::{
    DatagramReceiver, StampClock, enable_arrival_stamps, raise_open_file_limit, set_realtime_priority,
};
use offhook_time::Time;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::net::{RecvFlags, recvfrom};

use crate::CallerError;
use crate::clock;

/// A nonblocking UDP socket on a port that the kernel picks, which stamps what it receives.
pub(crate) fn udp(ip: IpAddr, receive_buffer: usize) -> Result<UdpSocket, CallerError> {
    let socket = UdpSocket::bind((ip, 0)).map_err(CallerError::io("opening a UDP socket"))?;
    socket.set_nonblocking(true).map_err(CallerError::io("opening a UDP socket"))?;
    enable_arrival_stamps(socket.as_fd()).map_err(CallerError::io("asking for arrival stamps"))?;
    if receive_buffer > 0 {
        // A smaller buffer than wished for only shows as loss, which is measured.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, receive_buffer);
    }
    Ok(socket)
}

/// Receives datagrams with the moment the kernel had them.
#[derive(Debug)]
pub(crate) struct Inbox {
    receiver: DatagramReceiver,
    stamps: StampClock,
    /// Of the latest datagram, and when the clocks were last compared.
    latest: Time,
    compared: Time,
}

/// The wall clock that the kernel stamps with is slewed: how often it is compared with ours.
const COMPARE: Duration = Duration::from_secs(1);

impl Inbox {
    /// Room for `batch` datagrams of `datagram_size` octets at once.
    pub fn new(batch: usize, datagram_size: usize) -> Self {
        let now = clock::now();
        Inbox {
            receiver: DatagramReceiver::new(batch, datagram_size),
            stamps: StampClock::sample(),
            latest: now,
            compared: now,
        }
    }

    /// Hands over what waits at `socket`, one batch at most. Answers whether more may wait.
    pub fn receive(&mut self, socket: &UdpSocket, mut handle: impl FnMut(&[u8], SocketAddr, Time)) -> bool {
        if self.latest.since(self.compared) > COMPARE {
            self.stamps = StampClock::sample();
            self.compared = clock::now();
        }
        let latest = &mut self.latest;
        let received = self.receiver.receive(socket.as_fd(), self.stamps, |datagram| {
            let arrived = datagram.arrived_at.map_or_else(clock::now, Time::from_nanos);
            *latest = arrived;
            handle(datagram.bytes, datagram.from, arrived);
        });
        // A socket that fails has nothing more to give; what is missing shows as loss.
        received.is_ok_and(|count| count == self.receiver.batch())
    }
}

/// Where datagrams of `socket` were refused by ICMP since the last look, one address at a time. Only for a socket that
/// [reports](offhook_linux_ffi::report_icmp_errors) them.
pub(crate) fn next_refused(socket: &UdpSocket) -> Option<SocketAddr> {
    let flags = RecvFlags::ERRQUEUE | RecvFlags::DONTWAIT;
    let (_, _, destination) = recvfrom(socket, &mut [0; 64], flags).ok()?;
    SocketAddr::try_from(destination?).ok()
}

/// Waits until `socket` has something to read, at most this long, to the precision of the kernel's timers.
pub(crate) fn wait_readable(socket: &UdpSocket, longest: Duration) {
    let longest = Timespec { tv_sec: longest.as_secs() as i64, tv_nsec: i64::from(longest.subsec_nanos()) };
    let mut sockets = [PollFd::new(socket, PollFlags::IN)];
    // An interrupted wait is a short one.
    let _ = poll(&mut sockets, Some(&longest));
}

/// Waits until one of many sockets has something to read.
#[derive(Debug)]
pub(crate) struct Readiness {
    epoll: rustix::fd::OwnedFd,
}

impl Readiness {
    /// Watches nothing yet.
    pub fn new() -> Result<Self, CallerError> {
        let epoll =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(CallerError::os("opening an epoll"))?;
        Ok(Readiness { epoll })
    }

    /// Watches `socket` too, as number `key`.
    pub fn add(&self, socket: &impl AsFd, key: usize) -> Result<(), CallerError> {
        let data = epoll::EventData::new_u64(key as u64);
        epoll::add(&self.epoll, socket, data, epoll::EventFlags::IN)
            .map_err(CallerError::os("watching a socket"))
    }

    /// Watches `socket` no longer.
    pub fn remove(&self, socket: &impl AsFd) {
        // It can only fail for a socket that is not watched, which is what is wanted.
        let _ = epoll::delete(&self.epoll, socket);
    }

    /// Waits at most this long (zero: not at all; to the millisecond), then appends the numbers of the readable sockets to `ready`.
    pub fn wait(&self, longest: Duration, ready: &mut Vec<usize>) {
        let longest =
            Timespec { tv_sec: longest.as_secs() as i64, tv_nsec: i64::from(longest.subsec_nanos()) };
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 512];
        if let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, Some(&longest)) {
            ready.extend(events.iter().map(|event| event.data.u64() as usize));
        }
    }
}

/// Lets this process open `wanted` files, or as many as the system allows; answers how many.
pub(crate) fn raise_open_files(wanted: u64) -> Result<u64, CallerError> {
    raise_open_file_limit(wanted).map_err(CallerError::io("raising the limit of open files"))
}

/// Low among the real-time priorities: we only have to come before ordinary threads.
const PRIORITY: i32 = 10;

/// Real-time priority for the calling thread; answers whether the system allowed it.
pub(crate) fn become_realtime() -> bool {
    set_realtime_priority(PRIORITY).is_ok()
}
