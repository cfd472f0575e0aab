//! One call's socket.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::control::{ErrorCode, FromApplication, MarkOf, ToApplication};
use super::downlink::{BadAudio, Downlink};
use super::hub::{Open, Wakes};
use super::outbox::{Outbox, Outgoing};
use super::{BridgeClosed, BridgeConfig, BridgeEvent};

/// How often room in the ring, marks and credit are looked at while they matter.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long the application may take to answer our close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// What the kernel may hold of a call's audio. Half a second: a slow application loses old audio in our own queue,
/// where it is counted, instead of hearing everything later and later.
const SEND_BUFFER: usize = 32 * 1024;
/// The longest message an application may send: half a minute of speech at 16 kHz.
const MAX_MESSAGE: usize = 1 << 20;
/// Dropped frames are reported in sums.
const REPORT_DROPS_EVERY: Duration = Duration::from_secs(1);

/// What a connection is made of.
pub(super) struct Parts {
    pub(super) open: Open,
    pub(super) outbox: Rc<Outbox>,
    pub(super) wakes: Rc<Wakes>,
    pub(super) config: BridgeConfig,
}

/// Connects, serves until the end, and says why it ended.
pub(super) async fn run(parts: Parts) -> BridgeClosed {
    let stopped = poll_fn(|context| {
        parts.outbox.register(context.waker());
        if parts.outbox.stop_reason().is_some() { Poll::Ready(()) } else { Poll::Pending }
    });
    let connected = tokio::select! {
        connected = timeout(parts.config.connect_timeout, connect(&parts)) => connected,
        () = stopped => return BridgeClosed::Stopped,
    };
    let socket = match connected {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return BridgeClosed::CannotConnect(error.to_string()),
        Err(_) => {
            return BridgeClosed::CannotConnect(format!(
                "no connection within {} ms",
                parts.config.connect_timeout.as_millis()
            ));
        }
    };
    let mut connection = Connection::new(parts, socket);
    connection.begin();
    let why = poll_fn(|context| connection.poll(context)).await;
    connection.report_dropped(true);
    // An application that does not answer the close is left alone: the call is over.
    match why {
        BridgeClosed::Stopped => {
            let _ = timeout(CLOSE_TIMEOUT, connection.take_leave()).await;
        }
        // Its close is answered by the library, with the next flush.
        BridgeClosed::ByApplication => {
            let _ = timeout(CLOSE_TIMEOUT, connection.socket.flush()).await;
        }
        BridgeClosed::CannotConnect(_) | BridgeClosed::Broken(_) => {}
    }
    why
}

async fn connect(parts: &Parts) -> Result<WebSocketStream<TcpStream>, WsError> {
    let (host, port) = &parts.open.address;
    let stream = TcpStream::connect((host.as_str(), *port)).await?;
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER).map_err(std::io::Error::from)?;
    let request = parts.open.start.url.as_str().into_client_request()?;
    let (socket, _) = client_async_with_config(request, stream, Some(socket_config(&parts.config))).await?;
    Ok(socket)
}

/// Small buffers: the library's own defaults take 256 KiB per call.
fn socket_config(config: &BridgeConfig) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(config.socket_buffer)
        .write_buffer_size(config.socket_buffer)
        .max_write_buffer_size(config.socket_buffer * 2 + MAX_MESSAGE)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

struct Connection {
    parts: Parts,
    socket: WebSocketStream<TcpStream>,
    downlink: Downlink,
    unflushed: bool,
    timer: Option<Pin<Box<Sleep>>>,
    dropped: u32,
    dropped_reported: Instant,
}

impl Connection {
    fn new(parts: Parts, socket: WebSocketStream<TcpStream>) -> Self {
        let start = &parts.open.start;
        let downlink = Downlink::new(start.framing, start.sample_rate, parts.open.downlink.clone());
        Connection {
            parts,
            socket,
            downlink,
            unflushed: false,
            timer: None,
            dropped: 0,
            dropped_reported: Instant::now(),
        }
    }

    fn begin(&mut self) {
        let start = &self.parts.open.start;
        self.parts.outbox.push_control(
            ToApplication::Start {
                version: 1,
                call_id: &start.call_id,
                framing: start.framing.name(),
                sample_rate: start.sample_rate,
                frame_ms: 20,
                metadata: &start.metadata,
            }
            .to_json(),
        );
        self.parts.outbox.open();
        self.event(BridgeEvent::Connected);
    }

    /// Writing and reading never wait for each other: an application that reads only while it can write would wait
    /// for us for ever.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<BridgeClosed> {
        self.parts.outbox.register(context.waker());
        if self.parts.outbox.stop_reason().is_some() {
            return Poll::Ready(BridgeClosed::Stopped);
        }
        if let Poll::Ready(why) = self.poll_read(context) {
            return Poll::Ready(why);
        }
        loop {
            self.look();
            if let Err(error) = self.poll_write(context) {
                return Poll::Ready(BridgeClosed::Broken(error.to_string()));
            }
            if self.poll_timer(context).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<BridgeClosed> {
        while self.downlink.waiting_bytes() <= self.parts.config.read_ahead_bytes {
            let message = match ready!(self.socket.poll_next_unpin(context)) {
                Some(Ok(message)) => message,
                // An application that is done says so with a close frame. One that ends without is gone: killed, or
                // out of reach.
                None => return Poll::Ready(BridgeClosed::Broken(WsError::ConnectionClosed.to_string())),
                Some(Err(error)) => return Poll::Ready(BridgeClosed::Broken(error.to_string())),
            };
            match message {
                Message::Binary(audio) => self.take_audio(audio),
                Message::Text(text) => {
                    if let Some(why) = self.take_control(text.as_str()) {
                        return Poll::Ready(why);
                    }
                }
                Message::Close(_) => return Poll::Ready(BridgeClosed::ByApplication),
                // Pings are answered by the library.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Poll::Pending
    }

    fn take_audio(&mut self, audio: Bytes) {
        match self.downlink.take(audio) {
            Ok(()) => self.pump(),
            Err(BadAudio) => {
                self.complain(ErrorCode::BadAudio, "not a message of framing offhook, version 1")
            }
        }
    }

    fn take_control(&mut self, text: &str) -> Option<BridgeClosed> {
        match FromApplication::parse(text) {
            Ok(None) => {}
            Ok(Some(FromApplication::Mark { name })) => {
                self.downlink.mark(name);
                self.pump();
            }
            Ok(Some(FromApplication::Clear)) => {
                let marks = self.downlink.clear();
                self.event(BridgeEvent::Clear);
                marks.into_iter().for_each(|name| self.mark_reached(name, true));
            }
            Ok(Some(FromApplication::HangUp { reason })) => self.event(BridgeEvent::HangUp { reason }),
            Ok(Some(FromApplication::Transfer { target })) => self.event(BridgeEvent::Transfer { target }),
            Ok(Some(FromApplication::Dtmf { digits })) => self.event(BridgeEvent::Dtmf { digits }),
            Ok(Some(FromApplication::CreditRequest)) => {
                self.downlink.use_credit();
                self.event(BridgeEvent::CreditInUse);
            }
            Ok(Some(FromApplication::Stop { .. })) => return Some(BridgeClosed::ByApplication),
            Err(why) => self.complain(ErrorCode::BadControl, &why),
        }
        None
    }

    /// What depends on how far the line has played.
    fn look(&mut self) {
        self.pump();
        let played = self.parts.open.counters.played.load(Ordering::Acquire);
        while let Some(name) = self.downlink.reached_mark(played) {
            self.mark_reached(name, false);
        }
        if let Some(frames) = self.downlink.grant() {
            self.parts.outbox.push_control(ToApplication::Credit { frames }.to_json());
        }
        self.report_dropped(false);
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Result<(), WsError> {
        while !self.parts.outbox.is_empty() {
            let Poll::Ready(ready) = self.socket.poll_ready_unpin(context) else { return Ok(()) };
            ready?;
            let Some(outgoing) = self.parts.outbox.pop() else { break };
            let message = match outgoing {
                Outgoing::Audio(message) => Message::binary(message),
                Outgoing::Control(text) => Message::text(text),
            };
            self.socket.start_send_unpin(message)?;
            self.unflushed = true;
        }
        if self.unflushed
            && let Poll::Ready(flushed) = self.socket.poll_flush_unpin(context)
        {
            flushed?;
            self.unflushed = false;
        }
        Ok(())
    }

    /// Pending until there is something to look at again; for ever where only a message can bring it.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.downlink.needs_time() {
            self.timer = None;
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(LOOK_AGAIN)));
        ready!(timer.as_mut().poll(context));
        timer.as_mut().reset(Instant::now() + LOOK_AGAIN);
        // The inbox may have fallen below its limit: the socket wants to be read again.
        context.waker().wake_by_ref();
        Poll::Ready(())
    }

    fn pump(&mut self) {
        if self.downlink.pump() {
            self.parts.wakes.add(&self.parts.open.wake);
        }
    }

    fn mark_reached(&self, name: String, cleared: bool) {
        let message = ToApplication::Mark { name: &name, of: MarkOf::Application, cleared };
        self.parts.outbox.push_control(message.to_json());
        self.event(BridgeEvent::Mark { name });
    }

    fn complain(&self, code: ErrorCode, detail: &str) {
        self.parts.outbox.push_control(ToApplication::Error { code, detail }.to_json());
    }

    fn report_dropped(&mut self, now: bool) {
        let counters = &self.parts.open.counters;
        let dropped = self.parts.outbox.take_dropped() + counters.dropped.swap(0, Ordering::AcqRel);
        self.dropped = self.dropped.saturating_add(dropped);
        if self.dropped > 0 && (now || self.dropped_reported.elapsed() >= REPORT_DROPS_EVERY) {
            let frames = std::mem::take(&mut self.dropped);
            self.event(BridgeEvent::FramesDropped { frames });
            self.dropped_reported = Instant::now();
        }
    }

    async fn take_leave(&mut self) -> Result<(), WsError> {
        let reason = self.parts.outbox.stop_reason().unwrap_or_default();
        self.socket.send(Message::text(ToApplication::Stop { reason: &reason }.to_json())).await?;
        self.socket.close(None).await?;
        while self.socket.next().await.is_some_and(|message| message.is_ok()) {}
        Ok(())
    }

    fn event(&self, event: BridgeEvent) {
        self.parts.open.events.send(event);
    }
}
