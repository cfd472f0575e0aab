//! Whether secrets are there, are right, and are secret.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::network::is_private;
use super::report::Findings;
use crate::config::Config;

/// Fewer characters than this are guessed.
const SHORTEST_KEY: usize = 16;

/// A network with a shorter prefix than this is half the world: a slip of the pen, or an open door.
const WIDEST: (u8, u8) = (8, 16);

pub(super) fn check(config: &Config, found: &mut Findings<'_>) {
    api_key(config, found);
    if !config.api.ip().is_loopback() {
        found.note(
            "api_in_the_clear",
            "api.listen, --api",
            format!("the API listens on {} without TLS: who sees the network sees its key", config.api),
            "listen on 127.0.0.1, or put a proxy with TLS in front",
        );
    }
    bundle_key(config, found);
    if config.trace.otlp.is_some() {
        match config.trace.reveal_headers() {
            Ok(headers) if headers.is_empty() => {}
            Ok(headers) => {
                let what = format!("{} headers for the collector of traces can be read", headers.len());
                found.ok("trace.headers", "trace.headers", what);
            }
            Err(error) => {
                let remedy = "set the variable or write the file for the user that runs the server";
                found.bad("trace.headers", "trace.headers", format!("{error:#}"), remedy);
            }
        }
    }
    if config.hep.server.is_some()
        && let Err(error) = config.hep.reveal_key()
    {
        let remedy = "set the variable or write the file for the user that runs the server";
        found.bad("hep.key", "hep.key", format!("{error:#}"), remedy);
    }
    who_may_call(config, found);
}

fn api_key(config: &Config, found: &mut Findings<'_>) {
    let file = config.data.join("api-key");
    let (key, place, path) = match &config.api_key {
        Some(secret) => (secret.reveal(), "api.key".to_owned(), secret.path()),
        None if !file.exists() => {
            let what = "the API key is made at the first start";
            return found.ok("api_key", &file.display().to_string(), what);
        }
        None => {
            let key = std::fs::read_to_string(&file).map_err(|error| format!("cannot be read: {error}"));
            (key, file.display().to_string(), Some(file.as_path()))
        }
    };
    match key {
        Err(why) => {
            let remedy =
                "make it readable for the user that runs the server, or remove the file to have one made";
            found.bad("api_key", &place, format!("the API key: {why}"), remedy);
        }
        Ok(key) if key.trim().is_empty() => {
            let remedy = "write a key, or remove the file (or the line) to have one made";
            found.bad("api_key", &place, "the API key is empty", remedy);
        }
        Ok(key) => {
            if key.trim().len() < SHORTEST_KEY {
                let what = format!("the API key has {} characters: it can be guessed", key.trim().len());
                found.note("api_key_short", &place, what, "`openssl rand -hex 32` prints a better one");
            }
            found.ok("api_key", &place, "the API key can be read");
            owner_only("api_key_mode", path, found);
        }
    }
}

fn bundle_key(config: &Config, found: &mut Findings<'_>) {
    match config.bundle.reveal_key() {
        Ok(None) if config.records_any() => found.note(
            "bundle_key",
            "bundle.key",
            "calls are recorded in the clear",
            "bundle.key = \"file:PATH\" with 64 digits of `openssl rand -hex 32` encrypts them",
        ),
        Ok(None) => {}
        Ok(Some(_)) => {
            found.ok("bundle_key", "bundle.key", "the key of call bundles can be read");
            owner_only("bundle_key_mode", config.bundle.key_file(), found);
        }
        Err(error) => {
            let remedy =
                "64 hexadecimal digits, readable for the user that runs the server: `openssl rand -hex 32`";
            found.bad("bundle_key", "bundle.key", format!("{error:#}"), remedy);
        }
    }
}

/// A secret that others of this machine can read is none.
fn owner_only(check: &'static str, path: Option<&Path>, found: &mut Findings<'_>) {
    let Some(path) = path else { return };
    let Ok(about) = std::fs::metadata(path) else { return };
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o007 != 0 || mode & 0o020 != 0 {
        let place = path.display().to_string();
        let what = format!("the file has mode {mode:03o}: others of this machine may use the secret");
        found.bad(check, &place, what, format!("chmod 600 {place}"));
    }
}

fn who_may_call(config: &Config, found: &mut Findings<'_>) {
    if !config.sip.ip().is_loopback() {
        found.note(
            "callers",
            "sip.listen, --sip",
            format!("whoever reaches {} may call: offhook asks no password", config.sip),
            "let a firewall or an SBC choose who reaches it",
        );
    }
    for trunk in &config.trunks {
        let place = format!("trunk '{}'", trunk.name);
        for (network, prefix) in &trunk.networks {
            let widest = if network.is_ipv4() { WIDEST.0 } else { WIDEST.1 };
            if *prefix < widest {
                found.bad(
                    "trunk_network",
                    &place,
                    format!(
                        "allow = \"{network}/{prefix}\" lets calls of ours go almost anywhere: toll fraud"
                    ),
                    "write the carrier's own networks",
                );
            }
        }
        if trunk.networks.iter().any(|(network, _)| !is_private(*network)) {
            found.note(
                "trunk_in_the_clear",
                &place,
                "its SIP and RTP cross public networks without encryption",
                "lead it through a VPN, or put an SBC with TLS and SRTP in front",
            );
        }
    }
}
