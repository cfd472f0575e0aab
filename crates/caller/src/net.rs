//! Sockets: datagrams with the moment the kernel received them, readiness of many, limits of the process.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use offhook_time::Time;
use rustix::event::epoll;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::CallerError;
use crate::clock;

/// A nonblocking UDP socket on a port that the kernel picks, which stamps what it receives.
pub(crate) fn udp(ip: IpAddr, receive_buffer: usize) -> Result<UdpSocket, CallerError> {
    let socket = UdpSocket::bind((ip, 0)).map_err(CallerError::io("opening a UDP socket"))?;
    socket.set_nonblocking(true).map_err(CallerError::io("opening a UDP socket"))?;
    if receive_buffer > 0 {
        // A smaller buffer than wished for only shows as loss, which is measured.
        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, receive_buffer);
    }
    Ok(socket)
}

/// The next datagram: its length, its sender, and when the kernel had it. `None` when there is none; an ICMP error of
/// an earlier send counts as none.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> Option<(usize, SocketAddr, Time)> {
    loop {
        match socket.recv_from(buffer) {
            Ok((length, from)) => return Some((length, from, clock::now())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
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

    /// Waits at most this long (zero: not at all), then appends the numbers of the readable sockets to `ready`.
    pub fn wait(&self, longest: Duration, ready: &mut Vec<usize>) {
        let longest = rustix::event::Timespec {
            tv_sec: longest.as_secs() as i64,
            tv_nsec: i64::from(longest.subsec_nanos()),
        };
        let mut events = [MaybeUninit::<epoll::Event>::uninit(); 512];
        if let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, Some(&longest)) {
            ready.extend(events.iter().map(|event| event.data.u64() as usize));
        }
    }
}

/// Lets this process open as many files as the system allows it; answers how many.
pub(crate) fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum.unwrap_or(u64::MAX),
        Err(_) => limit.current.unwrap_or(u64::MAX),
    }
}

/// Real-time priority for the calling thread; answers whether the system allowed it.
pub(crate) fn become_realtime() -> bool {
    false
}

/// Back to ordinary priority, for a thread that is not ours to keep.
pub(crate) fn become_ordinary() {}
