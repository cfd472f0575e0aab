//! `offhook doctor`: network → credentials → parameters → services, and what to do.

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use offhook_engines::host::HostStatus;
use serde::Serialize;

use crate::api::ApiKey;
use crate::bots::Bots;
use crate::config::Config;
use crate::speech::Engines;

/// How long native engines may take to say that they are there.
const ENGINE_WAIT: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct Finding {
    area: &'static str,
    fine: bool,
    what: String,
}

pub(super) fn run(path: Option<PathBuf>, json: bool) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let config = match path.map_or(Ok(Config::default()), |path| Config::load(&path)) {
        Ok(config) => Some(config),
        Err(error) => {
            findings.push(Finding { area: "parameters", fine: false, what: error.to_string() });
            None
        }
    };
    if let Some(config) = config {
        network(&config, &mut findings);
        credentials(&config, &mut findings);
        parameters(&config, &mut findings);
        services(&config, &mut findings)?;
    }
    let fine = findings.iter().all(|finding| finding.fine);
    if json {
        println!("{}", serde_json::to_string(&findings)?);
    } else {
        for finding in &findings {
            println!("{:4}  {:11}  {}", if finding.fine { "ok" } else { "BAD" }, finding.area, finding.what);
        }
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn network(config: &Config, findings: &mut Vec<Finding>) {
    let mut check = |name: &str, option: &str, bound: std::io::Result<()>, address: String| {
        let (fine, what) = match bound {
            Ok(()) => (true, format!("{name} can listen on {address}")),
            Err(error) => {
                (false, format!("{name} cannot listen on {address}: {error}; choose another with {option}"))
            }
        };
        findings.push(Finding { area: "network", fine, what });
    };
    let sip = config.sip;
    check("SIP over UDP", "--sip", UdpSocket::bind(sip).map(|_| ()), sip.to_string());
    check("SIP over TCP", "--sip", TcpListener::bind(sip).map(|_| ()), sip.to_string());
    check("the API", "--api", TcpListener::bind(config.api).map(|_| ()), config.api.to_string());
    let (first, last) = (config.rtp.first, config.rtp.last);
    let free = (first..=last).step_by(2).filter(|port| UdpSocket::bind((sip.ip(), *port)).is_ok()).count();
    let what = format!("{free} RTP port pairs of {first}-{last} are free on {}", sip.ip());
    findings.push(Finding { area: "network", fine: free > 0, what });
    if sip.ip().is_unspecified() && config.advertise.is_none() {
        let what = "SIP listens on every interface; peers are told the one that leads to them \
                    (set address.advertise behind a NAT)";
        findings.push(Finding { area: "network", fine: true, what: what.into() });
    }
}

fn credentials(config: &Config, findings: &mut Vec<Finding>) {
    let (fine, what) = match &config.api_key {
        Some(secret) => match secret.reveal() {
            Ok(_) => (true, "the API key of the configuration can be read".to_owned()),
            Err(why) => (false, format!("api.key: {why}")),
        },
        None => {
            let file = config.data.join("api-key");
            if !file.exists() {
                (true, format!("the API key will be made in {}", file.display()))
            } else {
                match ApiKey::in_file(&file) {
                    Ok(_) => (true, format!("the API key is in {}", file.display())),
                    Err(error) => (false, format!("{}: {error}", file.display())),
                }
            }
        }
    };
    findings.push(Finding { area: "credentials", fine, what });
}

fn parameters(config: &Config, findings: &mut Vec<Finding>) {
    match Bots::load(config.bots.as_deref()) {
        Err(error) => findings.push(Finding { area: "parameters", fine: false, what: format!("{error:#}") }),
        Ok(bots) => {
            findings.push(Finding { area: "parameters", fine: true, what: "every bot file is fine".into() });
            if let Err(error) = bots.check_routes(config) {
                findings.push(Finding { area: "parameters", fine: false, what: error.to_string() });
            }
            for note in bots.notes(config) {
                findings.push(Finding { area: "parameters", fine: true, what: format!("note: {note}") });
            }
        }
    }
}

fn services(config: &Config, findings: &mut Vec<Finding>) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let (engines, missing) = Engines::start(config, &program);
    for missing in missing {
        findings.push(Finding { area: "services", fine: false, what: missing.to_string() });
    }
    for pool in engines.pools() {
        let name = pool.engine().name();
        let (fine, what) = match pool.wait_until_warm(ENGINE_WAIT) {
            HostStatus::Ready => (true, format!("{name} is warm")),
            HostStatus::Starting => {
                (false, format!("{name} did not warm up within {} s", ENGINE_WAIT.as_secs()))
            }
            HostStatus::Failed(error) => (false, error.to_string()),
        };
        findings.push(Finding { area: "services", fine, what });
    }
    if let Some(url) = &config.bridge {
        let address = url.trim_start_matches("ws://").split('/').next().unwrap_or_default();
        let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let reachable = if has_port {
            std::net::TcpStream::connect(address)
        } else {
            std::net::TcpStream::connect(format!("{address}:80"))
        };
        let (fine, what) = match reachable {
            Ok(_) => (true, format!("the application at {url} answers")),
            Err(error) => (false, format!("the application at {url} does not answer: {error}")),
        };
        findings.push(Finding { area: "services", fine, what });
    }
    Ok(())
}
