//! What can be wrong with key files. Nothing that is wrong is ever overwritten.

use std::io;
use std::path::PathBuf;

use salt_wire::crypto::CryptoError;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Others could have put it there, or could change it.
    #[error("{} is not safe: {cause}", path.display())]
    Unsafe {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong, and how to mend it.
        cause: String,
    },
    /// It is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It can be read and is no key.
    #[error("{} is no usable key: {cause}; it was left as it is: restore it, or move it away to get a new one", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: CryptoError,
    },
    /// It is there with nothing in it.
    #[error("{} is empty; it was left as it is: restore it, or move it away to get a new one", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A new key could not be made.
    #[error("cannot make a key of {bits} bits")]
    Generate {
        /// Its size.
        bits: u32,
        /// Why.
        #[source]
        cause: CryptoError,
    },
    /// It could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}
