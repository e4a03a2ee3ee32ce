//! What the log needs of a disk, and the one that is a directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A place for the log's files. A trait because tests need disks that fail and machines that crash.
pub trait Disk: Clone + Send + 'static {
    /// A file that is being written.
    type File: DiskFile;

    /// Names of all files.
    ///
    /// # Errors
    /// What the system says; so everywhere here.
    fn list(&self) -> io::Result<Vec<String>>;

    /// A file's bytes.
    ///
    /// # Errors
    /// As above.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Makes a file that is not there yet.
    ///
    /// # Errors
    /// As above.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Cuts a file that nobody writes.
    ///
    /// # Errors
    /// As above.
    fn truncate(&self, name: &str, length_bytes: u64) -> io::Result<()>;

    /// Gives a file another name, in place of whatever had it.
    ///
    /// # Errors
    /// As above.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As above.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations, renames and removals last.
    ///
    /// # Errors
    /// As above.
    fn sync_names(&self) -> io::Result<()>;
}

/// A file that is appended to.
pub trait DiskFile: Send + 'static {
    /// Appends all of `bytes`; after an error any part of them may be there.
    ///
    /// # Errors
    /// What the system says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was appended last. After an error nothing is known about what was appended since
    /// the sync before, and no later sync can tell.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&mut self, length_bytes: u64) -> io::Result<()>;
}

/// A directory of a file system. Viewers' keys are in its files, so they are for the owner only.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn make(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self::at(path))
    }

    /// The directory as it is, to be read.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Opens the file by whose lock writers keep each other out; nothing on a disk that cannot be
    /// written, where nobody needs to be kept out.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        let path = self.path.join("lock");
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
        match opened {
            Ok(file) => {
                file.try_lock()?;
                Ok(Some(file))
            }
            Err(error) if is_unwritable(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_unwritable(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
}

impl Disk for Directory {
    type File = File;

    fn list(&self) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name()));
        // A name that is no text is none of ours.
        names.filter_map(|name| name.map(|name| name.into_string().ok()).transpose()).collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path.join(name))
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let path = self.path.join(name);
        // Appending, so that after a cut the next byte goes where the file ends now.
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
    }

    fn truncate(&self, name: &str, length_bytes: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path.join(name))?;
        file.set_len(length_bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl DiskFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, length_bytes: u64) -> io::Result<()> {
        self.set_len(length_bytes)
    }
}
