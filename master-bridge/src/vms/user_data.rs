//! What a new VM is told: the template of `cloud-init/`, filled in, and the operator's own file beside it.

use std::collections::BTreeMap;

use base64::Engine as _;
use salt_wire::{Map, Value, map};

use crate::error::{Error, Kind, Result};
use crate::salt::autosign::GRAIN;

/// The template; its placeholders are `<MASTER>`, `<FINGER>` and `<NONCE>`.
const TEMPLATE: &str = include_str!("../../../cloud-init/user-data.yaml");
/// The template of masters; its placeholder is `<NONCE>`.
const MASTER: &str = include_str!("../../../cloud-init/master.yaml");
/// Nova's limit, for the base64 text.
const MOST: usize = 65_535;
/// Unlike any line of a script or a YAML document.
const BOUNDARY: &str = "==master-bridge-user-data==";

/// What goes into the template.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The master's address, as VMs reach it.
    pub master: String,
    /// Its key's fingerprint.
    pub finger: String,
    /// Its request port.
    pub master_port: u16,
    /// Its publish port.
    pub publish_port: u16,
    /// The minion id.
    pub id: String,
    /// Grains of its own.
    pub grains: BTreeMap<String, String>,
    /// Whether it has a one-time token to show to the master.
    pub token: bool,
}

/// The user-data, with `<NONCE>` and `<TOKEN>` still in it: each step that makes a server has its own. `own` is the operator's file.
pub fn render(facts: &Facts, own: Option<&str>) -> Result<String> {
    let wrong = || Error::new(Kind::Local, "the user-data template cannot be read");
    let mut document = salt_yaml::load(TEMPLATE).map_err(|e| wrong().because(&e))?;
    fill(&mut document, facts);
    let mut settings = map! {
        "id" => facts.id.as_str(),
        "master_port" => u64::from(facts.master_port),
        "publish_port" => u64::from(facts.publish_port),
    };
    let mut grains: Map = facts
        .grains
        .iter()
        .map(|(k, v)| (k.as_str().into(), v.as_str().into()))
        .collect();
    if facts.token {
        grains.insert(GRAIN.into(), "<TOKEN>".into());
        settings.insert("autosign_grains".into(), vec![GRAIN].into());
    }
    if !grains.is_empty() {
        settings.insert("grains".into(), Value::Map(grains));
    }
    let content = dump(&settings.into())?;
    let file = map! {
        "path" => "/etc/salt/minion.d/20-master-bridge.conf",
        "permissions" => if facts.token { "0600" } else { "0644" }, "content" => content,
    };
    let Value::Map(entries) = &mut document else {
        return Err(wrong());
    };
    match entries.get_mut("write_files") {
        Some(Value::List(files)) => files.push(file.into()),
        _ => {
            entries.insert("write_files".into(), Value::List(vec![file.into()]));
        }
    }
    whole(&document, own)
}

/// The user-data of a master, with `<NONCE>` still in it; `config` is a drop-in of its configuration.
pub fn master(config: Option<&str>, own: Option<&str>) -> Result<String> {
    let wrong = || Error::new(Kind::Local, "the user-data template cannot be read");
    let mut document = salt_yaml::load(MASTER).map_err(|e| wrong().because(&e))?;
    if let Some(config) = config {
        let file = map! {
            "path" => "/etc/salt/master.d/50-own.conf", "permissions" => "0640", "content" => config,
        };
        match document.as_map().and_then(|all| all.get("write_files")) {
            Some(Value::List(files)) => {
                let mut files = files.clone();
                files.push(file.into());
                if let Value::Map(entries) = &mut document {
                    entries.insert("write_files".into(), Value::List(files));
                }
            }
            _ => return Err(wrong()),
        }
    }
    whole(&document, own)
}

/// Ours and the operator's own, within Nova's limit.
fn whole(document: &Value, own: Option<&str>) -> Result<String> {
    let ours = format!("#cloud-config\n{}", dump(document)?);
    let whole = match own {
        Some(own) => multipart(own, &ours)?,
        None => ours,
    };
    let size = base64::engine::general_purpose::STANDARD
        .encode(&whole)
        .len();
    // Nonce and token are longer than their placeholders.
    if size + 128 > MOST {
        let text = format!(
            "the user-data has {} bytes, and Nova takes {}",
            whole.len(),
            MOST / 4 * 3
        );
        return Err(Error::new(Kind::Usage, text)
            .hint("let the highstate bring large files, or an #include of a URL"));
    }
    Ok(whole)
}

fn dump(value: &Value) -> Result<String> {
    salt_yaml::dump(value, &salt_yaml::DumpOptions::default())
        .map_err(|e| Error::new(Kind::Local, "cannot write the user-data").because(&e))
}

/// Fills the placeholders of every text in the document; inside a text that is YAML itself too.
fn fill(value: &mut Value, facts: &Facts) {
    match value {
        Value::Str(text) => {
            *text = text
                .replace("<MASTER>", &quoted(&facts.master))
                .replace("<FINGER>", &quoted(&facts.finger));
        }
        Value::List(items) => items.iter_mut().for_each(|item| fill(item, facts)),
        Value::Map(entries) => entries.values_mut().for_each(|item| fill(item, facts)),
        _ => {}
    }
}

/// A YAML scalar that stays text: a fingerprint is a base-60 number to YAML 1.1, and an address may be one.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Both as one MIME document; cloud-init merges lists, so that neither loses its files or commands.
fn multipart(own: &str, ours: &str) -> Result<String> {
    let first = own.lines().next().unwrap_or_default();
    let kind = match first {
        line if line.starts_with("#cloud-config") => "text/cloud-config",
        line if line.starts_with("#!") => "text/x-shellscript",
        line if line.starts_with("#include") => "text/x-include-url",
        line if line.starts_with("#cloud-boothook") => "text/cloud-boothook",
        line if line.starts_with("## template: jinja") => "text/jinja2",
        _ => {
            return Err(Error::new(Kind::Usage, "the user-data file does not say what it is")
                .hint("its first line is #cloud-config, #!/bin/sh, #include, #cloud-boothook or ## template: jinja"));
        }
    };
    if own.contains(BOUNDARY) {
        return Err(Error::new(
            Kind::Usage,
            "the user-data file contains our boundary",
        ));
    }
    let mut out =
        format!("Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n\n");
    for (kind, name, text) in [
        (kind, "own", own),
        ("text/cloud-config", "master-bridge.yaml", ours),
    ] {
        out.push_str(&format!(
            "--{BOUNDARY}\nContent-Type: {kind}; charset=\"utf-8\"\nMIME-Version: 1.0\nContent-Transfer-Encoding: 8bit\n\
             Content-Disposition: attachment; filename=\"{name}\"\nX-Merge-Type: list(append)+dict(no_replace,recurse_list)+str()\n\n{text}\n"
        ));
    }
    out.push_str(&format!("--{BOUNDARY}--\n"));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            master: "10.0.0.1".into(),
            finger: vec!["11"; 32].join(":"),
            master_port: 4506,
            publish_port: 4505,
            id: "app2".into(),
            grains: BTreeMap::from([("level".to_owned(), "no".to_owned())]),
            token: false,
        }
    }

    fn file(document: &Value, path: &str) -> Value {
        let files = document
            .get("write_files")
            .and_then(Value::as_list)
            .unwrap();
        let is = |f: &&Value| {
            f.get("path")
                .and_then(Value::as_str)
                .is_some_and(|p| p.ends_with(path))
        };
        let content = files
            .iter()
            .find(is)
            .unwrap()
            .get("content")
            .and_then(Value::as_str)
            .unwrap();
        salt_yaml::load(content).unwrap()
    }

    #[test]
    fn the_agent_reads_what_was_meant() {
        let text = render(&facts(), None).unwrap();
        assert!(text.starts_with("#cloud-config\n"));
        let nonce = text.replace("<NONCE>", "0011");
        let document = salt_yaml::load(&nonce).unwrap();
        let minion = file(&document, "10-cloud-init.conf");
        assert_eq!(
            minion.get("master").and_then(Value::as_str),
            Some("10.0.0.1")
        );
        let finger = minion.get("master_finger").and_then(Value::as_str).unwrap();
        assert!(finger.starts_with("11:11"), "{finger}");
        assert!(text.contains("<NONCE>"));
        let ours = file(&document, "20-master-bridge.conf");
        assert_eq!(ours.get("id").and_then(Value::as_str), Some("app2"));
        let level = ours.get("grains").and_then(|g| g.get("level"));
        assert_eq!(level.and_then(Value::as_str), Some("no"), "text stays text");
    }

    #[test]
    fn a_master_gets_its_nonce_and_its_configuration() {
        let text = master(Some("worker_threads: 9\n"), None).unwrap();
        assert!(text.starts_with("#cloud-config\n"));
        let document = salt_yaml::load(&text.replace("<NONCE>", "n1")).unwrap();
        let own = file(&document, "50-own.conf");
        assert_eq!(own.get("worker_threads"), Some(&Value::Int(9)));
        let nonce = file(&document, "master-bridge.nonce");
        assert_eq!(nonce.as_str(), Some("n1"));
        assert!(master(None, None).unwrap().contains("salt-master-announce"));
    }

    #[test]
    fn the_operators_own_file_comes_along() {
        let text = render(&facts(), Some("#!/bin/sh\necho hi\n")).unwrap();
        assert!(text.contains("text/x-shellscript") && text.contains("echo hi"));
        assert_eq!(text.matches(BOUNDARY).count(), 4);
        assert_eq!(render(&facts(), Some("hi")).unwrap_err().kind, Kind::Usage);
        let long = format!("#!/bin/sh\n{}", "x".repeat(60_000));
        assert!(
            render(&facts(), Some(&long))
                .unwrap_err()
                .message
                .contains("Nova takes")
        );
    }
}
