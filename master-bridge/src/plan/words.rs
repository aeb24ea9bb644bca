//! What steps are called, and what they say about themselves.

use super::cloud::{Ref, What};
use super::thing::Thing;

impl What {
    /// The word in the journal and in documents.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "claim",
            Self::Server { .. } => "server",
            Self::Active { .. } => "active",
            Self::Announced { .. } => "announced",
            Self::Enrol { .. } => "enrol",
            Self::Compare { .. } => "compare",
            Self::MasterKey { .. } => "master-key",
            Self::Tag { .. } => "tag",
            Self::Accept { .. } => "accept",
            Self::Ping { .. } => "ping",
            Self::Grains { .. } => "grains",
            Self::Highstate { .. } => "highstate",
            Self::Health { .. } => "health",
            Self::Allocate { .. } => "allocate",
            Self::Flip { .. } => "flip",
            Self::GiveBack { .. } => "give-back",
            Self::Mount { .. } => "mount",
            Self::Soak { .. } => "soak",
            Self::Retire { .. } => "retire",
            Self::Release { .. } => "release",
            Self::Run { .. } => "run",
            Self::Generalize { .. } => "generalize",
            Self::Stop { .. } => "stop",
            Self::Snapshot { .. } => "snapshot",
            Self::Provenance { .. } => "provenance",
            Self::Remove { .. } => "remove",
            Self::Forget { .. } => "forget",
            Self::Make { thing, .. } => thing.kind(),
            Self::Unmake { .. } => "unmake",
            Self::Import { .. } => "import",
            Self::Stack { work, .. } => work.name(),
        }
    }

    /// What must hold before, what is done, how it is checked, how it is undone: for people.
    pub fn words(&self) -> [&'static str; 4] {
        match self {
            Self::Claim { .. } => [
                "no other operation holds the server",
                "write the operation's id into its metadata",
                "the metadata shows it",
                "take it out again",
            ],
            Self::Server { .. } => [
                "image active, flavor large enough, quota, networks, groups and keypair there",
                "make the server",
                "Nova shows it, with this operation's id in its metadata",
                "remove the server",
            ],
            Self::Active { .. } => [
                "the server is there",
                "wait",
                "ACTIVE, and no task under way",
                "nothing to undo",
            ],
            Self::Announced { .. } => [
                "the server is active",
                "read its console",
                "a line with its id, its nonce and a fingerprint",
                "nothing to undo",
            ],
            Self::Enrol { .. } => [
                "the master has no accepted key of this id",
                "put the server's one-time token where the master accepts keys by it",
                "the key is accepted",
                "take the token out, delete the key that came with it",
            ],
            Self::Compare { .. } => [
                "a key came with the token",
                "take the token out, read the server's console",
                "its line with the nonce shows that key, or there is no console",
                "nothing to undo",
            ],
            Self::MasterKey { .. } => [
                "the server is active",
                "read its console",
                "a line with its nonce and the fingerprint of the master's key",
                "nothing to undo",
            ],
            Self::Tag { .. } => [
                "the server is there",
                "write its metadata",
                "the metadata shows it",
                "nothing to undo: the server is new",
            ],
            Self::Accept { .. } => [
                "the key that waits has the fingerprint of the console; another accepted one is the expected one",
                "set the other key aside, accept this one",
                "the master shows this key as accepted",
                "delete this key, put the other one back",
            ],
            Self::Ping { .. } => [
                "the key is accepted",
                "test.ping",
                "it returns true",
                "nothing to undo",
            ],
            Self::Grains { .. } => [
                "the minion answers",
                "grains.item",
                "each grain has the expected value",
                "nothing to undo",
            ],
            Self::Highstate { .. } => [
                "the minion answers",
                "state.apply",
                "no state failed",
                "nothing to undo: the server is new",
            ],
            Self::Health { .. } => [
                "the highstate is done",
                "ask from inside the network",
                "it is well",
                "nothing to undo",
            ],
            Self::Allocate { .. } => [
                "no floating address is free",
                "take one from the external network",
                "Neutron shows it, with this operation's id in its description",
                "give it back",
            ],
            Self::Flip { .. } => [
                "the address leads where it led when the plan was made",
                "one update of the floating address",
                "it leads to the port and the address, and answers within the limit",
                "lead it back",
            ],
            Self::GiveBack { .. } => [
                "the test is over",
                "give the floating address back",
                "Neutron does not show it any more",
                "nothing to undo",
            ],
            Self::Soak { .. } => [
                "both servers run",
                "wait",
                "the time is over",
                "nothing to undo",
            ],
            Self::Retire { .. } => [
                "the floating address leads to the new server",
                "remove the old server",
                "Nova does not show it any more",
                "cannot be undone",
            ],
            Self::Release { .. } => [
                "all is done",
                "take the operation's id from the metadata",
                "the metadata is free of it",
                "nothing to undo",
            ],
            Self::Run { .. } => [
                "the minion answers",
                "run the function",
                "it returns success",
                "nothing to undo: the server is new",
            ],
            Self::Generalize { .. } => [
                "the highstate changes nothing any more",
                "make it a golden image",
                "a clean receipt on the console",
                "nothing to undo: the server is new",
            ],
            Self::Stop { .. } => [
                "the server is active",
                "stop it",
                "SHUTOFF",
                "nothing to undo: the server is new",
            ],
            Self::Snapshot { .. } => [
                "the server is stopped",
                "createImage",
                "the image is active, and the server's task is over",
                "remove the image",
            ],
            Self::Provenance { .. } => [
                "the image is active",
                "write its properties",
                "Glance shows them",
                "nothing to undo: they go with the image",
            ],
            Self::Remove { .. } => [
                "it is this operation's own",
                "remove the server",
                "Nova does not show it any more",
                "nothing to undo",
            ],
            Self::Forget { .. } => [
                "the key is the one that was accepted",
                "delete it on the master",
                "the master shows no such key",
                "nothing to undo: its server is gone",
            ],
            Self::Make {
                thing: Thing::Rules { .. },
                ..
            } => [
                "the security group is there",
                "add what is missing, then remove what is too much",
                "Neutron shows these rules and no others",
                "the rules before",
            ],
            Self::Make { .. } => [
                "none is there that is ours",
                "make it, with this operation's id on it",
                "its service shows it, and that it is ready",
                "remove it",
            ],
            Self::Unmake { gone } if gone.stays() => [
                "it is there",
                "take it off",
                "its service does not show it there any more",
                "put it back",
            ],
            Self::Unmake { .. } => [
                "it is there",
                "remove it",
                "its service does not show it any more",
                "cannot be undone",
            ],
            Self::Mount { .. } => [
                "the minion shows the volume's disk; it is empty, or has the file system that is wanted",
                "format it if it is empty, mount it, write it into fstab",
                "mount.mounted says that it is",
                "unmount it, take it from fstab; what is on the volume stays",
            ],
            Self::Import { .. } => [
                "the file is what its checksum says, or Glance may fetch the URL",
                "convert it, register it, send it",
                "the image is active with the hash of what was sent",
                "remove the image",
            ],
            Self::Stack { work, .. } => work.words(),
        }
    }

    /// Whether what it does can be undone, once begun.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Stack { work, .. } => work.is_final(),
            Self::Unmake { gone } => !gone.stays(),
            other => matches!(other, Self::Retire { .. }),
        }
    }

    /// Who or what it is about, for people.
    pub fn subject(&self) -> String {
        let of = |it: &Ref| match it {
            Ref::Id(id) => id.clone(),
            Ref::Step(key) => format!("the {key}"),
        };
        match self {
            Self::Claim { server, role } => format!("{server} ({role})"),
            Self::Server { server, .. } => {
                format!(
                    "{} of flavor {} from image {}",
                    server.name, server.flavor, server.image
                )
            }
            Self::Active { server, .. } | Self::Release { server } | Self::Stop { server, .. } => {
                of(server)
            }
            Self::MasterKey { server, .. } => format!("the {server}"),
            Self::Tag { pairs, .. } => pairs
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" "),
            Self::Announced { minion, .. }
            | Self::Enrol { minion, .. }
            | Self::Compare { minion, .. }
            | Self::Ping { minion, .. }
            | Self::Highstate {
                minion,
                unchanged: false,
            }
            | Self::Generalize { minion, .. }
            | Self::Forget { minion, .. } => minion.clone(),
            Self::Highstate {
                minion,
                unchanged: true,
            } => format!("{minion}, without a change"),
            Self::Accept { minion, aside, .. } => match aside {
                Some(_) => format!("{minion}, in place of the key that is there"),
                None => minion.clone(),
            },
            Self::Grains { minion, expect } => {
                let wanted = expect.iter().map(|(name, value)| format!("{name}={value}"));
                format!("{minion}: {}", wanted.collect::<Vec<_>>().join(" "))
            }
            Self::Health { minion, check, .. } => format!("{check} on {minion}"),
            Self::Allocate { network } => format!("from {network}"),
            Self::Flip {
                ip,
                address,
                server,
                before,
                ..
            } => {
                let from = before
                    .as_ref()
                    .map_or("nowhere", |lead| lead.fixed_ip.as_str());
                let shown = address.clone().unwrap_or_else(|| of(ip));
                format!("{shown} from {from} to {}", of(server))
            }
            Self::GiveBack { allocated } => format!("the {allocated}"),
            Self::Soak { seconds } => format!("{seconds} s"),
            Self::Retire { server, name } => format!("{name} ({server})"),
            Self::Run { minion, fun, .. } => format!("{fun} on {minion}"),
            Self::Snapshot { name, .. } => name.clone(),
            Self::Provenance { image, .. } => format!("the {image}"),
            Self::Remove { server } => format!("the {server}"),
            Self::Make { thing, .. } => thing.subject(),
            Self::Unmake { gone } => gone.subject(),
            Self::Mount {
                minion, volume, at, ..
            } => format!("{} at {at} on {minion}", of(volume)),
            Self::Import { import, .. } => import.subject(),
            Self::Stack { work, .. } => work.subject(),
        }
    }
}
