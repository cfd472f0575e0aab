//! The configuration as the server uses it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use offhook_call_control::{Limits, OutboundPolicy, TrunkPolicy};
use offhook_call_media::LineCodec;
use offhook_sip_proto::message::Uri;

use super::place::{self, Wrong};
use super::{ConfigFile, Nat, RouteRule, RtpRange, Secret, TrunkConfig, route, trunk, value};

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
    fn an_unknown_key_is_named_with_its_place_and_what_was_meant() {
        let table = [
            (
                "[sip]\nlisten = \"127.0.0.1:5060\"\nport = 5060\n",
                "offhook.toml: line 3, column 1: unknown field `port`",
            ),
            ("[media]\n  prots = \"20000-20100\"", "line 2, column 3: unknown field `prots`"),
            ("[media]\n  prots = \"20000-20100\"", "did you mean `ports`?"),
            ("[[trunk]]\nname = \"a\"\nnat = \"learn\"", "line 3, column 1: unknown field `nat`"),
            ("[[trunk]]\nname = \"a\"\nnat = \"learn\"", "write it as media.nat"),
            ("[[trunk]]\nname = \"a\"\ncalls = 3", "write it as limits.calls"),
            ("[[trunk]]\nname = \"a\"\nlimits.call_tme = 3", "did you mean `call_time`?"),
            ("[[trunk]]\nname = \"a\"\nmedia.dscp = 3", "line 3, column 7: unknown field `dscp`"),
            ("calls = 3", "write it as limits.calls"),
        ];

        for (text, expected) in table {
            let error = error(text);

            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn wrong_values_say_where_they_are_and_what_would_be_right() {
        let table = [
            ("[media]\nports = \"20000\"", "line 2, column 9: media.ports: '20000' is not a port range"),
            ("[media]\ncodecs = [\"g729\"]", "media.codecs: 'g729' is not spoken here: write pcmu, pcma"),
            (
                "[media]\ncodecs = [\"pcmu\", \"PCMU\"]",
                "line 2, column 19: media.codecs: 'PCMU' is there twice",
            ),
            ("[media]\ncodecs = []", "media.codecs: at least one codec is needed: write pcmu, pcma"),
            ("[media]\nptime_ms = 25", "media.ptime_ms: 25 is none of 10, 20, 30, 40, 60"),
            ("[limits]\ncall_time = -1.0", "limits.call_time: -1 is out of range"),
            (
                "[limits]\ncall_time = \"1h\"",
                "line 2, column 13: limits.call_time: invalid type: string \"1h\"",
            ),
            ("[limits]\nring_time = 1e30", "is out of range: write seconds, 1 to 31536000"),
            ("[limits]\ntick_lateness_ms = 0.0", "0 is out of range: write milliseconds, 1 to 1000"),
            ("[limits]\ncalls = 0", "limits.calls: 0 lets no call in: write 1 or more"),
            (
                "[[route]]\nbot = \"x\"",
                "line 1, column 1: route 1: has no condition: add user, did or header",
            ),
            (
                "[[route]]\nbot = \"x\"\nuser = \"a*b\"",
                "route 1: user: 'a*b': a * stands for anything at the end only",
            ),
            ("[[route]]\nbot = \"x\"\nheader = \"X\"", "line 3, column 10: route 1: header: write it as"),
            ("[engine]\nbridge = \"http://x\"", "engine.bridge: 'http://x' is not ws://HOST:PORT/PATH"),
            ("[engine]\nprocesses = 0", "engine.processes: 0 is out of range: write 1 to 16"),
            ("[engine]\nrecognizer = \"sphinx\"", "'sphinx' is none of auto, pocketsphinx, none"),
            ("[address]\nadvertise = \"2001:db8::1\"", "2001:db8::1 is IPv6: write it as advertise_v6"),
            ("[address]\nadvertise_v6 = \"192.0.2.1\"", "192.0.2.1 is IPv4: write it as advertise"),
            ("[address]\nadvertise = \"0.0.0.0\"", "0.0.0.0 is nobody's address"),
            ("[sip]\nlisten = \"5060\"", "write ADDRESS:PORT"),
            ("[sip]\nuser_agent = \"a\\r\\nX-Evil: 1\"", "sip.user_agent: it stands in a SIP header"),
            ("version = 2", "line 1, column 11: version: this offhook reads version 1, not 2"),
            ("version = 0", "there was no version 0: write version = 1"),
            ("version = \"1\"", "version: invalid type: string \"1\", expected u32: write a whole number"),
            ("[trunk]\nname = \"a\"", "write it with two brackets, as [[route]] or [[trunk]]"),
            ("[media]\ncodecs = \"pcmu\"", "line 2, column 10: media.codecs: invalid type"),
            ("[media]\nptime_ms = 300", "300 is none of 10, 20, 30, 40, 60"),
            ("[media]\ndscp = -1", "-1 is no DSCP: write 0 to 63"),
            ("[media]\nports = \"30000-20000\"", "ends before it begins"),
            ("[storage]\ndata = \"\"", "storage.data: '' is no folder"),
            ("[media]\nrealtime = \"maybe\"", "media.realtime: 'maybe' is none of auto, on, off"),
        ];

        for (text, expected) in table {
            let error = error(text);

            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_transfer_target_that_nobody_could_reach_is_found_here() {
        let table = [
            (
                "agents = \"agents@pbx\"",
                "line 2, column 10: bots.targets.agents: 'agents@pbx' cannot be called",
            ),
            ("agents = \"sip:a@127.0.0.1:99999\"", "cannot be called"),
            ("agents = \"tel:+4930555\"", "is not a SIP URI: write sip:USER@HOST"),
            ("agents = \"sip:a@192.0.2.9\"", "add a [[trunk]] with allow = [\"192.0.2.9\"]"),
            ("agents = \"sip:a@pbx.example\"", "host name 'pbx.example' belongs to no trunk"),
            ("agents = \"sip:a@127.0.0.1;maddr=192.0.2.9\"", "'maddr' is not allowed in a target"),
        ];
        for (target, expected) in table {
            let error = error(&format!("[bots.targets]\n{target}\n"));

            assert!(error.contains(expected), "{target}: {error}");
        }

        let trunk = "[[trunk]]\nname = \"c\"\nallow = [\"192.0.2.0/24\"]\nhosts = [\"pbx.example\"]\n";
        let targets = "[bots.targets]\na = \"sip:a@192.0.2.9:5070\"\nb = \"sip:b@PBX.example\"\nc = \"sip:c@127.0.0.1\"\n";
        Config::parse(&format!("{trunk}{targets}"), "offhook.toml").unwrap();
    }

    #[test]
    fn what_a_trunk_says_replaces_what_is_said_for_everybody() {
        let text = "[media]\nptime_ms = 40\n[limits]\ncall_time = 60\n[[trunk]]\nname = \"a\"\nallow = [\"192.0.2.0/24\"]\n\
                    media.codecs = [\"pcma\"]\nmedia.nat = \"learn\"\nlimits.calls = 3\n[[trunk]]\nname = \"b\"\n\
                    allow = [\"192.0.2.7\"]\nmedia.ptime_ms = 10\nlimits.call_time = 5.5\n";
        let config = Config::parse(text, "offhook.toml").unwrap();
        let at = |address: &str| config.trunk_at(address.parse().unwrap());

        assert_eq!([at("192.0.2.8"), at("192.0.2.7"), at("192.0.3.1")], [Some(0), Some(1), None]);
        let [a, b, none] = [Some(0), Some(1), None].map(|trunk| config.line(trunk));
        assert_eq!(
            [a.trunk.as_deref(), b.trunk.as_deref(), none.trunk.as_deref()],
            [Some("a"), Some("b"), None]
        );
        assert_eq!(a.codecs, [LineCodec::Pcma]);
        assert_eq!(
            [b.codecs, none.codecs],
            [vec![LineCodec::Pcmu, LineCodec::Pcma], vec![LineCodec::Pcmu, LineCodec::Pcma]]
        );
        assert_eq!([a.ptime_ms, b.ptime_ms, none.ptime_ms], [40, 10, 40]);
        assert_eq!([a.nat_of_trunk, b.nat_of_trunk], [Some(Nat::Learn), None]);
        assert_eq!(b.limits.call_time, Duration::from_millis(5_500));
        assert_eq!(a.limits.call_time, Duration::from_secs(60));
        assert_eq!([config.trunks[0].calls, config.trunks[1].calls], [Some(3), None]);
    }

    #[test]
    fn a_trunk_is_named_and_owns_its_networks_alone() {
        let table = [
            ("allow = [\"192.0.2.1\"]", "line 1, column 1: trunk 1: has no name: add name"),
            ("name = \"a b\"\nallow = [\"192.0.2.1\"]", "trunk 'a b': name: 'a b' is no name: write letters"),
            ("name = \"t\"", "trunk 't': belongs to nobody: add allow"),
            (
                "name = \"t\"\nallow = [\"10.0.0.0/33\"]",
                "line 3, column 10: trunk 't': allow: '10.0.0.0/33' is not a network",
            ),
            ("name = \"t\"\nallow = [\"10.0.0.9/8\"]", "write 10.0.0.0/8 or 10.0.0.9"),
            ("name = \"t\"\nhosts = [\"192.0.2.1\"]", "'192.0.2.1' is an address: write it in allow"),
            ("name = \"t\"\nhosts = [\"*.example.com\"]", "write every host name in full"),
            ("name = \"t\"\nhosts = [\"sip:pbx.example\"]", "is no host name"),
            (
                "name = \"t\"\nallow = [\"10.0.0.1\"]\nmedia.codecs = [\"opus\"]",
                "trunk 't': media.codecs: 'opus' is not spoken here",
            ),
            (
                "name = \"t\"\nallow = [\"10.0.0.1\"]\nmedia.nat = \"auto\"",
                "trunk 't': media.nat: 'auto' is none of sdp, learn",
            ),
            ("name = \"t\"\nallow = [\"10.0.0.1\"]\nmedia.ptime_ms = 21", "media.ptime_ms: 21 is none of"),
            (
                "name = \"t\"\nallow = [\"10.0.0.1\"]\nlimits.calls = 0",
                "trunk 't': limits.calls: 0 lets no call in",
            ),
            (
                "name = \"t\"\nallow = [\"10.0.0.1\"]\nlimits.call_time = 0",
                "limits.call_time: 0 is out of range",
            ),
        ];
        for (trunk, expected) in table {
            let error = error(&format!("[[trunk]]\n{trunk}\n"));

            assert!(error.contains(expected), "{trunk}: {error}");
        }
        let first = "[[trunk]]\nname = \"t\"\nallow = [\"10.0.0.0/8\"]\n";
        for (second, expected) in [
            ("name = \"t\"\nallow = [\"192.0.2.1\"]", "'t' is the name of two trunks"),
            ("name = \"u\"\nallow = [\"10.0.0.0/8\"]", "'10.0.0.0/8' belongs to trunk 't' already"),
        ] {
            let error = error(&format!("{first}[[trunk]]\n{second}\n"));

            assert!(error.contains(expected), "{second}: {error}");
        }
    }
}
