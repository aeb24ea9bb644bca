//! `ini`: settings of INI files.

use salt_wire::{Map, Value};

use super::{Function, row};
use crate::context::{Args, Context, Error, Result, python};
use crate::host::ini::Ini;
use crate::host::perms::expand_user;
use crate::states::ini::manner;

/// The rows of `ini`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "ini.get_ini",
        "file_name, separator='=', encoding=None",
        |_, args| Ok(read(args)?.settings().into()),
        "Return all settings of a file, section by section.",
        "salt '*' ini.get_ini /path/to/ini"
    ),
    row!(
        "ini.get_option",
        "file_name, section, option, separator='=', encoding=None",
        |_, args| {
            let all = Value::Map(read(args)?.settings());
            let option = python::text(args.get("option"));
            let within = match args.get("section") {
                section if section.is_truthy() => all.get(&python::text(section)).cloned(),
                _ => Some(all),
            };
            Ok(within
                .and_then(|w| w.get(&option).cloned())
                .unwrap_or_default())
        },
        "Return one setting of a file.",
        "salt '*' ini.get_option /path/to/ini section_name option_name"
    ),
    row!(
        "ini.get_section",
        "file_name, section, separator='=', encoding=None",
        |_, args| {
            let all = read(args)?.settings();
            let section = all.get(python::text(args.get("section")).as_str());
            Ok(section.cloned().unwrap_or_else(|| Map::new().into()))
        },
        "Return the settings of one section of a file.",
        "salt '*' ini.get_section /path/to/ini section_name"
    ),
    row!(
        "ini.remove_option",
        "file_name, section, option, separator='=', encoding=None",
        |_, args| {
            let mut file = read(args)?;
            let section = python::text(args.get("section"));
            let gone = file.remove_option(&section, &python::text(args.get("option")));
            file.write().map_err(Error::Execution)?;
            Ok(gone.unwrap_or_default())
        },
        "Remove a setting of a file; return its value.",
        "salt '*' ini.remove_option /path/to/ini section_name option_name"
    ),
    row!(
        "ini.remove_section",
        "file_name, section, separator='=', encoding=None",
        |_, args| {
            let mut file = read(args)?;
            let gone = file.remove_section(&python::text(args.get("section")));
            if gone.is_some() {
                file.write().map_err(Error::Execution)?;
            }
            Ok(gone.map_or(Value::Null, Value::Map))
        },
        "Remove a section of a file; return what was in it.",
        "salt '*' ini.remove_section /path/to/ini section_name"
    ),
    row!(
        "ini.set_option",
        "file_name, sections=None, separator='=', encoding=None, no_spaces=False",
        set_option,
        "Set settings of a file; return what changed.",
        "salt '*' ini.set_option /path/to/ini '{section_foo: {key: value}}'"
    ),
];

fn read(args: &Args) -> Result<Ini> {
    let path = expand_user(&args.text("file_name")?);
    Ini::read(&path, manner(args)?).map_err(Error::Execution)
}

fn set_option(_: &Context, args: &Args) -> Result {
    let mut file = read(args)?;
    let wanted = args.get("sections").as_map().cloned().unwrap_or_default();
    let changes = file.update(&wanted);
    file.write().map_err(Error::Execution)?;
    Ok(changes.into())
}
