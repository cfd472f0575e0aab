//! The stream of events.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::Response;
use offhook_call_control::Fact;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use super::ApiState;
use super::calls::record_of;
use super::error::ApiError;

/// Events that may wait for one subscriber. One that falls further behind is cut off: it gets what waits, in order and
/// without a hole, and then a close frame that says why. Nobody else waits for it.
const BACKLOG: usize = 1024;

/// A subscriber that takes no byte for this long is gone: its connection is closed, and what waits for it is freed.
const TAKES_WITHIN: Duration = Duration::from_secs(5);

/// Hands every fact to every subscriber.
#[derive(Clone, Debug, Default)]
pub struct EventHub {
    subscribers: Arc<Mutex<Vec<Sender<Utf8Bytes>>>>,
    connected: Arc<AtomicUsize>,
}

/// A subscriber's connection, counted as long as it lives.
struct Connected(Arc<AtomicUsize>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl EventHub {
    /// Nobody listens yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands one fact on. Never blocks.
    pub fn publish(&self, fact: &Fact) {
        let mut subscribers = self.subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        if subscribers.is_empty() {
            return;
        }
        let Ok(text) = serde_json::to_string(fact) else { return };
        let text = Utf8Bytes::from(text);
        subscribers.retain(|subscriber| match subscriber.try_send(text.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                metrics::counter!("offhook_event_subscribers_cut_total").increment(1);
                false
            }
            Err(TrySendError::Closed(_)) => false,
        });
    }

    /// Connections that are open.
    pub fn subscribers(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }

    fn subscribe(&self) -> (Receiver<Utf8Bytes>, Connected) {
        let (sender, receiver) = channel(BACKLOG);
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        self.connected.fetch_add(1, Ordering::Relaxed);
        (receiver, Connected(Arc::clone(&self.connected)))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only events of this call.
    call: Option<String>,
}

pub(super) async fn subscribe(
    State(state): State<ApiState>,
    filter: Result<Query<Filter>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let Query(filter) = filter.map_err(|error| ApiError::bad_request(error.body_text()))?;
    if let Some(call) = &filter.call {
        record_of(&state, call).await?;
    }
    let upgrade = upgrade.map_err(|error| ApiError::bad_request(error.body_text()))?;
    // Subscribed before the upgrade is answered: what happens after the answer is seen for certain.
    let (events, connected) = state.events.subscribe();
    Ok(upgrade.on_upgrade(move |socket| async move {
        forward(socket, events, filter.call).await;
        drop(connected);
    }))
}

async fn forward(mut socket: WebSocket, mut events: Receiver<Utf8Bytes>, call: Option<String>) {
    let wanted = call.map(|call| json!(call).to_string()).map(|call| format!("{{\"call_id\":{call},"));
    loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    if wanted.as_ref().is_some_and(|wanted| !event.starts_with(wanted.as_str())) {
                        continue;
                    }
                    if !send(&mut socket, Message::Text(event)).await {
                        return;
                    }
                }
                None => {
                    let reason = "you read too slowly; reconnect and read the missed calls from /v1/calls";
                    let frame = CloseFrame { code: close_code::POLICY, reason: reason.into() };
                    send(&mut socket, Message::Close(Some(frame))).await;
                    return;
                }
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// Whether the subscriber is still there.
async fn send(socket: &mut WebSocket, message: Message) -> bool {
    match tokio::time::timeout(TAKES_WITHIN, socket.send(message)).await {
        Ok(sent) => sent.is_ok(),
        Err(_) => {
            tracing::info!("a subscriber of events takes nothing and is disconnected");
            false
        }
    }
}
