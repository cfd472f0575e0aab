//! The configuration as the server uses it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use offhook_call_control::{Limits, OutboundPolicy, TrunkPolicy};
use offhook_call_media::LineCodec;
use offhook_sip_proto::message::Uri;
use sha2::{Digest, Sha256};

use super::place::{self, Wrong};
use super::{
    BundleConfig, ConfigFile, HepConfig, Nat, RouteRule, RtpRange, Secret, TraceConfig, TrunkConfig, bundle,
    route, trace, trunk, value,
};

/// Most child processes of one native engine.
const MOST_PROCESSES: usize = 16;

/// Something is wrong with the configuration: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {place}: {what}")]
pub struct ConfigError {
    /// The file's name.
    pub file: String,
    /// `line 3, column 7: media.codecs`, or the key alone.
    pub place: String,
    /// What is wrong and what would be right.
    pub what: String,
}

/// Everything, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file's name; empty where there is none.
    pub file: String,
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
    /// Where RTP may come from; a trunk may have it otherwise.
    pub nat: Nat,
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
    /// Recording of calls.
    pub bundle: BundleConfig,
    /// Where traces go.
    pub trace: TraceConfig,
    /// Where copies of SIP messages go.
    pub hep: HepConfig,
    /// SHA-256 of the file's text, in hexadecimal digits; empty where there is none.
    pub hash: String,
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
    /// Where INVITE, REFER and what follows them may go.
    pub outbound: Arc<OutboundPolicy>,
}

/// What a call is told of the line it comes or goes by.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The trunk's name.
    pub trunk: Option<String>,
    /// Codecs in order.
    pub codecs: Vec<LineCodec>,
    /// Milliseconds per packet.
    pub ptime_ms: u8,
    /// Where RTP may come from, where the trunk says so itself.
    pub nat_of_trunk: Option<Nat>,
    /// How long things may take.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        // The defaults of the file are right by construction; `the_defaults_are_right` holds that.
        Config::check(&ConfigFile::default()).unwrap_or_else(|wrong| unreachable!("{wrong}"))
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
            place: error.span().map_or_else(
                || "whole file".into(),
                |span| {
                    let place = place::line_and_column(text, span.start);
                    place::key_at(text, span.start).map_or(place.clone(), |key| format!("{place}: {key}"))
                },
            ),
            what: place::explained(error.message()),
        })?;
        let mut config = Config::check(&file).map_err(|wrong| ConfigError {
            file: name.into(),
            place: wrong.place(text),
            what: wrong.what().to_owned(),
        })?;
        config.file = name.into();
        config.hash = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        for (index, route) in config.routes.iter_mut().enumerate() {
            let bot = Wrong::new(&["route", &index.to_string(), "bot"], "");
            route.place = bot.called(format!("route {}", index + 1)).place(text);
        }
        Ok(config)
    }

    fn check(file: &ConfigFile) -> Result<Config, Wrong> {
        check_version(file.version)?;
        let limits = limits(file)?;
        let realtime =
            match value::one_of(&["media", "realtime"], &file.media.realtime, &["auto", "on", "off"])? {
                "on" => Some(true),
                "off" => Some(false),
                _ => None,
            };
        let rtp = RtpRange::parse(&file.media.ports).map_err(|what| Wrong::new(&["media", "ports"], what))?;
        let trunks = trunk::check(&file.trunk)?;
        let outbound = Arc::new(policy(&trunks));
        check_targets(&file.bots.targets, &outbound)?;
        let recognizers = ["auto", "pocketsphinx", "none"];
        let synthesizers = ["auto", "flite", "espeak-ng", "none"];
        let bridge =
            file.engine.bridge.as_deref().map(|url| value::websocket_url(&["engine", "bridge"], url));
        Ok(Config {
            file: String::new(),
            sip: file.sip.listen,
            user_agent: value::header_text(&["sip", "user_agent"], &file.sip.user_agent)?,
            sip_dscp: value::dscp(&["sip", "dscp"], file.sip.dscp)?,
            rtp,
            codecs: value::codecs(&["media", "codecs"], &file.media.codecs)?,
            ptime_ms: value::ptime(&["media", "ptime_ms"], file.media.ptime_ms)?,
            rtp_dscp: value::dscp(&["media", "dscp"], file.media.dscp)?,
            workers: workers(file.media.workers)?,
            realtime,
            nat: value::nat(&["media", "nat"], &file.media.nat)?,
            prefer_loss_free: value::one_of(&["media", "prefer"], &file.media.prefer, &["delay", "loss"])?
                == "loss",
            advertise: advertise("advertise", file.address.advertise)?,
            advertise_v6: advertise("advertise_v6", file.address.advertise_v6)?,
            api: file.api.listen,
            api_key: file.api.key.clone(),
            data: data(&file.storage.data)?,
            bundle: bundle::check(&file.bundle)?,
            trace: trace::check(&file.trace)?,
            hep: trace::check_hep(&file.hep)?,
            hash: String::new(),
            limits,
            drain_timeout: value::seconds(&["limits", "drain_timeout"], file.limits.drain_timeout, 0.0)?,
            max_calls: value::calls(&["limits", "calls"], file.limits.calls)?,
            tick_lateness: value::milliseconds(
                &["limits", "tick_lateness_ms"],
                file.limits.tick_lateness_ms,
            )?,
            recognizer: value::one_of(&["engine", "recognizer"], &file.engine.recognizer, &recognizers)?
                .to_owned(),
            synthesizer: value::one_of(&["engine", "synthesizer"], &file.engine.synthesizer, &synthesizers)?
                .to_owned(),
            voices: file.engine.voices.clone(),
            engine_processes: processes(file.engine.processes)?,
            bridge: bridge.transpose()?,
            bots: file.bots.folder.clone(),
            prompts: file.bots.prompts.clone(),
            bot_config: file.bots.config.clone(),
            targets: file.bots.targets.clone(),
            routes: route::check(&file.route)?,
            trunks,
            outbound,
        })
    }

    /// The trunk that an address belongs to: the most specific network wins.
    pub fn trunk_at(&self, address: IpAddr) -> Option<usize> {
        let name = &self.outbound.trunk_of(address)?.name;
        self.trunks.iter().position(|trunk| trunk.name == *name)
    }

    /// Whether a call of this route is recorded, or one that no route let in.
    pub fn records(&self, route: Option<usize>) -> bool {
        route.and_then(|index| self.routes.get(index)?.record).unwrap_or(self.bundle.record)
    }

    /// Whether any call may be recorded.
    pub fn records_any(&self) -> bool {
        self.bundle.record || self.routes.iter().any(|route| route.record == Some(true))
    }

    /// What a call by a trunk is told, or one that is no trunk's.
    pub fn line(&self, trunk: Option<usize>) -> Line {
        let trunk = trunk.and_then(|index| self.trunks.get(index));
        let mut limits = self.limits;
        if let Some(call_time) = trunk.and_then(|trunk| trunk.call_time) {
            limits.call_time = call_time;
        }
        Line {
            trunk: trunk.map(|trunk| trunk.name.clone()),
            codecs: trunk.and_then(|trunk| trunk.codecs.clone()).unwrap_or_else(|| self.codecs.clone()),
            ptime_ms: trunk.and_then(|trunk| trunk.ptime_ms).unwrap_or(self.ptime_ms),
            nat_of_trunk: trunk.and_then(|trunk| trunk.nat),
            limits,
        }
    }
}

fn check_version(version: Option<u32>) -> Result<(), Wrong> {
    match version {
        None | Some(1) => Ok(()),
        Some(0) => Err(Wrong::new(&["version"], "there was no version 0: write version = 1")),
        Some(newer) => {
            let what = format!("this offhook reads version 1, not {newer}: it was written for a newer one");
            Err(Wrong::new(&["version"], what))
        }
    }
}

fn limits(file: &ConfigFile) -> Result<Limits, Wrong> {
    let limits = &file.limits;
    let seconds = |key: &str, value: f64| value::seconds(&["limits", key], value, 1.0);
    Ok(Limits {
        call_time: seconds("call_time", limits.call_time)?,
        ring_time: seconds("ring_time", limits.ring_time)?,
        rtp_timeout: seconds("rtp_timeout", limits.rtp_timeout)?,
        silence: seconds("silence", limits.silence)?,
        ..Limits::default()
    })
}

fn policy(trunks: &[TrunkConfig]) -> OutboundPolicy {
    let policy = |trunk: &TrunkConfig| TrunkPolicy {
        name: trunk.name.clone(),
        networks: trunk.networks.clone(),
        hosts: trunk.hosts.clone(),
    };
    OutboundPolicy { trunks: trunks.iter().map(policy).collect() }
}

/// A target that no call could be transferred to is found here and not by a caller.
fn check_targets(targets: &BTreeMap<String, String>, outbound: &OutboundPolicy) -> Result<(), Wrong> {
    for (name, target) in targets {
        let path = ["bots", "targets", name];
        let uri: Uri = target.parse().map_err(|why| {
            let what =
                format!("'{target}' cannot be called ({why}): write sip:USER@HOST or sip:USER@HOST:PORT");
            Wrong::new(&path, what)
        })?;
        outbound.check_uri(&uri, None).map_err(|why| Wrong::new(&path, why.to_string()))?;
    }
    Ok(())
}

fn advertise(key: &str, address: Option<IpAddr>) -> Result<Option<IpAddr>, Wrong> {
    let Some(given) = address else { return Ok(None) };
    let wrong = |what: String| Err(Wrong::new(&["address", key], what));
    let is_v6_key = key == "advertise_v6";
    if given.is_unspecified() || given.is_multicast() {
        return wrong(format!("{given} is nobody's address: write the one that peers shall send to"));
    }
    match (given.is_ipv6(), is_v6_key) {
        (true, false) => wrong(format!("{given} is IPv6: write it as advertise_v6")),
        (false, true) => wrong(format!("{given} is IPv4: write it as advertise")),
        (true, true) | (false, false) => Ok(address),
    }
}

fn data(folder: &Path) -> Result<PathBuf, Wrong> {
    if folder.as_os_str().is_empty() {
        return Err(Wrong::new(&["storage", "data"], "'' is no folder: write one, as offhook-data"));
    }
    Ok(folder.to_owned())
}

fn workers(wanted: Option<usize>) -> Result<usize, Wrong> {
    let workers = wanted.unwrap_or_else(default_workers);
    if (1..=64).contains(&workers) {
        Ok(workers)
    } else {
        Err(Wrong::new(&["media", "workers"], format!("{workers} is out of range: write 1 to 64")))
    }
}

fn processes(wanted: usize) -> Result<usize, Wrong> {
    if (1..=MOST_PROCESSES).contains(&wanted) {
        Ok(wanted)
    } else {
        let what = format!("{wanted} is out of range: write 1 to {MOST_PROCESSES}");
        Err(Wrong::new(&["engine", "processes"], what))
    }
}

fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(4)
}
