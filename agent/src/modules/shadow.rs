//! `shadow`: password hashes, their ages, and locks.

use std::path::PathBuf;

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::password;
use crate::host::shadow::{self, Entry, FIELDS, Field};

/// The rows of `shadow`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "shadow.default_hash",
        "",
        |_, _| Ok("!".into()),
        "Return what stands for a password that was never set.",
        "salt '*' shadow.default_hash"
    ),
    row!(
        "shadow.del_password",
        "name, root=None",
        |ctx, args| {
            let name = args.text("name")?;
            let done = shadow::delete(&ctx.programs(), &root(args)?, &name);
            Ok(done.map_err(Error::Execution)?.into())
        },
        "Take the password of an account away.",
        "salt '*' shadow.del_password username"
    ),
    row!(
        "shadow.gen_password",
        "password, crypt_salt=None, algorithm='sha512'",
        gen_password,
        "Return the hash of a password.",
        "salt '*' shadow.gen_password 'I_am_password' crypt_salt='I_am_salt' algorithm=sha256"
    ),
    row!(
        "shadow.info",
        "name, root=None",
        |_, args| Ok(shown(shadow::entry(&root(args)?, &args.text("name")?).as_ref()).into()),
        "Return what /etc/shadow says of an account.",
        "salt '*' shadow.info root"
    ),
    row!(
        "shadow.list_users",
        "root=None",
        |_, args| Ok(shadow::names(&root(args)?).into()),
        "List the accounts of /etc/shadow.",
        "salt '*' shadow.list_users"
    ),
    row!(
        "shadow.lock_password",
        "name, root=None",
        |ctx, args| lock(ctx, args, true),
        "Lock the password of an account.",
        "salt '*' shadow.lock_password username"
    ),
    row!(
        "shadow.set_date",
        "name, date, root=None",
        |ctx, args| set(ctx, args, "date", Field::Changed),
        "Set when the password was last changed, in days since 1970.",
        "salt '*' shadow.set_date username 0"
    ),
    row!(
        "shadow.set_expire",
        "name, expire, root=None",
        |ctx, args| set(ctx, args, "expire", Field::Expire),
        "Set when the account expires, in days since 1970; -1 for never.",
        "salt '*' shadow.set_expire username -1"
    ),
    row!(
        "shadow.set_inactdays",
        "name, inactdays, root=None",
        |ctx, args| set(ctx, args, "inactdays", Field::Inactive),
        "Set how many days after the password's end the account still works.",
        "salt '*' shadow.set_inactdays username 7"
    ),
    row!(
        "shadow.set_maxdays",
        "name, maxdays, root=None",
        |ctx, args| set(ctx, args, "maxdays", Field::Max),
        "Set for how many days a password is valid.",
        "salt '*' shadow.set_maxdays username 90"
    ),
    row!(
        "shadow.set_mindays",
        "name, mindays, root=None",
        |ctx, args| set(ctx, args, "mindays", Field::Min),
        "Set for how many days a password may not be changed again.",
        "salt '*' shadow.set_mindays username 7"
    ),
    row!(
        "shadow.set_password",
        "name, password, use_usermod=False, root=None",
        set_password,
        "Set the hash of an account's password.",
        "salt '*' shadow.set_password root '$1$UYCIxa628.9qXjpQCjM4a..'"
    ),
    row!(
        "shadow.set_warndays",
        "name, warndays, root=None",
        |ctx, args| set(ctx, args, "warndays", Field::Warn),
        "Set how many days before the password's end the user is warned.",
        "salt '*' shadow.set_warndays username 7"
    ),
    row!(
        "shadow.unlock_password",
        "name, root=None",
        |ctx, args| lock(ctx, args, false),
        "Unlock the password of an account.",
        "salt '*' shadow.unlock_password username"
    ),
];

fn root(args: &Args) -> Result<PathBuf> {
    Ok(PathBuf::from(
        args.opt_text("root")?.unwrap_or_else(|| "/".to_owned()),
    ))
}

/// An entry as Salt shows it; blanks when there is none.
fn shown(entry: Option<&Entry>) -> Map {
    let text = |of: fn(&Entry) -> &str| Value::from(entry.map_or("", of));
    let mut map = Map::from_iter([
        ("name".into(), text(|e| &e.name)),
        ("passwd".into(), text(|e| &e.passwd)),
    ]);
    for field in FIELDS {
        let value = entry.map_or_else(|| "".into(), |e| e.get(field).into());
        map.insert(field.key().into(), value);
    }
    map
}

fn set(ctx: &Context, args: &Args, argument: &str, field: Field) -> Result {
    let (name, root, value) = (args.text("name")?, root(args)?, args.get(argument));
    let is_so = || Some(Value::from(shadow::entry(&root, &name)?.get(field)) == *value);
    match is_so() {
        None => return Ok(false.into()),
        Some(true) => return Ok(true.into()),
        Some(false) => {}
    }
    let text = python::text(value);
    let done = shadow::set(&ctx.programs(), &root, &name, field, &text);
    let done = done.map_err(Error::Execution)?;
    // Dates may be given in other forms than the one that is shown.
    Ok(match field {
        Field::Changed | Field::Expire => done,
        _ => is_so() == Some(true),
    }
    .into())
}

fn lock(ctx: &Context, args: &Args, locked: bool) -> Result {
    let name = args.text("name")?;
    let done = shadow::lock(&ctx.programs(), &root(args)?, &name, locked);
    Ok(done.map_err(Error::Execution)?.into())
}

fn set_password(ctx: &Context, args: &Args) -> Result {
    let (name, root) = (args.text("name")?, root(args)?);
    if crate::host::user::account(&name).is_none() {
        return Ok(false.into());
    }
    let done = shadow::set_hash(&ctx.programs(), &root, &name, &args.text("password")?);
    Ok(done.map_err(Error::Execution)?.into())
}

/// Also the work of `random.shadow_hash`.
pub(super) fn gen_password(_: &Context, args: &Args) -> Result {
    let password = match args.opt_text("password")? {
        Some(password) => password,
        None => password::secret().map_err(|e| Error::execution(e.to_string()))?,
    };
    let algorithm = args.text("algorithm")?;
    let hash = password::hash_of(&password, args.opt_text("crypt_salt")?, &algorithm);
    Ok(hash.map_err(Error::Invocation)?.into())
}

#[cfg(test)]
mod tests {
    use salt_wire::{Map, map};

    use crate::testing;

    #[test]
    fn no_password_is_not_the_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let ctx = testing::context(dir.path(), Map::new());
        let hash = |password: salt_wire::Value| {
            let given =
                map! { "password" => password, "crypt_salt" => "salt", "algorithm" => "sha256" };
            ctx.call("shadow.gen_password", &[], &given).unwrap()
        };
        assert_eq!(hash("".into()), hash("".into()));
        let none = || hash(salt_wire::Value::Null);
        assert_ne!(none(), hash("".into()));
        assert_ne!(none(), none());
    }
}
