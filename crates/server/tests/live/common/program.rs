//! Which program is tested, and which foreign ones are there.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The release binary where it was built from the sources as they are now (`make test` builds it first), else the one
/// that cargo built for this test. `OFFHOOK_TEST_BINARY` names another.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let chosen = choose();
        eprintln!("testing {}", chosen.display());
        chosen
    })
}

/// Whether the tested program is the one that is shipped.
pub fn is_release() -> bool {
    program().parent().is_some_and(|folder| folder.ends_with("release"))
}

fn choose() -> PathBuf {
    if let Some(named) = std::env::var_os("OFFHOOK_TEST_BINARY") {
        return PathBuf::from(named);
    }
    let built = PathBuf::from(env!("CARGO_BIN_EXE_offhook"));
    let release = built.parent().and_then(Path::parent).map(|target| target.join("release/offhook"));
    let current = release.filter(|release| {
        let made = std::fs::metadata(release).and_then(|data| data.modified()).ok();
        made.is_some_and(|made| made > newest_source())
    });
    current.unwrap_or(built)
}

/// Crates that are no part of the program.
const TESTS_ONLY: [&str; 2] = ["simulation", "testkit"];

/// When a source of the program was changed last.
fn newest_source() -> SystemTime {
    let crates = super::repository("crates");
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut folders: Vec<PathBuf> = std::fs::read_dir(crates)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| !TESTS_ONLY.iter().any(|name| entry.file_name() == *name))
        .map(|entry| entry.path().join("src"))
        .collect();
    folders.push(super::repository("bots"));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                folders.push(entry.path());
            } else if let Ok(changed) = data.modified() {
                newest = newest.max(changed);
            }
        }
    }
    newest
}

/// A foreign program, where it is installed.
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
