//! The same templates through Salt's own Jinja and through ours: texts byte for byte, errors by class and
//! message.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a failed unwrap in a test is a failed test, and a skipped one says why"
)]

#[path = "../../tests/harness/venv.rs"]
mod venv;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use salt_jinja::{CallError, Environment, Found, Loaded, Loader, Object, Options};
use salt_wire::{Map, Value, map};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");

/// Salt's answers, one a template.
fn oracle(templates: &[String]) -> Option<Vec<serde_json::Value>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle.py");
    let mut child = Command::new(venv::program("3008.3", "python")?)
        .args([
            script,
            &format!("{CORPUS}/context.json"),
            &format!("{CORPUS}/files"),
        ])
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = serde_json::to_vec(templates).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    let answers: Vec<_> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), templates.len(), "the oracle stopped early");
    Some(answers)
}

struct Files;

impl Loader for Files {
    fn load(&self, name: &str, _directory: Option<&str>) -> Result<Option<Loaded>, String> {
        let path = Path::new(CORPUS).join("files").join(name);
        Ok(std::fs::read_to_string(path).ok().map(|text| Loaded {
            text,
            globals: Vec::new(),
        }))
    }
}

struct Salt;

impl Object for Salt {
    fn type_name(&self) -> &str {
        "__main__.Salt"
    }

    fn item(&self, key: &Value) -> Result<Option<Found>, CallError> {
        Ok(match key.as_str() {
            Some(name @ ("test.echo" | "test.arg" | "test.fail")) => {
                Some(Found::Object(Arc::new(Function(name.to_owned()))))
            }
            _ => None,
        })
    }
}

struct Function(String);

impl Object for Function {
    fn callable(&self) -> bool {
        true
    }

    fn call(&self, args: &[Value], kwargs: &Map) -> Result<Value, CallError> {
        match self.0.as_str() {
            "test.echo" => Ok(args[0].clone()),
            "test.arg" => Ok(Value::Map(
                map! {"args" => Value::List(args.to_vec()), "kwargs" => kwargs.clone()},
            )),
            _ => Err(CallError::salt("it went wrong")),
        }
    }
}

fn from_json(value: &serde_json::Value) -> Value {
    use serde_json::Value as J;
    match value {
        J::Null => Value::Null,
        J::Bool(b) => Value::Bool(*b),
        J::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(i), _) => Value::from(i),
            (_, Some(u)) => Value::from(u),
            _ => Value::Float(n.as_f64().unwrap()),
        },
        J::String(s) => Value::from(s.as_str()),
        J::Array(items) => Value::List(items.iter().map(from_json).collect()),
        J::Object(entries) => Value::Map(
            entries
                .iter()
                .map(|(k, v)| (Value::from(k.as_str()), from_json(v)))
                .collect(),
        ),
    }
}

fn environment() -> Environment<'static> {
    let text = std::fs::read_to_string(format!("{CORPUS}/context.json")).unwrap();
    let context: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut environment = Environment::new(Options::default());
    for (name, value) in context.as_object().unwrap() {
        environment.set(name.as_str(), from_json(value));
    }
    environment.set("opts", Map::new());
    environment.set("saltenv", "");
    environment.set_object("salt", Arc::new(Salt));
    environment.set_loader(Files);
    environment
}

/// What Salt adds to Jinja2's output.
fn ours(environment: &Environment<'_>, source: &str) -> Result<String, (String, String, usize)> {
    match environment.render(source) {
        Ok(mut text) => {
            if source.ends_with('\n') {
                text.push('\n');
            }
            Ok(text)
        }
        Err(e) => Err((e.class().to_owned(), e.message.clone(), e.line)),
    }
}

fn compare(templates: &[String]) {
    let Some(answers) = oracle(templates) else {
        return;
    };
    let environment = environment();
    let mut wrong = Vec::new();
    for (source, theirs) in templates.iter().zip(answers) {
        let mine = ours(&environment, source);
        let same = match (&mine, theirs["ok"].as_str()) {
            (Ok(text), Some(expected)) => text == expected,
            (Err((class, text, _)), None) => {
                let (their_class, their_text) = (theirs["class"].as_str(), theirs["text"].as_str());
                // The loader of the files says where it looked; regular expressions have their own words.
                match their_class {
                    Some("TemplateNotFound") => {
                        class == "TemplateNotFound" && their_text.unwrap().contains(text)
                    }
                    Some("error") => class == "error",
                    Some("SaltInvocationError") => {
                        class == "CommandExecutionError" && their_text == Some(text)
                    }
                    _ => their_class == Some(class) && their_text == Some(text),
                }
            }
            _ => false,
        };
        if !same {
            wrong.push(format!("{source}\n  salt: {theirs}\n  ours: {mine:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ\n{}",
        wrong.len(),
        templates.len(),
        wrong[..wrong.len().min(60)].join("\n")
    );
}

#[test]
fn snippets_render_as_in_salt() {
    let text = std::fs::read_to_string(format!("{CORPUS}/snippets.txt")).unwrap();
    let templates: Vec<String> = text
        .strip_suffix('\n')
        .unwrap()
        .split("\n%%%%\n")
        .map(str::to_owned)
        .collect();
    assert!(templates.len() > 200);
    compare(&templates);
}
