//! Whether high data has the form that Salt demands, in Salt's words.

use salt_wire::{Map, Value};

use super::earlier::verify::Loops;
use super::low::{REQUISITES, declarations, first_key};
use crate::config::Release;
use crate::context::python;
use crate::context::signature::kind;

/// All that is wrong with the high data.
pub(crate) fn verify_high(high: &Map, release: Release) -> Vec<String> {
    let mut errors = Vec::new();
    let mut loops = (release < Release::V3008).then(Loops::default);
    let type_word = if loops.is_some() { "a" } else { "type" };
    for (id, body) in high {
        let sls = python::text(body.get("__sls__").unwrap_or(&Value::Null));
        let shown = python::text(id);
        match id.as_str() {
            None => errors.push(format!(
                "ID '{shown}' in SLS '{sls}' is not formed as a string, but is {type_word} {}. It may need to be quoted.",
                kind(id)
            )),
            Some(id) if id.starts_with("__") => continue,
            Some(_) => {}
        }
        let Value::Map(body) = body else {
            errors.push(format!(
                "The type {shown} in {} is not formatted as a dictionary",
                python::sls_text(body)
            ));
            continue;
        };
        for (state, run) in declarations(body) {
            let mut place = Place {
                id: &shown,
                sls: &sls,
                state,
                loops: loops.as_mut(),
                errors: &mut errors,
            };
            place.declaration(run);
        }
    }
    errors
}

/// One declaration, and where what is wrong with it is noted.
struct Place<'a> {
    id: &'a str,
    sls: &'a str,
    state: &'a str,
    /// Before 3008 loops of two are looked for here, and forms less.
    loops: Option<&'a mut Loops>,
    errors: &'a mut Vec<String>,
}

impl Place<'_> {
    fn declaration(&mut self, run: &Value) {
        let (id, sls, state) = (self.id, self.sls, self.state);
        let run = match run {
            Value::Null => {
                self.errors.push(format!(
                    "ID '{id}' in SLS '{sls}' contains a short declaration ({state}) with a trailing colon. When not passing any arguments to a state, the colon must be omitted."
                ));
                return;
            }
            Value::List(run) => run,
            _ => {
                self.errors.push(format!(
                    "State '{id}' in SLS '{sls}' is not formed as a list"
                ));
                return;
            }
        };
        let mut functions: Vec<&str> = Vec::new();
        functions.extend(state.split_once('.').map(|(_, fun)| fun));
        for argument in run {
            match argument {
                Value::Str(function) => {
                    functions.push(function);
                    if function.trim().contains(' ') {
                        self.errors.push(format!(
                            "The function \"{function}\" in state \"{id}\" in SLS \"{sls}\" has whitespace, a function with whitespace is not supported, perhaps this is an argument that is missing a \":\""
                        ));
                    }
                }
                Value::Map(argument) => self.argument(argument),
                _ => {}
            }
        }
        match functions.len() {
            0 if self.loops.is_some() && matches!(state, "require" | "watch") => {}
            0 => self
                .errors
                .push(format!("No function declared in state '{id}' in SLS '{sls}'")),
            1 => {}
            _ => self.errors.push(format!(
                "Too many functions declared in state '{id}' in SLS '{sls}'. Please choose one of the following: {}",
                functions.join(", ")
            )),
        }
    }

    fn argument(&mut self, argument: &Map) {
        let (id, sls) = (self.id, self.sls);
        let key = first_key(argument);
        let value = argument.first().map(|(_, v)| v);
        if key == "names" && !matches!(value, Some(Value::List(_))) {
            self.errors.push(format!(
                "The 'names' argument in state '{id}' in SLS '{sls}' needs to be formed as a list"
            ));
        }
        let looked_at = match &self.loops {
            Some(_) => Loops::LOOKED_AT.contains(&key),
            None => REQUISITES.contains(&key),
        };
        if !looked_at {
            return;
        }
        match value {
            Some(Value::List(references)) => {
                if let Some(loops) = &mut self.loops {
                    loops.begin(id, self.state);
                }
                for reference in references {
                    self.reference(reference);
                }
            }
            _ => self.errors.push(format!(
                "The {key} statement in state '{id}' in SLS '{sls}' needs to be formed as a list"
            )),
        }
        if argument.len() != 1 {
            self.errors.push(format!(
                "Multiple dictionaries defined in argument of state '{id}' in SLS '{sls}'"
            ));
        }
    }

    fn reference(&mut self, reference: &Value) {
        let (id, sls, earlier) = (self.id, self.sls, self.loops.is_some());
        let (key, target) = match reference {
            Value::Str(_) => ("id", Some(reference)),
            Value::Map(map) if map.len() == 1 || (earlier && !map.is_empty()) => {
                (first_key(map), map.first().map(|(_, v)| v))
            }
            other => {
                let place = if earlier {
                    format!("in SLS {sls} is")
                } else {
                    format!("in state {id} in SLS {sls} is")
                };
                self.errors.push(format!(
                    "Requisite declaration {} {place} not formed as a single key dictionary",
                    python::sls_text(other)
                ));
                return;
            }
        };
        if let Some((module, _)) = key.split_once('.') {
            self.errors.push(format!(
                "Invalid requisite type '{key}' in state '{id}', in SLS '{sls}'. Requisite types must not contain dots, did you mean '{module}'?"
            ));
        }
        if let Some(target @ (Value::List(_) | Value::Map(_))) = target {
            let place = if earlier {
                String::new()
            } else {
                format!(" in SLS \"{sls}\"")
            };
            self.errors.push(format!(
                "Illegal requisite \"{}\"{place}, please check your syntax.\n",
                python::sls_text(target)
            ));
            return;
        }
        if let (Some(loops), Some(target)) = (&mut self.loops, target) {
            self.errors
                .extend(loops.add(id, sls, self.state, key, target));
        }
    }
}
