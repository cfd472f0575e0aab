//! The body of a request: bounded, and every way it can be wrong is an error of the one shape.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// The longest body that is read. The longest text that can be said is far shorter.
pub(super) const LONGEST_BODY: usize = 64 << 10;

/// Longest SIP URI: one that is longer fits into no datagram with the rest of its message.
pub(super) const LONGEST_URI: usize = 512;

/// Longest name: of a bot, a trunk, a caller.
pub(super) const LONGEST_NAME: usize = 128;

/// The bytes of a body, at most [`LONGEST_BODY`].
pub(super) struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Body(bytes)),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::too_large(format!("the body is longer than {LONGEST_BODY} bytes")))
            }
            Err(rejection) => Err(ApiError::bad_request(format!("body: {}", rejection.body_text()))),
        }
    }
}

impl Body {
    /// Its JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.0).map_err(|error| ApiError::bad_request(format!("body: {error}")))
    }

    /// Its JSON, or nothing said.
    pub fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, ApiError> {
        if self.0.is_empty() { Ok(T::default()) } else { self.json() }
    }
}

/// A text of one line, as long as it may be.
pub(super) fn one_line(name: &str, text: &str, longest: usize) -> Result<(), ApiError> {
    if text.len() > longest {
        return Err(ApiError::bad_request(format!("{name} has {} bytes: at most {longest}", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(ApiError::bad_request(format!("{name} is one line without control characters")));
    }
    Ok(())
}
