//! What the bridge lists and shows, beside what the `openstack` program does on the same services: the same things,
//! with the same values.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use harness::Finished;
use serde_json::{Deserializer, Value, json};

use crate::bridge::Bridge;

/// Where `make test-openstack` has the program, beside the services.
const CLI: &str = "OPENSTACK_LAB_CLI";

/// A command of the bridge and one of the program, and where each has the same values.
struct View {
    ours: &'static [&'static str],
    /// Where the things, or the one thing, are in our document.
    at: &'static str,
    theirs: &'static str,
    /// Paths in ours, and in theirs. The first says which thing it is.
    fields: &'static [(&'static str, &'static str)],
}

const OF_ENVIRONMENT: &[View] = &[
    View {
        ours: &["flavor", "list"],
        at: "/flavors",
        theirs: "flavor list --long",
        fields: &[
            ("/id", "/ID"),
            ("/name", "/Name"),
            ("/vcpus", "/VCPUs"),
            ("/ram", "/RAM"),
            ("/disk", "/Disk"),
            ("/OS-FLV-EXT-DATA:ephemeral", "/Ephemeral"),
            ("/os-flavor-access:is_public", "/Is Public"),
        ],
    },
    View {
        ours: &["server", "list", "--no-salt"],
        at: "/servers",
        theirs: "server list --long",
        fields: &[
            ("/id", "/ID"),
            ("/name", "/Name"),
            ("/status", "/Status"),
            ("/task_state", "/Task State"),
            ("/addresses", "/Networks"),
            ("/flavor", "/Flavor"),
            ("/image", "/Image Name"),
        ],
    },
    View {
        ours: &["server", "show", "ci-app1"],
        at: "/server",
        theirs: "server show ci-app1",
        fields: &[
            ("/id", "/id"),
            ("/name", "/name"),
            ("/status", "/status"),
            ("/OS-EXT-STS:task_state", "/OS-EXT-STS:task_state"),
            (
                "/OS-EXT-AZ:availability_zone",
                "/OS-EXT-AZ:availability_zone",
            ),
            ("/addresses", "/addresses"),
            ("/config_drive", "/config_drive"),
            ("/created", "/created"),
            ("/flavor/original_name", "/flavor/original_name"),
            ("/flavor/ram", "/flavor/ram"),
            ("/flavor/vcpus", "/flavor/vcpus"),
            ("/key_name", "/key_name"),
            ("/metadata", "/properties"),
            ("/security_groups", "/security_groups"),
            ("/server_groups", "/server_groups"),
            ("/os-extended-volumes:volumes_attached", "/volumes_attached"),
        ],
    },
    View {
        ours: &["server", "show", "ci-app1"],
        at: "/ports",
        theirs: "port list --server ci-app1 --long",
        fields: &[
            ("/id", "/ID"),
            ("/name", "/Name"),
            ("/status", "/Status"),
            ("/fixed_ips", "/Fixed IP Addresses"),
            ("/device_owner", "/Device Owner"),
            ("/security_groups", "/Security Groups"),
        ],
    },
    View {
        ours: &["image", "list"],
        at: "/images",
        theirs: "image list --long",
        fields: &[
            ("/id", "/ID"),
            ("/name", "/Name"),
            ("/status", "/Status"),
            ("/size", "/Size"),
            ("/disk_format", "/Disk Format"),
            ("/container_format", "/Container Format"),
            ("/checksum", "/Checksum"),
            ("/os_hash_algo", "/Hash Algorithm"),
            ("/os_hash_value", "/Hash Value"),
            ("/visibility", "/Visibility"),
            ("/protected", "/Protected"),
            ("/owner", "/Project"),
            ("/tags", "/Tags"),
        ],
    },
    View {
        ours: &["image", "show", "tiny"],
        at: "/image",
        theirs: "image show tiny",
        fields: &[
            ("/id", "/id"),
            ("/min_disk", "/min_disk"),
            ("/min_ram", "/min_ram"),
            ("/created_at", "/created_at"),
            ("/virtual_size", "/virtual_size"),
            ("/hw_disk_bus", "/properties/hw_disk_bus"),
            ("/os_hash_value", "/properties/os_hash_value"),
        ],
    },
    View {
        ours: &["keypair", "list"],
        at: "/keypairs",
        theirs: "keypair list",
        fields: &[("/name", "/Name"), ("/fingerprint", "/Fingerprint")],
    },
    View {
        ours: &["keypair", "show", "ci-key"],
        at: "/keypair",
        theirs: "keypair show ci-key",
        fields: &[("/name", "/name"), ("/fingerprint", "/fingerprint")],
    },
    View {
        ours: &["secgroup", "list"],
        at: "/security_groups",
        theirs: "security group list",
        fields: &[
            ("/id", "/ID"),
            ("/name", "/Name"),
            ("/description", "/Description"),
        ],
    },
    View {
        ours: &["volume", "list"],
        at: "/volumes",
        theirs: "volume list --long",
        fields: &[
            ("/id", "/ID"),
            ("/name", "/Name"),
            ("/status", "/Status"),
            ("/size", "/Size"),
            ("/volume_type", "/Type"),
            ("/bootable", "/Bootable"),
            ("/metadata", "/Properties"),
            ("/attachments/0/server_id", "/Attached to/0/server_id"),
            ("/attachments/0/device", "/Attached to/0/device"),
        ],
    },
];

const OF_STACK: &[View] = &[
    View {
        ours: &["stack", "list"],
        at: "/stacks",
        theirs: "stack list",
        fields: &[
            ("/id", "/ID"),
            ("/stack_name", "/Stack Name"),
            ("/stack_status", "/Stack Status"),
            ("/creation_time", "/Creation Time"),
            ("/updated_time", "/Updated Time"),
        ],
    },
    View {
        ours: &["stack", "show", "bridge-t"],
        at: "/stack",
        theirs: "stack show bridge-t",
        fields: &[
            ("/id", "/id"),
            ("/stack_name", "/stack_name"),
            ("/stack_status", "/stack_status"),
            ("/stack_status_reason", "/stack_status_reason"),
            ("/description", "/description"),
            ("/parameters", "/parameters"),
        ],
    },
    View {
        ours: &["stack", "show", "bridge-t"],
        at: "/stack/outputs",
        theirs: "stack output list bridge-t",
        fields: &[
            ("/output_key", "/output_key"),
            ("/description", "/description"),
        ],
    },
    View {
        ours: &["stack", "resources", "bridge-t"],
        at: "/resources",
        theirs: "stack resource list bridge-t",
        fields: &[
            ("/resource_name", "/resource_name"),
            ("/physical_resource_id", "/physical_resource_id"),
            ("/resource_type", "/resource_type"),
            ("/resource_status", "/resource_status"),
        ],
    },
    View {
        ours: &["stack", "events", "bridge-t"],
        at: "/events",
        theirs: "stack event list bridge-t --nested-depth 0",
        fields: &[
            ("/id", "/id"),
            ("/event_time", "/event_time"),
            ("/resource_name", "/resource_name"),
            ("/resource_status", "/resource_status"),
            ("/resource_status_reason", "/resource_status_reason"),
        ],
    },
];

/// While the environment of `ci.toml` is there.
pub(crate) fn of_environment(bridge: &Bridge<'_>) {
    // Nova learns of a floating address a moment after Neutron has it.
    harness::until(60, "Nova to show the floating address", || {
        let shown = bridge.done(&["server", "show", "ci-app1"]);
        let addresses = shown["server"]["addresses"].to_string();
        let ip = &shown["floating_ips"][0]["floating_ip_address"];
        addresses.contains(ip.as_str().unwrap())
    });
    compare(bridge, OF_ENVIRONMENT);
    rules(bridge);
}

/// While the stack `bridge-t` is there, and nothing happens to it.
pub(crate) fn of_stack(bridge: &Bridge<'_>) {
    compare(bridge, OF_STACK);
}

fn compare(bridge: &Bridge<'_>, views: &[View]) {
    let commands: Vec<&str> = views.iter().map(|v| v.theirs).collect();
    let theirs = openstack(bridge, &commands);
    let mut wrong = Vec::new();
    for (view, theirs) in views.iter().zip(&theirs) {
        let document = bridge.done(view.ours);
        let ours = document.pointer(view.at);
        let ours = ours.unwrap_or_else(|| panic!("no {} in {document:#}", view.at));
        let (ours, theirs) = (
            table(ours, view.fields.iter().map(|f| f.0)),
            table(theirs, view.fields.iter().map(|f| f.1)),
        );
        assert!(!theirs.is_empty(), "{}: nothing to compare", view.theirs);
        let ids = ours.keys().chain(theirs.keys());
        for id in ids.collect::<std::collections::BTreeSet<_>>() {
            let (Some(ours), Some(theirs)) = (ours.get(id), theirs.get(id)) else {
                wrong.push(format!("{}: only one of them has {id}", view.theirs));
                continue;
            };
            for ((our, their), field) in ours.iter().zip(theirs).zip(view.fields) {
                if our != their {
                    let (place, command) = (field.1, view.theirs);
                    wrong.push(format!("{command}: {place} of {id}: {our} and not {their}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The program shows the rules of all groups in one list, without their groups.
fn rules(bridge: &Bridge<'_>) {
    let groups = bridge.done(&["secgroup", "list"]);
    let groups = groups["security_groups"].as_array().unwrap();
    let rules = groups.iter().map(|g| &g["security_group_rules"]);
    let rules: Vec<&Value> = rules.filter_map(Value::as_array).flatten().collect();
    let theirs = openstack(bridge, &["security group rule list --long"]);
    let names = [
        "/IP Protocol",
        "/Ethertype",
        "/Direction",
        "/Remote Security Group",
    ];
    let ours = ["/protocol", "/ethertype", "/direction", "/remote_group_id"];
    assert_eq!(
        table(&json!(rules), ["/id"].into_iter().chain(ours)),
        table(&theirs[0], ["/ID"].into_iter().chain(names))
    );
}

/// Each thing's values, by its first one.
fn table<'a>(things: &Value, paths: impl Iterator<Item = &'a str>) -> BTreeMap<String, Vec<Value>> {
    let paths: Vec<&str> = paths.collect();
    let one = [things.clone()];
    let rows = things.as_array().map_or(&one[..], Vec::as_slice).iter();
    rows.map(|thing| {
        let value = |path: &&str| plain(thing.pointer(path).unwrap_or(&Value::Null));
        let values: Vec<Value> = paths.iter().map(value).collect();
        (values[0].to_string(), values)
    })
    .collect()
}

/// A value in the form that both can be brought to: the program shows less of what is nested, and writes some
/// nothings as empty and some flags as text.
fn plain(value: &Value) -> Value {
    match value {
        Value::Null => json!(""),
        Value::Bool(flag) => json!(flag.to_string()),
        Value::Number(number) => json!(number.to_string()),
        Value::String(text) if text == "True" || text == "False" => json!(text.to_lowercase()),
        Value::String(_) => value.clone(),
        Value::Array(list) if list.is_empty() => json!(""),
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(plain).collect();
            list.sort_by_key(Value::to_string);
            list.into()
        }
        // An address, or something that is attached.
        Value::Object(map) => match ["addr", "id"].iter().find_map(|key| map.get(*key)) {
            Some(value) => plain(value),
            None => map.iter().map(|(k, v)| (k.clone(), plain(v))).collect(),
        },
    }
}

/// The program's documents. All commands in one process: most of its time goes to its start.
fn openstack(bridge: &Bridge<'_>, commands: &[&str]) -> Vec<Value> {
    let program = std::env::var_os(CLI).map(PathBuf::from);
    let program = program.unwrap_or_else(|| panic!("{CLI} is not set: make test-openstack"));
    let lines: Vec<String> = commands.iter().map(|c| format!("{c} -f json\n")).collect();
    let script = bridge.file("commands", lines.concat().as_bytes());
    let mut command = Command::new("sh");
    command
        .args(["-c", "exec \"$0\" <\"$1\""])
        .arg(program)
        .arg(script)
        .env("PYTHONWARNINGS", "ignore");
    bridge.at_home(&mut command);
    let said = Finished::run(&mut command);
    let documents: Result<Vec<Value>, _> =
        Deserializer::from_str(&said.stdout).into_iter().collect();
    let documents = documents.unwrap_or_else(|e| panic!("{e}: {said:?}"));
    assert_eq!(documents.len(), commands.len(), "{said:?}");
    documents
}
