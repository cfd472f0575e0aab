//! Whether packets can come and go.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use super::port_holder::{Protocol, holder};
use super::report::Findings;
use super::wanted_calls;
use crate::config::{Config, TrunkConfig};

/// What the kernel gives a socket where nobody changed it: room for a burst of some ninety SIP datagrams.
const USUAL_BUFFER: u64 = 212_992;

/// Less than this loses SIP messages in a mere handful of calls.
const LEAST_BUFFER: u64 = 65_536;

pub(super) fn check(config: &Config, server_runs: bool, found: &mut Findings<'_>) {
    let sip = config.sip;
    let udp = UdpSocket::bind(sip).map(drop);
    listen(found, "sip_udp", "sip.listen, --sip", "SIP over UDP", sip, Protocol::Udp, udp, server_runs);
    let tcp = TcpListener::bind(sip).map(drop);
    listen(found, "sip_tcp", "sip.listen, --sip", "SIP over TCP", sip, Protocol::Tcp, tcp, server_runs);
    let (api, bound) = (config.api, TcpListener::bind(config.api).map(drop));
    listen(found, "api", "api.listen, --api", "the API", api, Protocol::Tcp, bound, server_runs);
    if is_ours(sip.ip()) {
        rtp(config, server_runs, found);
        advertised(config, found);
        trunks(config, found);
    } else {
        let why = format!("{} is not an address of this machine", sip.ip());
        for check in ["rtp_ports", "advertise", "trunks"] {
            found.skipped(check, "sip.listen, --sip", &why);
        }
    }
    udp_buffers(found);
}

#[expect(clippy::too_many_arguments, reason = "one line for each of three sockets above")]
fn listen(
    found: &mut Findings<'_>,
    check: &'static str,
    place: &str,
    name: &str,
    address: SocketAddr,
    protocol: Protocol,
    bound: std::io::Result<()>,
    server_runs: bool,
) {
    let error = match bound {
        Ok(()) => return found.ok(check, place, format!("{name} can listen on {address}")),
        Err(error) => error,
    };
    let option = place.rsplit_once(' ').map_or(place, |(_, option)| option);
    let kind = error.kind();
    if kind == ErrorKind::AddrInUse && server_runs {
        let what = format!(
            "{name}: {address} is taken, as it should be by the server that runs on this data folder"
        );
        found.note(check, place, what, "");
    } else if kind == ErrorKind::AddrInUse {
        let by = holder(protocol, address).unwrap_or_else(|| "another program".to_owned());
        let remedy = format!("stop it, or choose another address or port with {option}");
        found.bad(check, place, format!("{name} cannot listen on {address}: {by} has it"), remedy);
    } else if kind == ErrorKind::AddrNotAvailable {
        let what = format!("{name} cannot listen on {address}: that is not an address of this machine");
        let all = any(address.ip());
        let remedy = format!("write one of this machine, or {all} for all; `ip address` shows them");
        found.bad(check, place, what, remedy);
    } else if kind == ErrorKind::PermissionDenied {
        let what = format!("{name} cannot listen on {address}: ports below 1024 need a right");
        let remedy =
            format!("choose a port above 1023 with {option}, or give CAP_NET_BIND_SERVICE to the service");
        found.bad(check, place, what, remedy);
    } else {
        let remedy = format!("choose another with {option}");
        found.bad(check, place, format!("{name} cannot listen on {address}: {error}"), remedy);
    }
}

fn rtp(config: &Config, server_runs: bool, found: &mut Findings<'_>) {
    let place = "media.ports, --rtp";
    let (first, last) = (config.rtp.first, config.rtp.last);
    let ip = config.sip.ip();
    let is_free = |port: u16| UdpSocket::bind((ip, port)).is_ok();
    let pairs = (first..last).step_by(2).count();
    let free = (first..last).step_by(2).filter(|port| is_free(*port) && is_free(port + 1)).count();
    let wanted = wanted_calls(config);
    let what = format!("{free} of {pairs} pairs of RTP ports {first}-{last} are free on {ip}");
    let enough = format!("write a range of at least {} ports that nobody else uses", wanted * 2);
    // Those that the calls of a running server have are where they should be.
    let usable = if server_runs { pairs } else { free };
    if usable == 0 {
        found.bad("rtp_ports", place, format!("{what}: no call can be taken"), enough);
    } else if config.max_calls.is_some() && usable < wanted {
        found.bad("rtp_ports", place, format!("{what}, limits.calls = {wanted} needs as many pairs"), enough);
    } else {
        found.ok("rtp_ports", place, what);
    }
    for (name, port) in [("sip.listen", config.sip.port()), ("api.listen", config.api.port())] {
        if (first..=last).contains(&port) {
            let what = format!("the port of {name}, {port}, lies within the RTP ports {first}-{last}");
            found.bad("rtp_overlap", place, what, "move one of them out of the other");
        }
    }
    let Some((low, high)) = local_ports() else { return };
    if first <= high && last >= low && !is_reserved(first, last) {
        found.note(
            "rtp_local_ports",
            "net.ipv4.ip_local_port_range",
            format!(
                "the kernel gives ports {low}-{high} to any program: some RTP ports may be taken now and then"
            ),
            format!("sysctl -w net.ipv4.ip_local_reserved_ports={first}-{last}, or RTP ports outside of it"),
        );
    }
}

fn advertised(config: &Config, found: &mut Findings<'_>) {
    let listen = config.sip.ip();
    let away: Vec<&TrunkConfig> = config.trunks.iter().filter(|trunk| leads_away(trunk)).collect();
    if listen.is_loopback() {
        match away.first() {
            Some(trunk) => found.bad(
                "advertise",
                "sip.listen, --sip",
                format!("SIP listens on {listen}: trunk '{}' cannot reach it", trunk.name),
                format!("listen on {} or on the address that leads to the trunk", any(listen)),
            ),
            None => found.note(
                "advertise",
                "sip.listen, --sip",
                format!("SIP listens on {listen}: only programs of this machine can call"),
                format!("--sip {}:{} to be reached from elsewhere", any(listen), config.sip.port()),
            ),
        }
        return;
    }
    for (key, told) in
        [("address.advertise", config.advertise), ("address.advertise_v6", config.advertise_v6)]
    {
        let Some(told) = told else { continue };
        let public = away.iter().find(|trunk| is_public_trunk(trunk, told.is_ipv6()));
        if told.is_loopback() {
            let what = format!("peers are told {told}, which is themselves: their audio never comes here");
            found.bad("advertise", key, what, "write the address that they reach this machine by");
        } else if let Some(trunk) = public.filter(|_| is_private(told)) {
            let what = format!("peers are told {told}, a private address; trunk '{}' is public", trunk.name);
            found.bad("advertise", key, what, "write the public address that the NAT has for this machine");
        } else if is_ours(told) {
            found.ok("advertise", key, format!("peers are told {told}, an address of this machine"));
        } else {
            found.note(
                "advertise",
                key,
                format!("peers are told {told}, which is not of this machine: a NAT has to lead there"),
                format!(
                    "forward UDP and TCP {} and UDP {}-{} from {told} to this machine",
                    config.sip.port(),
                    config.rtp.first,
                    config.rtp.last
                ),
            );
        }
    }
    if config.advertise.is_some() || config.advertise_v6.is_some() {
        return;
    }
    for trunk in away {
        let Some(network) = trunk.networks.iter().map(|(network, _)| *network).find(|ip| !is_private(*ip))
        else {
            continue;
        };
        let told = if listen.is_unspecified() { source_towards(network) } else { Some(listen) };
        if let Some(told) = told.filter(|told| is_private(*told)) {
            let what =
                format!("trunk '{}' is public and would be told {told}, a private address", trunk.name);
            let remedy = "set address.advertise to the public address that the NAT has for this machine";
            return found.bad("advertise", "address.advertise, --advertise", what, remedy);
        }
    }
    let what = if listen.is_unspecified() {
        "SIP listens on every interface; peers are told the address that leads to them"
    } else {
        "peers are told the address that SIP listens on"
    };
    found.ok("advertise", "address.advertise", what);
}

/// Connecting a datagram socket sends nothing, and asks the kernel for a route.
fn trunks(config: &Config, found: &mut Findings<'_>) {
    for trunk in &config.trunks {
        let place = format!("trunk '{}'", trunk.name);
        for (network, _) in trunk.networks.iter().filter(|(_, prefix)| *prefix > 0) {
            if config.sip.is_ipv4() && network.is_ipv6() {
                let what = format!("{network} is IPv6, and SIP listens on IPv4 alone");
                let remedy = "listen on [::], which takes both";
                if trunk.networks.iter().any(|(network, _)| network.is_ipv4()) {
                    found.note("trunks", &place, what, remedy);
                } else {
                    found.bad("trunks", &place, what, remedy);
                }
            } else if source_towards(*network).is_none() {
                found.bad(
                    "trunks",
                    &place,
                    format!("no way leads to {network}"),
                    format!(
                        "set the route, or the trunk's network, right: `ip route get {network}` says more"
                    ),
                );
            } else {
                found.ok("trunks", &place, format!("a way leads to {network}"));
            }
        }
    }
}

fn udp_buffers(found: &mut Findings<'_>) {
    let place = "net.core.rmem_default";
    let remedy = format!("sysctl -w {place}={}", USUAL_BUFFER * 5);
    match number("/proc/sys/net/core/rmem_default") {
        Some(size) if size < LEAST_BUFFER => {
            let what = format!("a UDP socket buffers {size} bytes: a few SIP messages at once are lost");
            found.bad("udp_buffers", place, what, remedy);
        }
        Some(size) if size < USUAL_BUFFER => {
            let what =
                format!("a UDP socket buffers {size} bytes, less than usual: bursts of calls lose messages");
            found.note("udp_buffers", place, what, remedy);
        }
        Some(size) => found.ok("udp_buffers", place, format!("a UDP socket buffers {size} bytes")),
        None => found.skipped("udp_buffers", place, "the kernel does not tell"),
    }
}

/// Ports that the kernel gives to sockets that ask for none.
fn local_ports() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ports = text.split_whitespace().filter_map(|port| port.parse().ok());
    Some((ports.next()?, ports.next()?))
}

/// Whether the kernel keeps these ports for who asks for them by number.
fn is_reserved(first: u16, last: u16) -> bool {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
    text.trim().split(',').any(|range| {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        let bounds = (low.parse::<u16>(), high.parse::<u16>());
        matches!(bounds, (Ok(low), Ok(high)) if low <= first && last <= high)
    })
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn is_ours(ip: IpAddr) -> bool {
    ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

/// The address that a packet to `ip` would have as its source; `None` where no way leads there.
fn source_towards(ip: IpAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind((any(ip), 0)).ok()?;
    socket.connect((ip, 9)).ok()?;
    socket.local_addr().ok().map(|local| local.ip())
}

fn any(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { [0, 0, 0, 0].into() } else { [0_u16; 8].into() }
}

fn leads_away(trunk: &TrunkConfig) -> bool {
    trunk.networks.iter().any(|(network, _)| !network.is_loopback())
}

fn is_public_trunk(trunk: &TrunkConfig, v6: bool) -> bool {
    trunk.networks.iter().any(|(network, _)| network.is_ipv6() == v6 && !is_private(*network))
}

/// An address that means something else elsewhere (RFC 1918, RFC 6598, RFC 4193, link-local, loopback), or every one.
pub(super) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared
        }
        IpAddr::V6(ip) => {
            let first = ip.segments()[0];
            ip.is_loopback() || ip.is_unspecified() || first & 0xFE00 == 0xFC00 || first & 0xFFC0 == 0xFE80
        }
    }
}
