//! SIP over TCP: connections of the control thread.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use offhook_sip_proto::endpoint::{ConnectionId, Endpoint, Peer, Transmit, Transport};
use offhook_time::Time;

use super::taps::Taps;
use crate::recorder::Sip;

/// Tokens below this one belong to the sockets that listen.
pub(super) const FIRST_CONNECTION: usize = 16;

/// Reads from one connection before the others and the calls get their turn.
const READS_PER_TURN: usize = 16;

/// Bytes that may wait for a peer that does not read; past this it is disconnected.
const LONGEST_BACKLOG: usize = 256 * 1024;

struct Connection {
    stream: TcpStream,
    peer: Peer,
    backlog: VecDeque<u8>,
    connected: bool,
    close_when_empty: bool,
}

/// The open connections.
pub(super) struct TcpConnections {
    local: SocketAddr,
    open: BTreeMap<u64, Connection>,
    next: u64,
    taps: Taps,
}

impl TcpConnections {
    /// None so far; `taps` are told what comes by them.
    pub fn new(local: SocketAddr, taps: Taps) -> Self {
        TcpConnections { local, open: BTreeMap::new(), next: FIRST_CONNECTION as u64, taps }
    }

    /// Takes every connection that waits.
    pub fn accept(
        &mut self,
        listener: &TcpListener,
        registry: &Registry,
        endpoint: &mut Endpoint,
        now: Time,
    ) {
        while let Ok((stream, remote)) = listener.accept() {
            if let Err(error) = self.add(stream, remote, true, registry, endpoint, now) {
                tracing::debug!(%error, "a TCP connection cannot be taken");
            }
        }
    }

    fn add(
        &mut self,
        mut stream: TcpStream,
        remote: SocketAddr,
        connected: bool,
        registry: &Registry,
        endpoint: &mut Endpoint,
        now: Time,
    ) -> io::Result<u64> {
        let number = self.next;
        self.next += 1;
        registry.register(&mut stream, Token(number as usize), Interest::READABLE | Interest::WRITABLE)?;
        let _ = stream.set_nodelay(true);
        let connection = Some(ConnectionId(number));
        let peer = Peer { protocol: Transport::Tcp, local: self.local, remote, connection };
        let backlog = VecDeque::new();
        self.open.insert(number, Connection { stream, peer, backlog, connected, close_when_empty: false });
        endpoint.connection_opened(ConnectionId(number), peer, now);
        Ok(number)
    }

    /// A connection is ready.
    pub fn ready(
        &mut self,
        number: u64,
        event: &mio::event::Event,
        registry: &Registry,
        endpoint: &mut Endpoint,
        now: Time,
    ) {
        let mut alive = true;
        if event.is_writable() {
            alive = self.written(number, endpoint, now);
        }
        if alive && event.is_readable() {
            self.read(number, registry, endpoint, now);
        }
    }

    fn written(&mut self, number: u64, endpoint: &mut Endpoint, now: Time) -> bool {
        let Some(connection) = self.open.get_mut(&number) else { return false };
        if !connection.connected {
            let refused = matches!(connection.stream.take_error(), Ok(Some(_)) | Err(_));
            if refused {
                let peer = connection.peer;
                self.close(number, endpoint, now);
                endpoint.transport_failed(&peer, now);
                return false;
            }
            connection.connected = true;
        }
        self.flush(number, endpoint, now)
    }

    fn read(&mut self, number: u64, registry: &Registry, endpoint: &mut Endpoint, now: Time) {
        let mut buffer = [0; 16 * 1024];
        for _ in 0..READS_PER_TURN {
            let Some(connection) = self.open.get_mut(&number) else { return };
            match connection.stream.read(&mut buffer) {
                Ok(0) => return self.close(number, endpoint, now),
                Ok(length) => {
                    let (bytes, remote) = (&buffer[..length], connection.peer.remote);
                    let connection = Some(number);
                    self.taps.sip(&Sip { inbound: true, connection, local: self.local, remote, bytes }, now);
                    endpoint.handle_stream(ConnectionId(number), bytes, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.close(number, endpoint, now),
            }
        }
        // More may wait, and readiness is told once: registering anew has it told again.
        let Some(connection) = self.open.get_mut(&number) else { return };
        let both = Interest::READABLE | Interest::WRITABLE;
        if registry.reregister(&mut connection.stream, Token(number as usize), both).is_err() {
            self.close(number, endpoint, now);
        }
    }

    fn flush(&mut self, number: u64, endpoint: &mut Endpoint, now: Time) -> bool {
        loop {
            let Some(connection) = self.open.get_mut(&number) else { return false };
            let (front, _) = connection.backlog.as_slices();
            if front.is_empty() {
                if connection.close_when_empty {
                    self.close(number, endpoint, now);
                    return false;
                }
                return true;
            }
            match connection.stream.write(front) {
                Ok(written) => drop(connection.backlog.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.close(number, endpoint, now);
                    return false;
                }
            }
        }
    }

    /// Sends a message of the endpoint; opens a connection where there is none.
    pub fn send(&mut self, transmit: &Transmit, registry: &Registry, endpoint: &mut Endpoint, now: Time) {
        let number = match transmit.peer.connection {
            Some(connection) => connection.0,
            None => {
                let opened = TcpStream::connect(transmit.peer.remote);
                let added = opened.and_then(|stream| {
                    self.add(stream, transmit.peer.remote, false, registry, endpoint, now)
                });
                match added {
                    Ok(number) => number,
                    Err(_) => return endpoint.transport_failed(&transmit.peer, now),
                }
            }
        };
        let Some(connection) = self.open.get_mut(&number) else {
            return endpoint.transport_failed(&transmit.peer, now);
        };
        connection.backlog.extend(&transmit.bytes);
        connection.close_when_empty |= transmit.close_after;
        if connection.backlog.len() > LONGEST_BACKLOG {
            return self.close(number, endpoint, now);
        }
        if connection.connected {
            self.flush(number, endpoint, now);
        }
    }

    fn close(&mut self, number: u64, endpoint: &mut Endpoint, now: Time) {
        // Dropping the stream takes it out of the poll.
        if self.open.remove(&number).is_some() {
            self.taps.disconnected(number);
            endpoint.connection_closed(ConnectionId(number), now);
        }
    }
}
