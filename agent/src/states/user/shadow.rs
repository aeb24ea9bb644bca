//! What `user.present` says about `/etc/shadow`: the password, its ages, the account's end, a lock.

use std::path::Path;

use salt_wire::{Map, Value};

use crate::context::{Context, Error, python};
use crate::host::password::{self, HIDDEN};
use crate::host::shadow::{self, Entry, FIELDS, Field};
use crate::states::{Outcome, Run};

/// Each argument with what it sets, in the order in which Salt looks at them.
const DAYS: [(&str, Field); 6] = [
    ("date", Field::Changed),
    ("mindays", Field::Min),
    ("maxdays", Field::Max),
    ("inactdays", Field::Inactive),
    ("warndays", Field::Warn),
    ("expire", Field::Expire),
];

/// What is wanted of an account's entry.
pub(super) struct Wanted<'a> {
    run: &'a Run<'a>,
    name: &'a str,
    /// The hash; `None` when no password is asked for.
    hash: Option<String>,
}

pub(super) fn entry(name: &str) -> Option<Entry> {
    shadow::entry(Path::new("/"), name)
}

/// A number of an entry; Salt shows blanks where there is no entry.
fn days(entry: Option<&Entry>, field: Field) -> Value {
    entry.map_or_else(|| "".into(), |e| e.get(field).into())
}

/// The hash of a password given in clear. The salt of the present one is kept: the same password gives the same hash.
fn hashed(password: &str, name: &str) -> Result<String, Error> {
    let now = entry(name).map(|e| e.passwd).unwrap_or_default();
    let made = match now.split('$').collect::<Vec<_>>().as_slice() {
        [_, number, salt, _] => {
            let algorithm = match *number {
                "1" => "md5",
                "2a" => "blowfish",
                "5" => "sha256",
                _ => "sha512",
            };
            password::hash_of(password, Some((*salt).to_owned()), algorithm)
        }
        _ => password::hash_of(password, None, "sha512"),
    };
    made.map_err(Error::Invocation)
}

impl<'a> Wanted<'a> {
    pub(super) fn of(run: &'a Run<'a>, name: &'a str) -> Result<Self, Error> {
        let given = run.args.get("password");
        let mut hash = given.is_truthy().then(|| python::text(given));
        if run.args.flag("hash_password")
            && let Some(clear) = &hash
        {
            hash = Some(hashed(clear, name)?);
        }
        Ok(Self { run, name, hash })
    }

    fn empty(&self) -> bool {
        self.run.args.flag("empty_password")
    }

    /// Adds what differs, by Salt's names.
    pub(super) fn changes(&self, changes: &mut Map) {
        let args = self.run.args;
        let now = entry(self.name);
        let has = now.as_ref().map_or("", |e| e.passwd.as_str());
        if let Some(hash) = self.hash.as_ref().filter(|h| *h != has)
            && !self.empty()
            && (has == "!" || args.flag("enforce_password"))
        {
            changes.insert("passwd".into(), hash.as_str().into());
        }
        if self.empty() && !has.is_empty() {
            changes.insert("empty_password".into(), true.into());
        }
        for (argument, field) in DAYS {
            let value = args.get(argument);
            let asked = match field {
                Field::Expire => value.is_truthy(),
                _ => !value.is_null(),
            };
            if asked && *value != days(now.as_ref(), field) {
                changes.insert(argument.into(), value.clone());
            }
        }
        let lock = args.get("password_lock");
        let locked = has.starts_with('!');
        if lock.is_truthy() && !locked || *lock == Value::Bool(false) && locked {
            changes.insert("password_lock".into(), lock.clone());
        }
    }

    /// What comes before the home: password, lock and date.
    pub(super) fn apply_password(&self, ctx: &Context, changes: &Map) -> Result<(), Error> {
        let (programs, root) = (ctx.programs(), Path::new("/"));
        if let Some(hash) = changes.get("passwd") {
            shadow::set_hash(&programs, root, self.name, &python::text(hash))
                .map_err(Error::Execution)?;
        }
        if changes.contains_key("empty_password") {
            shadow::delete(&programs, root, self.name).map_err(Error::Execution)?;
        }
        if let Some(lock) = changes.get("password_lock") {
            shadow::lock(&programs, root, self.name, lock.is_truthy()).map_err(Error::Execution)?;
        }
        self.apply_days(ctx, changes, &DAYS[..1])
    }

    /// What comes after the home: all other ages.
    pub(super) fn apply_ages(&self, ctx: &Context, changes: &Map) -> Result<(), Error> {
        self.apply_days(ctx, changes, &DAYS[1..])
    }

    fn apply_days(
        &self,
        ctx: &Context,
        changes: &Map,
        which: &[(&str, Field)],
    ) -> Result<(), Error> {
        for (argument, field) in which {
            if let Some(value) = changes.get(*argument) {
                self.set(ctx, *field, value)?;
            }
        }
        Ok(())
    }

    fn set(&self, ctx: &Context, field: Field, value: &Value) -> Result<(), Error> {
        let text = python::text(value);
        shadow::set(&ctx.programs(), Path::new("/"), self.name, field, &text)
            .map(drop)
            .map_err(Error::Execution)
    }

    /// What became different of the entry. Salt looks only where the password was not yet the wanted one.
    pub(super) fn report(&self, before: Option<&Entry>, changed: &mut Map) {
        let was = before.map_or("", |e| e.passwd.as_str());
        if self.hash.as_deref() == Some(was) {
            return;
        }
        let now = entry(self.name);
        if now.as_ref().map_or("", |e| e.passwd.as_str()) != was {
            changed.insert("passwd".into(), HIDDEN.into());
        }
        for field in FIELDS {
            let (old, new) = (days(before, field), days(now.as_ref(), field));
            if old != new {
                changed.insert(field.key().into(), new);
            }
        }
    }

    /// What an account that was just made gets.
    pub(super) fn create(&self, ctx: &Context, out: &mut Outcome) -> Result<(), Error> {
        let name = self.name;
        let (programs, root) = (ctx.programs(), Path::new("/"));
        if let Some(hash) = self.hash.as_ref().filter(|_| !self.empty()) {
            let set = shadow::set_hash(&programs, root, name, hash).map_err(Error::Execution)?;
            if !set {
                fail(
                    out,
                    format!("User {name} created but failed to set password to {HIDDEN}"),
                );
            }
            out.changes.insert("password".into(), HIDDEN.into());
        }
        if self.empty() && self.hash.is_none() {
            let gone = shadow::delete(&programs, root, name).map_err(Error::Execution)?;
            if !gone {
                fail(
                    out,
                    format!("User {name} created but failed to empty password"),
                );
            }
            out.changes.insert("password".into(), "".into());
        }
        for (argument, field) in DAYS {
            let value = self.run.args.get(argument);
            let asked = match field {
                Field::Changed => !value.is_null(),
                _ => value.is_truthy(),
            };
            if !asked {
                continue;
            }
            self.set(ctx, field, value)?;
            if days(entry(name).as_ref(), field) != *value {
                let what = match field {
                    Field::Changed => "last change date",
                    Field::Min => "minimum days",
                    Field::Max => "maximum days",
                    Field::Inactive => "inactive days",
                    Field::Warn => "warn days",
                    Field::Expire => "expire days",
                };
                fail(
                    out,
                    format!(
                        "User {name} created but failed to set {what} to {}",
                        python::text(value)
                    ),
                );
            }
            out.changes.insert(argument.into(), value.clone());
        }
        Ok(())
    }
}

fn fail(out: &mut Outcome, comment: String) {
    out.comment = comment;
    out.result = Some(false);
}
