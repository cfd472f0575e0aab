//! A folder of append-only segments.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::entry::{self, Entry, LONGEST};

/// A segment past this size is closed and a new one begun, so that old ones can be removed whole.
const SEGMENT_SIZE: u64 = 8 << 20;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system said no.
    #[error("journal {path}: {error}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// An entry is longer than the format allows.
    #[error("a journal entry of {0} bytes is longer than {LONGEST}")]
    TooLong(usize),
}

/// Append-only storage of small payloads, written by one process.
///
/// [`append`](Self::append) hands the bytes to the kernel, so `kill -9` loses nothing that was appended; what a power
/// cut may lose ends at the last [`sync`](Self::sync).
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    segment: u64,
    file: File,
    size: u64,
    unsynced: bool,
    buffer: Vec<u8>,
}

impl Journal {
    /// Opens the journal in `folder` (created where absent, readable by the owner only) and gives back what earlier
    /// runs left, oldest first. A torn tail is cut off. New entries go to a new segment.
    pub fn open(folder: &Path) -> Result<(Journal, Vec<Entry>), JournalError> {
        fs::create_dir_all(folder).map_err(|error| at(folder, error))?;
        let numbers = segments(folder)?;
        let mut entries = Vec::new();
        for number in &numbers {
            let path = segment_path(folder, *number);
            let bytes = fs::read(&path).map_err(|error| at(&path, error))?;
            let (payloads, _) = entry::read_all(&bytes);
            entries.extend(payloads.into_iter().map(|payload| Entry { segment: *number, payload }));
        }
        let segment = numbers.last().map_or(1, |last| last + 1);
        let file = create(folder, segment)?;
        let journal = Journal {
            folder: folder.to_owned(),
            segment,
            file,
            size: 0,
            unsynced: false,
            buffer: Vec::new(),
        };
        Ok((journal, entries))
    }

    /// Appends `payloads` in one write. Answers the number of the segment that holds them.
    pub fn append<'a>(&mut self, payloads: impl IntoIterator<Item = &'a [u8]>) -> Result<u64, JournalError> {
        if self.size >= SEGMENT_SIZE {
            self.begin_segment()?;
        }
        self.buffer.clear();
        for payload in payloads {
            if payload.len() > LONGEST {
                return Err(JournalError::TooLong(payload.len()));
            }
            entry::write(payload, &mut self.buffer);
        }
        let path = segment_path(&self.folder, self.segment);
        if let Err(error) = self.file.write_all(&self.buffer) {
            // Half an entry would hide every later one from the reader.
            let _ = self.file.set_len(self.size);
            return Err(at(&path, error));
        }
        self.size += self.buffer.len() as u64;
        self.unsynced = true;
        Ok(self.segment)
    }

    /// Puts everything appended so far on the disk.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if self.unsynced {
            let path = segment_path(&self.folder, self.segment);
            self.file.sync_data().map_err(|error| at(&path, error))?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// The segment that the next entry goes to.
    pub fn current_segment(&self) -> u64 {
        self.segment
    }

    /// Removes every segment below `segment`: its entries are stored elsewhere now.
    pub fn remove_before(&mut self, segment: u64) -> Result<(), JournalError> {
        for number in segments(&self.folder)?.into_iter().filter(|number| *number < segment) {
            let path = segment_path(&self.folder, number);
            fs::remove_file(&path).map_err(|error| at(&path, error))?;
        }
        Ok(())
    }

    /// Closes the current segment and begins the next.
    pub fn begin_segment(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        self.segment += 1;
        self.file = create(&self.folder, self.segment)?;
        self.size = 0;
        Ok(())
    }
}

fn create(folder: &Path, segment: u64) -> Result<File, JournalError> {
    let path = segment_path(folder, segment);
    let mut options = OpenOptions::new();
    options.create_new(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&path).map_err(|error| at(&path, error))
}

fn segment_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:012}.journal"))
}

fn segments(folder: &Path) -> Result<Vec<u64>, JournalError> {
    let mut numbers = Vec::new();
    for file in fs::read_dir(folder).map_err(|error| at(folder, error))? {
        let name = file.map_err(|error| at(folder, error))?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".journal")).map(str::parse::<u64>);
        if let Some(Ok(number)) = number {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn at(path: &Path, error: io::Error) -> JournalError {
    JournalError::Io { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(entries: &[Entry]) -> Vec<&[u8]> {
        entries.iter().map(|entry| entry.payload.as_slice()).collect()
    }

    #[test]
    fn what_was_appended_comes_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, before) = Journal::open(folder.path()).unwrap();
        journal.append([b"one".as_slice(), b"two"]).unwrap();
        journal.append([b"".as_slice()]).unwrap();
        drop(journal);

        let (_, entries) = Journal::open(folder.path()).unwrap();

        assert!(before.is_empty());
        assert_eq!(payloads(&entries), [b"one".as_slice(), b"two", b""]);
    }

    #[test]
    fn a_torn_tail_costs_only_the_torn_entry() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        let segment = journal.append([b"whole".as_slice(), b"torn"]).unwrap();
        let path = segment_path(folder.path(), segment);
        let whole = fs::read(&path).unwrap();

        for cut in 1..12 {
            fs::write(&path, &whole[..whole.len() - cut]).unwrap();

            let (_, entries) = Journal::open(folder.path()).unwrap();

            assert_eq!(payloads(&entries)[0], b"whole", "cut by {cut}");
            assert_eq!(entries.len(), 1, "cut by {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        let segment = journal.append([b"whole".as_slice(), b"flipped"]).unwrap();
        let path = segment_path(folder.path(), segment);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();

        let (_, entries) = Journal::open(folder.path()).unwrap();

        assert_eq!(payloads(&entries), [b"whole".as_slice()]);
    }

    #[test]
    fn stored_segments_can_be_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = Journal::open(folder.path()).unwrap();
        journal.append([b"old".as_slice()]).unwrap();
        journal.begin_segment().unwrap();
        let kept = journal.append([b"new".as_slice()]).unwrap();

        journal.remove_before(kept).unwrap();

        let (_, entries) = Journal::open(folder.path()).unwrap();
        assert_eq!(payloads(&entries), [b"new".as_slice()]);
    }
}
