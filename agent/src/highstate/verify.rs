//! Whether high data has the form that Salt demands, in Salt's words.

use salt_wire::{Map, Value};

use super::low::{REQUISITES, declarations, first_key};
use crate::context::python;
use crate::context::signature::kind;

/// All that is wrong with the high data.
pub(crate) fn verify_high(high: &Map) -> Vec<String> {
    let mut errors = Vec::new();
    for (id, body) in high {
        let sls = python::text(body.get("__sls__").unwrap_or(&Value::Null));
        let shown = python::text(id);
        match id.as_str() {
            None => errors.push(format!(
                "ID '{shown}' in SLS '{sls}' is not formed as a string, but is type {}. It may need to be quoted.",
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
            verify_declaration(&shown, &sls, state, run, &mut errors);
        }
    }
    errors
}

fn verify_declaration(id: &str, sls: &str, state: &str, run: &Value, errors: &mut Vec<String>) {
    let run = match run {
        Value::Null => {
            errors.push(format!(
                "ID '{id}' in SLS '{sls}' contains a short declaration ({state}) with a trailing colon. When not passing any arguments to a state, the colon must be omitted."
            ));
            return;
        }
        Value::List(run) => run,
        _ => {
            errors.push(format!(
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
                    errors.push(format!(
                        "The function \"{function}\" in state \"{id}\" in SLS \"{sls}\" has whitespace, a function with whitespace is not supported, perhaps this is an argument that is missing a \":\""
                    ));
                }
            }
            Value::Map(argument) => verify_argument(id, sls, argument, errors),
            _ => {}
        }
    }
    match functions.len() {
        0 => errors.push(format!("No function declared in state '{id}' in SLS '{sls}'")),
        1 => {}
        _ => errors.push(format!(
            "Too many functions declared in state '{id}' in SLS '{sls}'. Please choose one of the following: {}",
            functions.join(", ")
        )),
    }
}

fn verify_argument(id: &str, sls: &str, argument: &Map, errors: &mut Vec<String>) {
    let key = first_key(argument);
    let value = argument.first().map(|(_, v)| v);
    if key == "names" && !matches!(value, Some(Value::List(_))) {
        errors.push(format!(
            "The 'names' argument in state '{id}' in SLS '{sls}' needs to be formed as a list"
        ));
    }
    if !REQUISITES.contains(&key) {
        return;
    }
    match value {
        Some(Value::List(references)) => {
            for reference in references {
                verify_reference(id, sls, reference, errors);
            }
        }
        _ => errors.push(format!(
            "The {key} statement in state '{id}' in SLS '{sls}' needs to be formed as a list"
        )),
    }
    if argument.len() != 1 {
        errors.push(format!(
            "Multiple dictionaries defined in argument of state '{id}' in SLS '{sls}'"
        ));
    }
}

fn verify_reference(id: &str, sls: &str, reference: &Value, errors: &mut Vec<String>) {
    let (key, target) = match reference {
        Value::Str(_) => return,
        Value::Map(map) if map.len() == 1 => (first_key(map), map.first().map(|(_, v)| v)),
        other => {
            errors.push(format!(
                "Requisite declaration {} in state {id} in SLS {sls} is not formed as a single key dictionary",
                python::sls_text(other)
            ));
            return;
        }
    };
    if let Some((module, _)) = key.split_once('.') {
        errors.push(format!(
            "Invalid requisite type '{key}' in state '{id}', in SLS '{sls}'. Requisite types must not contain dots, did you mean '{module}'?"
        ));
    }
    if let Some(target @ (Value::List(_) | Value::Map(_))) = target {
        errors.push(format!(
            "Illegal requisite \"{}\" in SLS \"{sls}\", please check your syntax.\n",
            python::sls_text(target)
        ));
    }
}
