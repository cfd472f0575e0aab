//! Trunks: whose calls they are, and what is different for them.

use std::net::IpAddr;

use offhook_call_media::LineCodec;

use super::place::Wrong;
use super::{Nat, TrunkSection, value};

/// Longest name: it is a label of metrics.
const LONGEST_NAME: usize = 64;

/// One trunk. `None` = as for everybody.
#[derive(Clone, Debug, PartialEq)]
pub struct TrunkConfig {
    /// Its name.
    pub name: String,
    /// Networks that its calls come from and that requests may go to: first address and prefix length.
    pub networks: Vec<(IpAddr, u8)>,
    /// Host names that REFER may name.
    pub hosts: Vec<String>,
    /// Codecs in order.
    pub codecs: Option<Vec<LineCodec>>,
    /// Milliseconds per packet.
    pub ptime_ms: Option<u8>,
    /// Where RTP may come from.
    pub nat: Option<Nat>,
    /// Most calls at once, in both directions.
    pub calls: Option<usize>,
    /// Longest call.
    pub call_time: Option<std::time::Duration>,
}

pub(super) fn check(sections: &[TrunkSection]) -> Result<Vec<TrunkConfig>, Wrong> {
    let mut trunks: Vec<TrunkConfig> = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let number = index.to_string();
        let called = match section.name.as_str() {
            "" => format!("trunk {}", index + 1),
            name => format!("trunk '{name}'"),
        };
        let trunk = check_one(section, &trunks).map_err(|wrong| {
            let key = wrong.to_string();
            let name = if key.is_empty() { called.clone() } else { format!("{called}: {key}") };
            wrong.below(&["trunk", &number]).called(name)
        })?;
        trunks.push(trunk);
    }
    Ok(trunks)
}

fn check_one(section: &TrunkSection, before: &[TrunkConfig]) -> Result<TrunkConfig, Wrong> {
    let name = check_name(&section.name, before)?;
    if section.allow.is_empty() && section.hosts.is_empty() {
        let what = "belongs to nobody: add allow = [\"192.0.2.0/24\"] with the networks it calls from and is called at";
        return Err(Wrong::new(&[], what));
    }
    let mut networks: Vec<(IpAddr, u8)> = Vec::new();
    for (index, text) in section.allow.iter().enumerate() {
        let wrong =
            |what: String| Wrong::new(&["allow", &index.to_string()], what).called("allow".to_owned());
        let network = value::network(text).map_err(wrong)?;
        let owner = before.iter().find(|trunk| trunk.networks.contains(&network));
        if let Some(owner) = owner {
            return Err(wrong(format!(
                "'{text}' belongs to trunk '{}' already: whose call would it be? Leave it out of one of them",
                owner.name
            )));
        }
        if networks.contains(&network) {
            return Err(wrong(format!("'{text}' is there twice: leave one out")));
        }
        networks.push(network);
    }
    for (index, host) in section.hosts.iter().enumerate() {
        check_host(host)
            .map_err(|what| Wrong::new(&["hosts", &index.to_string()], what).called("hosts".to_owned()))?;
    }
    let (media, limits) = (&section.media, &section.limits);
    let codecs = media.codecs.as_deref().map(|names| value::codecs(&["media", "codecs"], names));
    Ok(TrunkConfig {
        name,
        networks,
        hosts: section.hosts.clone(),
        codecs: codecs.transpose()?,
        ptime_ms: media.ptime_ms.map(|ptime| value::ptime(&["media", "ptime_ms"], ptime)).transpose()?,
        nat: media.nat.as_deref().map(|nat| value::nat(&["media", "nat"], nat)).transpose()?,
        calls: value::calls(&["limits", "calls"], limits.calls)?,
        call_time: limits
            .call_time
            .map(|seconds| value::seconds(&["limits", "call_time"], seconds, 1.0))
            .transpose()?,
    })
}

fn check_name(name: &str, before: &[TrunkConfig]) -> Result<String, Wrong> {
    let wrong = |what: String| Err(Wrong::new(&["name"], what).called("name".to_owned()));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() {
        let what = "has no name: add name = \"carrier\"; records, events and metrics tell it";
        return Err(Wrong::new(&[], what));
    }
    if name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
        return wrong(format!(
            "'{name}' is no name: write letters, digits, '-', '_' and '.', at most {LONGEST_NAME}"
        ));
    }
    if before.iter().any(|trunk| trunk.name == name) {
        return wrong(format!("'{name}' is the name of two trunks: rename one, or join their allow lists"));
    }
    Ok(name.to_owned())
}

fn check_host(host: &str) -> Result<(), String> {
    if host.parse::<IpAddr>().is_ok() || host.contains('/') {
        return Err(format!("'{host}' is an address: write it in allow"));
    }
    if host.contains('*') {
        return Err(format!("'{host}' is a pattern: write every host name in full"));
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    if host.trim_end_matches('.').split('.').all(is_label) {
        Ok(())
    } else {
        Err(format!("'{host}' is no host name: write it as sip.carrier.example, without port or scheme"))
    }
}
