//! Minions and the servers of a cloud: they belong together by name.

use std::collections::{BTreeMap, BTreeSet};

use crate::cloud::{Client, Selection, Server};
use crate::error::Result;
use crate::output::Output;

/// The servers of a cloud.
pub struct Servers(Vec<Server>);

impl Servers {
    /// Asks a cloud.
    pub async fn of(cloud: &Selection) -> Result<Self> {
        Ok(Self(Client::connect(cloud).await?.servers().await?))
    }

    /// What there is to say of a minion's server: a name may be held by several, in the middle of a replacement.
    pub fn story(&self, id: &str) -> String {
        let named: Vec<&str> = self.named(id).map(|s| s.status.as_str()).collect();
        match named.as_slice() {
            [] => "no server has its name".into(),
            [status] => format!("its server is {status}"),
            several => format!("servers of its name are {}", several.join(", ")),
        }
    }

    fn named<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Server> {
        self.0.iter().filter(move |s| s.name == id)
    }

    /// Says which servers have no minion and which keys no server, and gives that as fields of a document.
    pub fn tell<'a>(
        &self,
        ids: impl Iterator<Item = &'a str>,
        output: &Output,
    ) -> BTreeMap<&'static str, serde_json::Value> {
        let ids: BTreeSet<&str> = ids.collect();
        let names: BTreeSet<&str> = self.0.iter().map(|s| s.name.as_str()).collect();
        let strangers = self.0.iter().filter(|s| !ids.contains(s.name.as_str()));
        let strangers: Vec<&Server> = strangers.collect();
        let orphans: Vec<&str> = ids.difference(&names).copied().collect();
        if !strangers.is_empty() {
            let named = strangers
                .iter()
                .map(|s| format!("{} ({}, {})", s.name, s.id, s.status));
            let named: Vec<String> = named.collect();
            output.say(&format!("servers without a minion: {}", named.join(", ")));
        }
        if !orphans.is_empty() {
            output.say(&format!("keys without a server: {}", orphans.join(", ")));
        }
        let strangers = strangers
            .iter()
            .map(|s| serde_json::json!({"id": s.id, "name": s.name, "status": s.status}));
        BTreeMap::from([
            ("servers_without_minion", strangers.collect()),
            ("keys_without_server", serde_json::json!(orphans)),
        ])
    }
}
