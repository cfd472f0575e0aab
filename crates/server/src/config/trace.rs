//! Where traces go, and copies of SIP messages.

use std::collections::BTreeMap;

use anyhow::Context;

use super::place::Wrong;
use super::{HepSection, Secret, TraceSection};

/// Longest key of a HEP server.
const LONGEST_KEY: usize = 256;

/// `[trace]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceConfig {
    /// The collector's URL; `None` = traces go nowhere.
    pub otlp: Option<String>,
    /// The share of calls that are traced, 0 to 1.
    pub sample: f64,
    /// What we call ourselves.
    pub service: String,
    headers: BTreeMap<String, Secret>,
}

impl TraceConfig {
    /// The headers that the collector wants, by name.
    ///
    /// # Errors
    /// One is not where the file says.
    pub fn reveal_headers(&self) -> anyhow::Result<Vec<(String, String)>> {
        let reveal = |(name, value): (&String, &Secret)| {
            let value = value.reveal().map_err(anyhow::Error::msg);
            value.map(|value| (name.clone(), value)).with_context(|| format!("trace.headers.{name}"))
        };
        self.headers.iter().map(reveal).collect()
    }
}

/// `[hep]`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct HepConfig {
    /// `HOST:PORT` of the server; `None` = nothing is sent.
    pub server: Option<String>,
    /// Tells capture agents apart.
    pub capture_id: u32,
    key: Option<Secret>,
}

impl HepConfig {
    /// The key that the server wants; `None` where it wants none.
    ///
    /// # Errors
    /// It is not where the file says, or is too long.
    pub fn reveal_key(&self) -> anyhow::Result<Option<String>> {
        let Some(secret) = &self.key else { return Ok(None) };
        let key = secret.reveal().map_err(anyhow::Error::msg).context("hep.key")?;
        anyhow::ensure!(key.len() <= LONGEST_KEY, "hep.key is longer than {LONGEST_KEY} bytes");
        Ok(Some(key))
    }
}

pub(super) fn check(section: &TraceSection) -> Result<TraceConfig, Wrong> {
    if let Some(url) = &section.otlp {
        check_url(url)?;
    }
    if !(0.0..=1.0).contains(&section.sample) {
        let what = format!("{} is out of range: write the share of calls, 0 to 1", section.sample);
        return Err(Wrong::new(&["trace", "sample"], what));
    }
    if section.service.trim().is_empty() {
        return Err(Wrong::new(&["trace", "service"], "'' is no name: write one, as offhook"));
    }
    for name in section.headers.keys() {
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            let what = format!("'{name}' is no name of an HTTP header: write one, as authorization");
            return Err(Wrong::new(&["trace", "headers", name], what));
        }
    }
    Ok(TraceConfig {
        otlp: section.otlp.clone(),
        sample: section.sample,
        service: section.service.clone(),
        headers: section.headers.clone(),
    })
}

fn check_url(url: &str) -> Result<(), Wrong> {
    let wrong = |what: String| Err(Wrong::new(&["trace", "otlp"], what));
    let parsed = match reqwest::Url::parse(url) {
        Ok(parsed) if ["http", "https"].contains(&parsed.scheme()) && parsed.has_host() => parsed,
        Ok(_) | Err(_) => return wrong(format!("'{url}' is not http://HOST:4318/v1/traces")),
    };
    if parsed.port() == Some(4317) {
        return wrong(format!("'{url}': 4317 is the port of gRPC: write that of HTTP, 4318"));
    }
    if parsed.path() == "/" {
        let whole = url.trim_end_matches('/');
        return wrong(format!("'{url}' has no path: write {whole}/v1/traces"));
    }
    Ok(())
}

pub(super) fn check_hep(section: &HepSection) -> Result<HepConfig, Wrong> {
    if let Some(server) = &section.server {
        let has_port = server.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0) && !host.contains('/')
        });
        if !has_port {
            let what = format!("'{server}' is not HOST:PORT: write one, as 127.0.0.1:9060");
            return Err(Wrong::new(&["hep", "server"], what));
        }
    }
    let Ok(capture_id) = u32::try_from(section.capture_id) else {
        let what = format!("{} is out of range: write 0 to {}", section.capture_id, u32::MAX);
        return Err(Wrong::new(&["hep", "capture_id"], what));
    };
    Ok(HepConfig { server: section.server.clone(), capture_id, key: section.key.clone() })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, "test.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_is_sent_anywhere_unless_the_file_says_so() {
        let config = Config::default();

        assert_eq!((config.trace.otlp, config.hep.server), (None, None));
    }

    #[test]
    fn mistakes_are_named_with_their_place_and_remedy() {
        let table = [
            ("[trace]\notlp = \"collector:4318\"\n", "trace.otlp", "http://HOST:4318/v1/traces"),
            ("[trace]\notlp = \"http://c:4317/v1/traces\"\n", "trace.otlp", "port of gRPC"),
            ("[trace]\notlp = \"http://c:4318\"\n", "trace.otlp", "write http://c:4318/v1/traces"),
            ("[trace]\nsample = 50\n", "trace.sample", "0 to 1"),
            ("[trace]\nservice = \" \"\n", "trace.service", "as offhook"),
            ("[trace.headers]\n\"a b\" = \"x\"\n", "trace.headers", "no name of an HTTP header"),
            ("[hep]\nserver = \"homer\"\n", "hep.server", "HOST:PORT"),
            ("[hep]\nserver = \"homer:0\"\n", "hep.server", "HOST:PORT"),
            ("[hep]\ncapture_id = -1\n", "hep.capture_id", "0 to 4294967295"),
        ];
        for (text, key, remedy) in table {
            let told = parse(text).unwrap_err();
            assert!(told.contains("line 2") && told.contains(key) && told.contains(remedy), "{told}");
        }
    }

    #[test]
    fn secrets_are_revealed_by_name() {
        let config = parse(
            "[trace.headers]\nauthorization = \"Bearer a\"\nx = \"env:OFFHOOK_TEST_NO_SUCH_VARIABLE\"\n\
             [hep]\nserver = \"[::1]:9060\"\nkey = \"k\"\n",
        )
        .unwrap();

        assert_eq!(config.hep.reveal_key().unwrap().as_deref(), Some("k"));
        let told = format!("{:#}", config.trace.reveal_headers().unwrap_err());
        assert!(told.contains("trace.headers.x") && told.contains("OFFHOOK_TEST_NO_SUCH_VARIABLE"), "{told}");
    }
}
