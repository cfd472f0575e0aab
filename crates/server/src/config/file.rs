//! The configuration file as it is written.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use super::Secret;

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// Version of this format; 1 where absent.
    pub version: Option<u32>,
    /// `[sip]`
    pub sip: SipSection,
    /// `[media]`
    pub media: MediaSection,
    /// `[address]`
    pub address: AddressSection,
    /// `[api]`
    pub api: ApiSection,
    /// `[storage]`
    pub storage: StorageSection,
    /// `[bundle]`
    pub bundle: BundleSection,
    /// `[trace]`
    pub trace: TraceSection,
    /// `[hep]`
    pub hep: HepSection,
    /// `[limits]`
    pub limits: LimitsSection,
    /// `[engine]`
    pub engine: EngineSection,
    /// `[bots]`
    pub bots: BotsSection,
    /// `[[route]]`, first match wins.
    pub route: Vec<RouteSection>,
    /// `[[trunk]]`
    pub trunk: Vec<TrunkSection>,
}

/// `[sip]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SipSection {
    /// UDP and TCP on one port.
    pub listen: SocketAddr,
    /// What we call ourselves.
    pub user_agent: String,
    /// DSCP of signalling packets (CS3 = 24).
    pub dscp: i64,
}

impl Default for SipSection {
    fn default() -> Self {
        SipSection {
            listen: SocketAddr::from(([127, 0, 0, 1], 5060)),
            user_agent: concat!("offhook/", env!("CARGO_PKG_VERSION")).into(),
            dscp: 24,
        }
    }
}

/// `[media]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaSection {
    /// First and last RTP port, as `20000-29999`.
    pub ports: String,
    /// Codecs in order: `pcmu`, `pcma`.
    pub codecs: Vec<String>,
    /// Milliseconds per packet where the peer does not ask otherwise: 10, 20, 30, 40 or 60.
    pub ptime_ms: i64,
    /// DSCP of RTP (EF = 46).
    pub dscp: i64,
    /// Media worker threads; absent = one per core, at most 4.
    pub workers: Option<usize>,
    /// `auto`, `on` or `off`: real-time priority for the workers and, just below them, the bridge.
    pub realtime: String,
    /// `sdp` or `learn`: where RTP may come from besides the SDP address.
    pub nat: String,
    /// `delay` or `loss`: what the jitter buffer avoids first.
    pub prefer: String,
}

impl Default for MediaSection {
    fn default() -> Self {
        MediaSection {
            ports: "20000-29999".into(),
            codecs: vec!["pcmu".into(), "pcma".into()],
            ptime_ms: 20,
            dscp: 46,
            workers: None,
            realtime: "auto".into(),
            nat: "sdp".into(),
            prefer: "delay".into(),
        }
    }
}

/// `[address]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AddressSection {
    /// The IPv4 address that peers shall use for SIP and RTP; absent = the listen address, or the one of the interface
    /// that leads to the peer where the listen address is a wildcard.
    pub advertise: Option<IpAddr>,
    /// The IPv6 address that peers shall use.
    pub advertise_v6: Option<IpAddr>,
}

/// `[api]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiSection {
    /// HTTP and WebSocket.
    pub listen: SocketAddr,
    /// The key; absent = the one in the data folder, made at the first start.
    pub key: Option<Secret>,
}

impl Default for ApiSection {
    fn default() -> Self {
        ApiSection { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), key: None }
    }
}

/// `[storage]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageSection {
    /// Folder of database, journal and key.
    pub data: PathBuf,
}

impl Default for StorageSection {
    fn default() -> Self {
        StorageSection { data: PathBuf::from("offhook-data") }
    }
}

/// `[bundle]`: calls as files that are replayed and opened in Wireshark.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BundleSection {
    /// `on` or `off`: whether calls are recorded where their route says nothing.
    pub record: String,
    /// `hash` or `full`: what is kept of the RTP that we send.
    pub egress: String,
    /// 64 hexadecimal digits with which bundles are encrypted; absent = they are not.
    pub key: Option<Secret>,
    /// Days after which a bundle is removed.
    pub keep_days: i64,
    /// GiB of bundles beyond which the oldest are removed.
    pub max_gib: f64,
}

impl Default for BundleSection {
    fn default() -> Self {
        BundleSection { record: "off".into(), egress: "hash".into(), key: None, keep_days: 30, max_gib: 20.0 }
    }
}

/// `[trace]`: spans of calls and turns for an OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TraceSection {
    /// OTLP over HTTP, as `http://127.0.0.1:4318/v1/traces`; absent = no traces.
    pub otlp: Option<String>,
    /// The share of the calls that are traced, 0 to 1. One whose INVITE has a `traceparent` follows that instead.
    pub sample: f64,
    /// `service.name` of the spans.
    pub service: String,
    /// Headers that the collector wants, as `authorization = "env:OTLP_TOKEN"`.
    pub headers: BTreeMap<String, Secret>,
}

impl Default for TraceSection {
    fn default() -> Self {
        TraceSection { otlp: None, sample: 1.0, service: "offhook".into(), headers: BTreeMap::new() }
    }
}

/// `[hep]`: copies of SIP messages for Homer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HepSection {
    /// HEPv3 over UDP, as `127.0.0.1:9060`; absent = nothing is sent.
    pub server: Option<String>,
    /// Tells capture agents apart.
    pub capture_id: i64,
    /// The key that the server wants; absent = none.
    pub key: Option<Secret>,
}

impl Default for HepSection {
    fn default() -> Self {
        HepSection { server: None, capture_id: 2001, key: None }
    }
}

/// `[limits]`: seconds unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Longest call.
    pub call_time: f64,
    /// Longest ringing.
    pub ring_time: f64,
    /// No RTP for this long ends the call.
    pub rtp_timeout: f64,
    /// A silent caller is hung up on after this (bots only).
    pub silence: f64,
    /// How long SIGTERM waits for running calls.
    pub drain_timeout: f64,
    /// Most calls at once; absent = as many as media health allows.
    pub calls: Option<usize>,
    /// 99th percentile of tick lateness in milliseconds above which new calls are refused.
    pub tick_lateness_ms: f64,
}

impl Default for LimitsSection {
    fn default() -> Self {
        LimitsSection {
            call_time: 7200.0,
            ring_time: 60.0,
            rtp_timeout: 30.0,
            silence: 120.0,
            drain_timeout: 30.0,
            calls: None,
            tick_lateness_ms: 10.0,
        }
    }
}

/// `[engine]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSection {
    /// `auto`, `pocketsphinx` or `none`.
    pub recognizer: String,
    /// `auto`, `flite`, `espeak-ng` or `none`. `auto` = flite for English, espeak-ng for the rest.
    pub synthesizer: String,
    /// Voice names by language, as `en = "slt"`.
    pub voices: BTreeMap<String, String>,
    /// Child processes for native engines.
    pub processes: usize,
    /// The application behind the `bridge` bots, as `ws://HOST:PORT/PATH`.
    pub bridge: Option<String>,
}

impl Default for EngineSection {
    fn default() -> Self {
        EngineSection {
            recognizer: "auto".into(),
            synthesizer: "auto".into(),
            voices: BTreeMap::new(),
            processes: 2,
            bridge: None,
        }
    }
}

/// `[bots]`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BotsSection {
    /// Folder of bot files; each `NAME.yaml` is the bot NAME. The sample bots are there without it.
    pub folder: Option<PathBuf>,
    /// Folder of recorded prompts (WAV).
    pub prompts: Option<PathBuf>,
    /// Values for `config.NAME` in bot files.
    pub config: BTreeMap<String, String>,
    /// Transfer targets by name, as `agents = "sip:agents@127.0.0.1:5070"`.
    pub targets: BTreeMap<String, String>,
}

/// `[[route]]`: every condition given must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouteSection {
    /// User part of the Request-URI; a final `*` stands for anything.
    pub user: Option<String>,
    /// Dialled number: digits and `+`, `x` for any digit, a final `*` for anything.
    pub did: Option<String>,
    /// Header and value that must be there, as `X-Queue: sales`; the value may end in `*`.
    pub header: Option<String>,
    /// The bot that takes the call.
    pub bot: String,
    /// Most calls of this route at once.
    pub calls: Option<usize>,
    /// `immediately` or `api`.
    pub answer: Option<String>,
    /// `on` or `off`: whether its calls are recorded; absent = as `bundle.record` says.
    pub record: Option<String>,
}

/// `[[trunk]]`: what it does not say is as for everybody.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrunkSection {
    /// Its name, in records, events and metrics.
    pub name: String,
    /// Its networks, as `192.0.2.0/24`: calls from there are the trunk's, and INVITE and REFER may point there.
    pub allow: Vec<String>,
    /// Host names that REFER may name.
    pub hosts: Vec<String>,
    /// `media.…` of its calls.
    pub media: TrunkMedia,
    /// `limits.…` of its calls.
    pub limits: TrunkLimits,
}

/// The keys of `[media]` that a trunk may have for itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrunkMedia {
    /// Codecs in order.
    pub codecs: Option<Vec<String>>,
    /// Milliseconds per packet where the peer does not ask otherwise.
    pub ptime_ms: Option<i64>,
    /// `sdp` or `learn`.
    pub nat: Option<String>,
}

/// The keys of `[limits]` that a trunk may have for itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrunkLimits {
    /// Most calls of this trunk at once, in both directions.
    pub calls: Option<usize>,
    /// Longest call in seconds.
    pub call_time: Option<f64>,
}
