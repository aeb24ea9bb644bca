//! The journal: what each operation is going to do, is doing, and has done. Written before each effect and
//! after its check, so that an operation that was killed anywhere is resumed or undone.
//!
//! SQLite in WAL mode, one file for one bridge. An operation holds its minions until it is over; a file
//! lock tells whether somebody works on it at this moment. A new column is a step in `schema.rs`.

mod lock;
mod schema;
mod state;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Error, Kind, Result};
use crate::plan::{Action, AnyPlan, CleanPlan, CloudPlan, Plan, Planned};
use crate::salt::Way;
pub use lock::Held;
pub use state::{OpState, StepState};

/// Another bridge may be writing.
const BUSY: Duration = Duration::from_secs(10);

/// An operation as the journal has it.
#[derive(Debug, Clone)]
pub struct Operation<P = Plan> {
    /// Its id.
    pub id: String,
    /// The command that began it.
    pub command: String,
    /// Where it stands.
    pub state: OpState,
    /// Why it stands there.
    pub note: String,
    /// The plan.
    pub plan: P,
    /// How the old master is reached; of an operation on VMs, the only one.
    pub old: Way,
    /// The new master's, if it could be read here.
    pub new_config: Option<PathBuf>,
    /// Who began it.
    pub operator: String,
    /// Unix time of its begin.
    pub begun: u64,
    /// Unix time of its end.
    pub ended: Option<u64>,
}

impl Operation {
    /// The id of the orders of a wave.
    pub fn order(&self, wave: usize) -> String {
        format!("{}.{wave}", self.id)
    }

    /// The id of the orders that bring a wave back.
    pub fn order_back(&self, wave: usize) -> String {
        format!("{}.{wave}.back", self.id)
    }
}

impl<P> Operation<P> {
    /// The same with another plan.
    fn with<Q>(self, plan: impl FnOnce(P) -> Q) -> Operation<Q> {
        Operation {
            id: self.id,
            command: self.command,
            state: self.state,
            note: self.note,
            plan: plan(self.plan),
            old: self.old,
            new_config: self.new_config,
            operator: self.operator,
            begun: self.begun,
            ended: self.ended,
        }
    }
}

/// An operation by its kind.
pub enum ByKind {
    /// Minions move to another master.
    Move(Operation),
    /// Things are made or changed in a cloud.
    Cloud(Operation<CloudPlan>),
    /// Keys that a move has left are deleted.
    Clean(Operation<CleanPlan>),
}

impl Operation<AnyPlan> {
    /// Which kind it is.
    pub fn by_kind(self) -> ByKind {
        match self.plan.clone() {
            AnyPlan::Move(plan) => ByKind::Move(self.with(|_| plan)),
            AnyPlan::Cloud(plan) => ByKind::Cloud(self.with(|_| plan)),
            AnyPlan::Clean(plan) => ByKind::Clean(self.with(|_| plan)),
        }
    }
}

/// A step as the journal has it: of a move, unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<A = Action> {
    /// The index of its wave; in a cloud, its own place.
    pub wave: usize,
    /// Its minion, empty for the whole wave; in a cloud, its key.
    pub minion: String,
    /// What it does.
    pub action: A,
    /// Where it stands.
    pub state: StepState,
    /// A reason code, a decision, or nothing.
    pub reason: String,
    /// Words, or what undoing needs.
    pub detail: String,
    /// Unix time in milliseconds of its begin.
    pub begun: Option<u64>,
    /// Unix time in milliseconds of its end.
    pub ended: Option<u64>,
}

/// The journal of this host.
pub struct Journal {
    connection: Connection,
    path: PathBuf,
}

impl Journal {
    /// Opens the journal, and makes it if need be: readable by its owner alone.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = || {
            Error::new(
                Kind::Local,
                format!("cannot use the journal {}", path.display()),
            )
            .hint("name another file with --journal")
        };
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| failed().because(&e))?;
        }
        lock::private_file(path).map_err(|e| failed().because(&e))?;
        let connection = Connection::open(path).map_err(|e| failed().because(&e))?;
        connection
            .busy_timeout(BUSY)
            .map_err(|e| failed().because(&e))?;
        schema::prepare(&connection).map_err(|e| failed().because(&e))?;
        Ok(Self {
            connection,
            path: path.to_owned(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes an operation up for this process alone.
    pub fn hold(&self, op: &str) -> Result<Held> {
        lock::hold(&self.path, op)
    }

    /// Whether a process works on it now.
    pub fn is_held(&self, op: &str) -> bool {
        lock::is_held(&self.path, op)
    }

    /// Writes a new operation, its steps, and its hold on its minions or servers, all or nothing.
    pub fn begin<P: Planned>(&mut self, op: &Operation<P>) -> Result<()> {
        let failed = failure(&self.path);
        let transaction = self.connection.transaction().map_err(&failed)?;
        for (place, subject) in op.plan.holds() {
            let holder: Option<String> = transaction
                .query_row(
                    "SELECT op FROM held WHERE master = ?1 AND minion = ?2",
                    params![place, subject],
                    |row| row.get(0),
                )
                .optional()
                .map_err(&failed)?;
            if let Some(holder) = holder {
                let text = format!("{subject} belongs to the operation {holder}");
                return Err(Error::new(Kind::Refused, text).hint(format!(
                    "finish that one first: `master-bridge ops resume {holder}`, `ops rollback {holder}`, or `ops end {holder}` to give it up"
                )));
            }
            transaction
                .execute(
                    "INSERT INTO held (master, minion, op) VALUES (?1, ?2, ?3)",
                    params![place, subject, op.id],
                )
                .map_err(&failed)?;
        }
        transaction
            .execute(
                "INSERT INTO operation (id, command, state, note, plan, hash, old_config, new_config, operator, begun)
                 VALUES (?1, ?2, ?3, '', ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    op.id,
                    op.command,
                    OpState::Running.name(),
                    op.plan.text(),
                    op.plan.hash(),
                    op.old.text(),
                    op.new_config.as_ref().map(|p| p.display().to_string()),
                    op.operator,
                    op.begun,
                ],
            )
            .map_err(&failed)?;
        for (wave, minion, action) in op.plan.rows() {
            transaction
                .execute(
                    "INSERT INTO step (op, wave, minion, action, state) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![op.id, wave, minion, action, StepState::Planned.name()],
                )
                .map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }

    /// Sets steps of one kind to a state, all or nothing. What is not planned yet is added.
    pub fn mark(
        &mut self,
        op: &str,
        wave: usize,
        minions: &[&str],
        action: Action,
        state: StepState,
        why: (&str, &str),
    ) -> Result<()> {
        self.mark_named(op, wave, minions, action.name(), state, why)
    }

    /// The same for a kind of step by its word.
    pub fn mark_named(
        &mut self,
        op: &str,
        wave: usize,
        minions: &[&str],
        action: &str,
        state: StepState,
        (reason, detail): (&str, &str),
    ) -> Result<()> {
        let now = millis();
        let failed = failure(&self.path);
        let (begun, ended) = match state {
            StepState::Begun => (Some(now), None),
            StepState::Planned => (None, None),
            StepState::Done | StepState::Failed | StepState::Undone => (None, Some(now)),
        };
        let transaction = self.connection.transaction().map_err(&failed)?;
        for minion in minions {
            transaction
                .execute(
                    "INSERT INTO step (op, wave, minion, action, state, reason, detail, begun, ended)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
                     ON CONFLICT (op, wave, minion, action) DO UPDATE SET
                     state = ?5, reason = ?6, detail = ?7, begun = coalesce(?8, begun), ended = ?9",
                    params![op, wave, minion, action, state.name(), reason, detail, begun, ended],
                )
                .map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }

    /// Sets the state of an operation; one that is over lets its minions go.
    pub fn set_state(&mut self, op: &str, state: OpState, note: &str) -> Result<()> {
        let failed = failure(&self.path);
        let ended = (!state.is_open()).then(|| millis() / 1000);
        let transaction = self.connection.transaction().map_err(&failed)?;
        transaction
            .execute(
                "UPDATE operation SET state = ?2, note = ?3, ended = ?4 WHERE id = ?1",
                params![op, state.name(), note, ended],
            )
            .map_err(&failed)?;
        if !state.is_open() {
            transaction
                .execute("DELETE FROM held WHERE op = ?1", params![op])
                .map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)
    }

    /// Takes the minions or servers of an operation again, to undo it.
    pub fn retake<P: Planned>(&mut self, op: &Operation<P>) -> Result<()> {
        for (place, subject) in op.plan.holds() {
            let taken = self.connection.execute(
                "INSERT INTO held (master, minion, op) VALUES (?1, ?2, ?3)
                 ON CONFLICT (master, minion) DO UPDATE SET op = op WHERE op = ?3",
                params![place, subject, op.id],
            );
            if taken.map_err(failure(&self.path))? == 0 {
                let text = format!("{subject} belongs to another operation by now");
                return Err(Error::new(Kind::Refused, text).hint("`master-bridge ops list`"));
            }
        }
        Ok(())
    }

    /// All operations, the latest first.
    pub fn operations(&self) -> Result<Vec<Operation<AnyPlan>>> {
        let mut query = self
            .connection
            .prepare(&format!(
                "SELECT {COLUMNS} FROM operation ORDER BY begun DESC, rowid DESC"
            ))
            .map_err(failure(&self.path))?;
        let rows = query
            .query_map([], operation)
            .map_err(failure(&self.path))?;
        rows.collect::<rusqlite::Result<_>>()
            .map_err(failure(&self.path))
    }

    /// One operation; `last` is the latest.
    pub fn operation(&self, id: &str) -> Result<Operation<AnyPlan>> {
        let all = self.operations()?;
        let found = if id == "last" {
            all.into_iter().next()
        } else {
            all.into_iter().find(|op| op.id == id)
        };
        found.ok_or_else(|| {
            Error::new(
                Kind::NothingMatched,
                format!("the journal has no operation {id}"),
            )
            .hint("`master-bridge ops list` shows all; --journal names another journal")
        })
    }

    /// The steps of one wave of an operation.
    pub fn steps_of_wave(&self, op: &str, wave: usize) -> Result<Vec<Record>> {
        let mut records = self.steps(op)?;
        records.retain(|r| r.wave == wave);
        Ok(records)
    }

    /// The steps of a move, in the order of the plan.
    pub fn steps(&self, op: &str) -> Result<Vec<Record>> {
        let failed = failure(&self.path);
        let named = self.steps_named(op)?;
        named
            .into_iter()
            .map(|step| {
                let action = word(2, Action::of(&step.action)).map_err(&failed)?;
                Ok(Record {
                    wave: step.wave,
                    minion: step.minion,
                    action,
                    state: step.state,
                    reason: step.reason,
                    detail: step.detail,
                    begun: step.begun,
                    ended: step.ended,
                })
            })
            .collect()
    }

    /// The steps of any operation, with the words of what they do.
    pub fn steps_named(&self, op: &str) -> Result<Vec<Record<String>>> {
        let mut query = self
            .connection
            .prepare(
                "SELECT wave, minion, action, state, reason, detail, begun, ended FROM step
                 WHERE op = ?1 ORDER BY seq",
            )
            .map_err(failure(&self.path))?;
        let rows = query
            .query_map(params![op], |row| {
                let state: String = row.get(3)?;
                Ok(Record {
                    wave: row.get(0)?,
                    minion: row.get(1)?,
                    action: row.get(2)?,
                    state: word(3, StepState::ALL.into_iter().find(|s| s.name() == state))?,
                    reason: row.get(4)?,
                    detail: row.get(5)?,
                    begun: row.get(6)?,
                    ended: row.get(7)?,
                })
            })
            .map_err(failure(&self.path))?;
        rows.collect::<rusqlite::Result<_>>()
            .map_err(failure(&self.path))
    }
}

const COLUMNS: &str =
    "id, command, state, note, plan, old_config, new_config, operator, begun, ended";

fn operation(row: &Row<'_>) -> rusqlite::Result<Operation<AnyPlan>> {
    let (state, plan): (String, String) = (row.get(2)?, row.get(4)?);
    let (old, new): (String, Option<String>) = (row.get(5)?, row.get(6)?);
    Ok(Operation {
        id: row.get(0)?,
        command: row.get(1)?,
        state: word(2, OpState::ALL.into_iter().find(|s| s.name() == state))?,
        note: row.get(3)?,
        plan: word(4, serde_json::from_str(&plan).ok())?,
        old: word(5, Way::of_text(&old))?,
        new_config: new.map(Into::into),
        operator: row.get(7)?,
        begun: row.get(8)?,
        ended: row.get(9)?,
    })
}

fn failure(path: &Path) -> impl Fn(rusqlite::Error) -> Error + use<> {
    let text = format!("the journal {} failed", path.display());
    move |e| {
        Error::new(Kind::Local, text.clone()).because(&e).hint(
            "nothing was done that is not written there; mend it, then `master-bridge ops resume`",
        )
    }
}

/// A word that some later bridge wrote is an error that names its column, not a guess.
fn word<T>(column: usize, value: Option<T>) -> rusqlite::Result<T> {
    value.ok_or_else(|| {
        let text = "written by another version of master-bridge".into();
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, text)
    })
}

/// Unix time in milliseconds.
pub fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// A new operation's id: sortable by time, and unlike any other.
pub fn new_id() -> String {
    let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
    let mut random = [0; 3];
    // Without randomness the time alone must do; the journal refuses a second one.
    getrandom::fill(&mut random).ok();
    let tail: String = random.iter().map(|b| format!("{b:02x}")).collect();
    format!("op-{now}-{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::steps::tests::plan;

    fn operation(id: &str, waves: &[&[&str]]) -> Operation {
        Operation {
            id: id.into(),
            command: "remaster-all".into(),
            state: OpState::Running,
            note: String::new(),
            plan: plan(waves),
            old: Way::Local("/etc/salt".into()),
            new_config: None,
            operator: "root".into(),
            begun: 1,
            ended: None,
        }
    }

    #[test]
    fn what_was_written_is_there_for_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/journal.sqlite");
        let mut journal = Journal::open(&path).unwrap();
        let op = operation("o1", &[&["a", "b"]]);
        journal.begin(&op).unwrap();
        journal
            .mark(
                "o1",
                0,
                &["a", "b"],
                Action::Move,
                StepState::Begun,
                ("", ""),
            )
            .unwrap();
        journal
            .mark(
                "o1",
                0,
                &["a"],
                Action::Move,
                StepState::Failed,
                ("pending", "x"),
            )
            .unwrap();
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        let found = journal.operation("last").unwrap();
        assert_eq!(found.plan.hash(), op.plan.hash());
        let steps = journal.steps("o1").unwrap();
        assert_eq!(steps.len(), op.plan.steps().len());
        let moves: Vec<_> = steps.iter().filter(|s| s.action == Action::Move).collect();
        assert_eq!(moves[0].state, StepState::Failed);
        assert_eq!(moves[0].reason, "pending");
        assert!(moves[0].begun <= moves[0].ended);
        assert_eq!(moves[1].state, StepState::Begun);
        assert_eq!(
            journal.operation("no").unwrap_err().kind,
            Kind::NothingMatched
        );
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_minion_belongs_to_one_operation_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&dir.path().join("j")).unwrap();
        journal.begin(&operation("o1", &[&["a"], &["b"]])).unwrap();
        let refused = journal.begin(&operation("o2", &[&["c", "b"]])).unwrap_err();
        assert_eq!(refused.kind, Kind::Refused);
        assert!(refused.message.contains("o1"), "{refused}");
        // Nothing of the refused one is left.
        journal.begin(&operation("z3", &[&["c"]])).unwrap();
        journal.set_state("o1", OpState::Done, "").unwrap();
        journal.begin(&operation("o4", &[&["a"]])).unwrap();
        assert!(journal.retake(&operation("o1", &[&["a"]])).is_err());
        journal.retake(&operation("o1", &[&["b"]])).unwrap();
        let ids: Vec<_> = journal
            .operations()
            .unwrap()
            .into_iter()
            .map(|o| o.id)
            .collect();
        assert_eq!(ids, ["o4", "z3", "o1"], "as they were begun, in one second");
    }

    #[test]
    fn one_process_works_on_an_operation() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&dir.path().join("j")).unwrap();
        let held = journal.hold("o1").unwrap();
        assert!(journal.is_held("o1") && !journal.is_held("o2"));
        assert_eq!(journal.hold("o1").err().unwrap().kind, Kind::Refused);
        drop(held);
        assert!(!journal.is_held("o1"));
        drop(journal.hold("o1").unwrap());
    }
}
