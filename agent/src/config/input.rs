//! All files merged as Salt merges them: the main file, over it the drop-ins of `default_include`, over
//! those the files of `include`. Among drop-ins mappings are merged and lists are joined.

use std::path::{Path, PathBuf};

use salt_wire::{Map, Value};

use super::error::{Error, Origin};
use super::fragment::Fragment;
use super::options::{self, Treatment};
use super::{Origins, Warning, glob, nearest};

/// Files that include files that include files: deeper is a loop.
const MAX_NESTING: usize = 16;

/// What the files say together.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) values: Map,
    pub(super) origins: Origins,
    pub(super) warnings: Vec<Warning>,
    /// Every file that was read, in order.
    pub(super) files: Vec<PathBuf>,
}

/// Reads `conf_file` and everything that it includes. A missing file is an empty one.
pub(super) fn read(conf_file: &Path, home: Option<&Path>) -> Result<Input, Error> {
    let mut reader = Reader {
        home,
        warnings: Vec::new(),
        files: Vec::new(),
    };
    let mut input = Input::default();
    if let Some(main) = Fragment::read(conf_file)? {
        reader.files.push(conf_file.to_owned());
        input.add(main);
    }
    let default = options::find("default_include").and_then(|o| o.default.clone());
    let drop_ins = match input.values.get("default_include") {
        Some(given) => Some(given.clone()),
        None => default,
    };
    let included = input.values.get("include").cloned();
    let origin = input.origins.of("include");
    if let Some(wanted) = drop_ins {
        let merged = reader.include(&wanted, conf_file, None, 0)?;
        input.replace_by(merged);
    }
    if let Some(wanted) = included {
        let merged = reader.include(&wanted, conf_file, origin.as_ref(), 0)?;
        input.replace_by(merged);
    }
    input.warnings = reader.warnings;
    input.files = reader.files;
    input.warn_about_unknown_keys();
    Ok(input)
}

struct Reader<'a> {
    home: Option<&'a Path>,
    warnings: Vec<Warning>,
    files: Vec<PathBuf>,
}

impl Reader<'_> {
    /// The merged files of one include; `asked` is the place that wants them, if somebody wrote it.
    fn include(
        &mut self,
        wanted: &Value,
        from: &Path,
        asked: Option<&Origin>,
        depth: usize,
    ) -> Result<Input, Error> {
        let mut merged = Input::default();
        if depth >= MAX_NESTING {
            let file = from.to_owned();
            return Err(Error::IncludeLoop { file });
        }
        let one = std::slice::from_ref(wanted);
        for pattern in wanted
            .as_list()
            .unwrap_or(one)
            .iter()
            .filter_map(Value::as_str)
            .filter(|pattern| !pattern.is_empty())
            .filter(|pattern| !pattern.is_empty())
        {
            let pattern = self.absolute(pattern, from);
            let files = glob::glob(&pattern);
            if files.is_empty() && asked.is_some() {
                let words = format!("`include` finds no file: {pattern}");
                self.warnings.push(Warning::new(asked.cloned(), words));
            }
            for file in files {
                self.merge_file(&mut merged, &file, depth)?;
            }
        }
        Ok(merged)
    }

    fn merge_file(&mut self, merged: &mut Input, file: &Path, depth: usize) -> Result<(), Error> {
        let read = match Fragment::read(file) {
            // The schedule is written by machine, and a broken one must not keep the minion from its master.
            Err(Error::Syntax { file, line, cause })
                if file.to_string_lossy().ends_with("_schedule.conf") =>
            {
                let words = format!("the saved schedule is ignored: {cause}");
                self.warnings
                    .push(Warning::new(Some(Origin { file, line }), words));
                return Ok(());
            }
            read => read?,
        };
        let Some(fragment) = read else { return Ok(()) };
        self.files.push(file.to_owned());
        let nested = fragment.values.get("include").filter(|v| v.is_truthy());
        let nested = nested.cloned().map(|v| (v, fragment.place("include")));
        let mut input = Input::default();
        input.add(fragment);
        if let Some((wanted, origin)) = nested {
            let inner = self.include(&wanted, file, Some(&origin), depth + 1)?;
            input.replace_by(inner);
        }
        merged.merge(input);
        Ok(())
    }

    fn absolute(&self, pattern: &str, from: &Path) -> String {
        let from_home = pattern.strip_prefix("~/").zip(self.home);
        let path = match from_home {
            Some((rest, home)) => home.join(rest),
            None => from.parent().unwrap_or(Path::new("/")).join(pattern),
        };
        path.to_string_lossy().into_owned()
    }
}

impl Input {
    /// The first file.
    fn add(&mut self, fragment: Fragment) {
        for (path, origin) in &fragment.origins {
            self.origins.0.insert(path.clone(), vec![origin.clone()]);
        }
        for key in fragment.values.keys().filter_map(Value::as_str) {
            // A key that a YAML merge brought in has no line of its own.
            let unknown = || vec![fragment.origin(None)];
            self.origins.0.entry(key.to_owned()).or_insert_with(unknown);
        }
        self.values.extend(fragment.values);
    }

    /// Options of `other` take the place of ours (`dict.update`).
    fn replace_by(&mut self, other: Self) {
        for key in other.values.keys().filter_map(Value::as_str) {
            self.origins.forget(key);
        }
        self.values.extend(other.values);
        self.origins.0.extend(other.origins.0);
    }

    /// Options of `other` are merged into ours (`dictupdate.update` with lists merged).
    fn merge(&mut self, other: Self) {
        if let (Some(Value::Map(ours)), Some(Value::Map(theirs))) = (
            self.values.get_mut("schedule"),
            other.values.get("schedule"),
        ) {
            // A scheduled job is replaced as a whole.
            ours.extend(theirs.clone());
        }
        for (key, theirs) in other.values {
            let name = key.as_str().unwrap_or_default().to_owned();
            let places = other.origins.all(&name);
            let joined = match self.values.get(&key) {
                Some(ours) => both(ours, &theirs),
                None => false,
            };
            if !joined {
                self.origins.forget(&name);
            }
            let all = self.origins.0.entry(name).or_default();
            all.extend_from_slice(places);
            merge_value(self.values.entry(key).or_default(), theirs);
        }
        let nested = other.origins.0.into_iter().filter(|(k, _)| k.contains(':'));
        self.origins.0.extend(nested);
    }

    /// A key that no salt-minion knows is most often a slip of the pen.
    fn warn_about_unknown_keys(&mut self) {
        for key in self.values.keys() {
            let Some(name) = key.as_str() else {
                let words = format!("{key:?} is not the name of an option");
                self.warnings.push(Warning::new(None, words));
                continue;
            };
            // Modules keep settings of their own under names with a dot: `mysql.host`.
            if name.contains('.') || options::find(name).is_some() {
                continue;
            }
            let known = options::all()
                .iter()
                .filter(|o| o.treatment != Treatment::Master);
            let words = match nearest(name, known.map(|o| o.name)) {
                Some(near) => format!("unknown option `{name}` (did you mean `{near}`?)"),
                None => format!("unknown option `{name}`"),
            };
            self.warnings
                .push(Warning::new(self.origins.of(name), words));
        }
    }
}

fn both(ours: &Value, theirs: &Value) -> bool {
    matches!(
        (ours, theirs),
        (Value::Map(_), Value::Map(_)) | (Value::List(_), Value::List(_))
    )
}

fn merge_value(ours: &mut Value, theirs: Value) {
    match (ours, theirs) {
        (Value::Map(ours), Value::Map(theirs)) => {
            for (key, value) in theirs {
                match ours.get_mut(&key) {
                    Some(present) => merge_value(present, value),
                    None => drop(ours.insert(key, value)),
                }
            }
        }
        (Value::List(ours), Value::List(theirs)) => {
            for item in theirs {
                if !ours.contains(&item) {
                    ours.push(item);
                }
            }
        }
        (ours, theirs) => *ours = theirs,
    }
}
