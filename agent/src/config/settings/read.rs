//! Each group of settings, read out of complete `opts`.

use std::time::Duration;

use salt_wire::Value;
use salt_wire::crypto::{EncAlgo, SigAlgo};

use super::{
    AuthOptions, CryptoOptions, GrainsOptions, JobOptions, MasterOptions, MasterType, MineOptions,
    NetOptions, StateOptions,
};
use crate::config::address::MasterAddress;
use crate::config::error::Error;
use crate::config::reader::Reader;

const COUNT: &str = "a number, 0 or more";
const PORT: &str = "a port number";

pub(super) fn master(top: Reader<'_>) -> Result<MasterOptions, Error> {
    let port = top.number("master_port", PORT)?;
    let kinds = [
        ("str", MasterType::Hot),
        ("failover", MasterType::Failover),
        ("distributed", MasterType::Distributed),
        ("disable", MasterType::Disable),
    ];
    let mut kind = top.word("master_type", &kinds)?.unwrap_or_default();
    let mut addresses = Vec::new();
    for text in top.texts("master")? {
        // An address without a port form is whole: colons belong to it.
        let bare = top.text("master_uri_format")? == "ip_only" && !text.starts_with('[');
        let text = if bare && text.contains(':') {
            format!("[{text}]")
        } else {
            text
        };
        let address = MasterAddress::parse(&text, port)
            .map_err(|cause| top.wrong("master", "a host, host:port or a list of them", cause))?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() && top.text("file_client")? == "local" {
        // Nobody is needed for what is here, such as `call --local`.
        kind = MasterType::Disable;
    }
    if addresses.is_empty() && kind != MasterType::Disable {
        return Err(top.wrong("master", "a host, host:port or a list of them", "nothing"));
    }
    let finger = top.some_text("master_finger")?;
    let finger = finger.map(|text| {
        let expected = "a fingerprint, hex pairs joined with colons";
        text.parse()
            .map_err(|_| top.wrong("master_finger", expected, format!("\"{text}\"")))
    });
    let alive_interval = top.seconds("master_alive_interval")?;
    let failback_interval = top.seconds("master_failback_interval")?;
    let tries: i64 = top.number("master_tries", "a number, -1 for no end")?;
    Ok(MasterOptions {
        addresses,
        kind,
        port,
        publish_port: top
            .raw("publish_port")
            .map(|_| top.number("publish_port", PORT))
            .transpose()?
            .filter(|port| *port != 4506),
        finger: finger.transpose()?,
        alive_interval,
        failback: top.flag("master_failback")?,
        failback_interval: if failback_interval.is_zero() {
            alive_interval
        } else {
            failback_interval
        },
        tries: u32::try_from(tries).ok(),
        random: top.flag("random_master")? || top.flag("master_shuffle")?,
        verify_pubkey_sign: top.flag("verify_master_pubkey_sign")?,
        always_verify_signature: top.flag("always_verify_signature")?,
        sign_key_name: top.text("master_sign_key_name")?,
    })
}

pub(super) fn crypto(top: Reader<'_>) -> Result<CryptoOptions, Error> {
    let name = top.text("hash_type")?;
    let hash_type = name.parse().map_err(|_| {
        let expected = "md5, sha1, sha224, sha256, sha384 or sha512";
        top.wrong("hash_type", expected, format!("\"{name}\""))
    })?;
    let fips = top.flag("fips_mode")?;
    let encryption = algorithm(
        top,
        "encryption_algorithm",
        EncAlgo::ALL.map(|a| (a.name(), a)),
    )?;
    let signing = algorithm(
        top,
        "signing_algorithm",
        SigAlgo::ALL.map(|a| (a.name(), a)),
    )?;
    if fips && encryption == Some(EncAlgo::OaepSha1) {
        return Err(top.wrong(
            "encryption_algorithm",
            "OAEP-SHA224 with fips_mode",
            "OAEP-SHA1",
        ));
    }
    if fips && signing == Some(SigAlgo::Pkcs1v15Sha1) {
        let expected = "PKCS1v15-SHA224 with fips_mode";
        return Err(top.wrong("signing_algorithm", expected, "PKCS1v15-SHA1"));
    }
    // Salt's default is 2048; a new key of ours is stronger unless somebody has decided.
    let keysize = if top.is_set("keysize") {
        top.number("keysize", "a number of bits")?
    } else {
        4096
    };
    if !(2048..=16384).contains(&keysize) {
        return Err(top.wrong("keysize", "2048 to 16384 bits", keysize.to_string()));
    }
    Ok(CryptoOptions {
        hash_type,
        keysize,
        encryption,
        signing,
        fips,
        open_mode: top.flag("open_mode")?,
        sign_pub_messages: top.flag("sign_pub_messages")?,
        minion_sign_messages: top.flag("minion_sign_messages")?,
    })
}

/// An algorithm that the operator chose; Salt's default is no choice.
fn algorithm<T: Copy, const N: usize>(
    top: Reader<'_>,
    key: &str,
    names: [(&str, T); N],
) -> Result<Option<T>, Error> {
    let word = top.word(key, &names)?;
    Ok(word.filter(|_| top.is_set(key)))
}

pub(super) fn auth(top: Reader<'_>) -> Result<AuthOptions, Error> {
    Ok(AuthOptions {
        timeout: top.seconds("auth_timeout")?,
        tries: top.number("auth_tries", COUNT)?,
        safemode: top.flag("auth_safemode")?,
        acceptance_wait: top.seconds("acceptance_wait_time")?,
        acceptance_wait_max: top.seconds("acceptance_wait_time_max")?,
        rejected_retry: top.flag("rejected_retry")?,
        random_reauth_delay: top.seconds("random_reauth_delay")?,
        random_startup_delay: top.seconds("random_startup_delay")?,
        autosign_grains: top.texts("autosign_grains")?,
    })
}

pub(super) fn net(top: Reader<'_>) -> Result<NetOptions, Error> {
    top.word("transport", &[("zeromq", ())])?;
    let positive = |key| -> Result<Option<i64>, Error> {
        let number: i64 = top.number(key, "a number, -1 for the system's own")?;
        Ok(Some(number).filter(|n| *n > 0))
    };
    let millis =
        |key| -> Result<Duration, Error> { Ok(Duration::from_millis(top.number(key, COUNT)?)) };
    let seconds = |n: i64| Duration::from_secs(n.unsigned_abs());
    Ok(NetOptions {
        retry_dns: Some(top.seconds("retry_dns")?).filter(|t| !t.is_zero()),
        retry_dns_count: top
            .raw("retry_dns_count")
            .map(|_| top.number("retry_dns_count", COUNT))
            .transpose()?,
        ipv6: top.raw("ipv6").map(|_| top.flag("ipv6")).transpose()?,
        source_address: top.some_text("source_address")?,
        source_interface: top.some_text("source_interface_name")?,
        source_ret_port: top.number("source_ret_port", PORT)?,
        source_publish_port: top.number("source_publish_port", PORT)?,
        recon_default: millis("recon_default")?,
        recon_max: millis("recon_max")?,
        recon_randomize: top.flag("recon_randomize")?,
        keepalive: top.flag("tcp_keepalive")?,
        keepalive_idle: positive("tcp_keepalive_idle")?.map(seconds),
        keepalive_count: positive("tcp_keepalive_cnt")?.and_then(|n| u32::try_from(n).ok()),
        keepalive_interval: positive("tcp_keepalive_intvl")?.map(seconds),
        request_timeout: top.seconds("request_channel_timeout")?,
        request_tries: top.number("request_channel_tries", COUNT)?,
        return_retry_timer: top.seconds("return_retry_timer")?,
        return_retry_timer_max: top.seconds("return_retry_timer_max")?,
        return_retry_tries: top.number("return_retry_tries", COUNT)?,
        zmq_filtering: top.flag("zmq_filtering")?,
        // Salt counts these in minutes.
        ping_interval: top.seconds("ping_interval")? * 60,
    })
}

pub(super) fn jobs(top: Reader<'_>) -> Result<JobOptions, Error> {
    let limit: i64 = top.number("process_count_max", "a number, -1 for no limit")?;
    Ok(JobOptions {
        process_count_max: usize::try_from(limit).ok().filter(|n| *n > 0),
        queue_hwm: top.number("minion_jid_queue_hwm", COUNT)?,
        multifunc_ordered: top.flag("multifunc_ordered")?,
        disable_modules: top.texts("disable_modules")?,
        disable_returners: top.texts("disable_returners")?,
        whitelist_modules: top.texts("whitelist_modules")?,
        startup_states: top.text("startup_states")?,
        sls_list: top.texts("sls_list")?,
        top_file: top.text("top_file")?,
        start_event_grains: top.texts("start_event_grains")?,
        legacy_startup_events: top.flag("enable_legacy_startup_events")?,
        cache_jobs: top.flag("cache_jobs")?,
        returner: top.texts("return")?.join(","),
        loop_interval: top.seconds("loop_interval")?,
        scheduler_before_connect: top.flag("scheduler_before_connect")?,
    })
}

pub(super) fn mine(top: Reader<'_>) -> Result<MineOptions, Error> {
    Ok(MineOptions {
        enabled: top.flag("mine_enabled")?,
        return_job: top.flag("mine_return_job")?,
        interval: top.seconds("mine_interval")? * 60,
        functions: top.raw("mine_functions").cloned().unwrap_or_default(),
    })
}

pub(super) fn grains(top: Reader<'_>) -> Result<GrainsOptions, Error> {
    Ok(GrainsOptions {
        set: top.map("grains")?,
        blacklist: top.texts("grains_blacklist")?,
        cache: top.flag("grains_cache")?,
        cache_expiration: top.seconds("grains_cache_expiration")?,
        deep_merge: top.flag("grains_deep_merge")?,
        refresh_every: top.seconds("grains_refresh_every")? * 60,
    })
}

pub(super) fn states(top: Reader<'_>) -> Result<StateOptions, Error> {
    let clients = [("remote", false), ("local", true), ("pillar", false)];
    Ok(StateOptions {
        local: top.word("file_client", &clients)?.unwrap_or(false) || top.flag("local")?,
        file_roots: top.map("file_roots")?,
        pillar_roots: top.map("pillar_roots")?,
        renderer: top.text("renderer")?,
        renderer_blacklist: top.texts("renderer_blacklist")?,
        renderer_whitelist: top.texts("renderer_whitelist")?,
        saltenv: top.some_text("saltenv")?,
        lock_saltenv: top.flag("lock_saltenv")?,
        pillarenv: top.some_text("pillarenv")?,
        pillarenv_from_saltenv: top.flag("pillarenv_from_saltenv")?,
        state_top: top.text("state_top")?,
        state_top_saltenv: top.some_text("state_top_saltenv")?,
        test: top.flag("test")?,
        failhard: top.flag("failhard")?,
        auto_order: top.flag("state_auto_order")?,
        events: top.flag("state_events")?,
        queue: top.raw("state_queue").is_some_and(Value::is_truthy),
        disabled_requisites: top.texts("disabled_requisites")?,
        whitelist_modules: top.texts("whitelist_state_modules")?,
        file_buffer_size: top.number("file_buffer_size", "a number of bytes")?,
    })
}
