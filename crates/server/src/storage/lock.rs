//! One server for each data folder: a second one would take the journal of the first for that of a crash and remove it.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StorageError;

/// Whether a server uses the data folder now. Leaves nothing behind: who asks need not be who runs the server.
///
/// # Errors
/// The lock is there and may not be opened.
pub fn is_in_use(folder: &Path) -> std::io::Result<bool> {
    let file = match File::open(folder.join("lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The data folder is ours until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(super) struct FolderLock(#[expect(dead_code, reason = "what holds the lock is the open file")] File);

impl FolderLock {
    /// Takes the folder.
    ///
    /// # Errors
    /// [`StorageError::InUse`] where another process has it; [`StorageError::Lock`] where the system cannot tell.
    pub fn take(folder: &Path) -> Result<FolderLock, StorageError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(folder.join("lock"))
            .map_err(StorageError::Lock)?;
        match file.try_lock() {
            Ok(()) => Ok(FolderLock(file)),
            Err(TryLockError::WouldBlock) => Err(StorageError::InUse),
            Err(TryLockError::Error(error)) => Err(StorageError::Lock(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_free_again_afterwards() {
        let folder = tempfile::tempdir().unwrap();

        let first = FolderLock::take(folder.path()).unwrap();
        assert!(matches!(FolderLock::take(folder.path()), Err(StorageError::InUse)));
        assert!(is_in_use(folder.path()).unwrap());
        drop(first);
        assert!(!is_in_use(folder.path()).unwrap());

        FolderLock::take(folder.path()).unwrap();
    }
}
