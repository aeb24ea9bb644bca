//! IPv4 arithmetic: networks, pools, the next free address.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::Value;

use super::super::request::{list, text};

/// A network in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cidr {
    base: u32,
    bits: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/24`; host bits are cut off.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: Ipv4Addr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok().filter(|bits| *bits <= 32)?;
        let base = u32::from(address) & mask(bits);
        Some(Self { base, bits })
    }

    /// The address at this place; 0 is the network's own.
    pub(super) fn at(self, place: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base.wrapping_add(place))
    }

    /// The last address, which is the broadcast's.
    fn last(self) -> u32 {
        self.base | !mask(self.bits)
    }

    /// Whether an address lies in it.
    pub(super) fn holds(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.bits) == self.base
    }

    /// Whether two networks share addresses.
    pub(super) fn overlaps(self, other: Self) -> bool {
        let bits = self.bits.min(other.bits);
        self.base & mask(bits) == other.base & mask(bits)
    }

    /// All its host addresses but the gateway, as Neutron makes pools.
    pub(super) fn pools(self, gateway: Option<Ipv4Addr>) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        let (first, last) = (self.base.saturating_add(1), self.last().saturating_sub(1));
        let mut pools = Vec::new();
        let mut add = |from: u32, to: u32| {
            if from <= to {
                pools.push((Ipv4Addr::from(from), Ipv4Addr::from(to)));
            }
        };
        match gateway
            .map(u32::from)
            .filter(|g| (first..=last).contains(g))
        {
            Some(gateway) => {
                add(first, gateway - 1);
                add(gateway + 1, last);
            }
            None => add(first, last),
        }
        pools
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.bits)
    }
}

fn mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

/// The first address of a subnet's pools that nobody has.
pub(super) fn next_free(subnet: &Value, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    let address = |pool: &Value, key: &str| text(pool, key).parse::<Ipv4Addr>().ok().map(u32::from);
    for pool in list(subnet, "allocation_pools") {
        let (Some(start), Some(end)) = (address(pool, "start"), address(pool, "end")) else {
            continue;
        };
        let free = (start..=end)
            .map(Ipv4Addr::from)
            .find(|ip| !taken.contains(ip));
        if free.is_some() {
            return free;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pools_leave_the_gateway_out() {
        let net = Cidr::of("10.0.0.7/29").unwrap();
        assert_eq!(net.to_string(), "10.0.0.0/29");
        let pools = net.pools(Some(net.at(1)));
        assert_eq!(pools, [(net.at(2), net.at(6))]);
        let pools = net.pools(Some(net.at(3)));
        assert_eq!(pools, [(net.at(1), net.at(2)), (net.at(4), net.at(6))]);
        assert!(net.holds(net.at(7)) && !net.holds(net.at(8)));
        assert!(net.overlaps(Cidr::of("10.0.0.4/30").unwrap()));
        assert!(!net.overlaps(Cidr::of("10.0.0.8/29").unwrap()));
        assert!(Cidr::of("10.0.0.0/33").is_none() && Cidr::of("fe80::/64").is_none());
    }

    #[test]
    fn an_exhausted_pool_gives_none() {
        let subnet = json!({"allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.3"}]});
        let mut taken = BTreeSet::new();
        for last in [2, 3] {
            let ip = next_free(&subnet, &taken).unwrap();
            assert_eq!(ip, Ipv4Addr::new(10, 0, 0, last));
            taken.insert(ip);
        }
        assert_eq!(next_free(&subnet, &taken), None);
    }
}
