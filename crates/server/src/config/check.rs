//! The configuration as the server uses it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use offhook_call_control::{AnswerPolicy, Limits, OutboundPolicy};
use offhook_call_media::LineCodec;

use super::{ConfigFile, RouteSection, Secret};

/// A year in seconds: a limit beyond it is a slip of the pen.
const LONGEST_LIMIT: f64 = 31_536_000.0;

/// Something is wrong with the configuration: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {place}: {what}")]
pub struct ConfigError {
    /// The file's name.
    pub file: String,
    /// `line 3, column 7` or the key.
    pub place: String,
    /// What is wrong and what would be right.
    pub what: String,
}

/// First and last RTP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpRange {
    /// First, even.
    pub first: u16,
    /// Last.
    pub last: u16,
}

impl RtpRange {
    /// Reads `A-B`.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a port range: write FIRST-LAST, as 20000-29999");
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let first: u16 = first.trim().parse().map_err(|_| wrong())?;
        let last: u16 = last.trim().parse().map_err(|_| wrong())?;
        let first = first.checked_add(first % 2).ok_or_else(wrong)?;
        if first < 1024 || last <= first {
            return Err(format!(
                "'{text}' holds no pair of ports above 1023: write FIRST-LAST, as 20000-29999"
            ));
        }
        Ok(RtpRange { first, last })
    }
}

/// One rule that picks the bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRule {
    /// User part of the Request-URI.
    pub user: Option<String>,
    /// Dialled number.
    pub did: Option<String>,
    /// Header name and value.
    pub header: Option<(String, String)>,
    /// The bot.
    pub bot: String,
    /// Most calls at once.
    pub calls: Option<usize>,
    /// When it is answered.
    pub answer: AnswerPolicy,
}

/// One trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkConfig {
    /// Its name.
    pub name: String,
    /// Networks that requests may go to.
    pub networks: Vec<(IpAddr, u8)>,
    /// Host names that REFER may name.
    pub hosts: Vec<String>,
}

/// Everything, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// SIP over UDP and TCP.
    pub sip: SocketAddr,
    /// User-Agent and Server.
    pub user_agent: String,
    /// DSCP of signalling.
    pub sip_dscp: u8,
    /// RTP ports.
    pub rtp: RtpRange,
    /// Codecs in order.
    pub codecs: Vec<LineCodec>,
    /// Milliseconds per packet.
    pub ptime_ms: u8,
    /// DSCP of RTP.
    pub rtp_dscp: u8,
    /// Media worker threads.
    pub workers: usize,
    /// `Some(true)` = must, `None` = where allowed, `Some(false)` = no.
    pub realtime: Option<bool>,
    /// Whether RTP may be learnt from another address than the SDP's.
    pub nat_learn: bool,
    /// Whether the jitter buffer avoids loss before delay.
    pub prefer_loss_free: bool,
    /// Advertised IPv4 address.
    pub advertise: Option<IpAddr>,
    /// Advertised IPv6 address.
    pub advertise_v6: Option<IpAddr>,
    /// HTTP API.
    pub api: SocketAddr,
    /// API key of the file.
    pub api_key: Option<Secret>,
    /// Data folder.
    pub data: PathBuf,
    /// Limits of a call.
    pub limits: Limits,
    /// How long SIGTERM waits.
    pub drain_timeout: Duration,
    /// Most calls at once.
    pub max_calls: Option<usize>,
    /// Tick lateness above which new calls are refused.
    pub tick_lateness: Duration,
    /// `auto`, `pocketsphinx` or `none`.
    pub recognizer: String,
    /// `auto`, `flite`, `espeak-ng` or `none`.
    pub synthesizer: String,
    /// Voice by language.
    pub voices: BTreeMap<String, String>,
    /// Child processes for native engines.
    pub engine_processes: usize,
    /// The application behind `bridge`.
    pub bridge: Option<String>,
    /// Folder of bot files.
    pub bots: Option<PathBuf>,
    /// Folder of recorded prompts.
    pub prompts: Option<PathBuf>,
    /// `config.NAME` of bot files.
    pub bot_config: BTreeMap<String, String>,
    /// Named transfer targets.
    pub targets: BTreeMap<String, String>,
    /// Routes in order.
    pub routes: Vec<RouteRule>,
    /// Trunks.
    pub trunks: Vec<TrunkConfig>,
}

impl Default for Config {
    fn default() -> Self {
        // The defaults of the file are right by construction; `the_defaults_are_right` holds that.
        Config::from_file(&ConfigFile::default(), "defaults").unwrap_or_else(|error| unreachable!("{error}"))
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: name.clone(),
            place: "cannot be read".into(),
            what: error.to_string(),
        })?;
        Config::parse(&text, &name)
    }

    /// Reads and checks the text of a file called `name`.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(text: &str, name: &str) -> Result<Config, ConfigError> {
        let file: ConfigFile = toml::from_str(text).map_err(|error| ConfigError {
            file: name.into(),
            place: error.span().map_or_else(|| "whole file".into(), |span| place_of(text, span.start)),
            what: error.message().to_owned(),
        })?;
        Config::from_file(&file, name)
    }

    /// Checks a file that was read.
    ///
    /// # Errors
    /// The first thing that is wrong, with its key.
    pub fn from_file(file: &ConfigFile, name: &str) -> Result<Config, ConfigError> {
        let wrong = |place: &str, what: String| ConfigError { file: name.into(), place: place.into(), what };
        if let Some(version) = file.version.filter(|version| *version != 1) {
            return Err(wrong("version", format!("this offhook reads version 1, not {version}")));
        }
        let seconds = |place: &str, value: f64, least: f64| {
            if (least..=LONGEST_LIMIT).contains(&value) {
                Ok(Duration::from_secs_f64(value))
            } else {
                let range = format!("{least} to {LONGEST_LIMIT}");
                Err(wrong(place, format!("{value} is out of range: write seconds, {range}")))
            }
        };
        let limits = Limits {
            call_time: seconds("limits.call_time", file.limits.call_time, 1.0)?,
            ring_time: seconds("limits.ring_time", file.limits.ring_time, 1.0)?,
            rtp_timeout: seconds("limits.rtp_timeout", file.limits.rtp_timeout, 1.0)?,
            silence: seconds("limits.silence", file.limits.silence, 1.0)?,
            ..Limits::default()
        };
        let ptime_ms = file.media.ptime_ms;
        if ![10, 20, 30, 40, 60].contains(&ptime_ms) {
            return Err(wrong("media.ptime_ms", format!("{ptime_ms} is none of 10, 20, 30, 40, 60")));
        }
        let one_of = |place: &str, value: &str, allowed: &[&str]| {
            if allowed.contains(&value) {
                Ok(value.to_owned())
            } else {
                Err(wrong(place, format!("'{value}' is none of {}", allowed.join(", "))))
            }
        };
        let realtime = match one_of("media.realtime", &file.media.realtime, &["auto", "on", "off"])?.as_str()
        {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        for (place, dscp) in [("sip.dscp", file.sip.dscp), ("media.dscp", file.media.dscp)] {
            if dscp > 63 {
                return Err(wrong(place, format!("{dscp} is no DSCP: write 0 to 63")));
            }
        }
        if let Some(url) = file.engine.bridge.as_deref().filter(|url| !is_websocket_url(url)) {
            return Err(wrong("engine.bridge", format!("'{url}' is not ws://HOST:PORT/PATH")));
        }
        let (v4, v6) = (file.address.advertise, file.address.advertise_v6);
        if let Some(address) = v4.filter(IpAddr::is_ipv6) {
            return Err(wrong("address.advertise", format!("{address} is IPv6: write it as advertise_v6")));
        }
        if let Some(address) = v6.filter(IpAddr::is_ipv4) {
            return Err(wrong("address.advertise_v6", format!("{address} is IPv4: write it as advertise")));
        }
        let codecs = codecs(&file.media.codecs).map_err(|what| wrong("media.codecs", what))?;
        let workers = file.media.workers.unwrap_or_else(default_workers);
        if workers == 0 || workers > 64 {
            return Err(wrong("media.workers", format!("{workers} is out of range: write 1 to 64")));
        }
        Ok(Config {
            sip: file.sip.listen,
            user_agent: file.sip.user_agent.clone(),
            sip_dscp: file.sip.dscp,
            rtp: RtpRange::parse(&file.media.ports).map_err(|what| wrong("media.ports", what))?,
            codecs,
            ptime_ms,
            rtp_dscp: file.media.dscp,
            workers,
            realtime,
            nat_learn: one_of("media.nat", &file.media.nat, &["sdp", "learn"])? == "learn",
            prefer_loss_free: one_of("media.prefer", &file.media.prefer, &["delay", "loss"])? == "loss",
            advertise: file.address.advertise,
            advertise_v6: file.address.advertise_v6,
            api: file.api.listen,
            api_key: file.api.key.clone(),
            data: file.storage.data.clone(),
            limits,
            drain_timeout: seconds("limits.drain_timeout", file.limits.drain_timeout, 0.0)?,
            max_calls: file.limits.calls,
            tick_lateness: seconds("limits.tick_lateness_ms", file.limits.tick_lateness_ms / 1000.0, 0.001)?,
            recognizer: one_of(
                "engine.recognizer",
                &file.engine.recognizer,
                &["auto", "pocketsphinx", "none"],
            )?,
            synthesizer: one_of(
                "engine.synthesizer",
                &file.engine.synthesizer,
                &["auto", "flite", "espeak-ng", "none"],
            )?,
            voices: file.engine.voices.clone(),
            engine_processes: file.engine.processes.clamp(1, 16),
            bridge: file.engine.bridge.clone(),
            bots: file.bots.folder.clone(),
            prompts: file.bots.prompts.clone(),
            bot_config: file.bots.config.clone(),
            targets: file.bots.targets.clone(),
            routes: file
                .route
                .iter()
                .enumerate()
                .map(|(index, route)| {
                    check_route(route).map_err(|what| wrong(&format!("route {}", index + 1), what))
                })
                .collect::<Result<_, _>>()?,
            trunks: file
                .trunk
                .iter()
                .map(|trunk| {
                    let networks = trunk.allow.iter().map(|network| parse_network(network));
                    Ok(TrunkConfig {
                        name: trunk.name.clone(),
                        networks: networks
                            .collect::<Result<_, String>>()
                            .map_err(|what| wrong(&format!("trunk '{}': allow", trunk.name), what))?,
                        hosts: trunk.hosts.clone(),
                    })
                })
                .collect::<Result<_, ConfigError>>()?,
        })
    }

    /// Where INVITE and REFER may go.
    pub fn outbound(&self) -> std::sync::Arc<OutboundPolicy> {
        let policy = |trunk: &TrunkConfig| offhook_call_control::TrunkPolicy {
            name: trunk.name.clone(),
            networks: trunk.networks.clone(),
            hosts: trunk.hosts.clone(),
        };
        std::sync::Arc::new(OutboundPolicy { trunks: self.trunks.iter().map(policy).collect() })
    }
}

fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}

fn is_websocket_url(url: &str) -> bool {
    url.strip_prefix("ws://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

fn codecs(names: &[String]) -> Result<Vec<LineCodec>, String> {
    let codecs = names.iter().map(|name| match name.to_ascii_lowercase().as_str() {
        "pcmu" => Ok(LineCodec::Pcmu),
        "pcma" => Ok(LineCodec::Pcma),
        _ => Err(format!("'{name}' is not spoken here: write pcmu, pcma")),
    });
    let codecs = codecs.collect::<Result<Vec<_>, _>>()?;
    if codecs.is_empty() { Err("at least one codec is needed: write pcmu, pcma".into()) } else { Ok(codecs) }
}

fn check_route(route: &RouteSection) -> Result<RouteRule, String> {
    if route.bot.is_empty() {
        return Err("names no bot: add bot = \"NAME\"".into());
    }
    if route.user.is_none() && route.did.is_none() && route.header.is_none() {
        return Err("has no condition: add user, did or header".into());
    }
    let header = match route.header.as_deref().map(|header| header.split_once(':')) {
        None => None,
        Some(Some((name, value))) => Some((name.trim().to_owned(), value.trim().to_owned())),
        Some(None) => return Err("header is written as \"Name: value\"".into()),
    };
    let answer = match route.answer.as_deref() {
        None | Some("immediately") => AnswerPolicy::Immediately,
        Some("api") => AnswerPolicy::WaitForApi,
        Some(other) => return Err(format!("answer = '{other}' is none of immediately, api")),
    };
    Ok(RouteRule {
        user: route.user.clone(),
        did: route.did.clone(),
        header,
        bot: route.bot.clone(),
        calls: route.calls,
        answer,
    })
}

fn parse_network(text: &str) -> Result<(IpAddr, u8), String> {
    let wrong = || format!("'{text}' is not a network: write ADDRESS or ADDRESS/PREFIX, as 192.0.2.0/24");
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Ok(width), |prefix| prefix.parse::<u8>().map_err(|_| wrong()))?;
    if prefix > width { Err(wrong()) } else { Ok((address, prefix)) }
}

fn place_of(text: &str, offset: usize) -> String {
    let before = &text[..offset.min(text.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    format!("line {line}, column {column}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(text, "offhook.toml").unwrap_err().to_string()
    }

    #[test]
    fn the_defaults_are_right() {
        let config = Config::default();

        assert_eq!(config.sip.to_string(), "127.0.0.1:5060");
        assert_eq!(config.rtp, RtpRange { first: 20000, last: 29999 });
    }

    #[test]
    fn the_sample_in_deploy_is_right() {
        Config::parse(include_str!("../../../../deploy/offhook.toml"), "deploy/offhook.toml").unwrap();
    }

    #[test]
    fn an_unknown_key_is_named_with_its_place() {
        let error = error("[sip]\nlisten = \"127.0.0.1:5060\"\nport = 5060\n");

        assert!(error.starts_with("offhook.toml: line 3, column 1: unknown field `port`"), "{error}");
    }

    #[test]
    fn wrong_values_say_what_would_be_right() {
        let table = [
            ("[media]\nports = \"20000\"", "media.ports: '20000' is not a port range"),
            ("[media]\ncodecs = [\"g729\"]", "media.codecs: 'g729' is not spoken here: write pcmu, pcma"),
            ("[media]\nptime_ms = 25", "media.ptime_ms: 25 is none of 10, 20, 30, 40, 60"),
            ("[limits]\ncall_time = -1.0", "limits.call_time: -1 is out of range"),
            ("[limits]\nring_time = 1e30", "is out of range: write seconds, 1 to 31536000"),
            ("[[route]]\nbot = \"x\"", "route 1: has no condition: add user, did or header"),
            (
                "[[trunk]]\nname = \"t\"\nallow = [\"10.0.0.0/33\"]",
                "trunk 't': allow: '10.0.0.0/33' is not a network",
            ),
            ("[engine]\nbridge = \"http://x\"", "engine.bridge: 'http://x' is not ws://HOST:PORT/PATH"),
            ("[address]\nadvertise = \"2001:db8::1\"", "2001:db8::1 is IPv6: write it as advertise_v6"),
            ("[address]\nadvertise_v6 = \"192.0.2.1\"", "192.0.2.1 is IPv4: write it as advertise"),
            ("version = 2", "version: this offhook reads version 1, not 2"),
            ("[media]\nrealtime = \"maybe\"", "media.realtime: 'maybe' is none of auto, on, off"),
        ];

        for (text, expected) in table {
            let error = error(text);

            assert!(error.contains(expected), "{error}");
        }
    }
}
