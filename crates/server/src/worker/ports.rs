//! RTP ports: pairs from the configured range, bound before a call is let in.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use crate::config::RtpRange;

/// A stream's two sockets, bound and non-blocking.
#[derive(Debug)]
pub struct MediaSockets {
    /// RTP, on an even port.
    pub rtp: UdpSocket,
    /// RTCP, on the port above.
    pub rtcp: UdpSocket,
    /// The RTP port.
    pub port: u16,
}

/// The free pairs. A port rests at the end of the line after a call, so that a late stream does not enter the next.
#[derive(Debug)]
pub struct PortPool {
    address: IpAddr,
    free: VecDeque<u16>,
    dscp: u8,
}

impl PortPool {
    /// All pairs of `range` on `address`.
    pub fn new(address: IpAddr, range: RtpRange, dscp: u8) -> Self {
        let free = (range.first..range.last).step_by(2).collect();
        PortPool { address, free, dscp }
    }

    /// Binds the next free pair; a pair that somebody else holds is skipped and rests.
    ///
    /// # Errors
    /// `AddrInUse` where no pair is left, or what the system said.
    pub fn take(&mut self) -> io::Result<MediaSockets> {
        let mut last = io::Error::new(io::ErrorKind::AddrInUse, "every RTP port of the range is in use");
        for _ in 0..self.free.len() {
            let Some(port) = self.free.pop_front() else { break };
            match self.bind(port) {
                Ok(sockets) => return Ok(sockets),
                Err(error) => {
                    self.free.push_back(port);
                    if error.kind() != io::ErrorKind::AddrInUse {
                        return Err(error);
                    }
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// Gives a pair back.
    pub fn give_back(&mut self, port: u16) {
        self.free.push_back(port);
    }

    /// How many pairs are free.
    pub fn available(&self) -> usize {
        self.free.len()
    }

    fn bind(&self, port: u16) -> io::Result<MediaSockets> {
        let rtp = self.open(port)?;
        let rtcp = self.open(port + 1)?;
        Ok(MediaSockets { rtp, rtcp, port })
    }

    fn open(&self, port: u16) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(SocketAddr::new(self.address, port))?;
        socket.set_nonblocking(true)?;
        offhook_linux_ffi::enable_arrival_stamps(socket.as_fd())?;
        // A mark that cannot be set costs priority on the way, not the call.
        let _ = offhook_linux_ffi::set_dscp(&socket, self.dscp);
        Ok(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_somebody_holds_is_skipped_and_an_empty_range_says_so() {
        let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
        let taken = holder.local_addr().unwrap().port() & !1;
        let range = RtpRange { first: taken, last: taken + 1 };

        let mut pool = PortPool::new("127.0.0.1".parse().unwrap(), range, 0);

        assert_eq!(pool.take().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(pool.available(), 1, "it may be free later");
    }

    #[test]
    fn a_returned_pair_waits_until_all_others_were_used() {
        let mut pool =
            PortPool::new("127.0.0.1".parse().unwrap(), RtpRange { first: 41_000, last: 41_999 }, 0);
        let first = pool.take().unwrap().port;

        pool.give_back(first);

        assert_ne!(pool.take().unwrap().port, first);
    }
}
