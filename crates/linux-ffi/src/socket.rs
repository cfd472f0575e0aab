//! Ports and options of media sockets.

use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// Binds an even port and the odd one above it (RFC 3550 §11) on `ip`, both within `ports`, beginning the search at
/// the pair number `start` (any number; taken modulo the pairs). Non-blocking. A port that anybody holds is skipped:
/// no address reuse, so a packet of an old call never lands in a new one by accident of two binds.
///
/// # Errors
/// `AddrInUse` where every pair is taken; what the kernel says where `ip` is not ours.
pub fn bind_port_pair(
    ip: IpAddr,
    ports: RangeInclusive<u16>,
    start: u32,
) -> io::Result<(UdpSocket, UdpSocket)> {
    let first = u32::from(*ports.start()).next_multiple_of(2);
    let pairs = (u32::from(*ports.end()) + 1).saturating_sub(first) / 2;
    for turn in 0..pairs {
        let even = (first + (start.wrapping_add(turn) % pairs) * 2) as u16;
        match bind_both(ip, even) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    let message = format!("no free pair of ports in {}-{}", ports.start(), ports.end());
    Err(io::Error::new(io::ErrorKind::AddrInUse, message))
}

fn bind_both(ip: IpAddr, even: u16) -> io::Result<(UdpSocket, UdpSocket)> {
    let rtp = UdpSocket::bind(SocketAddr::new(ip, even))?;
    let rtcp = UdpSocket::bind(SocketAddr::new(ip, even + 1))?;
    rtp.set_nonblocking(true)?;
    rtcp.set_nonblocking(true)?;
    Ok((rtp, rtcp))
}

/// Marks what `socket` sends with a DSCP (0..=63; EF is 46, CS3 is 24), on IPv4 and IPv6.
///
/// # Errors
/// What the kernel says; `InvalidInput` above 63.
pub fn set_dscp(socket: &UdpSocket, dscp: u8) -> io::Result<()> {
    if dscp > 63 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a DSCP has six bits"));
    }
    // The two bits below are ECN and belong to the kernel.
    let field = i32::from(dscp) << 2;
    match socket.local_addr()? {
        SocketAddr::V4(_) => set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_TOS, field),
        SocketAddr::V6(_) => set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_TCLASS, field),
    }
}

/// Lets the kernel report ICMP errors of a UDP socket that is not connected (IP_RECVERR): the next call on it fails once
/// with the error, and the error queue (MSG_ERRQUEUE) has each datagram's destination. Whoever waits for the socket must
/// empty that queue: until then the wait returns at once.
///
/// # Errors
/// What the kernel says.
pub fn report_icmp_errors(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => set_option(socket.as_fd(), libc::IPPROTO_IP, libc::IP_RECVERR, 1),
        SocketAddr::V6(_) => set_option(socket.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1),
    }
}

pub(crate) fn set_option(socket: BorrowedFd<'_>, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option value is an int that outlives the call, and its true size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn pairs_are_even_and_odd_and_none_is_given_twice() {
        let range = 31_001..=31_007;

        let held: Vec<_> = (0..3).map(|_| bind_port_pair(LOOPBACK, range.clone(), 0)).collect();

        let ports: Vec<_> = held
            .iter()
            .filter_map(|pair| pair.as_ref().ok())
            .map(|(rtp, rtcp)| (rtp.local_addr().unwrap().port(), rtcp.local_addr().unwrap().port()))
            .collect();
        assert_eq!(ports, [(31_002, 31_003), (31_004, 31_005), (31_006, 31_007)]);
        let full = bind_port_pair(LOOPBACK, range, 7).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_half_taken_pair_is_skipped() {
        let _odd = UdpSocket::bind((LOOPBACK, 31_103)).unwrap();

        let (rtp, _) = bind_port_pair(LOOPBACK, 31_102..=31_105, 0).unwrap();

        assert_eq!(rtp.local_addr().unwrap().port(), 31_104);
    }

    #[test]
    fn the_top_of_the_port_space_does_not_overflow() {
        let start = bind_port_pair(LOOPBACK, 65_534..=65_535, u32::MAX);

        assert!(start.is_ok() || start.unwrap_err().kind() == io::ErrorKind::AddrInUse);
        assert!(bind_port_pair(LOOPBACK, 65_535..=65_535, 0).is_err());
    }

    #[test]
    fn an_address_that_is_not_ours_is_told_from_a_full_range() {
        let error = bind_port_pair("192.0.2.1".parse().unwrap(), 31_200..=31_299, 0).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[test]
    fn packets_are_marked_with_the_dscp() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();

        set_dscp(&socket, 46).unwrap();

        assert_eq!(read_option(&socket, libc::IPPROTO_IP, libc::IP_TOS), 46 << 2);
        assert!(set_dscp(&socket, 64).is_err());
        if let Ok(six) = UdpSocket::bind("[::1]:0") {
            set_dscp(&six, 24).unwrap();
            assert_eq!(read_option(&six, libc::IPPROTO_IPV6, libc::IPV6_TCLASS), 24 << 2);
        }
    }

    fn read_option(socket: &UdpSocket, level: i32, name: i32) -> i32 {
        let mut value = 0;
        let mut length = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` octets into an int.
        unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                level,
                name,
                std::ptr::from_mut(&mut value).cast(),
                &mut length,
            )
        };
        value
    }
}
