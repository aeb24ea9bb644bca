//! All of an environment goes, and nothing else.

use super::Have;
use super::up::belongings;
use crate::plan::CloudStep;
use crate::plan::cloud::What;
use crate::plan::thing::Gone;

/// The steps after which nothing of it is there.
pub fn down(have: &Have) -> Vec<CloudStep> {
    let mut all: Vec<(String, Gone)> = Vec::new();
    let mut servers: Vec<_> = have.servers.iter().collect();
    servers.sort_by(|a, b| b.name.cmp(&a.name));
    for server in servers {
        let of = belongings(have, server).into_iter();
        all.extend(of.map(|(key, gone)| (format!("{}-{key}", server.name), gone)));
    }
    // What no server had.
    let (id, name) = (String::clone, String::clone);
    for ip in &have.floating_ips {
        let gone = Gone::FloatingIp {
            id: id(&ip.id),
            address: name(&ip.floating_ip_address),
        };
        all.push((format!("ip-{}", ip.id), gone));
    }
    for port in &have.ports {
        all.push((
            format!("port-{}", port.id),
            Gone::Port {
                id: id(&port.id),
                name: name(&port.name),
            },
        ));
    }
    for volume in &have.volumes {
        let gone = Gone::Volume {
            id: id(&volume.id),
            name: volume.name.clone().unwrap_or_default(),
        };
        all.push((format!("volume-{}", volume.id), gone));
    }
    for (router, subnet) in &have.interfaces {
        let gone = Gone::Interface {
            router: id(router),
            subnet: id(subnet),
        };
        all.push((format!("interface-{subnet}"), gone));
    }
    for router in &have.routers {
        all.push((
            format!("router-{}", router.id),
            Gone::Router {
                id: id(&router.id),
                name: name(&router.name),
            },
        ));
    }
    for network in &have.networks {
        all.push((
            format!("network-{}", network.id),
            Gone::Network {
                id: id(&network.id),
                name: name(&network.name),
            },
        ));
    }
    for group in &have.groups {
        all.push((
            format!("group-{}", group.id),
            Gone::Group {
                id: id(&group.id),
                name: name(&group.name),
            },
        ));
    }
    for group in &have.server_groups {
        all.push((
            format!("servers-{}", group.id),
            Gone::ServerGroup {
                id: id(&group.id),
                name: name(&group.name),
            },
        ));
    }
    for keypair in &have.keypairs {
        all.push((
            "keypair".into(),
            Gone::Keypair {
                name: name(&keypair.name),
            },
        ));
    }
    let mut steps: Vec<CloudStep> = Vec::new();
    for (key, gone) in all {
        // A server's own is named with it already.
        let known = steps
            .iter()
            .any(|s| matches!(&s.what, What::Unmake { gone: there } if *there == gone));
        if !known {
            steps.push(CloudStep::new(&key, What::Unmake { gone }));
        }
    }
    steps
}
