//! SIP over real sockets: drives the [`Endpoint`] of `sip-proto`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use offhook_linux_ffi::report_icmp_errors;
use offhook_sip_proto::endpoint::{
    CallKey, ConnectionId, Endpoint, EndpointConfig, EndpointEvent, Listener, Peer, SipAction, Transmit,
    Transport as Protocol,
};
use offhook_sip_proto::message::Method;
use offhook_time::{Seed, Time};

use crate::CallerError;
use crate::call::Transport;
use crate::clock;
use crate::net::{self, Inbox, Readiness};

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);

const UDP: usize = 0;
const LISTENER: usize = 1;
/// Connections are numbered from here.
const FIRST_CONNECTION: u64 = 2;

/// The sockets and the machine behind them.
#[derive(Debug)]
pub(crate) struct Signalling {
    endpoint: Endpoint,
    udp: UdpSocket,
    udp_local: SocketAddr,
    listener: TcpListener,
    tcp_local: SocketAddr,
    streams: BTreeMap<u64, TcpStream>,
    next_connection: u64,
    readiness: Readiness,
    inbox: Inbox,
    /// For what streams bring.
    buffer: Vec<u8>,
    /// Where nobody listens.
    refused: BTreeSet<SocketAddr>,
}

impl Signalling {
    /// Opens UDP and TCP on `ip`, on ports that the kernel picks.
    pub fn open(ip: IpAddr, seed: Seed) -> Result<Signalling, CallerError> {
        let failed = "opening the SIP sockets";
        let udp = net::udp(ip, 1 << 20)?;
        report_icmp_errors(&udp).map_err(CallerError::io(failed))?;
        let udp_local = udp.local_addr().map_err(CallerError::io(failed))?;
        let listener = TcpListener::bind((ip, 0)).map_err(CallerError::io(failed))?;
        listener.set_nonblocking(true).map_err(CallerError::io(failed))?;
        let tcp_local = listener.local_addr().map_err(CallerError::io(failed))?;
        let mut config = EndpointConfig {
            listeners: vec![Listener::new(Protocol::Udp, udp_local), Listener::new(Protocol::Tcp, tcp_local)],
            user_agent: "offhook-call".to_owned(),
            ..EndpointConfig::default()
        };
        // We are the one who is transferred, and answer what other servers try in a call.
        config.acceptance.methods.extend([Method::Info, Method::Update, Method::Refer]);
        let readiness = Readiness::new()?;
        readiness.add(&udp, UDP)?;
        readiness.add(&listener, LISTENER)?;
        Ok(Signalling {
            endpoint: Endpoint::new(config, seed),
            udp,
            udp_local,
            listener,
            tcp_local,
            streams: BTreeMap::new(),
            next_connection: FIRST_CONNECTION,
            readiness,
            inbox: Inbox::new(8, 65_536),
            buffer: vec![0; 65_536],
            refused: BTreeSet::new(),
        })
    }

    /// Our address for Contact.
    pub fn local(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Udp => self.udp_local,
            Transport::Tcp => self.tcp_local,
        }
    }

    /// Whether what we sent to `remote` was refused: nobody listens there.
    pub fn was_refused(&self, remote: SocketAddr) -> bool {
        self.refused.contains(&remote)
    }

    /// Does what a leg asks for.
    pub fn perform(&mut self, call: CallKey, action: SipAction) {
        self.endpoint.perform(call, action, clock::now());
        self.flush();
    }

    /// Answers what belongs to no call of ours.
    pub fn refuse(
        &mut self,
        transaction: offhook_sip_proto::endpoint::TransactionId,
        response: offhook_sip_proto::message::Response,
    ) {
        self.endpoint.respond(transaction, response, clock::now());
        self.flush();
    }

    /// Waits at most this long, handles what arrived and what is due, and answers what it meant.
    pub fn turn(&mut self, longest: Duration) -> Vec<EndpointEvent> {
        let wait = self.endpoint.poll_timeout().map_or(longest, |at| at.since(clock::now()).min(longest));
        let mut ready = Vec::new();
        self.readiness.wait(wait, &mut ready);
        for key in ready {
            match key {
                UDP => self.read_udp(),
                LISTENER => self.accept(),
                stream => self.read_stream(stream as u64),
            }
        }
        self.endpoint.handle_timeout(clock::now());
        self.flush();
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    fn read_udp(&mut self) {
        let (endpoint, local) = (&mut self.endpoint, self.udp_local);
        let mut handle = |bytes: &[u8], remote: SocketAddr, _: Time| {
            let peer = Peer { protocol: Protocol::Udp, local, remote, connection: None };
            endpoint.handle_datagram(bytes, peer, clock::now());
        };
        while self.inbox.receive(&self.udp, &mut handle) {}
        // RFC 3261 §18.4: an unreachable port is a transport failure of what was sent there.
        while let Some(remote) = net::next_refused(&self.udp) {
            self.refused.insert(remote);
            let peer = Peer { protocol: Protocol::Udp, local, remote, connection: None };
            self.endpoint.transport_failed(&peer, clock::now());
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, remote)) = self.listener.accept() {
            self.add_stream(stream, remote);
        }
    }

    fn read_stream(&mut self, number: u64) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some(stream) = self.streams.get_mut(&number) {
            match stream.read(&mut buffer) {
                Ok(0) => self.close(number),
                Ok(length) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    self.endpoint.handle_stream(ConnectionId(number), bytes, clock::now());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.close(number),
            }
        }
        self.buffer = buffer;
    }

    fn close(&mut self, number: u64) {
        if let Some(stream) = self.streams.remove(&number) {
            self.readiness.remove(&stream);
            self.endpoint.connection_closed(ConnectionId(number), clock::now());
        }
    }

    fn add_stream(&mut self, stream: TcpStream, remote: SocketAddr) -> Option<u64> {
        stream.set_nonblocking(true).ok()?;
        // A SIP message is small and waited for.
        stream.set_nodelay(true).ok()?;
        let number = self.next_connection;
        self.readiness.add(&stream, usize::try_from(number).ok()?).ok()?;
        self.next_connection += 1;
        self.streams.insert(number, stream);
        let connection = ConnectionId(number);
        let peer =
            Peer { protocol: Protocol::Tcp, local: self.tcp_local, remote, connection: Some(connection) };
        self.endpoint.connection_opened(connection, peer, clock::now());
        Some(number)
    }

    fn flush(&mut self) {
        while let Some(Transmit { peer, bytes, close_after }) = self.endpoint.poll_transmit() {
            let delivered = match peer.protocol {
                Protocol::Udp => self.send_datagram(&bytes, peer.remote),
                Protocol::Tcp => self.send_stream(&bytes, &peer, close_after),
            };
            if !delivered {
                self.endpoint.transport_failed(&peer, clock::now());
            }
        }
    }

    fn send_datagram(&self, bytes: &[u8], remote: SocketAddr) -> bool {
        match self.udp.send_to(bytes, remote) {
            Ok(_) => true,
            // A full buffer, or an ICMP error of an earlier datagram, which the error queue has too: lost like any other,
            // and sent again by its timer.
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionRefused),
        }
    }

    fn send_stream(&mut self, bytes: &[u8], peer: &Peer, close_after: bool) -> bool {
        let number = match peer.connection {
            Some(ConnectionId(number)) => Some(number),
            None => match TcpStream::connect_timeout(&peer.remote, CONNECT) {
                Ok(stream) => self.add_stream(stream, peer.remote),
                Err(error) => {
                    if error.kind() == ErrorKind::ConnectionRefused {
                        self.refused.insert(peer.remote);
                    }
                    None
                }
            },
        };
        let Some(number) = number else { return false };
        let delivered = self.streams.get_mut(&number).is_some_and(|stream| write_all(stream, bytes));
        if close_after || !delivered {
            self.close(number);
        }
        delivered
    }
}

/// A message is far smaller than a socket's buffer; a peer that has not read for this long reads no more.
fn write_all(stream: &mut TcpStream, mut bytes: &[u8]) -> bool {
    let until = clock::now() + CONNECT;
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(0) => return false,
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && clock::now() < until => {
                clock::sleep_until(clock::now() + Duration::from_millis(1));
            }
            Err(_) => return false,
        }
    }
    true
}
