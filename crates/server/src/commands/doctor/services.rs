//! Whether what the server works with is there: its folder, engines, business systems, collectors.

use std::collections::BTreeMap;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use offhook_engines::host::{HostStatus, NativeEngine};
use rustix::fs::{Access, access, statvfs};

use super::report::Findings;
use crate::bots::Bots;
use crate::config::Config;
use crate::speech::{Engines, Missing};
use crate::{hep, trace};

/// How long native engines may take to say that they are there.
const ENGINE_WAIT: Duration = Duration::from_secs(10);

/// How long a host may take to answer.
const CONNECT: Duration = Duration::from_secs(2);

/// A journal, a database and a day's records need no more; less than that and they may soon stand still.
const LEAST_FREE: u64 = 1 << 30;

const GIB: f64 = 1_073_741_824.0;

pub(super) fn check(
    config: &Config,
    bots: Option<&Bots>,
    server_runs: bool,
    lacks_secrets: bool,
    found: &mut Findings<'_>,
) -> anyhow::Result<()> {
    data_folder(config, server_runs, found);
    disk(config, found);
    engines(config, bots, found)?;
    match bots {
        Some(bots) => tools(config, bots, found),
        None => found.skipped("tools", "bots", "it is not known which bots there are"),
    }
    if let Some(url) = &config.bridge {
        let address = url.trim_start_matches("ws://").split('/').next().unwrap_or_default();
        let remedy = "start the application, or set engine.bridge right: calls to bridge bots get 480";
        reach(
            found,
            "bridge",
            "engine.bridge, --bridge",
            "the application of the bridge",
            address,
            80,
            remedy,
        );
    }
    traces(config, lacks_secrets, found)?;
    copies(config, found);
    Ok(())
}

fn data_folder(config: &Config, server_runs: bool, found: &mut Findings<'_>) {
    let (folder, place) = (config.data.as_path(), "storage.data, --data");
    let shown = folder.display();
    if !folder.exists() {
        let parent = existing(folder);
        return match access(parent, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => found.ok("data_folder", place, format!("{shown} is made at the first start")),
            Err(error) => found.bad(
                "data_folder",
                place,
                format!("{shown} is not there and cannot be made in {}: {error}", parent.display()),
                format!("install -d -m 700 -o USER {shown}, for the user that runs the server"),
            ),
        };
    }
    if let Err(error) = access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        let remedy = format!("chown -R USER {shown}, for the user that runs the server");
        return found.bad("data_folder", place, format!("{shown} cannot be used: {error}"), remedy);
    }
    let mode = std::fs::metadata(folder).map_or(0o700, |about| about.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        let what = format!("{shown} has mode {mode:03o}: it holds numbers and what people said");
        found.note("data_folder_mode", place, what, format!("chmod 700 {shown}"));
    }
    if server_runs {
        let what = format!("a server runs on {shown}: another one would not start");
        found.note("data_folder", place, what, "");
    } else {
        found.ok("data_folder", place, format!("{shown} can be used, and no server does"));
    }
}

fn disk(config: &Config, found: &mut Findings<'_>) {
    let folder = existing(&config.data);
    let Ok(about) = statvfs(folder) else {
        return found.skipped("disk", "storage.data, --data", "the file system does not tell");
    };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let what = format!("{:.1} GiB are free on the disk of {}", free as f64 / GIB, folder.display());
    if free < LEAST_FREE {
        let remedy =
            "make room, or choose a folder on another disk with --data: new calls are refused on a full disk";
        found.bad("disk", "storage.data, --data", what, remedy);
    } else if config.records_any() && free < config.bundle.max_bytes {
        let most = config.bundle.max_bytes as f64 / GIB;
        let what = format!("{what}; call bundles may take {most:.1} GiB before the oldest go");
        found.note("disk", "bundle.max_gib", what, "write a lower bundle.max_gib, or make room");
    } else {
        found.ok("disk", "storage.data, --data", what);
    }
}

/// The folder, or the closest above it that is there.
fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."))
}

/// What the bots in use need beyond what the configuration names.
struct Needs {
    recognizer: bool,
    english: bool,
    other: bool,
}

fn engines(config: &Config, bots: Option<&Bots>, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let mut needs = Needs { recognizer: false, english: false, other: false };
    for (_, bot) in bots.into_iter().flat_map(|bots| bots.used(config)) {
        let english = bot.language().get(..2).is_some_and(|tag| tag.eq_ignore_ascii_case("en"));
        needs.recognizer |= english && bot.has_intents();
        needs.english |= english;
        needs.other |= !english;
    }
    let program = std::env::current_exe()?;
    let (engines, missing) = Engines::start(config, &program);
    for missing in &missing {
        let needed = needs.other && missing.role == "speech in other languages";
        tell_missing(missing, needed, "apt-get install espeak-ng", found);
    }
    let wants_espeak = ["auto", "espeak-ng"].contains(&config.synthesizer.as_str());
    if wants_espeak && !missing.iter().any(|missing| missing.role == "speech in other languages") {
        found.ok("engine", "engine", "speech in other languages: espeak-ng is there");
    }
    for pool in engines.pools() {
        let engine = pool.engine();
        let (role, needed, remedy) = match engine {
            NativeEngine::Pocketsphinx => (
                "speech recognition",
                needs.recognizer,
                "apt-get install libpocketsphinx3 pocketsphinx-en-us",
            ),
            NativeEngine::Flite => ("English speech", needs.english, "apt-get install libflite1"),
        };
        match pool.wait_until_warm(ENGINE_WAIT) {
            HostStatus::Ready => found.ok("engine", "engine", format!("{role}: {} is warm", engine.name())),
            HostStatus::Starting => {
                let what = format!("{role}: {} is not warm after {} s", engine.name(), ENGINE_WAIT.as_secs());
                found.bad(
                    "engine",
                    "engine",
                    what,
                    "give it a processor: the first calls would wait as long",
                );
            }
            HostStatus::Failed(why) => {
                let missing = Missing { role, why, demanded_by: engines.demanded_by(engine) };
                tell_missing(&missing, needed, remedy, found);
            }
        }
    }
    Ok(())
}

fn tell_missing(missing: &Missing, needed: bool, remedy: &str, found: &mut Findings<'_>) {
    let place = missing.demanded_by.unwrap_or("engine");
    let remedy = match missing.role {
        "recorded prompts" => "set bots.prompts to a folder of WAV files",
        _ => remedy,
    };
    if needed || missing.demanded_by.is_some() {
        found.bad("engine", place, missing.to_string(), remedy);
    } else {
        found.note("engine", place, format!("{missing}; no bot in use needs it"), remedy);
    }
}

/// Every host that a tool of a bot in use asks, once.
fn tools(config: &Config, bots: &Bots, found: &mut Findings<'_>) {
    let mut hosts: BTreeMap<(String, u16), Vec<String>> = BTreeMap::new();
    for (name, bot) in bots.used(config) {
        let defaults = bot.config().filter_map(|(key, value)| Some((key, value?)));
        let mut values: BTreeMap<&str, &str> = defaults.collect();
        values.extend(config.bot_config.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        for (tool, url) in bot.tools() {
            match host_of(url, &values) {
                Some(host) => hosts.entry(host).or_default().push(format!("'{tool}' of bot '{name}'")),
                None => {
                    let what = format!("tool '{tool}' of bot '{name}': its host depends on the call");
                    found.skipped("tools", "bots.config", what);
                }
            }
        }
    }
    for ((host, port), asked_by) in hosts {
        let name = format!("the business system of tool {}", asked_by.join(", "));
        let remedy = "start it, let the firewall pass, or set its address right in [bots.config]";
        reach(found, "tools", "bots.config", &name, &format!("{host}:{port}"), port, remedy);
    }
}

/// Host and port of a URL whose template begins with an address or with a value of the configuration.
fn host_of(template: &str, values: &BTreeMap<&str, &str>) -> Option<(String, u16)> {
    let mut url = template.trim().to_owned();
    while let Some((before, rest)) = url.split_once("{{") {
        let (name, after) = rest.split_once("}}")?;
        let Some(value) = name.trim().strip_prefix("config.").and_then(|key| values.get(key)) else {
            // The rest is a matter of the call; where a path has begun, the host is known.
            let (_, authority) = before.split_once("://")?;
            url = authority.contains(['/', '?']).then(|| before.to_owned())?;
            break;
        };
        url = format!("{before}{value}{after}");
    }
    let parsed = reqwest::Url::parse(&url).ok()?;
    Some((parsed.host_str()?.to_owned(), parsed.port_or_known_default()?))
}

fn reach(
    found: &mut Findings<'_>,
    check: &'static str,
    place: &str,
    name: &str,
    address: &str,
    default_port: u16,
    remedy: &str,
) {
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let whole = if has_port { address.to_owned() } else { format!("{address}:{default_port}") };
    match connect(&whole) {
        Ok(()) => found.ok(check, place, format!("{name} answers at {whole}")),
        Err(error) => found.bad(check, place, format!("{name} does not answer at {whole}: {error}"), remedy),
    }
}

fn connect(address: &str) -> std::io::Result<()> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn traces(config: &Config, lacks_secrets: bool, found: &mut Findings<'_>) -> anyhow::Result<()> {
    let (Some(url), place) = (&config.trace.otlp, "trace.otlp") else { return Ok(()) };
    if lacks_secrets {
        found.skipped("traces", place, "its headers cannot be read, see credentials");
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(trace::probe(&config.trace))? {
        Some(trace::TraceProbe::Takes) => {
            found.ok("traces", place, format!("the collector at {url} takes traces"));
        }
        Some(trace::TraceProbe::Refuses(status @ (401 | 403))) => {
            let what = format!("the collector at {url} answers {status}");
            found.bad("traces", place, what, "write what it wants to be shown under [trace.headers]");
        }
        Some(trace::TraceProbe::Refuses(404)) => {
            let what = format!("the collector at {url} knows no such path");
            found.bad("traces", place, what, "OTLP over HTTP is usually at :4318/v1/traces");
        }
        Some(trace::TraceProbe::Refuses(status)) => {
            let what = format!("the collector at {url} answers {status}");
            found.bad(
                "traces",
                place,
                what,
                "look at its log: is its OTLP receiver for HTTP and protobuf on?",
            );
        }
        Some(trace::TraceProbe::Unreachable(why)) => {
            let what = format!("the collector at {url} does not answer: {why}");
            found.bad(
                "traces",
                place,
                what,
                "start it, or set trace.otlp right: calls go on, spans are lost",
            );
        }
        None => {}
    }
    Ok(())
}

/// UDP says where nobody listens, on a good day, and never that somebody does.
fn copies(config: &Config, found: &mut Findings<'_>) {
    let (Some(server), place) = (&config.hep.server, "hep.server") else { return };
    let remedy = "start Homer's capture server, or set hep.server right: calls go on without it";
    let key = match config.hep.reveal_key() {
        Ok(key) => key,
        Err(_) => return found.skipped("hep", place, "its key cannot be read, see credentials"),
    };
    let way = match hep::connect(server) {
        Ok(way) => way,
        Err(error) => {
            return found.bad(
                "hep",
                place,
                format!("no way leads to the HEP server {server}: {error}"),
                remedy,
            );
        }
    };
    let sender = hep::Sender { capture_id: config.hep.capture_id, key };
    let refused = hep::keep_alive(&sender).is_some_and(|packet| {
        let _ = way.set_read_timeout(Some(Duration::from_millis(300)));
        let sent = way.send(&packet);
        let heard = way.recv(&mut [0; 16]);
        [sent, heard].iter().any(|outcome| {
            outcome.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        })
    });
    if refused {
        found.bad("hep", place, format!("nobody listens at the HEP server {server}"), remedy);
    } else {
        found.ok(
            "hep",
            place,
            format!("nothing speaks against the HEP server {server}; UDP does not say more"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_tool_is_known_where_the_configuration_decides_it() {
        let values = BTreeMap::from([("orders", "http://orders.example:8090/v2"), ("host", "crm.example")]);
        let table = [
            ("{{ config.orders }}/orders/{{ slots.number }}", Some(("orders.example", 8090))),
            ("https://{{ config.host }}/x?y={{ slots.z }}", Some(("crm.example", 443))),
            ("http://[::1]:81/", Some(("[::1]", 81))),
            ("http://shop-{{ slots.shop }}.example/", None),
            ("{{ call.headers['X-Url'] }}/x", None),
            ("{{ config.unknown }}/x", None),
        ];

        for (template, expected) in table {
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(host_of(template, &values), expected, "{template}");
        }
    }
}
