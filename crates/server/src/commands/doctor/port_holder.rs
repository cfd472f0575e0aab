//! Who has a port: what `ss -p` shows, for programs that we may look into.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Udp,
    Tcp,
}

/// The state of a TCP socket that listens (`TCP_LISTEN`).
const LISTENS: &str = "0A";

/// The program that has the port: its name and process id; `None` where we may not see it.
pub(super) fn holder(protocol: Protocol, address: SocketAddr) -> Option<String> {
    let names = match protocol {
        Protocol::Udp => ["udp", "udp6"],
        Protocol::Tcp => ["tcp", "tcp6"],
    };
    let tables = names.iter().filter_map(|name| std::fs::read_to_string(format!("/proc/net/{name}")).ok());
    let inode = tables.into_iter().find_map(|table| inode_in(&table, protocol, address))?;
    let link = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?;
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let has_it = files
            .flatten()
            .any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str()));
        if has_it {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {pid})", name.trim()));
        }
    }
    None
}

/// The inode of the socket that keeps `address` from being bound, in a table of the kernel.
fn inode_in(table: &str, protocol: Protocol, address: SocketAddr) -> Option<String> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (ip, port) = fields.get(1)?.split_once(':')?;
        let is_same_port = u16::from_str_radix(port, 16) == Ok(address.port());
        let ip = read_ip(ip)?;
        let collides = ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
        let listens = protocol == Protocol::Udp || fields.get(3) == Some(&LISTENS);
        (is_same_port && collides && listens).then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })
}

/// Words of 32 bits, each in the order of a little-endian machine.
fn read_ip(digits: &str) -> Option<IpAddr> {
    let mut octets = Vec::new();
    for word in digits.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        octets.extend(word.to_ne_bytes());
    }
    match <[u8; 4]>::try_from(octets.as_slice()) {
        Ok(octets) => Some(Ipv4Addr::from(octets).into()),
        Err(_) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(octets.as_slice()).ok()?).to_canonical()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_has_a_port_is_named() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let us = format!("(process {})", std::process::id());

        let of_udp = holder(Protocol::Udp, udp.local_addr().unwrap()).unwrap();
        let of_tcp = holder(Protocol::Tcp, tcp.local_addr().unwrap()).unwrap();

        assert!(of_udp.ends_with(&us) && of_tcp.ends_with(&us), "{of_udp} {of_tcp}");
    }

    #[test]
    fn a_port_that_nobody_has_is_nobodys() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        drop(udp);

        assert_eq!(holder(Protocol::Tcp, address), None);
    }
}
