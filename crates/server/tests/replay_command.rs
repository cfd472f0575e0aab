//! `offhook replay FILE --bot BOT`: what others recorded, through the machine, as people and pipelines use it.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

#[path = "replay_command/damage.rs"]
mod damage;
#[path = "replay_command/engines.rs"]
mod engines;
#[path = "live/made_capture.rs"]
mod made_capture;
#[path = "replay_command/tools.rs"]
mod tools;
#[path = "replay_command/transcripts.rs"]
mod transcripts;
#[path = "replay_command/what_if.rs"]
mod what_if;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A file of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join(path)
}

fn sample_bot() -> String {
    repository("bots/after-sales.yaml").display().to_string()
}

/// What a run printed, and its exit code.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn offhook(command: &[&str], file: &Path, options: &[&str]) -> Ran {
    let output = Command::new(env!("CARGO_BIN_EXE_offhook"))
        .args(command)
        .arg(file)
        .args(options)
        .env_remove("OFFHOOK_MODEL_KEY")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn replay(file: &Path, options: &[&str]) -> Ran {
    offhook(&["replay"], file, options)
}

/// A folder of one test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

/// A bundle that was written is like any other: it is whole, and does the same again.
#[track_caller]
fn is_a_bundle(file: &Path) {
    let (verified, again) = (offhook(&["bundle", "verify"], file, &[]), replay(file, &[]));
    assert_eq!((verified.code, again.code), (Some(0), Some(0)), "{verified:?} {again:?}");
    let shown = offhook(&["bundle", "show"], file, &["--json"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
}
