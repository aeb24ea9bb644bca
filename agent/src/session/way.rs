//! The way to a master as the settings want it: where connections come from, and who knows names.

use std::net::IpAddr;
use std::time::Duration;

use tracing::warn;

use crate::config::Settings;
use crate::transport::resolve::System;
use crate::transport::tcp::{self, KeepAlive, Source, Tcp};

/// Looks names up as the settings want it.
pub fn resolver(settings: &Settings) -> System {
    System {
        ipv6: settings.net.ipv6,
        servers: settings.agent.nameservers.clone(),
    }
}

/// Opens connections as the settings want them.
pub fn dial(settings: &Settings) -> Tcp {
    let net = &settings.net;
    let seconds = |time: Option<Duration>| time.and_then(|t| u32::try_from(t.as_secs()).ok());
    Tcp {
        keep_alive: net.keepalive.then(|| KeepAlive {
            idle: seconds(net.keepalive_idle),
            count: net.keepalive_count,
            interval: seconds(net.keepalive_interval),
        }),
        source: Source {
            address: source_address(settings),
            publish_port: net.source_publish_port,
            ret_port: net.source_ret_port,
        },
        user_timeout: Some(settings.agent.dead_after),
    }
}

/// `source_interface_name` before `source_address`, as Salt has it.
fn source_address(settings: &Settings) -> Option<IpAddr> {
    let net = &settings.net;
    if let Some(name) = &net.source_interface {
        match tcp::interface_address(name, net.ipv6) {
            Ok(address) => return Some(address),
            Err(error) => warn!(%error, "The system chooses the source address."),
        }
    }
    let text = net.source_address.as_deref()?;
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            warn!(
                source_address = text,
                "This is no IP address: the system chooses the source address."
            );
            None
        }
    }
}
