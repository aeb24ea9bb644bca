//! What a stack is given: parameters, a template, and the files that it refers to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::stack::plain;
use super::vm_work::{pair, text_of};
use crate::cloud::stack::Input;
use crate::error::{Error, Kind, Result};
use crate::output::json_of;

/// Values and templates.
#[derive(Debug, Args)]
pub(super) struct Given {
    /// A parameter's value
    #[arg(short = 'P', long = "parameter", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// A YAML file with parameters; those of -P come over them
    #[arg(long, value_name = "FILE")]
    parameters_file: Option<PathBuf>,
    /// The template; files that it refers to are sent along
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
}

impl Given {
    /// Reads the files: what Heat is sent.
    pub(super) fn input(&self) -> Result<Input> {
        let mut parameters = BTreeMap::new();
        if let Some(path) = &self.parameters_file {
            let read = salt_yaml::load_plain(&text_of(path)?);
            let value = read.map_err(|e| {
                Error::new(Kind::Usage, format!("{} is no YAML", path.display())).because(&e)
            })?;
            let Value::Object(map) = json_of(&value) else {
                return Err(Error::new(
                    Kind::Usage,
                    format!("{} is no mapping of parameters", path.display()),
                ));
            };
            parameters.extend(map.into_iter().map(|(name, value)| (name, plain(&value))));
        }
        parameters.extend(self.parameters.iter().cloned());
        let (mut template, mut files) = (None, BTreeMap::new());
        if let Some(path) = &self.template {
            let text = text_of(path)?;
            files = files_of(path, &text)?;
            template = Some(text);
        }
        Ok(Input {
            template,
            files,
            parameters,
        })
    }
}

/// The files that a template refers to, by the names that it has for them.
fn files_of(path: &Path, text: &str) -> Result<BTreeMap<String, String>> {
    fn within(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|i| within(i, found)),
            Value::Object(map) => {
                for (key, value) in map {
                    match value.as_str() {
                        Some(name) if key == "get_file" => {
                            found.insert(name.to_owned());
                        }
                        Some(kind)
                            if key == "type"
                                && (kind.ends_with(".yaml") || kind.ends_with(".template")) =>
                        {
                            found.insert(kind.to_owned());
                        }
                        _ => within(value, found),
                    }
                }
            }
            _ => {}
        }
    }
    let read = salt_yaml::load_plain(text);
    let read = read.map_err(|e| {
        Error::new(Kind::Usage, format!("{} is no YAML", path.display())).because(&e)
    })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut files = BTreeMap::new();
    let mut names = BTreeSet::new();
    within(&json_of(&read), &mut names);
    for name in names {
        // What lies elsewhere Heat gets by itself.
        if name.contains("://") {
            continue;
        }
        let place = folder.join(&name);
        let text = text_of(&place)?;
        if name.ends_with(".yaml") || name.ends_with(".template") {
            let nested = files_of(&place, &text)?;
            files.extend(nested);
        }
        files.insert(name, text);
    }
    Ok(files)
}

/// The parameters whose values are nobody's business, as the template says.
pub(super) fn hidden(template: &Value) -> BTreeSet<String> {
    let declared = template
        .get("parameters")
        .or_else(|| template.get("Parameters"));
    let all = declared.and_then(Value::as_object).into_iter().flatten();
    all.filter(|(_, schema)| schema["hidden"] == true || plain(&schema["NoEcho"]) == "true")
        .map(|(name, _)| name.clone())
        .collect()
}

pub(super) fn secret_of(input: &Input) -> BTreeSet<String> {
    let read = input
        .template
        .as_deref()
        .and_then(|text| salt_yaml::load_plain(text).ok());
    read.map(|template| hidden(&json_of(&template)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_go_along_and_secrets_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("user-data.sh", "#!/bin/sh");
        write(
            "node.yaml",
            "resources: {s: {properties: {user_data: {get_file: user-data.sh}}}}",
        );
        let text = "parameters: {p: {type: string, hidden: true}, q: {type: string}}\nresources: {n: {type: node.yaml}, m: {type: 'http://x/y.yaml'}}";
        let files = files_of(&dir.path().join("all.yaml"), text).unwrap();
        assert_eq!(
            files.keys().collect::<Vec<_>>(),
            ["node.yaml", "user-data.sh"]
        );
        let input = Input {
            template: Some(text.into()),
            ..Input::default()
        };
        assert_eq!(secret_of(&input), BTreeSet::from(["p".to_owned()]));
        write("bad.yaml", "a: {get_file: none}");
        assert!(files_of(&dir.path().join("bad.yaml"), "a: {get_file: none}").is_err());
    }
}
