//! `logrotate`: its configuration, looked at and changed.

use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::logrotate;

/// The rows of `logrotate`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "logrotate.get",
        "key, value=None, conf_file='/etc/logrotate.conf'",
        get,
        "Return a directive, or a log file's directives, or one of these.",
        "salt '*' logrotate.get rotate\n    salt '*' logrotate.get /var/log/wtmp rotate /etc/logrotate.conf"
    ),
    row!(
        "logrotate.set",
        "key, value, setting=None, conf_file='/etc/logrotate.conf'",
        set,
        "Set a directive; with ``setting`` the directive ``value`` of the log file ``key``.",
        "salt '*' logrotate.set rotate 2\n    salt '*' logrotate.set /var/log/wtmp rotate 2"
    ),
    row!(
        "logrotate.show_conf",
        "conf_file='/etc/logrotate.conf'",
        |_, args| Ok(read(args)?.into()),
        "Return the whole configuration.",
        "salt '*' logrotate.show_conf"
    ),
];

fn read(args: &Args) -> Result<Map> {
    let file = args.text("conf_file")?;
    logrotate::read(Path::new(&file)).map_err(|message| Error::Exception {
        kind: "FileNotFoundError",
        message,
    })
}

fn get(_: &Context, args: &Args) -> Result {
    let all = read(args)?;
    let stanza = all.get(args.get("key")).cloned().unwrap_or(false.into());
    let wanted = args.get("value");
    if !wanted.is_truthy() || !stanza.is_truthy() {
        return Ok(stanza);
    }
    match &stanza {
        Value::Map(map) => Ok(map.get(wanted).cloned().unwrap_or(false.into())),
        other => Err(Error::Exception {
            kind: "AttributeError",
            message: format!(
                "'{}' object has no attribute 'get'",
                crate::context::signature::kind(other)
            ),
        }),
    }
}

fn set(ctx: &Context, args: &Args) -> Result {
    let all = read(args)?;
    let (key, value) = (args.get("key"), args.get("value"));
    let name = python::text(key);
    let mut file = PathBuf::from(args.text("conf_file")?);
    if let Some(Value::Map(files)) = all.get("include files") {
        let holds = |keys: &Value| keys.as_list().is_some_and(|keys| keys.contains(key));
        if let Some((include, _)) = files.iter().find(|(_, keys)| holds(keys)) {
            let dir = all.get("include").map(python::text).unwrap_or_default();
            file = Path::new(&dir).join(python::text(include));
        }
    }
    let now = all.get(key);
    let setting = args.get("setting");
    let mut kwargs = map! {
        "path" => file.to_string_lossy().into_owned(), "flags" => 8, "backup" => false,
        "show_changes" => false,
    };
    if setting.is_null() {
        if matches!(now, Some(Value::Map(_))) {
            return Err(Error::invocation(format!(
                "Error: {name} includes a dict, and a specific setting inside the dict was not declared"
            )));
        }
        if Some(value) == now || now.is_none() && *value == Value::Bool(false) {
            return Ok(true.into());
        }
        let line = match value {
            Value::Bool(true) => name.clone(),
            other if other.is_truthy() => format!("{name} {}", python::text(other)),
            _ => String::new(),
        };
        kwargs.insert("pattern".into(), format!("^{name}.*").into());
        kwargs.insert("repl".into(), line.into());
        kwargs.insert("prepend_if_not_found".into(), true.into());
        return ctx.call("file.replace", &[], &kwargs);
    }
    let mut stanza = match now {
        Some(Value::Map(stanza)) => stanza.clone(),
        Some(other) if other.is_truthy() => {
            return Err(Error::invocation(
                "Error: A setting for a dict was declared, but the configuration line given is not a dict",
            ));
        }
        _ => Map::new(),
    };
    if *setting == stanza.get(value).cloned().unwrap_or(false.into()) {
        return Ok(true.into());
    }
    if setting.is_truthy() {
        stanza.insert(value.clone(), setting.clone());
    } else {
        stanza.shift_remove(value);
    }
    kwargs.insert("pattern".into(), format!("^{name}.*?{{.*?}}").into());
    kwargs.insert("flags".into(), 24.into());
    kwargs.insert("repl".into(), logrotate::stanza(&name, &stanza).into());
    kwargs.insert("append_if_not_found".into(), true.into());
    ctx.call("file.replace", &[], &kwargs)
}
