//! Retention: bundles that are too old, and the oldest where there are too many bytes of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, SystemTime};

use super::RecorderStats;
use super::files::{EXTENSION, bundle_folder};

/// How often the folder is looked through. It may exceed its limit by what is recorded meanwhile.
const EVERY: Duration = Duration::from_secs(60);

/// A bundle that was written to so lately may be one of a running call.
const MAY_BE_OPEN: Duration = Duration::from_secs(120);

const SECONDS_OF_A_DAY: u64 = 86_400;

/// What may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Days after which a bundle goes.
    pub keep_days: u32,
    /// Bytes beyond which the oldest go.
    pub max_bytes: u64,
}

/// A thread that looks through the folder, at once and then every minute, until this is dropped. It runs whether or not
/// calls are recorded now: what was recorded before grows old all the same.
#[derive(Debug)]
pub struct Janitor {
    _until: Sender<()>,
}

impl Janitor {
    /// Starts it.
    ///
    /// # Errors
    /// What the system said.
    pub fn start(data: PathBuf, retention: Retention, stats: Arc<RecorderStats>) -> std::io::Result<Janitor> {
        let (until, stopped) = channel();
        let run = move || run(&data, retention, &stats, &stopped);
        std::thread::Builder::new().name("bundle-janitor".into()).spawn(run)?;
        Ok(Janitor { _until: until })
    }
}

fn run(data: &Path, retention: Retention, stats: &RecorderStats, stopped: &Receiver<()>) {
    loop {
        let removed = purge(&bundle_folder(data), retention, SystemTime::now());
        if removed.bundles > 0 {
            RecorderStats::add(&stats.purged, removed.bundles);
            tracing::info!(
                bundles = removed.bundles,
                bytes = removed.bytes,
                "bundles were removed: too old, or too many bytes of them"
            );
        }
        match stopped.recv_timeout(EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Removed {
    bundles: u64,
    bytes: u64,
}

struct Kept {
    modified: SystemTime,
    path: PathBuf,
    bytes: u64,
}

/// Removes what may not stay, the oldest first. What is no bundle is not looked at.
fn purge(folder: &Path, retention: Retention, now: SystemTime) -> Removed {
    let mut bundles = bundles(folder);
    bundles.sort_by(|one, other| (one.modified, &one.path).cmp(&(other.modified, &other.path)));
    let mut total: u64 = bundles.iter().map(|bundle| bundle.bytes).sum();
    let oldest = Duration::from_secs(u64::from(retention.keep_days) * SECONDS_OF_A_DAY);
    let mut removed = Removed::default();
    for bundle in bundles {
        let age = now.duration_since(bundle.modified).unwrap_or_default();
        let may_stay = age <= oldest && total <= retention.max_bytes;
        if may_stay || age < MAY_BE_OPEN {
            continue;
        }
        if let Err(error) = std::fs::remove_file(&bundle.path) {
            tracing::warn!(path = %bundle.path.display(), %error, "a bundle cannot be removed");
            continue;
        }
        total -= bundle.bytes;
        removed.bundles += 1;
        removed.bytes += bundle.bytes;
        if let Some(day) = bundle.path.parent() {
            // Goes only where it was the last of its day.
            let _ = std::fs::remove_dir(day);
        }
    }
    removed
}

fn bundles(folder: &Path) -> Vec<Kept> {
    let entries = |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut bundles = Vec::new();
    for entry in entries(folder).flat_map(|day| entries(&day.path())) {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let Ok(data) = entry.metadata() else { continue };
        if let (true, Ok(modified)) = (data.is_file(), data.modified()) {
            bundles.push(Kept { modified, path, bytes: data.len() });
        }
    }
    bundles
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(folder: &Path, name: &str, bytes: usize, age: Duration, now: SystemTime) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, vec![0; bytes]).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(now - age).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = bundles(folder)
            .iter()
            .map(|bundle| bundle.path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn old_bundles_go_with_their_day_then_the_oldest_until_the_rest_fits() {
        let (folder, now) = (tempfile::tempdir().unwrap(), SystemTime::now());
        let days = |days: u64| Duration::from_secs(days * SECONDS_OF_A_DAY + 3600);
        make(folder.path(), "2026-01-01/ancient.call", 10, days(40), now);
        make(folder.path(), "2026-02-01/older.call", 1000, days(3), now);
        make(folder.path(), "2026-02-01/old.call", 1000, days(2), now);
        make(folder.path(), "2026-02-02/young.call", 1000, days(1), now);
        make(folder.path(), "2026-02-02/running.call", 5000, Duration::from_secs(1), now);
        make(folder.path(), "2026-02-02/notes.txt", 9000, days(90), now);

        let removed = purge(folder.path(), Retention { keep_days: 30, max_bytes: 7500 }, now);

        assert_eq!(removed, Removed { bundles: 2, bytes: 1010 });
        assert_eq!(names(folder.path()), ["old", "running", "young"]);
        assert!(!folder.path().join("2026-01-01").exists() && folder.path().join("2026-02-01").exists());

        let removed = purge(folder.path(), Retention { keep_days: 30, max_bytes: 0 }, now);

        assert_eq!((removed.bundles, names(folder.path())), (2, vec!["running".to_owned()]));
        assert!(folder.path().join("2026-02-02/notes.txt").exists(), "what is no bundle stays");
    }

    #[test]
    fn without_a_folder_nothing_is_removed() {
        let folder = Path::new("/nonexistent/bundles");

        let removed = purge(folder, Retention { keep_days: 0, max_bytes: 0 }, SystemTime::now());

        assert_eq!(removed, Removed::default());
    }
}
