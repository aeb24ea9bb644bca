//! `virtualenv`: environments of Python packages, made by `virtualenv` or by Python's own `venv`.

use std::fs;
use std::path::Path;

use salt_wire::Value;

use super::{Function, clean, row};
use crate::context::{Args, Context, Error, Ran, Result, python};
use crate::host::env::which;

/// The rows of `virtualenv`.
pub const FUNCTIONS: &[Function] = &[
    row!(
        "virtualenv.create",
        "path, venv_bin=None, system_site_packages=False, distribute=False, clear=False, python=None, extra_search_dir=None, never_download=None, prompt=None, pip=False, symlinks=None, upgrade=None, user=None, use_vt=False, saltenv='base', **kwargs",
        create,
        "Make an environment; the answer is what the program said.",
        "salt '*' virtualenv.create /path/to/new/virtualenv"
    ),
    row!(
        "virtualenv.get_site_packages",
        "venv",
        get_site_packages,
        "Return where an environment keeps its packages.",
        "salt '*' virtualenv.get_site_packages /path/to/my/venv"
    ),
    row!(
        "virtualenv.virtualenv_ver",
        "venv_bin, user=None, **kwargs",
        |ctx, args| {
            let numbers = version(ctx, args, &args.text("venv_bin")?)?;
            Ok(Value::List(numbers.into_iter().map(Value::from).collect()))
        },
        "Return the version of virtualenv.",
        "salt '*' virtualenv.virtualenv_ver virtualenv"
    ),
];

/// Names that the program goes by.
const NAMES: [&str; 2] = ["virtualenv3", "virtualenv"];

fn run(ctx: &Context, args: &Args, words: Vec<String>) -> Result<Ran> {
    let mut kwargs = clean(&args.extra);
    if args.flag("user") {
        kwargs.insert("runas".into(), args.get("user").clone());
    }
    ctx.run_all(words, kwargs)
}

/// Whether a program is Python itself.
fn is_python(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program).to_lowercase();
    let rest = name
        .strip_prefix("python")
        .or_else(|| name.strip_prefix("pypy"));
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

fn version(ctx: &Context, args: &Args, program: &str) -> Result<Vec<i64>> {
    let words = vec![program.to_owned(), "--version".to_owned()];
    let told = run(ctx, args, words)?;
    let said = told.stdout();
    if !told.is_fine() || said.trim().is_empty() {
        return Err(Error::execution(format!(
            "Unable to get the virtualenv version output using '['{program}', '--version']'. Returned data: {}",
            python::text(&told.into())
        )));
    }
    let word = said
        .split_whitespace()
        .find(|w| w.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or_default();
    let parts = word.split('.').map(|part| {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part[..end].parse().unwrap_or_default()
    });
    Ok(parts.collect())
}

fn refuse<T>(option: &str, program: &str) -> Result<T> {
    let flag = option.replace('_', "-");
    Err(Error::execution(format!(
        "The `{option}`(`--{flag}`) option is not supported by '{program}'"
    )))
}

/// The program that makes environments here.
fn program(ctx: &Context, args: &Args) -> Result<String> {
    if let Some(given) = args.opt_text("venv_bin")? {
        return Ok(given);
    }
    let pillar = ctx.facts.pillar();
    let set = pillar.get("venv_bin").filter(|v| v.is_truthy());
    let set = set.or_else(|| ctx.settings.opts.get("venv_bin").filter(|v| v.is_truthy()));
    Ok(match set {
        Some(set) => python::text(set),
        None => NAMES
            .iter()
            .find_map(|name| which(name))
            .map_or_else(|| "venv".to_owned(), |p| p.to_string_lossy().into_owned()),
    })
}

fn create(ctx: &Context, args: &Args) -> Result {
    if args.flag("pip") {
        return Err(Error::execution(
            "The argument 'pip' is not supported by this agent",
        ));
    }
    let program = program(ctx, args)?;
    let value = |key: &str| -> Result<Option<String>> {
        Ok(args.opt_text(key)?.filter(|v| !v.trim().is_empty()))
    };
    let wanted = value("python")?;
    let missing =
        |python: &str| Error::execution(format!("Cannot find requested python ({python})."));
    let own = program == "venv" || is_python(&program);
    let mut words = if program == "venv" {
        let python = match wanted.clone() {
            Some(python) if which(&python).is_none() => return Err(missing(&python)),
            Some(python) => python,
            None => which("python3")
                .map(|p| p.to_string_lossy().into_owned())
                .ok_or_else(|| missing("python3"))?,
        };
        vec![python, "-m".to_owned(), "venv".to_owned()]
    } else if own {
        if wanted.is_some() {
            return Err(Error::execution(
                "Pass the target interpreter either as `venv_bin` or as `python`, not both.",
            ));
        }
        if which(&program).is_none() {
            return Err(missing(&program));
        }
        vec![program.clone(), "-m".to_owned(), "venv".to_owned()]
    } else {
        vec![program.clone()]
    };
    let mut add = |word: String| words.push(word);
    let flag = |key: &str| args.get(key) == &Value::Bool(true);
    let search: Vec<String> = match args.get("extra_search_dir") {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Str(text) if !text.trim().is_empty() => {
            text.split(',').map(|d| d.trim().to_owned()).collect()
        }
        _ => Vec::new(),
    };
    let prompt = value("prompt")?;
    if own || program.contains("venv") {
        if !own && wanted.is_some() {
            return refuse("python", &program);
        }
        if !search.is_empty() {
            return refuse("extra_search_dir", &program);
        }
        if !args.get("never_download").is_null() {
            return refuse("never_download", &program);
        }
        for option in ["upgrade", "symlinks"] {
            if flag(option) {
                add(format!("--{option}"));
            }
        }
        if let Some(prompt) = prompt {
            add("--prompt".to_owned());
            add(prompt);
        }
    } else {
        for option in ["upgrade", "symlinks"] {
            if !args.get(option).is_null() {
                return refuse(option, &program);
            }
        }
        let numbers = version(ctx, args, &program)?;
        if let Some(python) = wanted {
            if which(&python).is_none() {
                return Err(missing(&python));
            }
            add(format!("--python={python}"));
        }
        for dir in search {
            add(format!("--extra-search-dir={dir}"));
        }
        match args.get("never_download") {
            Value::Bool(true) if numbers >= vec![14] || numbers < vec![1, 10] => {
                add("--never-download".to_owned());
            }
            Value::Bool(false) if numbers >= vec![20] => add("--download".to_owned()),
            _ => {}
        }
        if let Some(prompt) = prompt {
            add(format!("--prompt='{prompt}'"));
        }
    }
    for (key, option) in [
        ("clear", "--clear"),
        ("system_site_packages", "--system-site-packages"),
    ] {
        if flag(key) {
            add(option.to_owned());
        }
    }
    let path = args.text("path")?;
    add(path.clone());
    let path = Path::new(&path);
    let before = path.exists();
    let told = run(ctx, args, words)?;
    // Half an environment would look like a whole one to the next run.
    if !told.is_fine() && !before && path.is_dir() {
        drop(fs::remove_dir_all(path));
    }
    Ok(told.into())
}

fn get_site_packages(ctx: &Context, args: &Args) -> Result {
    let env = args.text("venv")?;
    let program = Path::new(&env).join("bin/python");
    if !program.is_file() {
        return Err(Error::execution(
            "Path does not appear to be a virtualenv: 'bin/python' not found.",
        ));
    }
    let code = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let words = vec![
        program.to_string_lossy().into_owned(),
        "-c".into(),
        code.into(),
    ];
    let told = run(ctx, args, words)?;
    if !told.is_fine() {
        return Err(Error::execution(told.stderr()));
    }
    Ok(told.stdout().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_is_known_by_its_name() {
        for name in ["python", "/usr/bin/python3.11", "pypy3", "Python3"] {
            assert!(is_python(name), "{name}");
        }
        for name in ["virtualenv", "python-virtualenv", "/usr/bin/pyvenv"] {
            assert!(!is_python(name), "{name}");
        }
    }
}
