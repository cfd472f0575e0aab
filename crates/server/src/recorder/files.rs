//! Where bundles stand, and how their bytes get there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use offhook_journal::bundle::seal::{KEY, NONCE, SealedWriter};

use super::RecorderStats;

/// Below the data folder.
const FOLDER: &str = "bundles";

/// What the name of a bundle ends in.
pub(super) const EXTENSION: &str = "call";

const MILLIS_OF_A_DAY: i64 = 86_400_000;

/// The path of a call's bundle: a folder for each day (UTC) on which calls began.
pub fn bundle_path(data: &Path, call_id: &str, started_unix_ms: i64) -> PathBuf {
    bundle_folder(data).join(day(started_unix_ms)).join(format!("{call_id}.{EXTENSION}"))
}

/// The folder of all bundles.
pub(super) fn bundle_folder(data: &Path) -> PathBuf {
    data.join(FOLDER)
}

/// The date as `2026-11-21`.
pub(crate) fn day(unix_ms: i64) -> String {
    // Counted from the first of March of year 0, so that a leap day is the last one of its year.
    let days = unix_ms.div_euclid(MILLIS_OF_A_DAY) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Makes the files of bundles.
pub struct BundleFiles {
    data: PathBuf,
    key: Option<[u8; KEY]>,
    stats: Arc<RecorderStats>,
}

impl BundleFiles {
    /// Files in `data`, sealed where there is a key.
    pub fn new(data: PathBuf, key: Option<[u8; KEY]>, stats: Arc<RecorderStats>) -> Self {
        BundleFiles { data, key, stats }
    }

    /// A new file for a call, its owner's alone.
    pub(super) fn create(&self, call_id: &str, started_unix_ms: i64) -> io::Result<BundleFile> {
        let path = bundle_path(&self.data, call_id, started_unix_ms);
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let file = Counted { file, stats: Arc::clone(&self.stats) };
        match &self.key {
            None => Ok(BundleFile::Plain(file)),
            Some(key) => {
                let mut nonce = [0; NONCE];
                crate::entropy::fill(&mut nonce)?;
                Ok(BundleFile::Sealed(SealedWriter::begin(file, key, nonce)?))
            }
        }
    }
}

impl std::fmt::Debug for BundleFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleFiles").field("data", &self.data).field("sealed", &self.key.is_some()).finish()
    }
}

/// The file of one bundle.
#[derive(Debug)]
pub(super) enum BundleFile {
    Plain(Counted),
    Sealed(SealedWriter<Counted>),
}

impl BundleFile {
    /// Writes what an encrypted file ends with.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            BundleFile::Plain(mut file) => file.flush(),
            BundleFile::Sealed(file) => file.finish().map(drop),
        }
    }
}

impl Write for BundleFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            BundleFile::Plain(file) => file.write(bytes),
            BundleFile::Sealed(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            BundleFile::Plain(file) => file.flush(),
            BundleFile::Sealed(file) => file.flush(),
        }
    }
}

/// A file whose bytes are counted.
#[derive(Debug)]
pub(super) struct Counted {
    file: File,
    stats: Arc<RecorderStats>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        RecorderStats::add(&self.stats.bytes, written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_stand_in_the_folder_of_the_day_on_which_they_began() {
        for (unix_ms, expected) in [
            (0, "1970-01-01"),
            (951_782_399_999, "2000-02-28"),
            (951_782_400_000, "2000-02-29"),
            (951_868_800_000, "2000-03-01"),
            (1_795_219_199_999, "2026-11-20"),
            (1_795_219_200_000, "2026-11-21"),
            (4_107_542_400_000, "2100-03-01"),
            (-1, "1969-12-31"),
        ] {
            assert_eq!(day(unix_ms), expected, "{unix_ms}");
        }
        let path = bundle_path(Path::new("data"), "0198-a", 0);
        assert_eq!(path, Path::new("data/bundles/1970-01-01/0198-a.call"));
    }
}
