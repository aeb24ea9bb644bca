//! From what was seen to a plan.

use std::collections::BTreeMap;

use super::moves::{Decision, Facts, NO_ANSWER, decide};
use super::steps::{Limits, Member, Plan, PlannedWave, Stay, Terms};
use super::waves::{Amount, waves};

/// How to divide them, and how much at once.
#[derive(Debug, Clone)]
pub struct Shape {
    /// How many go first, alone.
    pub canary: usize,
    /// How many are in a wave.
    pub wave: Amount,
    /// How much at once.
    pub limits: Limits,
}

/// The old master, for the way back.
#[derive(Debug, Clone)]
pub struct Old {
    /// The fingerprint of its key.
    pub finger: String,
    /// Its address, if a minion does not say it.
    pub address: String,
    /// Its request port.
    pub port: u16,
    /// Its publish port.
    pub publish_port: u16,
}

/// The plan for these minions.
pub fn plan(facts: &[Facts], old: &Old, to: Terms, sees_new: bool, shape: &Shape) -> Plan {
    let mut groups: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut members: BTreeMap<&str, Member> = BTreeMap::new();
    let mut stays = Vec::new();
    for fact in facts {
        let (reason, detail) = match decide(fact) {
            Decision::Move(key) => {
                let member = Member {
                    id: fact.id.clone(),
                    fingerprint: fact
                        .own
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                    key,
                    from: fact
                        .master
                        .clone()
                        .filter(|m| !m.is_empty())
                        .unwrap_or_else(|| old.address.clone()),
                };
                groups.entry(fact.rank).or_default().push(fact.id.clone());
                members.insert(&fact.id, member);
                continue;
            }
            Decision::There => ("there", "it is on the new master"),
            Decision::Skip(reason, detail) => (reason, detail),
        };
        stays.push(Stay {
            id: fact.id.clone(),
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            // Where nobody answers, the cloud may know why.
            server: fact.server.clone().filter(|_| reason == NO_ANSWER),
        });
    }
    let groups: Vec<Vec<String>> = groups.into_values().collect();
    let waves = waves(&groups, shape.canary, shape.wave)
        .into_iter()
        .map(|(name, ids)| PlannedWave {
            name,
            members: ids
                .iter()
                .filter_map(|id| members.get(id.as_str()).cloned())
                .collect(),
        })
        .collect();
    Plan {
        old: old.finger.clone(),
        old_port: old.port,
        old_publish_port: old.publish_port,
        to,
        sees_new,
        waves,
        stays,
        limits: shape.limits.clone(),
        by: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_become_waves_and_the_rest_says_why_it_stays() {
        let finger = || Some("aa".repeat(32).parse().unwrap());
        let fact = |id: &str, rank| Facts {
            id: id.into(),
            own: finger(),
            old: finger(),
            new_is_known: true,
            machine: Some("steady".into()),
            rank,
            ..Facts::default()
        };
        let mut facts = vec![
            fact("prod1", 2),
            fact("ci1", 0),
            fact("ci2", 0),
            fact("gone", 0),
        ];
        facts[0].master = Some("named".into());
        facts[3].own = None;
        facts[3].server = Some("its server is SHUTOFF".into());
        let old = Old {
            finger: "oo".into(),
            address: "old".into(),
            port: 1,
            publish_port: 2,
        };
        let shape = Shape {
            canary: 1,
            wave: Amount::Percent(100),
            limits: crate::plan::steps::tests::plan(&[]).limits,
        };
        let to = crate::plan::steps::tests::plan(&[]).to;
        let mut plan = plan(&facts, &old, to, true, &shape);
        let shown: Vec<_> = plan
            .waves
            .iter()
            .map(|w| {
                (
                    w.name.as_str(),
                    w.members
                        .iter()
                        .map(|m| (m.id.as_str(), m.from.as_str()))
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("canary", vec![("ci1", "old")]),
                ("wave 1", vec![("ci2", "old")]),
                ("wave 2", vec![("prod1", "named")]),
            ]
        );
        assert_eq!(plan.stays[0].reason, "no-answer");
        assert_eq!(
            plan.stays[0].server.as_deref(),
            Some("its server is SHUTOFF")
        );
        let hash = plan.hash();
        plan.stays[0].server = None;
        assert_eq!(plan.hash(), hash, "a server may stop while somebody agrees");
    }
}
