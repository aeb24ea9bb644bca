//! What the project may still have (Nova's limits).

use serde::{Deserialize, Serialize};

use super::flavor::Flavor;
use super::{Call, Client, Result, Service};
use crate::error::{self, Error, Kind};

/// Limits and what is used of them; -1 is no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Servers.
    pub max_total_instances: i64,
    /// Servers that there are.
    pub total_instances_used: i64,
    /// Processors.
    pub max_total_cores: i64,
    /// Processors in use.
    pub total_cores_used: i64,
    /// Memory in MiB.
    #[serde(rename = "maxTotalRAMSize")]
    pub max_total_ram_size: i64,
    /// Memory in use.
    #[serde(rename = "totalRAMUsed")]
    pub total_ram_used: i64,
}

impl Limits {
    /// Counts these as taken: what comes after them has less room.
    pub fn take(&mut self, count: u64, flavor: &Flavor) {
        let wish = |each: u64| i64::try_from(count.saturating_mul(each)).unwrap_or(i64::MAX);
        for (used, more) in [
            (&mut self.total_instances_used, wish(1)),
            (&mut self.total_cores_used, wish(flavor.vcpus)),
            (&mut self.total_ram_used, wish(flavor.ram)),
        ] {
            *used = used.saturating_add(more);
        }
    }

    /// Whether this many more servers of this flavor have room; names what is short.
    pub fn allow(&self, count: u64, flavor: &Flavor) -> error::Result<()> {
        let wish = |each: u64| i64::try_from(count.saturating_mul(each)).unwrap_or(i64::MAX);
        let short: Vec<String> = [
            (
                "servers",
                self.max_total_instances,
                self.total_instances_used,
                wish(1),
            ),
            (
                "cores",
                self.max_total_cores,
                self.total_cores_used,
                wish(flavor.vcpus),
            ),
            (
                "MiB of memory",
                self.max_total_ram_size,
                self.total_ram_used,
                wish(flavor.ram),
            ),
        ]
        .into_iter()
        .filter(|(_, most, used, more)| *most >= 0 && used.saturating_add(*more) > *most)
        .map(|(what, most, used, more)| {
            format!("{what}: {used} of {most} are used, {more} more are needed")
        })
        .collect();
        if short.is_empty() {
            return Ok(());
        }
        let mut error = Error::new(
            Kind::Refused,
            format!("the quota has no room for {count} more of {}", flavor.name),
        )
        .hint("remove what nobody needs, take a smaller flavor, or ask for a greater quota");
        error.causes = short;
        Err(error)
    }
}

impl Client {
    /// Nova's limits of the project.
    pub async fn limits(&self) -> Result<Limits> {
        let call = Call::get(Service::Compute, &["limits"]);
        let limits: serde_json::Value = self.ask(&call, "limits").await?;
        let absolute = limits.get("absolute").cloned().unwrap_or_default();
        serde_json::from_value(absolute).map_err(|e| super::Fault::garbled(&call, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_is_named_before_anything_is_made() {
        let limits: Limits = serde_json::from_value(serde_json::json!({
            "maxTotalInstances": 10, "totalInstancesUsed": 9, "maxTotalCores": 8, "totalCoresUsed": 7,
            "maxTotalRAMSize": -1, "totalRAMUsed": 99999, "maxServerMeta": 128,
        }))
        .unwrap();
        let flavor = |vcpus| Flavor {
            id: "f".into(),
            name: "big".into(),
            vcpus,
            ram: 9999,
            disk: 0,
            ephemeral: 0,
            is_public: true,
        };
        limits.allow(1, &flavor(1)).unwrap();
        let error = limits.allow(1, &flavor(2)).unwrap_err();
        assert_eq!(error.causes, ["cores: 7 of 8 are used, 2 more are needed"]);
        assert_eq!(limits.allow(2, &flavor(1)).unwrap_err().causes.len(), 2);
        let mut limits = limits;
        limits.take(1, &flavor(1));
        assert_eq!(limits.allow(1, &flavor(1)).unwrap_err().causes.len(), 2);
    }
}
