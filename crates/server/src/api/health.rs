//! `/healthz`, `/readyz`, `/metrics`.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::ApiState;
use crate::control::Snapshot;
use crate::metrics_text::{self, Parts};

/// What is up and what is not. An engine that still warms does not hold readiness back.
#[derive(Debug, Default)]
pub struct Readiness {
    started: AtomicBool,
    draining: AtomicBool,
    missing: Mutex<Vec<String>>,
}

impl Readiness {
    /// SIP, RTP and storage take calls.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// No new calls from here on.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Whether new calls are refused.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Engines that are not there: shown, no reason for 503.
    pub fn note_missing(&self, what: String) {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

pub(super) async fn readyz(State(state): State<ApiState>) -> Response {
    let mut reasons = Vec::new();
    if !state.readiness.started.load(Ordering::Acquire) {
        reasons.push("starting: SIP and RTP are not open yet".to_owned());
    }
    match snapshot(&state).await {
        Some(Snapshot { refuses: Some(why), .. }) => reasons.push(why.to_owned()),
        Some(Snapshot { refuses: None, .. }) => {}
        None => reasons.push("control: it does not answer".to_owned()),
    }
    // Draining begins here, control hears of it a moment later.
    if state.readiness.is_draining() && reasons.is_empty() {
        reasons.push("draining: running calls finish, new ones are refused".to_owned());
    }
    if let Err(error) = state.storage.ping().await {
        reasons.push(format!("storage: {error}"));
    }
    let missing = state.readiness.missing.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": reasons.is_empty(), "reasons": reasons, "missing_engines": missing });
    (status, Json(body)).into_response()
}

/// Control answers within a turn of its loop; waiting for it must not hold a thread of the runtime.
async fn snapshot(state: &ApiState) -> Option<Snapshot> {
    let control = state.control.clone();
    tokio::task::spawn_blocking(move || control.snapshot()).await.ok().flatten()
}

pub(super) async fn metrics(State(state): State<ApiState>) -> String {
    let snapshot = snapshot(&state).await;
    state.metrics.run_upkeep();
    let own = metrics_text::render(&Parts {
        workers: &state.workers,
        control: &state.control,
        snapshot: snapshot.as_ref(),
        heard: &state.heard,
        recognizers: &state.recognizers,
        storage: &state.storage,
        events: &state.events,
        recording: &state.recording,
        traces: &state.traces,
        hep: &state.hep,
    });
    state.metrics.render() + &own
}
