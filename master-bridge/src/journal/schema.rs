//! The tables, and how an older journal becomes a newer one.

use rusqlite::Connection;

/// Why a file cannot be used as journal.
#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    /// SQLite says no.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// Written by a later master-bridge.
    #[error("its version is {found}, and this master-bridge knows {known}")]
    Later {
        /// The file's version.
        found: usize,
        /// Ours.
        known: usize,
    },
}

/// Each step brings a journal one version further.
const STEPS: &[&str] = &["
    CREATE TABLE operation (
        id TEXT PRIMARY KEY, command TEXT NOT NULL, state TEXT NOT NULL, note TEXT NOT NULL,
        plan TEXT NOT NULL, hash TEXT NOT NULL, old_config TEXT NOT NULL, new_config TEXT,
        operator TEXT NOT NULL, begun INTEGER NOT NULL, ended INTEGER);
    CREATE TABLE step (
        seq INTEGER PRIMARY KEY, op TEXT NOT NULL REFERENCES operation (id), wave INTEGER NOT NULL,
        minion TEXT NOT NULL, action TEXT NOT NULL, state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '', begun INTEGER, ended INTEGER,
        UNIQUE (op, wave, minion, action));
    CREATE TABLE held (
        master TEXT NOT NULL, minion TEXT NOT NULL, op TEXT NOT NULL, PRIMARY KEY (master, minion));
"];

/// Brings the journal to this version. One of a later version is refused, not guessed at.
pub(super) fn prepare(connection: &Connection) -> Result<(), SchemaError> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A step is on the disk before its effect, a power cut included.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let version: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > STEPS.len() {
        return Err(SchemaError::Later {
            found: version,
            known: STEPS.len(),
        });
    }
    for (at, step) in STEPS.iter().enumerate().skip(version) {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step} PRAGMA user_version = {}; COMMIT;",
            at + 1
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_a_later_one_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        prepare(&connection).unwrap();
        prepare(&connection).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(prepare(&connection).unwrap_err().to_string().contains("99"));
    }
}
