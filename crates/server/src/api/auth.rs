//! API keys.

use std::fmt;
use std::io::Write;
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::ApiState;
use super::error::ApiError;

/// The key, as its SHA-256: comparing hashes tells nothing about how much of a guess was right.
#[derive(PartialEq, Eq)]
pub struct ApiKey([u8; 32]);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl ApiKey {
    /// A key that is known.
    pub fn new(key: &str) -> Self {
        ApiKey(Sha256::digest(key.as_bytes()).into())
    }

    /// The key in the file `path`, which is made (readable by the owner only) where it is not there.
    ///
    /// # Errors
    /// What the file system said.
    pub fn in_file(path: &Path) -> std::io::Result<Self> {
        match std::fs::read_to_string(path) {
            // A start that was cut off between making and writing leaves it so.
            Ok(text) if text.trim().is_empty() => {
                let what = "the file is empty: remove it to have a key made";
                Err(std::io::Error::new(std::io::ErrorKind::InvalidData, what))
            }
            Ok(text) => Ok(ApiKey::new(text.trim())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = random_key()?;
                let mut options = std::fs::OpenOptions::new();
                options.write(true).create_new(true);
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                options.open(path)?.write_all(format!("{key}\n").as_bytes())?;
                Ok(ApiKey::new(&key))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether `guess` is the key.
    pub fn matches(&self, guess: &str) -> bool {
        ApiKey::new(guess) == *self
    }
}

fn random_key() -> std::io::Result<String> {
    let mut bytes = [0u8; 32];
    crate::entropy::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

pub(super) async fn require_key(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let guess = header
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match guess {
        Some((_, key)) if state.key.matches(key.trim()) => next.run(request).await,
        Some(_) | None => ApiError::unauthorized().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_only_the_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api-key");

        let made = ApiKey::in_file(&path).unwrap();

        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(ApiKey::in_file(&path).unwrap(), made);
        assert!(made.matches(text.trim()) && !made.matches("guess"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_empty_file_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api-key");
        std::fs::write(&path, "\n").unwrap();

        assert_eq!(ApiKey::in_file(&path).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }
}
