//! Arguments of native state functions that this agent does not carry out itself. Where this machine has a Salt of its
//! own, a chunk that asks for one is Salt's; where it has none, the run is refused before its first change.

use salt_wire::{Map, Value};

/// Each function with those arguments.
const LIMITS: &[(&str, &[&str])] = &[
    (
        "archive.extracted",
        &[
            "signature",
            "source_hash_sig",
            "list_options",
            "skip_files_list_verify",
            "source_hash_update",
        ],
    ),
    ("cmd.run", &["root"]),
    ("environ.setenv", &["update_minion"]),
    ("file.cached", &["use_etag", "source_hash_sig"]),
    (
        "file.managed",
        &[
            "attrs",
            "selinux",
            "signature",
            "source_hash_sig",
            "ignore_ordering",
            "ignore_whitespace",
            "ignore_comment_characters",
        ],
    ),
    ("git.cloned", &["password"]),
    ("git.config_set", &["password"]),
    ("git.config_unset", &["password", "value_regex", "all"]),
    ("git.detached", &["password"]),
    ("git.latest", &["password"]),
    ("iptables.append", &["rules"]),
    ("iptables.delete", &["rules"]),
    ("iptables.insert", &["rules"]),
    ("mount.fstab_absent", &["mount_by"]),
    ("mount.fstab_present", &["mount_by"]),
    (
        "mount.mounted",
        &[
            "user",
            "extra_mount_ignore_fs_keys",
            "extra_mount_translate_options",
        ],
    ),
    ("mount.unmounted", &["user"]),
    ("pkg.installed", &["pkg_verify"]),
    (
        "pkgrepo.absent",
        &["keyid", "keyid_ppa", "ppa", "ppa_auth", "copr"],
    ),
    (
        "pkgrepo.managed",
        &["ppa_auth", "consolidate", "keyid_ppa", "copr"],
    ),
    ("user.present", &["local"]),
];

/// The arguments of a function that this agent does not carry out.
pub fn of(function: &str) -> &'static [&'static str] {
    LIMITS
        .iter()
        .find(|(name, _)| *name == function)
        .map_or(&[], |(_, arguments)| arguments)
}

/// Those of them that these arguments ask for.
pub fn asked(function: &str, given: &Map) -> Vec<&'static str> {
    let wanted = |argument: &&str| match given.get(*argument) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        // Zero is a wish: it differs from what is not said.
        Some(Value::Int(_) | Value::Float(_)) => true,
        Some(other) => other.is_truthy(),
    };
    of(function).iter().copied().filter(|a| wanted(a)).collect()
}

/// What there is to say about them.
pub fn refusal(function: &str, arguments: &[&str]) -> String {
    let names: Vec<String> = arguments.iter().map(|a| format!("'{a}'")).collect();
    match names.as_slice() {
        [one] => format!("The argument {one} of {function} is not supported by this agent"),
        several => format!(
            "The arguments {} of {function} are not supported by this agent",
            several.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use salt_wire::map;

    use super::*;
    use crate::context::Signature;

    #[test]
    fn limits_are_of_what_there_is() {
        for (function, arguments) in LIMITS {
            let state = crate::states::find(function).unwrap_or_else(|| panic!("{function}"));
            let signature = Signature::parse(state.signature).unwrap();
            for argument in *arguments {
                assert!(signature.takes(argument), "{function} {argument}");
            }
        }
    }

    #[test]
    fn what_is_not_asked_for_is_no_obstacle() {
        let asked = |given: Map| asked("file.managed", &given);
        let nothing = map! { "attrs" => Value::Null, "selinux" => false, "signature" => "" };
        assert!(asked(nothing).is_empty());
        assert_eq!(asked(map! { "attrs" => 0, "mode" => 5 }), ["attrs"]);
    }
}
