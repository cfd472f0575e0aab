//! `/v1/calls`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use offhook_call_control::{CallRecord, Command, CommandId, Refusal};
use offhook_call_media::LegId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ApiState;
use super::body::{Body, LONGEST_NAME, LONGEST_URI, one_line};
use super::error::ApiError;
use crate::control::{CommandReply, Dial};
use crate::recorder::bundle_path;

/// Ids stand in events and records, and calls remember them: a client's own UUID fits many times.
const LONGEST_COMMAND_ID: usize = 128;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// `running`, `ended`; both where absent.
    state: Option<String>,
    /// Most calls, 1 to 1000.
    limit: Option<i64>,
}

/// A call's record, and where its bundle is while there is one.
#[derive(Debug, Serialize)]
pub(super) struct ShownCall {
    #[serde(flatten)]
    record: CallRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle: Option<PathBuf>,
}

pub(super) async fn list(
    State(state): State<ApiState>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(query) = query.map_err(|error| ApiError::bad_request(error.body_text()))?;
    let (running, ended) = match query.state.as_deref() {
        None => (true, true),
        Some("running") => (true, false),
        Some("ended") => (false, true),
        Some(other) => {
            return Err(ApiError::bad_request(format!("state '{other}' is none of running, ended")));
        }
    };
    let limit = query.limit.unwrap_or(100);
    if !(1..=1000).contains(&limit) {
        return Err(ApiError::bad_request(format!("limit {limit} is out of range: 1 to 1000")));
    }
    let mut calls: Vec<CallRecord> = if running { state.storage.running() } else { Vec::new() };
    calls.reverse();
    if ended {
        // Memory before the database: a record that moves in between is seen twice rather than never.
        let mut just_ended = state.storage.just_ended();
        just_ended.reverse();
        let stored =
            state.storage.ended(limit).await.map_err(|error| ApiError::internal(error.to_string()))?;
        let mut listed: Vec<CallRecord> = just_ended.into_iter().chain(stored).collect();
        let mut known = calls.iter().map(|call| call.call_id.clone()).collect::<BTreeSet<_>>();
        listed.retain(|call| known.insert(call.call_id.clone()));
        calls.extend(listed);
    }
    calls.truncate(limit as usize);
    Ok(Json(json!({ "calls": calls })).into_response())
}

pub(super) async fn show(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<ShownCall>, ApiError> {
    let record = record_of(&state, &id).await?;
    let path = bundle_path(&state.data, &record.call_id, record.started_unix_ms);
    let bundle = tokio::fs::try_exists(&path).await.unwrap_or(false).then_some(path);
    Ok(Json(ShownCall { record, bundle }))
}

/// The record of a call that runs or has ended; an error where there never was one.
pub(super) async fn record_of(state: &ApiState, id: &str) -> Result<CallRecord, ApiError> {
    let record = state.storage.call(id).await.map_err(|error| ApiError::internal(error.to_string()))?;
    record.ok_or_else(|| ApiError::no_such_call(id))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceBody {
    to: String,
    bot: String,
    from: Option<String>,
    trunk: Option<String>,
}

pub(super) async fn place(State(state): State<ApiState>, body: Body) -> Result<Response, ApiError> {
    let body: PlaceBody = body.json()?;
    one_line("to", &body.to, LONGEST_URI)?;
    one_line("bot", &body.bot, LONGEST_NAME)?;
    one_line("from", body.from.as_deref().unwrap_or_default(), LONGEST_NAME)?;
    one_line("trunk", body.trunk.as_deref().unwrap_or_default(), LONGEST_NAME)?;
    let from = body.from.unwrap_or_else(|| "offhook".into());
    let dial = Dial { to: body.to, bot: body.bot, from, trunk: body.trunk };
    match state.control.dial(dial).await {
        Some(Ok(call_id)) => Ok((StatusCode::CREATED, Json(json!({ "call_id": call_id }))).into_response()),
        Some(Err(refusal)) => Err(ApiError::refused(refusal)),
        None => Err(ApiError::unavailable("the server is shutting down, or has too much to do")),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NoArguments {
    command_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HangUpBody {
    command_id: Option<String>,
    status: Option<u16>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferBody {
    command_id: Option<String>,
    target: String,
    trunk: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MuteBody {
    command_id: Option<String>,
    leg: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SayBody {
    command_id: Option<String>,
    text: String,
    interruptible: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DtmfBody {
    command_id: Option<String>,
    digits: String,
    leg: Option<u8>,
}

pub(super) async fn answer(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body: NoArguments = body.json_or_default()?;
    send(state, id, body.command_id, Command::Answer).await
}

pub(super) async fn hang_up(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body: HangUpBody = body.json_or_default()?;
    if let Some(status) = body.status.filter(|status| !(400..=699).contains(status)) {
        return Err(ApiError::bad_request(format!("status {status} rejects nothing: 400 to 699")));
    }
    send(state, id, body.command_id, Command::HangUp { status: body.status, reason: body.reason }).await
}

pub(super) async fn transfer(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body: TransferBody = body.json()?;
    one_line("target", &body.target, LONGEST_URI)?;
    one_line("trunk", body.trunk.as_deref().unwrap_or_default(), LONGEST_NAME)?;
    send(state, id, body.command_id, Command::Transfer { target: body.target, trunk: body.trunk }).await
}

pub(super) async fn mute(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body: MuteBody = body.json_or_default()?;
    send(state, id, body.command_id, Command::Mute { leg: LegId(body.leg) }).await
}

pub(super) async fn unmute(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body: MuteBody = body.json_or_default()?;
    send(state, id, body.command_id, Command::Unmute { leg: LegId(body.leg) }).await
}

pub(super) async fn say(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body: SayBody = body.json()?;
    let interruptible = body.interruptible.unwrap_or(true);
    send(state, id, body.command_id, Command::Say { text: body.text, interruptible }).await
}

pub(super) async fn dtmf(
    State(state): State<ApiState>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, ApiError> {
    let body: DtmfBody = body.json()?;
    send(state, id, body.command_id, Command::Dtmf { leg: LegId(body.leg.unwrap_or(0)), digits: body.digits })
        .await
}

/// Hands a command to its call. 202: the outcome is an event with the command's id.
async fn send(
    state: ApiState,
    call: String,
    command_id: Option<String>,
    command: Command,
) -> Result<Response, ApiError> {
    one_line("command_id", command_id.as_deref().unwrap_or_default(), LONGEST_COMMAND_ID)?;
    let id = command_id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    match state.control.command(call.clone(), CommandId(id.clone()), command).await {
        Some(CommandReply::Accepted) => {
            Ok((StatusCode::ACCEPTED, Json(json!({ "command_id": id }))).into_response())
        }
        Some(CommandReply::Refused(refusal)) => Err(ApiError::refused(refusal)),
        Some(CommandReply::NoSuchCall) => {
            let record = record_of(&state, &call).await?;
            Err(ApiError::refused(Refusal::wrong_state(format!("call {} has ended", record.call_id))))
        }
        None => Err(ApiError::unavailable("the server is shutting down, or has too much to do")),
    }
}
