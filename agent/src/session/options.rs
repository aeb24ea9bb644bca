//! What a session needs of the settings.

use std::time::Duration;

use salt_wire::channel::publish::SignatureRules;
use salt_wire::crypto::SigAlgo;

use super::backoff::Backoff;
use super::state::Policy;
use crate::config::Settings;
use crate::config::settings::MasterType;

/// The options of one session.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decides about steps.
    pub policy: Policy,
    /// One answer to `_auth`.
    pub auth_timeout: Duration,
    /// Opening one connection.
    pub connect_timeout: Duration,
    /// Silence after which a connection is dead.
    pub dead_after: Duration,
    /// The back-off of a network that fails.
    pub reconnect: Backoff,
    /// The back-off of a master that says no.
    pub refused: Backoff,
    /// The back-off of a name that does not resolve.
    pub dns: Backoff,
    /// How many failed lookups end a session that may end; `None`: no number of them.
    pub dns_tries: Option<u32>,
    /// Requests to look whether the master lives; zero: the connection alone decides.
    pub alive_interval: Duration,
    /// Overrides what the master tells.
    pub publish_port: Option<u16>,
    /// Subscribe to topics.
    pub zmq_filtering: bool,
    /// What is wanted of publications' signatures.
    pub signatures: SignatureRules,
    /// Sign requests.
    pub sign: bool,
    /// Request connections side by side.
    pub pool: usize,
    /// Longest random wait before keys are asked for anew.
    pub renew_jitter: Duration,
    /// One reply.
    pub request_timeout: Duration,
    /// Tries of a request.
    pub request_tries: u32,
}

/// A fleet whose keys were rotated asks for new ones within this time, not in the same instant. Longer would
/// keep the operator waiting who published the job that told them.
const RENEW_JITTER: Duration = Duration::from_millis(500);

/// A connection that does not come up in this time tries the next address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A master that says no is asked again within this time: an operator who put things right should not have
/// to wait longer.
const LONGEST_REFUSED: Duration = Duration::from_secs(60);

/// The longest pause between lookups, when `retry_dns` says not to wait.
const DNS_PAUSE: Duration = Duration::from_secs(30);

impl Options {
    /// Reads them.
    pub fn of(settings: &Settings) -> Self {
        let (net, auth) = (&settings.net, &settings.auth);
        let alone = matches!(settings.master.kind, MasterType::Hot | MasterType::Disable);
        let longest = match net.recon_randomize {
            true => net.recon_default + net.recon_max,
            false => net.recon_default,
        };
        let refused = match auth.rejected_retry {
            true => auth.acceptance_wait,
            false => auth.acceptance_wait.max(auth.random_reauth_delay),
        };
        let second = Duration::from_secs(1);
        Self {
            policy: Policy {
                // Of several masters the next one is the better second try.
                auth_tries: if alone { auth.tries.max(1) } else { 1 },
                acceptance_wait: auth.acceptance_wait.max(second),
                acceptance_wait_max: auth.acceptance_wait_max,
                safemode: auth.safemode,
            },
            auth_timeout: auth.timeout.max(second),
            connect_timeout: CONNECT_TIMEOUT,
            dead_after: settings.agent.dead_after,
            reconnect: Backoff::new(net.recon_default, longest),
            refused: Backoff::new(refused.max(second), LONGEST_REFUSED),
            dns: Backoff::new(second, net.retry_dns.unwrap_or(DNS_PAUSE)),
            dns_tries: net.retry_dns_count,
            alive_interval: settings.master.alive_interval,
            publish_port: settings.master.publish_port,
            zmq_filtering: net.zmq_filtering,
            signatures: SignatureRules {
                required: settings.crypto.sign_pub_messages,
                allowed: match settings.crypto.fips {
                    true => vec![SigAlgo::Pkcs1v15Sha224],
                    false => SigAlgo::ALL.to_vec(),
                },
            },
            sign: settings.crypto.minion_sign_messages,
            // Two connections cannot have the same two ends.
            pool: if net.source_ret_port == 0 { 4 } else { 1 },
            renew_jitter: RENEW_JITTER.min(auth.random_reauth_delay),
            request_timeout: net.request_timeout.max(second),
            request_tries: net.request_tries.max(1),
        }
    }
}
