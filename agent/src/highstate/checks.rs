//! `onlyif`, `unless`, `creates` and `check_cmd`: whether a state runs, and whether it did.

use std::path::Path;

use salt_wire::{Map, Value, map};

use super::run::Runner;
use super::slots;
use crate::context::{Context, Error, Result, python};
use crate::host::shell::{Request, Streams};

/// Arguments of a state that its guard commands share.
const COMMAND_ARGUMENTS: &[&str] = &[
    "cwd",
    "root",
    "runas",
    "env",
    "prepend_path",
    "umask",
    "timeout",
    "success_retcodes",
];

/// A guard's verdict.
#[derive(Default)]
struct Verdict {
    skip: bool,
    comment: Option<String>,
    skip_watch: bool,
}

impl Runner<'_> {
    /// Result, comments and `skip_watch` of all guards; a true result means that the state is not called.
    pub(super) fn run_check(&self, low: &Map) -> Result<Map> {
        let mut options = Map::new();
        let excluded = match low.get("cmd_opts_exclude") {
            Some(Value::List(list)) => list.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        for key in COMMAND_ARGUMENTS {
            if let Some(value) = low.get(*key)
                && !excluded.contains(&(*key).into())
                && !value.is_null()
            {
                options.insert((*key).into(), value.clone());
            }
        }
        let shell = low
            .get("shell")
            .filter(|_| !excluded.contains(&"shell".into()))
            .cloned()
            .or_else(|| self.ctx.facts.grains().get("shell").cloned());
        if let Some(shell) = shell {
            options.insert("shell".into(), shell);
        }
        let mut verdicts = Vec::new();
        if let Some(list) = low.get("onlyif") {
            verdicts.push(self.onlyif(list, &options)?);
        }
        if let Some(list) = low.get("unless") {
            verdicts.push(self.unless(list, &options)?);
        }
        if let Some(paths) = low.get("creates") {
            verdicts.push(creates(paths));
        }
        let comments: Vec<String> = verdicts.iter().filter_map(|v| v.comment.clone()).collect();
        let mut ret = map! {
            "result" => verdicts.iter().any(|v| v.skip), "comment" => comments.join("\n"),
        };
        for key in ["__sls__", "__id__", "name"] {
            ret.insert(key.into(), low.get(key).cloned().unwrap_or_default());
        }
        if verdicts.iter().any(|v| v.skip_watch) {
            ret.insert("skip_watch".into(), true.into());
        }
        Ok(ret)
    }

    fn retcode(&self, command: &str, options: &Map) -> Result<i128> {
        let mut words = options.clone();
        words.extend(map! {
            "cmd" => command, "ignore_retcode" => true, "python_shell" => true,
        });
        let request = Request::new(words, Streams::Merged)?;
        let ran = request.run(&*self.ctx.host.exec, &self.ctx.job.cancel)?;
        Ok(ran.retcode.as_int().unwrap_or(1))
    }

    /// A context whose return code is nobody's: a guard's command must not become the run's failure.
    pub(super) fn quiet(&self) -> Context {
        let mut ctx = self.ctx.clone();
        let mut job = crate::context::Job::new(self.ctx.job.load.clone());
        job.cancel = self.ctx.job.cancel.clone();
        ctx.job = std::sync::Arc::new(job);
        ctx
    }

    fn onlyif(&self, list: &Value, options: &Map) -> Result<Verdict> {
        let refused = || Verdict {
            skip: true,
            comment: Some("onlyif condition is false".into()),
            skip_watch: true,
        };
        let mut verdict = Verdict::default();
        for entry in entries(list) {
            let passed = match &entry {
                Value::Str(command) => match self.retcode(command, options) {
                    Ok(code) => code == 0,
                    Err(Error::Execution(_)) => false,
                    Err(error) => return Err(error),
                },
                Value::Map(call) => match self.call_condition(call)? {
                    Some(passed) => passed,
                    None => {
                        verdict.comment = Some(format!(
                            "no `fun` argument in onlyif: {}",
                            python::text(&entry)
                        ));
                        return Ok(verdict);
                    }
                },
                _ => {
                    verdict.comment = Some("onlyif execution failed, bad type passed".into());
                    return Ok(verdict);
                }
            };
            if !passed {
                return Ok(refused());
            }
            verdict.comment = Some("onlyif condition is true".into());
        }
        Ok(verdict)
    }

    fn unless(&self, list: &Value, options: &Map) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        for entry in entries(list) {
            let passed = match &entry {
                Value::Str(command) => match self.retcode(command, options) {
                    Ok(code) => code == 0,
                    Err(Error::Execution(_)) => true,
                    Err(error) => return Err(error),
                },
                Value::Map(call) => match self.call_condition(call)? {
                    Some(passed) => passed,
                    None => {
                        verdict.comment = Some(format!(
                            "no `fun` argument in unless: {}",
                            python::text(&entry)
                        ));
                        return Ok(verdict);
                    }
                },
                _ => {
                    verdict.skip = false;
                    verdict.comment = Some("unless condition is false, bad type passed".into());
                    continue;
                }
            };
            if !passed {
                return Ok(Verdict {
                    skip: false,
                    comment: Some("unless condition is false".into()),
                    skip_watch: false,
                });
            }
            verdict = Verdict {
                skip: true,
                comment: Some("unless condition is true".into()),
                skip_watch: true,
            };
        }
        Ok(verdict)
    }

    /// Calls an execution function as a condition; `None` when it names none.
    fn call_condition(&self, call: &Map) -> Result<Option<bool>> {
        let mut kwargs = call.clone();
        let Some(fun) = kwargs.shift_remove("fun") else {
            return Ok(None);
        };
        let mut args = match kwargs.shift_remove("args") {
            Some(Value::List(list)) => list,
            Some(one) => vec![one],
            None => Vec::new(),
        };
        let wanted = kwargs.shift_remove("get_return");
        let ctx = self.quiet();
        for arg in &mut args {
            slots::fill_value(&ctx, arg)?;
        }
        slots::fill_map(&ctx, &mut kwargs)?;
        let mut result = ctx.call(&python::text(&fun), &args, &kwargs)?;
        if let Some(path) = wanted.filter(Value::is_truthy) {
            for key in python::text(&path).split(':') {
                result = result.get(key).cloned().unwrap_or_default();
            }
        }
        // A function that sets a return code is judged by it.
        Ok(Some(match ctx.job.retcode() {
            0 => result.is_truthy(),
            _ => false,
        }))
    }

    /// `check_cmd`: all commands must succeed, and then the state did, whatever it said itself.
    pub(super) fn run_check_cmd(&self, low: &Map) -> Result<Map> {
        let mut options = Map::new();
        if let Some(shell) = self.ctx.facts.grains().get("shell") {
            options.insert("shell".into(), shell.clone());
        }
        let mut ret = map! { "result" => false };
        for key in ["__sls__", "__id__", "name"] {
            ret.insert(key.into(), low.get(key).cloned().unwrap_or_default());
        }
        for entry in entries(low.get("check_cmd").unwrap_or(&Value::Null)) {
            if self.retcode(&python::text(&entry), &options)? == 0 {
                let comment = "check_cmd determined the state succeeded";
                ret.insert("comment".into(), comment.into());
                ret.insert("result".into(), true.into());
            } else {
                let comment = "check_cmd determined the state failed";
                ret.insert("comment".into(), comment.into());
                ret.insert("result".into(), false.into());
                break;
            }
        }
        Ok(ret)
    }
}

fn entries(value: &Value) -> Vec<Value> {
    match value {
        Value::List(list) => list.clone(),
        one => vec![one.clone()],
    }
}

fn creates(paths: &Value) -> Verdict {
    let there = |p: &Value| p.as_str().is_some_and(|p| Path::new(p).exists());
    let comment = match paths {
        Value::Str(path) if there(paths) => format!("{path} exists"),
        Value::List(list) if list.iter().all(there) => "All files in creates exist".into(),
        _ => {
            return Verdict {
                skip: false,
                comment: Some("Creates files not found".into()),
                skip_watch: false,
            };
        }
    };
    Verdict {
        skip: true,
        comment: Some(comment),
        skip_watch: true,
    }
}
