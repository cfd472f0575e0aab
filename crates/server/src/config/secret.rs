//! Secrets that need not stand in the file.

use std::fmt;

use serde::Deserialize;

/// A secret: written out, `env:NAME` or `file:PATH`. Never printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    ///
    /// # Errors
    /// A sentence that names what is missing.
    pub fn reveal(&self) -> Result<String, String> {
        if let Some(name) = self.0.strip_prefix("env:") {
            std::env::var(name).map_err(|_| format!("environment variable {name} is not set"))
        } else if let Some(path) = self.0.strip_prefix("file:") {
            std::fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .map_err(|error| format!("cannot read {path}: {error}"))
        } else {
            Ok(self.0.clone())
        }
    }
}

impl Secret {
    /// The file that holds it, where one does.
    pub fn path(&self) -> Option<&std::path::Path> {
        self.0.strip_prefix("file:").map(std::path::Path::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_may_stand_in_a_file_and_is_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "s3cret\n").unwrap();

        let secret = Secret(format!("file:{}", path.display()));

        assert_eq!(secret.reveal().unwrap(), "s3cret");
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }

    #[test]
    fn a_missing_variable_is_named() {
        let secret = Secret("env:OFFHOOK_TEST_NO_SUCH_VARIABLE".into());

        assert!(secret.reveal().unwrap_err().contains("OFFHOOK_TEST_NO_SUCH_VARIABLE"));
    }
}
