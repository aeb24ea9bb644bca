//! The state engine: top file → SLS files → high data → low chunks in their order → run → return.
//!
//! One file per step, in that order: [`options`], `top`, `sls`, then `verify`, `extend`, `requisite_in`
//! (high data), `compile` and `graph` (low chunks), `support` (what cannot run here is refused before
//! anything changes), `run` with `verdict`, `listen`, `parallel`, `aggregate` and `progress`, `call` with `checks`
//! and `slots`, and [`report`]. `earlier` holds what a
//! master of 3006 or 3007 wants otherwise. Rendering, targeting and pillars come from
//! above through [`Seams`].

mod aggregate;
mod ahead;
mod call;
mod callee;
mod checks;
mod compile;
mod conditions;
mod earlier;
mod extend;
mod graph;
pub mod last;
mod listen;
mod low;
mod native;
pub mod options;
mod parallel;
mod progress;
pub mod report;
mod requisite_in;
mod run;
mod slots;
mod sls;
mod support;
mod top;
mod verdict;
mod verify;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use salt_wire::{Map, Value, map};

pub use low::tag;
pub use native::{Native, gather};
pub use options::Options;

use crate::context::{Context, Result, python};
use crate::fileclient::FileClient;
use crate::pillar;
use compile::{Compiled, Through};
use run::Runner;
use top::Matches;

/// What the engine needs from the layers above it, beside rendering files and targeting.
pub trait Seams: pillar::Seams {
    /// Renders text to data with the given pipe, as `state.template_str` needs it.
    fn render_text(
        &self,
        ctx: &Context,
        text: &str,
        renderer: &str,
        files: &FileClient,
    ) -> std::result::Result<Value, String>;
    /// The pillar as it is now, with the run's overrides.
    fn pillar(&self, ctx: &Context) -> Result<Map>;
}

/// The outcome of a run.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Results by tag.
    Ran {
        /// Each chunk's return.
        results: Map,
        /// The high data that it came from, for `onfail` handlers.
        high: Map,
    },
    /// Nothing ran: texts that say why.
    Refused(Vec<String>),
}

/// One run's compiler: its options, its files, and what is known of the file server.
pub struct Compiler<'a> {
    ctx: &'a Context,
    files: &'a FileClient,
    seams: &'a dyn Seams,
    options: Options,
    available: RefCell<HashMap<String, Arc<Vec<String>>>>,
    envs: RefCell<Option<Arc<Vec<String>>>>,
    /// The SLS of this run, those without a state among them.
    rendered: RefCell<BTreeSet<String>>,
}

impl<'a> Compiler<'a> {
    /// A compiler with these options.
    pub fn new(
        ctx: &'a Context,
        files: &'a FileClient,
        seams: &'a dyn Seams,
        options: Options,
    ) -> Self {
        Self {
            ctx,
            files,
            seams,
            options,
            available: RefCell::default(),
            envs: RefCell::default(),
            rendered: RefCell::default(),
        }
    }

    /// The run's options.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// All SLS names of an environment.
    fn available(&self, env: &str) -> Result<Arc<Vec<String>>> {
        if let Some(known) = self.available.borrow().get(env) {
            return Ok(known.clone());
        }
        let names = Arc::new(self.files.list_states(env)?);
        self.available
            .borrow_mut()
            .insert(env.to_owned(), names.clone());
        Ok(names)
    }

    fn has_env(&self, env: &str) -> Result<bool> {
        if env == "base" || self.options.file_roots.iter().any(|r| r == env) {
            return Ok(true);
        }
        let known = self.envs.borrow().clone();
        let envs = match known {
            Some(envs) => envs,
            None => {
                let envs = Arc::new(self.files.envs()?);
                *self.envs.borrow_mut() = Some(envs.clone());
                envs
            }
        };
        Ok(envs.iter().any(|e| e == env || e == "__env__"))
    }

    fn render_file(
        &self,
        path: &Path,
        source: &str,
        saltenv: &str,
        sls: &str,
    ) -> std::result::Result<Value, String> {
        // A blank file is an empty one, whatever would render it.
        match std::fs::read(path) {
            Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => {
                return Ok(Value::Map(Map::new()));
            }
            Ok(_) => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
        self.seams.render(
            self.ctx,
            &pillar::Template {
                path,
                source,
                saltenv,
                sls,
                renderer: &self.options.renderer,
                files: self.files,
                defaults: &Map::new(),
            },
        )
    }

    /// What the top file gives this minion, or what is wrong with it.
    pub fn show_top(&self) -> Result<std::result::Result<Map, Vec<String>>> {
        // A top file that does not render is an empty one here; the run itself says why.
        let top = self.top()?.unwrap_or_else(|error| {
            tracing::error!(error, "The top file could not be rendered.");
            Map::new()
        });
        let errors = top::verify_tops(&top);
        if !errors.is_empty() {
            return Ok(Err(errors));
        }
        let matches = self.top_matches(&top)?;
        Ok(Ok(matches
            .into_iter()
            .map(|(env, list)| (env.into(), list.into()))
            .collect()))
    }

    /// High data of the top file's states.
    pub fn show_highstate(&self) -> Result<std::result::Result<Map, Vec<String>>> {
        let top = self.top()?.unwrap_or_default();
        let mut errors = top::verify_tops(&top);
        let matches = self.top_matches(&top)?;
        let (high, more) = self.render_highstate(&matches)?;
        errors.extend(more);
        Ok(if errors.is_empty() {
            Ok(high)
        } else {
            Err(errors)
        })
    }

    /// Low chunks of the top file's states.
    pub fn show_lowstate(&self) -> Result<std::result::Result<Vec<Value>, Vec<String>>> {
        let top = self.top()?.unwrap_or_default();
        let matches = self.top_matches(&top)?;
        let (high, errors) = self.render_highstate(&matches)?;
        Ok(if errors.is_empty() {
            self.compile_high(high, Through::All).map(|c| c.chunks())
        } else {
            Err(errors)
        })
    }

    /// High data of these SLS.
    pub fn show_sls(
        &self,
        saltenv: &str,
        mods: &[String],
    ) -> Result<std::result::Result<Map, Vec<String>>> {
        let (high, mut errors) = self.render_mods(saltenv, mods)?;
        errors.extend(verify::verify_high(&high, self.options.release));
        Ok(if errors.is_empty() {
            Ok(high)
        } else {
            Err(errors)
        })
    }

    /// Low chunks of these SLS, without what other files add to them, as Salt shows them.
    pub fn show_low_sls(
        &self,
        saltenv: &str,
        mods: &[String],
    ) -> Result<std::result::Result<Vec<Value>, Vec<String>>> {
        let (high, mut errors) = self.render_mods(saltenv, mods)?;
        errors.extend(verify::verify_high(&high, self.options.release));
        if !errors.is_empty() {
            return Ok(Err(errors));
        }
        Ok(self
            .compile_high(high, Through::VerifyOnly)
            .map(|c| c.chunks()))
    }

    fn render_mods(&self, saltenv: &str, mods: &[String]) -> Result<(Map, Vec<String>)> {
        let mut matches = Matches::new();
        matches.insert(saltenv.to_owned(), mods.to_vec());
        self.render_highstate(&matches)
    }

    /// Runs what the top file gives this minion.
    pub fn call_highstate(&self, exclude: &[Value], whitelist: &[String]) -> Result<Outcome> {
        let top = match self.top()? {
            Ok(top) => top,
            Err(error) => return Ok(nothing(&format!("Unable to render top file: {error}"))),
        };
        let mut errors = top::verify_tops(&top);
        let mut matches = self.top_matches(&top)?;
        if matches.is_empty() {
            return Ok(nothing(
                "No Top file or master_tops data matches found. Please see master log for details.",
            ));
        }
        if !whitelist.is_empty() {
            for list in matches.values_mut() {
                list.retain(|sls| whitelist.contains(sls));
            }
            matches.retain(|_, list| !list.is_empty());
        }
        let (mut high, more) = self.render_highstate(&matches)?;
        errors.extend(more);
        if !errors.is_empty() {
            return Ok(Outcome::Refused(errors));
        }
        add_exclude(&mut high, exclude);
        if high.is_empty() {
            return Ok(nothing("No states found for this minion"));
        }
        self.call_high(high)
    }

    /// Runs these SLS.
    pub fn call_sls(&self, saltenv: &str, mods: &[String], exclude: &[Value]) -> Result<Outcome> {
        let (mut high, errors) = self.render_mods(saltenv, mods)?;
        if !errors.is_empty() {
            return Ok(Outcome::Refused(errors));
        }
        add_exclude(&mut high, exclude);
        self.call_high(high)
    }

    /// Runs the states of one ID of these SLS; `None` when there is no such ID.
    pub fn call_id(&self, id: &str, saltenv: &str, mods: &[String]) -> Result<Option<Outcome>> {
        let (high, errors) = self.render_mods(saltenv, mods)?;
        if !errors.is_empty() {
            return Ok(Some(Outcome::Refused(errors)));
        }
        let compiled = match self.compile_high(high.clone(), Through::RequisiteIn) {
            Ok(compiled) => compiled,
            Err(errors) => return Ok(Some(Outcome::Refused(errors))),
        };
        if let Err(texts) = support::check(self.ctx, &compiled) {
            return Ok(Some(Outcome::Refused(texts)));
        }
        let results = self.runner(compiled).run_id(id)?;
        Ok((!results.is_empty()).then(|| Outcome::Ran {
            results: by_tag(results),
            high,
        }))
    }

    /// Runs high data.
    pub fn call_high(&self, high: Map) -> Result<Outcome> {
        let compiled = match self.compile_high(high.clone(), Through::All) {
            Ok(compiled) => compiled,
            Err(errors) => return Ok(Outcome::Refused(errors)),
        };
        if let Err(texts) = support::check(self.ctx, &compiled) {
            return Ok(Outcome::Refused(texts));
        }
        let results = self.runner(compiled).run()?;
        Ok(Outcome::Ran {
            results: by_tag(results),
            high,
        })
    }

    /// Runs an SLS file of this machine, which is on no file server.
    pub fn call_template(&self, path: &Path) -> Result<Outcome> {
        let source = path.display().to_string();
        let state = match self.render_file(path, &source, "", &source) {
            Ok(Value::Map(state)) => state,
            Ok(value) if !value.is_truthy() => Map::new(),
            Ok(_) => {
                return Ok(Outcome::Refused(vec![format!(
                    "SLS {source} does not render to a dictionary"
                )]));
            }
            Err(error) => {
                return Ok(Outcome::Refused(vec![format!(
                    "Rendering SLS '{source}' failed: {error}"
                )]));
            }
        };
        let (high, errors) = self.finish_rendered(state, &source, "");
        if !errors.is_empty() {
            return Ok(Outcome::Refused(errors));
        }
        self.call_high(high)
    }

    /// Runs SLS text that is on no file server.
    pub fn call_template_str(&self, text: &str) -> Result<Outcome> {
        let rendered = self
            .seams
            .render_text(self.ctx, text, &self.options.renderer, self.files);
        let state = match rendered {
            Ok(Value::Map(state)) if !state.is_empty() => state,
            Ok(value) if !value.is_truthy() => {
                return Ok(Outcome::Refused(vec![
                    "Template failed to render".to_owned(),
                ]));
            }
            Ok(_) => {
                return Ok(Outcome::Refused(vec![
                    "Template <template-str> does not render to a dictionary".to_owned(),
                ]));
            }
            Err(error) => return Ok(Outcome::Refused(vec![error])),
        };
        let invalid = ["include", "exclude", "extends"];
        if let Some(item) = invalid.into_iter().find(|i| state.contains_key(*i)) {
            return Ok(Outcome::Refused(vec![format!(
                "The '{item}' declaration found on '<template-str>' is invalid when rendering single templates"
            )]));
        }
        let (mut high, errors) = self.finish_rendered(state, "", "base");
        if !errors.is_empty() {
            return Ok(Outcome::Refused(errors));
        }
        // A text has no place on the file server.
        for body in high.values_mut() {
            if let Value::Map(body) = body {
                body.shift_remove("__sls__");
                body.shift_remove("__env__");
            }
        }
        self.call_high(high)
    }

    /// Runs one low chunk; the inner error is what is wrong with it.
    pub fn call_low(&self, mut low: Map) -> Result<std::result::Result<Map, Vec<String>>> {
        let (errors, _) = call::verify_data(self.ctx, &mut low);
        if !errors.is_empty() {
            return Ok(Err(errors));
        }
        let mut compiled = Compiled::default();
        compiled.graph.add_chunk(low.clone());
        if let Err(texts) = support::check(self.ctx, &compiled) {
            return Ok(Err(texts));
        }
        Ok(Ok(self.runner(compiled).call_low(&mut low, 1)?))
    }

    fn runner(&self, compiled: Compiled) -> Runner<'_> {
        Runner::new(self.ctx, self.files, self.seams, &self.options, compiled)
    }
}

fn by_tag(results: run::Running) -> Map {
    results
        .into_iter()
        .map(|(tag, result)| (tag.into(), result.into()))
        .collect()
}

fn add_exclude(high: &mut Map, exclude: &[Value]) {
    if exclude.is_empty() {
        return;
    }
    let list = high
        .entry("__exclude__".into())
        .or_insert_with(|| Value::List(Vec::new()));
    if let Value::List(list) = list {
        list.extend(exclude.iter().cloned());
    }
}

/// The return of a run that has nothing to do.
fn nothing(comment: &str) -> Outcome {
    let result = map! {
        "result" => false, "comment" => comment, "name" => "No States", "changes" => Map::new(),
        "__run_num__" => 0,
    };
    Outcome::Ran {
        results: map! { "no_|-states_|-states_|-None" => result },
        high: Map::new(),
    }
}

/// A list given as a list or as text with commas.
pub fn split_input(value: &Value) -> Vec<String> {
    match value {
        Value::List(list) => list.iter().map(python::text).collect(),
        Value::Null => Vec::new(),
        other => python::text(other)
            .split(',')
            .map(|s| s.trim().to_owned())
            .filter(|s| !s.is_empty())
            .collect(),
    }
}
