//! The index over all runs: `SQLite`, derivable from the folders, so that lists, names and trends over many runs need not
//! read them all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::error::StoreError;
use crate::folder::{RunFolder, RunState};
use crate::private_file;
use crate::record::{ProgramExit, RunId, RunRecord};

/// How long to wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// One statement list for each version; a database of version n has had the first n.
const MIGRATIONS: [&str; 1] = ["
    CREATE TABLE run (
        id TEXT PRIMARY KEY, name TEXT, command TEXT NOT NULL, cwd TEXT,
        start_ns INTEGER NOT NULL, end_ns INTEGER, exit_code INTEGER, signal INTEGER,
        git_commit TEXT, git_dirty INTEGER, hostname TEXT, brimline_version TEXT NOT NULL,
        stamp TEXT NOT NULL, record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX run_by_start ON run (start_ns DESC);
    CREATE TABLE phase (
        run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, name TEXT NOT NULL, start_ns INTEGER NOT NULL, end_ns INTEGER
    ) STRICT;
    CREATE INDEX phase_by_run ON phase (run);
    CREATE TABLE mark (
        run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, name TEXT NOT NULL, at_ns INTEGER NOT NULL,
        snapshot INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX mark_by_run ON mark (run);
    CREATE TABLE baseline (
        name TEXT NOT NULL, run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, set_ns INTEGER NOT NULL,
        PRIMARY KEY (name, run)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE verdict (
        run TEXT NOT NULL REFERENCES run ON DELETE CASCADE, at_ns INTEGER NOT NULL, subject TEXT NOT NULL,
        verdict TEXT NOT NULL, detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX verdict_by_run ON verdict (run);
    CREATE TABLE rollup (
        function TEXT NOT NULL, file TEXT NOT NULL, run TEXT NOT NULL REFERENCES run ON DELETE CASCADE,
        live_bytes INTEGER NOT NULL, peak_bytes INTEGER NOT NULL, total_bytes INTEGER NOT NULL,
        total_count INTEGER NOT NULL,
        PRIMARY KEY (function, file, run)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX rollup_by_run ON rollup (run);
"];

/// What one function allocated in one run; derived from the run's recordings by whoever reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollupRow {
    /// Qualified name.
    pub function: String,
    /// File as the runtime names it.
    pub file: String,
    /// Live at the end.
    pub live_bytes: i64,
    /// Live at the high-water mark.
    pub peak_bytes: i64,
    /// Ever allocated.
    pub total_bytes: u64,
    /// Blocks ever allocated.
    pub total_count: u64,
}

/// An open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens the database, creates it if it is not there, and brings an older one up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            // Creates it with mode 0600; SQLite gives its side files the mode of the database.
            private_file::open_append(path)?;
        }
        let failed = |source| StoreError::Database { action: "open", path: path.to_owned(), source };
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE
            | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX
            | rusqlite::OpenFlags::SQLITE_OPEN_NOFOLLOW;
        // NOFOLLOW refuses links anywhere in the path; only the last part is ours to judge.
        let real = match (path.parent().map(Path::canonicalize), path.file_name()) {
            (Some(Ok(parent)), Some(name)) => parent.join(name),
            _ => path.to_owned(),
        };
        let connection = Connection::open_with_flags(real, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        connection
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;")
            .map_err(failed)?;
        // Closing would copy the log into the database, with four waits for the disk: too long for the end of a short
        // program. SQLite does it by itself once the log has 1,000 pages.
        connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
        let mut database = Self { connection, path: path.to_owned() };
        database.migrate()?;
        Ok(database)
    }

    fn migrate(&mut self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let failed = |source| StoreError::Database { action: "change the tables", path: path.clone(), source };
        let known = MIGRATIONS.len() as u32;
        if version(&self.connection).map_err(failed)? == known {
            return Ok(());
        }
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        // Read again: another process may have migrated while this one waited.
        let found = version(&transaction).map_err(failed)?;
        if found > known {
            return Err(StoreError::TooNew { path: self.path.clone(), known, found });
        }
        for statements in &MIGRATIONS[found as usize..] {
            transaction.execute_batch(statements).map_err(failed)?;
        }
        transaction.pragma_update(None, "user_version", known).map_err(failed)?;
        transaction.commit().map_err(failed)
    }

    /// Brings the rows of one run up to date with its folder.
    pub fn index(&mut self, folder: &RunFolder) -> Result<(), StoreError> {
        self.put(&folder.load()?, &folder.stamp())
    }

    /// Writes a run and what hangs on it; what was there of it is replaced, its rollup kept.
    pub(crate) fn put(&mut self, record: &RunRecord, stamp: &str) -> Result<(), StoreError> {
        self.in_transaction("write a run", |transaction| put_run(transaction, record, stamp))
    }

    /// Replaces the rollup of a run that is in the database.
    pub fn put_rollup(&mut self, id: &RunId, rows: &[RollupRow]) -> Result<(), StoreError> {
        self.in_transaction("write a rollup", |transaction| {
            transaction.execute("DELETE FROM rollup WHERE run = ?1", [id.as_str()])?;
            let mut insert =
                transaction.prepare("INSERT OR REPLACE INTO rollup VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
            for row in rows {
                insert.execute(params![
                    row.function,
                    row.file,
                    id.as_str(),
                    row.live_bytes,
                    row.peak_bytes,
                    row.total_bytes.min(i64::MAX as u64) as i64,
                    row.total_count.min(i64::MAX as u64) as i64
                ])?;
            }
            Ok(())
        })
    }

    /// One function over the newest `limit` runs that have it, newest first.
    pub fn rollup_history(
        &self,
        function: &str,
        file: &str,
        limit: usize,
    ) -> Result<Vec<(RunId, RollupRow)>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT run, live_bytes, peak_bytes, total_bytes, total_count FROM rollup JOIN run ON run.id = run
                 WHERE function = ?1 AND file = ?2 ORDER BY start_ns DESC LIMIT ?3",
            )?;
            let rows = statement.query_map(params![function, file, limit as i64], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    RollupRow {
                        function: function.to_owned(),
                        file: file.to_owned(),
                        live_bytes: row.get(1)?,
                        peak_bytes: row.get(2)?,
                        total_bytes: row.get::<_, i64>(3)? as u64,
                        total_count: row.get::<_, i64>(4)? as u64,
                    },
                ))
            })?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        let rows = read().map_err(|source| self.failed("read a rollup", source))?;
        Ok(rows.into_iter().filter_map(|(id, row)| Some((RunId::parse(&id)?, row))).collect())
    }

    /// Forgets a run.
    pub fn remove(&mut self, id: &RunId) -> Result<(), StoreError> {
        self.in_transaction("remove a run", |transaction| {
            transaction.execute("DELETE FROM run WHERE id = ?1", [id.as_str()]).map(|_| ())
        })
    }

    /// The record of a run as it was when its files had `stamp`; `None` if the database has another state of it.
    pub(crate) fn record(&self, id: &RunId, stamp: &str) -> Result<Option<RunRecord>, StoreError> {
        let text: Option<String> = self
            .connection
            .prepare_cached("SELECT record FROM run WHERE id = ?1 AND stamp = ?2")
            .and_then(|mut statement| statement.query_row([id.as_str(), stamp], |row| row.get(0)).optional())
            .map_err(|source| self.failed("read a run", source))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// All ids.
    pub(crate) fn ids(&self) -> Result<Vec<RunId>, StoreError> {
        let read = || {
            let mut statement = self.connection.prepare("SELECT id FROM run")?;
            statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()
        };
        let ids = read().map_err(|source| self.failed("list the runs", source))?;
        Ok(ids.iter().filter_map(|id| RunId::parse(id)).collect())
    }

    fn in_transaction(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        // Immediate: a deferred transaction that turns to writing fails at once when another process writes.
        let result = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .and_then(|transaction| work(&transaction).and_then(|()| transaction.commit()));
        result.map_err(|source| self.failed(action, source))
    }

    fn failed(&self, action: &'static str, source: rusqlite::Error) -> StoreError {
        StoreError::Database { action, path: self.path.clone(), source }
    }
}

/// Whether the database file itself is damaged, so that only building it anew helps.
pub(crate) fn is_damage(error: &StoreError) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let StoreError::Database { source, .. } = error else { return false };
    matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn put_run(transaction: &Transaction<'_>, record: &RunRecord, stamp: &str) -> rusqlite::Result<()> {
    let id = record.id.as_str();
    let (exit_code, signal) = match record.end.map(|end| end.exit) {
        Some(ProgramExit::ExitCode(code)) => (Some(code), None),
        Some(ProgramExit::Signal(signal)) => (None, Some(signal)),
        None => (None, None),
    };
    let json = |value: serde_json::Result<String>| {
        value.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    };
    transaction.execute(
        "INSERT INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
         ON CONFLICT (id) DO UPDATE SET name = ?2, command = ?3, cwd = ?4, start_ns = ?5, end_ns = ?6, exit_code = ?7,
         signal = ?8, git_commit = ?9, git_dirty = ?10, hostname = ?11, brimline_version = ?12, stamp = ?13, record = ?14",
        params![
            id,
            record.name.as_ref().map(super::record::RunName::as_str),
            json(serde_json::to_string(&record.command))?,
            record.cwd,
            record.start.0 as i64,
            record.end.map(|end| end.at.0 as i64),
            exit_code,
            signal,
            record.git.as_ref().map(|git| git.commit.as_str()),
            record.git.as_ref().and_then(|git| git.dirty),
            record.hostname,
            record.brimline_version,
            stamp,
            json(serde_json::to_string(record))?
        ],
    )?;
    for table in ["phase", "mark", "baseline", "verdict"] {
        transaction.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [id])?;
    }
    for phase in &record.phases {
        let end = phase.end.map(|end| end.0 as i64);
        let row = params![id, phase.name.as_str(), phase.start.0 as i64, end];
        transaction.execute("INSERT INTO phase VALUES (?1, ?2, ?3, ?4)", row)?;
    }
    let marks = record.marks.iter().map(|mark| (&mark.name, mark.at, false));
    let snapshots = record.snapshots.iter().map(|snapshot| (&snapshot.name, snapshot.at, true));
    for (name, at, is_snapshot) in marks.chain(snapshots) {
        let row = params![id, name.as_str(), at.0 as i64, is_snapshot];
        transaction.execute("INSERT INTO mark VALUES (?1, ?2, ?3, ?4)", row)?;
    }
    for baseline in &record.baselines {
        let row = params![baseline.name.as_str(), id, baseline.at.0 as i64];
        transaction.execute("INSERT OR REPLACE INTO baseline VALUES (?1, ?2, ?3)", row)?;
    }
    for verdict in &record.verdicts {
        let row = params![id, verdict.at.0 as i64, verdict.subject, verdict.verdict, verdict.detail.to_string()];
        transaction.execute("INSERT INTO verdict VALUES (?1, ?2, ?3, ?4, ?5)", row)?;
    }
    Ok(())
}

/// Whether a record of this state can be taken from the database next time. A run without an end is read from its
/// folder each time, since its state depends on who is alive.
pub(crate) fn is_lasting(state: RunState) -> bool {
    state == RunState::Ended
}
