//! Templates: what is declared, what was given, and what the functions in them come to.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::request::{Refusal, list, text};
use crate::output::json_of;

/// A template with its parameters' values.
#[derive(Debug, Clone)]
pub(super) struct Template {
    body: Value,
    /// The values, as Heat shows them: texts.
    pub(super) parameters: Map<String, Value>,
    files: Value,
}

/// What `get_resource` and `get_attr` ask.
pub(super) trait Resources {
    /// The physical id of a resource, once it is there.
    fn id(&self, name: &str) -> Option<Value>;
    /// An attribute of a resource, once it is there.
    fn attribute(&self, name: &str, path: &[Value]) -> Option<Value>;
}

/// Nothing is there yet.
pub(super) struct Nothing;

impl Resources for Nothing {
    fn id(&self, _: &str) -> Option<Value> {
        None
    }

    fn attribute(&self, _: &str, _: &[Value]) -> Option<Value> {
        None
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "StackValidationFailed", message)
}

/// A template as it was sent: a document, or its text.
pub(super) fn parse(given: &Value) -> Result<Value, Refusal> {
    let body = match given {
        Value::String(yaml) => {
            let read = salt_yaml::load_plain(yaml);
            let value = read.map_err(|e| invalid(format!("Error parsing template: {e}")))?;
            json_of(&value)
        }
        other => other.clone(),
    };
    if !body.is_object() {
        return Err(invalid(
            "The template is not a JSON object or YAML mapping.",
        ));
    }
    if body.get("heat_template_version").is_none() {
        return Err(Refusal::new(
            400,
            "InvalidTemplateVersion",
            "Template format version not found.",
        ));
    }
    Ok(body)
}

impl Template {
    /// With these values; what is missing, unknown or not allowed is refused.
    pub(super) fn new(body: Value, given: &Value, files: Value) -> Result<Self, Refusal> {
        let declared = body["parameters"].as_object().cloned().unwrap_or_default();
        let given = given.as_object().cloned().unwrap_or_default();
        if let Some(unknown) = given.keys().find(|name| !declared.contains_key(*name)) {
            let text = format!("The Parameter ({unknown}) was not defined in template.");
            return Err(Refusal::new(400, "UnknownUserParameter", text));
        }
        let mut parameters = Map::new();
        for (name, schema) in &declared {
            let value = given.get(name).or_else(|| schema.get("default"));
            let Some(value) = value.filter(|v| !v.is_null()) else {
                let text = format!("The Parameter ({name}) was not provided.");
                return Err(Refusal::new(400, "UserParameterMissing", text));
            };
            check(name, schema, value)?;
            parameters.insert(name.clone(), shown(value).into());
        }
        let template = Self {
            body,
            parameters,
            files,
        };
        for (name, resource) in template.declared() {
            let kind = text(resource, "type");
            if !super::resources::is_known(kind) {
                let text = format!("The Resource Type ({kind}) could not be found.");
                return Err(Refusal::new(
                    400,
                    "StackValidationFailed",
                    format!("{text} ({name})"),
                ));
            }
        }
        for (name, resource) in template.declared() {
            for of in needs(resource) {
                if template.body["resources"].get(&of).is_none() {
                    return Err(invalid(format!(
                        "The specified reference \"{of}\" (in {name}) is incorrect."
                    )));
                }
            }
        }
        template.order()?;
        Ok(template)
    }

    /// What the stack's document keeps of it.
    pub(super) fn note(&self) -> Value {
        json!({"body": self.body, "parameters": self.parameters, "files": self.files})
    }

    /// From what the stack's document kept.
    pub(super) fn of(note: &Value) -> Self {
        Self {
            body: note["body"].clone(),
            parameters: note["parameters"].as_object().cloned().unwrap_or_default(),
            files: note["files"].clone(),
        }
    }

    /// The template itself.
    pub(super) fn body(&self) -> &Value {
        &self.body
    }

    /// Whether a parameter's value is nobody's business.
    pub(super) fn is_hidden(&self, name: &str) -> bool {
        self.body["parameters"][name]["hidden"] == true
    }

    fn declared(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.body["resources"].as_object().into_iter().flatten()
    }

    /// One declared resource.
    pub(super) fn resource(&self, name: &str) -> &Value {
        &self.body["resources"][name]
    }

    /// The resources that are wanted with these values, each after those that it needs.
    pub(super) fn order(&self) -> Result<Vec<String>, Refusal> {
        let wanted: Vec<(&String, &Value)> = self
            .declared()
            .filter(|(_, resource)| self.is_wanted(resource))
            .collect();
        let mut done: Vec<String> = Vec::new();
        while done.len() < wanted.len() {
            let before = done.len();
            for (name, resource) in &wanted {
                let ready = |of: &String| done.contains(of) || wanted.iter().all(|(n, _)| *n != of);
                if !done.contains(name) && needs(resource).iter().all(ready) {
                    done.push((*name).clone());
                }
            }
            if done.len() == before {
                return Err(Refusal::new(
                    400,
                    "CircularDependencyException",
                    "Circular Dependency Found",
                ));
            }
        }
        Ok(done)
    }

    fn is_wanted(&self, resource: &Value) -> bool {
        resource
            .get("condition")
            .is_none_or(|condition| self.holds(condition))
    }

    /// Whether a condition, or the one of a name, holds.
    fn holds(&self, condition: &Value) -> bool {
        match condition {
            Value::String(name) => match self.body["conditions"].get(name) {
                Some(named) => self.holds(named),
                None => name.eq_ignore_ascii_case("true"),
            },
            Value::Bool(value) => *value,
            Value::Object(map) => {
                let Some((function, arguments)) = map.iter().next() else {
                    return false;
                };
                let all = arguments.as_array().map_or(&[][..], Vec::as_slice);
                match function.as_str() {
                    "equals" => {
                        let mut values = all
                            .iter()
                            .map(|a| self.resolve(a, &Nothing).map(|v| shown(&v)));
                        let first = values.next();
                        values.all(|value| Some(value) == first)
                    }
                    "not" => !self.holds(arguments),
                    "and" => all.iter().all(|a| self.holds(a)),
                    "or" => all.iter().any(|a| self.holds(a)),
                    "get_param" => self.resolve(condition, &Nothing).is_some_and(|v| {
                        ["true", "1", "yes", "on"].contains(&shown(&v).to_lowercase().as_str())
                    }),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// A value with its functions done; none while something that it needs is not there.
    pub(super) fn resolve(&self, value: &Value, resources: &dyn Resources) -> Option<Value> {
        match value {
            Value::Array(items) => items.iter().map(|i| self.resolve(i, resources)).collect(),
            Value::Object(map) => {
                if let (Some((name, arguments)), 1) = (map.iter().next(), map.len())
                    && let Some(done) = self.function(name, arguments, resources)
                {
                    return done;
                }
                let pairs = map
                    .iter()
                    .map(|(k, v)| Some((k.clone(), self.resolve(v, resources)?)));
                Some(Value::Object(pairs.collect::<Option<Map<_, _>>>()?))
            }
            other => Some(other.clone()),
        }
    }

    /// A function's value; the outer option says whether it is one.
    fn function(
        &self,
        name: &str,
        arguments: &Value,
        resources: &dyn Resources,
    ) -> Option<Option<Value>> {
        Some(match name {
            "get_param" => {
                let (name, rest) = path(arguments);
                self.parameter(&name).and_then(|value| inside(value, rest))
            }
            "get_resource" => resources.id(arguments.as_str().unwrap_or_default()),
            "get_attr" => {
                let (name, rest) = path(arguments);
                let rest: Option<Vec<Value>> =
                    rest.iter().map(|r| self.resolve(r, resources)).collect();
                rest.and_then(|rest| resources.attribute(&name, &rest))
            }
            "get_file" => self
                .files
                .get(arguments.as_str().unwrap_or_default())
                .cloned(),
            "str_replace" => {
                let template = self.resolve(&arguments["template"], resources);
                let params = self.resolve(&arguments["params"], resources);
                template.zip(params).map(|(template, params)| {
                    let mut text = shown(&template);
                    for (from, to) in params.as_object().into_iter().flatten() {
                        text = text.replace(from.as_str(), &shown(to));
                    }
                    text.into()
                })
            }
            "list_join" => self.resolve(arguments, resources).map(|all| {
                let all = all.as_array().cloned().unwrap_or_default();
                let words: Vec<String> = all
                    .iter()
                    .skip(1)
                    .flat_map(|part| part.as_array().cloned().unwrap_or_default())
                    .map(|word| shown(&word))
                    .collect();
                words
                    .join(&all.first().map(shown).unwrap_or_default())
                    .into()
            }),
            "if" => {
                let at = if self.holds(&arguments[0]) { 1 } else { 2 };
                self.resolve(&arguments[at], resources)
            }
            _ => return None,
        })
    }

    /// A parameter's value as its type.
    fn parameter(&self, name: &str) -> Option<Value> {
        let text = self.parameters.get(name)?.as_str()?;
        let schema = &self.body["parameters"][name];
        Some(match schema["type"].as_str().unwrap_or("string") {
            "number" => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
            "boolean" => matches!(
                text.to_lowercase().as_str(),
                "true" | "1" | "yes" | "on" | "t" | "y"
            )
            .into(),
            "comma_delimited_list" => serde_json::from_str(text)
                .unwrap_or_else(|_| text.split(',').map(str::trim).collect()),
            "json" => serde_json::from_str(text).ok()?,
            _ => text.into(),
        })
    }

    /// The outputs with their values, as far as these are known.
    pub(super) fn outputs(&self, resources: &dyn Resources) -> Vec<Value> {
        let all = self.body["outputs"].as_object().into_iter().flatten();
        all.map(|(key, output)| {
            // One whose condition does not hold is shown, without a value.
            let value = self
                .is_wanted(output)
                .then(|| self.resolve(&output["value"], resources));
            json!({
                "output_key": key, "description": output["description"].as_str().unwrap_or("No description given"),
                "output_value": value.flatten(),
            })
        })
        .collect()
    }
}

/// `name` or `[name, part, …]`.
fn path(arguments: &Value) -> (String, &[Value]) {
    match arguments {
        Value::Array(parts) => {
            let name = parts.first().and_then(Value::as_str).unwrap_or_default();
            (name.to_owned(), parts.get(1..).unwrap_or_default())
        }
        other => (other.as_str().unwrap_or_default().to_owned(), &[]),
    }
}

/// A part of a value, by keys and numbers.
pub(super) fn inside(value: Value, path: &[Value]) -> Option<Value> {
    path.iter().try_fold(value, |value, part| match part {
        Value::String(key) => value
            .get(key)
            .or_else(|| value.get(key.parse::<usize>().ok()?))
            .cloned(),
        Value::Number(at) => value.get(usize::try_from(at.as_u64()?).ok()?).cloned(),
        _ => None,
    })
}

/// The resources that one refers to.
pub(super) fn needs(resource: &Value) -> BTreeSet<String> {
    fn within(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|i| within(i, found)),
            Value::Object(map) => {
                for (key, value) in map {
                    if matches!(key.as_str(), "get_resource" | "get_attr") && map.len() == 1 {
                        found.insert(path(value).0);
                    }
                    within(value, found);
                }
            }
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    within(&resource["properties"], &mut found);
    match &resource["depends_on"] {
        Value::String(name) => {
            found.insert(name.clone());
        }
        _ => found.extend(
            list(resource, "depends_on")
                .iter()
                .filter_map(|n| n.as_str().map(str::to_owned)),
        ),
    }
    found
}

/// A value as Heat shows a parameter's: text.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // As Python writes them.
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        other => other.to_string(),
    }
}

fn check(name: &str, schema: &Value, value: &Value) -> Result<(), Refusal> {
    let refused = |why: String| invalid(format!("Parameter '{name}' is invalid: {why}"));
    let text_of = shown(value);
    if text(schema, "type") == "number" && text_of.parse::<f64>().is_err() {
        return Err(refused(format!(
            "could not convert string to float: '{text_of}'"
        )));
    }
    for constraint in list(schema, "constraints") {
        if let Some(allowed) = constraint["allowed_values"].as_array()
            && !allowed.iter().any(|a| shown(a) == text_of)
        {
            let words: Vec<String> = allowed.iter().map(shown).collect();
            return Err(refused(format!(
                "\"{text_of}\" is not an allowed value [{}]",
                words.join(", ")
            )));
        }
        let most = constraint["length"]["max"].as_u64();
        if most.is_some_and(|most| text_of.len() as u64 > most) {
            return Err(refused(format!(
                "length ({}) is out of range",
                text_of.len()
            )));
        }
        if let (Some(range), Ok(number)) = (constraint["range"].as_object(), text_of.parse::<f64>())
        {
            let bound = |key: &str| range.get(key).and_then(Value::as_f64);
            if bound("min").is_some_and(|min| number < min)
                || bound("max").is_some_and(|max| number > max)
            {
                return Err(refused(format!("{text_of} is out of range")));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(given: &Value) -> Result<Template, Refusal> {
        let yaml = "
heat_template_version: 2016-10-14
parameters:
  image: {type: string, default: tiny}
  enable: {type: number, default: 0, constraints: [{range: {min: 0, max: 1}}]}
  names: {type: comma_delimited_list, default: 'a, b'}
conditions: {with_master: {equals: [{get_param: enable}, 1]}}
resources:
  app:
    type: OS::Nova::Server
    depends_on: key
    properties: {image: {get_param: image}, name: {str_replace: {template: x-Y, params: {Y: {get_resource: key}}}}}
  key: {type: OS::Heat::RandomString}
  master: {type: OS::Nova::Server, condition: with_master, properties: {image: {get_param: image}}}
outputs:
  names: {value: {list_join: ['-', {get_param: names}]}}
  master: {condition: with_master, value: {get_resource: master}}
";
        Template::new(parse(&yaml.into())?, given, json!({}))
    }

    #[test]
    fn order_conditions_and_functions() {
        let plain = template(&json!({})).unwrap();
        assert_eq!(plain.order().unwrap(), ["key", "app"]);
        assert_eq!(plain.outputs(&Nothing)[0]["output_value"], "a-b");
        assert_eq!(plain.outputs(&Nothing)[1]["output_value"], Value::Null);
        let properties = &plain.resource("app")["properties"];
        assert_eq!(
            plain.resolve(properties, &Nothing),
            None,
            "its key is not there"
        );
        let with = template(&json!({"enable": "1"})).unwrap();
        assert_eq!(with.order().unwrap(), ["key", "master", "app"]);
        assert_eq!(with.parameters["enable"], "1");
    }

    #[test]
    fn wrong_parameters_are_refused() {
        let why = |given: Value| template(&given).unwrap_err().message;
        assert!(why(json!({"x": 1})).contains("(x) was not defined"));
        assert!(why(json!({"enable": 2})).contains("out of range"));
        assert!(why(json!({"enable": "two"})).contains("could not convert"));
        assert!(parse(&json!({})).is_err() && parse(&json!("a: [")).is_err());
    }
}
