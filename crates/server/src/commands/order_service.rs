//! `offhook order-service`: the business system that the sample bot asks.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

/// Orders that are known. The state is a word that the bots translate.
const ORDERS: &[(&str, &str, &str)] = &[
    ("12345678", "shipped", "2026-11-24"),
    ("12345278", "processing", "2026-11-25"),
    ("80053192", "shipped", "2026-11-26"),
    ("24181357", "shipped", "2026-11-27"),
    ("46903192", "shipped", "2026-11-26"),
    ("24691357", "shipped", "2026-11-27"),
    ("19462605", "delivered", "2026-11-16"),
    ("80564917", "processing", "2026-11-28"),
    ("30762914", "shipped", "2026-11-25"),
    ("70819264", "delivered", "2026-11-17"),
    ("51964203", "shipped", "2026-11-28"),
    ("11112222", "delivered", "2026-11-18"),
];

/// An order that never answers: how tests see the time-out.
const HANGS: &str = "99999999";

/// An order that makes the service fail.
const FAILS: &str = "50000000";

pub(super) fn run(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        println!("http://{}", listener.local_addr()?);
        let served = axum::serve(listener, router()).with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        });
        served.await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// The service itself.
pub(super) fn router() -> Router {
    Router::new()
        .route("/orders/{number}", get(order))
        .route("/orders/{number}/return", post(announce_return))
}

async fn order(Path(number): Path<String>) -> Response {
    if number == HANGS {
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
    if number == FAILS {
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "error": "database is down" })))
            .into_response();
    }
    match ORDERS.iter().find(|(known, _, _)| *known == number) {
        Some((number, state, date)) => {
            Json(json!({ "number": number, "state": state, "delivery": date })).into_response()
        }
        None => (StatusCode::NOT_FOUND, Json(json!({ "error": "no such order" }))).into_response(),
    }
}

async fn announce_return(Path(number): Path<String>) -> Response {
    let known = ORDERS.iter().any(|(known, _, _)| *known == number);
    let status = if known { StatusCode::CREATED } else { StatusCode::NOT_FOUND };
    (status, Json(json!({ "number": number, "announced": known }))).into_response()
}
