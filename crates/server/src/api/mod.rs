//! The HTTP API: REST and a WebSocket of events under `/v1`, health and metrics at the root.
//!
//! Keys are sent as `Authorization: Bearer`. Every error has one JSON shape with a stable code. Start with [`router`].

mod auth;
mod body;
mod calls;
mod error;
mod events;
mod health;

pub use auth::ApiKey;
pub use events::EventHub;
pub use health::Readiness;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::control::ControlHandle;
use crate::hep::HepStats;
use crate::recorder::RecorderStats;
use crate::speech::RecognizerHandle;
use crate::storage::Storage;
use crate::trace::TraceStats;
use crate::worker::{SpeechUplink, WorkerHandle};

/// What the handlers share.
#[derive(Clone)]
pub struct ApiState {
    /// The control thread.
    pub control: ControlHandle,
    /// Call records.
    pub storage: Storage,
    /// Events.
    pub events: EventHub,
    /// The key.
    pub key: Arc<ApiKey>,
    /// What is up.
    pub readiness: Arc<Readiness>,
    /// Counters of the `metrics` crate.
    pub metrics: PrometheusHandle,
    /// The media workers, for their histograms.
    pub workers: Vec<WorkerHandle>,
    /// The way to the recognizers, for its counter.
    pub heard: Arc<SpeechUplink>,
    /// The orders to the recognizers, for their number.
    pub recognizers: RecognizerHandle,
    /// What the recorder counts.
    pub recording: Arc<RecorderStats>,
    /// What became of spans.
    pub traces: Arc<TraceStats>,
    /// What became of copies of SIP messages.
    pub hep: Arc<HepStats>,
    /// The data folder, where bundles stand.
    pub data: PathBuf,
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    let v1 = Router::new()
        .route("/calls", get(calls::list).post(calls::place))
        .route("/calls/{id}", get(calls::show))
        .route("/calls/{id}/answer", post(calls::answer))
        .route("/calls/{id}/hangup", post(calls::hang_up))
        .route("/calls/{id}/transfer", post(calls::transfer))
        .route("/calls/{id}/mute", post(calls::mute))
        .route("/calls/{id}/unmute", post(calls::unmute))
        .route("/calls/{id}/say", post(calls::say))
        .route("/calls/{id}/dtmf", post(calls::dtmf))
        .route("/events", get(events::subscribe))
        .fallback(error::no_such_path)
        .layer(DefaultBodyLimit::max(body::LONGEST_BODY))
        .layer(axum::middleware::from_fn_with_state(state.clone(), auth::require_key));
    Router::new()
        .nest("/v1", v1)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::wrong_method)
        .with_state(state)
}
