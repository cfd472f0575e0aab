//! An application that returns everything it receives.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::task::Poll;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// A running echo application; dropping it ends it and its connections.
#[derive(Debug)]
pub struct EchoApplication {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl EchoApplication {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL to give to a bridge.
    pub fn url(&self) -> String {
        format!("ws://{}/", self.address)
    }
}

impl Drop for EchoApplication {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic in it was already reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Runs an [`EchoApplication`] on a thread of its own: every text and binary message is returned at once.
pub fn echo_application(listener: TcpListener) -> io::Result<EchoApplication> {
    start(listener, false)
}

/// The same at real-time priority where the system allows it, for benches: what an application adds should not be what
/// the machine's other work adds.
pub fn realtime_echo_application(listener: TcpListener) -> io::Result<EchoApplication> {
    start(listener, true)
}

fn start(listener: TcpListener, realtime: bool) -> io::Result<EchoApplication> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new().name("echo-application".into()).spawn(move || {
        if realtime {
            super::ask_for_realtime("echo-application");
        }
        tokio::task::LocalSet::new().block_on(&runtime, async move {
            tokio::select! {
                _ = stopped => {}
                result = accept(listener) => if let Err(error) = result {
                    tracing::warn!(%error, "the echo application cannot accept");
                }
            }
        });
    })?;
    Ok(EchoApplication { address, stop: Some(stop), thread: Some(thread) })
}

async fn accept(listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::task::spawn_local(async move {
            if let Err(error) = echo(stream).await {
                tracing::debug!(%error, "echo connection ended");
            }
        });
    }
}

async fn echo(stream: TcpStream) -> Result<(), WsError> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
    let mut socket = accept_async_with_config(stream, Some(config)).await?;
    while let Some(message) = socket.next().await {
        let mut message = message?;
        loop {
            if message.is_text() || message.is_binary() {
                socket.feed(message).await?;
            }
            // What arrived together leaves together.
            match std::future::poll_fn(|context| Poll::Ready(socket.poll_next_unpin(context))).await {
                Poll::Ready(Some(next)) => message = next?,
                Poll::Ready(None) => return Ok(()),
                Poll::Pending => break,
            }
        }
        socket.flush().await?;
    }
    Ok(())
}
