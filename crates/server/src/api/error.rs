//! One shape for every error: `{"error": {"code": "...", "message": "..."}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use offhook_call_control::Refusal;
use serde_json::json;

/// An error as the client sees it. The code is stable, the message is for people.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    code: String,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        ApiError { status, code: code.into(), message: message.into() }
    }

    pub fn unauthorized() -> Self {
        let message = "send the API key (api.key of the configuration, else the data folder's file api-key) \
                       as 'Authorization: Bearer KEY'";
        ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub fn no_such_call(id: &str) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "no_such_call", format!("there is no call {id}"))
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    pub fn internal(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    pub fn refused(refusal: Refusal) -> Self {
        let status = match refusal.code.as_str() {
            "bad_argument" => StatusCode::BAD_REQUEST,
            "not_allowed" => StatusCode::FORBIDDEN,
            "unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        ApiError { status, code: refusal.code, message: refusal.message }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        (self.status, Json(body)).into_response()
    }
}

pub(super) async fn no_such_path() -> Response {
    ApiError::new(StatusCode::NOT_FOUND, "no_such_path", "no such path: see the API chapter of the README")
        .into_response()
}

pub(super) async fn wrong_method() -> Response {
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "this path does not take this method")
        .into_response()
}
