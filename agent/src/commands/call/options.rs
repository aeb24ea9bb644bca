//! What salt-call's options mean for the configuration, and which of them have no meaning here.

use std::path::{Path, PathBuf};

use salt_wire::{Map, Value, map};

use crate::cli::CallArgs;

/// The first line of every complaint.
pub(super) const USAGE_LINE: &str = "Usage: salt-call [options] <function> [arguments]";

impl CallArgs {
    /// What salt-call refuses.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.grains && !self.function.is_empty() {
            Err("-g/--grains does not accept any arguments".to_owned())
        } else if self.doc && self.function.len() > 1 {
            Err("You can only get documentation for one method at one time".to_owned())
        } else if !self.grains && !self.doc && self.function.is_empty() {
            Err("Requires function, --grains or --doc".to_owned())
        } else {
            Ok(())
        }
    }

    /// What has no effect and was asked for.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.local {
            let ignored: Vec<&str> = [
                ("--file-root", !self.file_root.is_empty()),
                ("--pillar-root", !self.pillar_root.is_empty()),
                ("--states-dir", !self.states_dir.is_empty()),
            ]
            .iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| *name)
            .collect();
            if !ignored.is_empty() {
                let is = if ignored.len() == 1 { "is" } else { "are" };
                notes.push(format!(
                    "{} {is} ignored because --local was not specified; the remote file client retrieves these from the master. Re-run with --local to use the local override.",
                    ignored.join(", ")
                ));
            }
        }
        let unsupported = [
            ("--return", self.returner.is_some()),
            ("--module-dirs", !self.module_dirs.is_empty()),
            ("--module-executors", self.module_executors.is_some()),
            ("--executor-opts", self.executor_opts.is_some()),
            ("--priv", self.user.is_some()),
        ];
        for (name, given) in unsupported {
            if given {
                notes.push(format!("{name} is ignored: it needs Salt's own modules."));
            }
        }
        notes
    }

    /// The options that win over the configuration's.
    pub(super) fn overrides(&self) -> Map {
        let mut overrides = Map::new();
        let mut set = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                overrides.insert(key.into(), value);
            }
        };
        let text = |t: &Option<String>| t.as_deref().map(Value::from);
        set("id", text(&self.id));
        set("master", text(&self.master));
        set("log_level_logfile", text(&self.log_file_level));
        set("log_file", self.log_file.as_deref().map(absolute));
        set("state_output", text(&self.state_output));
        set("auth_timeout", self.timeout.map(Value::from));
        set("output_indent", self.output_indent.map(Value::from));
        set("cachedir", self.cachedir.as_deref().map(absolute));
        set("state_output_diff", self.output_diff.then(|| true.into()));
        let verbose = self.state_verbose.as_deref();
        set("state_verbose", verbose.map(salt_yaml::yamlify_arg));
        if self.local {
            set("file_client", Some("local".into()));
            set("file_roots", roots(&self.file_root));
            set("pillar_roots", roots(&self.pillar_root));
        }
        overrides
    }
}

fn roots(dirs: &[PathBuf]) -> Option<Value> {
    let dirs: Vec<Value> = dirs.iter().map(|d| absolute(d)).collect();
    (!dirs.is_empty()).then(|| Value::Map(map! {"base" => dirs}))
}

fn absolute(path: &Path) -> Value {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.display().to_string().into()
}
