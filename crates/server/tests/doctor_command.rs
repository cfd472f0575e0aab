//! `offhook doctor` on set-ups that are wrong: what it says, where, the remedy, and the exit code.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Engines take a second to warm and are looked at by one test.
const SILENT: &str = "[engine]\nrecognizer = \"none\"\nsynthesizer = \"none\"\n";

struct Patient {
    folder: tempfile::TempDir,
    config: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

struct Told {
    code: i32,
    findings: Vec<Value>,
}

impl Patient {
    /// One on free ports, without engines; what is wrong with it comes in `config`.
    fn new(config: &str) -> Patient {
        let config = format!("{SILENT}{config}");
        Patient { folder: tempfile::tempdir().unwrap(), config, args: Vec::new(), env: Vec::new() }
    }

    fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, name: &str) -> Command {
        let config = self.folder.path().join("offhook.toml");
        std::fs::write(&config, &self.config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_offhook"));
        command.arg(name).arg("--config").arg(config).arg("--data").arg(self.data());
        for (option, value) in [("--sip", "127.0.0.1:0"), ("--api", "127.0.0.1:0"), ("--rtp", "21000-21063")]
        {
            if !self.args.iter().any(|arg| arg == option) && !self.config.contains("ports =") {
                command.args([option, value]);
            }
        }
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn examine(&self) -> Told {
        let Output { status, stdout, stderr } = self.command("doctor").arg("--json").output().unwrap();
        let said = String::from_utf8(stdout).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}{}", String::from_utf8_lossy(&stderr));
        let told: Value = serde_json::from_str(&said).unwrap();
        let findings = told["findings"].as_array().unwrap().clone();
        let bad = findings.iter().any(|finding| finding["status"] == "bad");
        let code = status.code().unwrap();
        assert_eq!((told["fine"].as_bool(), code), (Some(!bad), i32::from(bad)), "{told:#}");
        for finding in &findings {
            let has = |key: &str| finding[key].as_str().is_some_and(|text| !text.is_empty());
            assert!(has("what"), "{finding}");
            assert!(finding["status"] != "bad" || (has("remedy") && has("where")), "{finding}");
        }
        let order = ["network", "credentials", "parameters", "services"];
        let groups: Vec<_> =
            findings.iter().map(|finding| order.iter().position(|name| finding["group"] == *name)).collect();
        assert!(groups.is_sorted() && groups.iter().all(Option::is_some), "{findings:#?}");
        Told { code, findings }
    }
}

impl Told {
    fn of(&self, check: &str, status: &str) -> Vec<&Value> {
        self.findings
            .iter()
            .filter(|finding| finding["check"] == check && finding["status"] == status)
            .collect()
    }

    /// The one finding of this check with this status: its words.
    #[track_caller]
    fn one(&self, check: &str, status: &str) -> String {
        let found = self.of(check, status);
        assert_eq!(found.len(), 1, "{check} {status}: {:#?}", self.findings);
        format!("{} | {} | {}", found[0]["what"], found[0]["where"], found[0]["remedy"])
    }

    #[track_caller]
    fn says(&self, check: &str, status: &str, words: &[&str]) {
        let said = self.one(check, status);
        assert!(words.iter().all(|word| said.contains(word)), "{said} lacks one of {words:?}");
    }
}

#[test]
fn a_server_that_would_start_is_well_and_nothing_is_changed() {
    let patient = Patient::new("");

    let told = patient.examine();

    assert_eq!(told.code, 0, "{:#?}", told.findings);
    assert!(!patient.data().exists(), "no folder, no key, no lock is made");
    told.says("data_folder", "ok", &["made at the first start"]);
    let said = patient.command("doctor").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let places: Vec<_> = ["network\n", "credentials\n", "parameters\n", "services\n"]
        .iter()
        .map(|group| said.find(group).unwrap())
        .collect();
    assert!(places.is_sorted() && said.trim_end().lines().last().unwrap().contains("well"), "{said}");
}

#[test]
fn a_configuration_that_cannot_be_read_leaves_the_rest_unlooked_at() {
    let told = Patient::new("[sip]\nlissten = 1\n").examine();

    told.says("configuration", "bad", &["lissten", "line 5", "offhook.toml", "config check"]);
    assert_eq!(told.of("all", "skipped").len(), 3);
    assert_eq!(told.findings.len(), 4);
}

#[test]
fn ports_that_others_have_are_named_with_their_holder() {
    let (udp, tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap().to_string();

    let told = Patient::new("").arg("--sip").arg(&address).arg("--api").arg("192.0.2.77:1").examine();

    let us = format!("process {}", std::process::id());
    told.says("sip_udp", "bad", &[&address, &us, "--sip"]);
    told.says("sip_tcp", "bad", &[&address, &us, "stop it"]);
    told.says("api", "bad", &["not an address of this machine", "ip address"]);
    drop(tcp);
}

#[test]
fn what_hangs_on_an_address_that_is_not_ours_is_skipped() {
    let told = Patient::new("").arg("--sip").arg("192.0.2.77:5060").examine();

    told.says("sip_udp", "bad", &["not an address of this machine", "0.0.0.0"]);
    for check in ["rtp_ports", "advertise", "trunks"] {
        told.says(check, "skipped", &["192.0.2.77"]);
    }
}

#[test]
fn too_few_ports_for_the_limit_and_ports_within_ports_are_told() {
    let config = "[media]\nports = \"21100-21119\"\n[limits]\ncalls = 50\n";
    let told = Patient::new(config).arg("--sip").arg("127.0.0.1:21110").examine();

    told.says("rtp_ports", "bad", &["10 pairs", "limits.calls = 50", "at least 100 ports"]);
    told.says("rtp_overlap", "bad", &["sip.listen, 21110"]);
}

#[test]
fn addresses_that_peers_could_not_reach_are_told() {
    let trunk = "[[trunk]]\nname = \"carrier\"\nallow = [\"198.51.100.0/24\"]\n";
    let loopback = Patient::new(trunk).examine();
    loopback.says("advertise", "bad", &["trunk 'carrier' cannot reach it", "0.0.0.0"]);

    let private = format!("[address]\nadvertise = \"10.1.2.3\"\n{trunk}");
    let private = Patient::new(&private).arg("--sip").arg("0.0.0.0:0").examine();
    private.says("advertise", "bad", &["10.1.2.3", "private", "'carrier'", "address.advertise"]);

    let own = "[address]\nadvertise = \"127.0.0.1\"\n";
    let own = Patient::new(own).arg("--sip").arg("0.0.0.0:0").examine();
    own.says("advertise", "bad", &["127.0.0.1", "themselves"]);
}

#[test]
fn open_doors_are_told() {
    let config = "[[trunk]]\nname = \"all\"\nallow = [\"0.0.0.0/0\"]\n";

    let told = Patient::new(config).arg("--sip").arg("0.0.0.0:0").arg("--api").arg("0.0.0.0:0").examine();

    told.says("trunk_network", "bad", &["0.0.0.0/0", "toll fraud", "trunk 'all'"]);
    told.says("callers", "note", &["firewall"]);
    told.says("api_in_the_clear", "note", &["TLS"]);
}

#[test]
fn secrets_that_are_missing_or_shared_are_told_with_their_file() {
    let patient = Patient::new(
        "[bundle]\nrecord = \"on\"\nkey = \"env:DOCTOR_NO_SUCH_KEY\"\n\
         [trace]\notlp = \"http://127.0.0.1:1/v1/traces\"\nheaders.authorization = \"env:DOCTOR_NO_SUCH_TOKEN\"\n",
    );
    std::fs::create_dir(patient.data()).unwrap();
    let key = patient.data().join("api-key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();

    let told = patient.examine();

    told.says("api_key_mode", "bad", &["mode 644", "chmod 600", "api-key"]);
    told.says("bundle_key", "bad", &["DOCTOR_NO_SUCH_KEY", "bundle.key", "openssl rand"]);
    told.says("trace.headers", "bad", &["DOCTOR_NO_SUCH_TOKEN", "trace.headers"]);
    told.says("traces", "skipped", &["see credentials"]);
}

#[test]
fn bots_that_cannot_be_used_are_told_and_what_hangs_on_them_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.yaml"), "bot: broken\nstart: nowhere\nstates: {}\n").unwrap();

    let told = Patient::new(&format!("[bots]\nfolder = \"{}\"\n", folder.path().display())).examine();

    told.says("bots", "bad", &["broken.yaml", "bot check"]);
    told.says("routes", "skipped", &["not known"]);
    told.says("tools", "skipped", &["not known"]);
}

#[test]
fn routes_tools_and_values_that_lead_nowhere_are_told() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "[bots.config]\norder_service = \"http://{nobody}\"\n[bots.targets]\nagents = \"sip:a@127.0.0.1:5070\"\n\
         [[route]]\nuser = \"a\"\nbot = \"after-sales\"\n[[route]]\nuser = \"b\"\nbot = \"nobody\"\n"
    );

    let told = Patient::new(&config).examine();

    told.says("routes", "bad", &["nobody", "route 2"]);
    told.says("tools", "bad", &[&nobody.to_string(), "after-sales", "bots.config"]);
}

#[test]
fn collectors_that_do_not_answer_or_refuse_are_told() {
    let refuses = answering("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!("[trace]\notlp = \"http://{refuses}/v1/traces\"\n[hep]\nserver = \"{nobody}\"\n");
    let told = Patient::new(&config).examine();
    told.says("traces", "bad", &["401", "trace.headers"]);
    told.says("hep", "bad", &[&nobody.to_string(), "nobody listens"]);

    let takes = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let homer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "[trace]\notlp = \"http://{takes}/v1/traces\"\n[hep]\nserver = \"{}\"\n",
        homer.local_addr().unwrap()
    );
    let told = Patient::new(&config).examine();
    told.says("traces", "ok", &["takes traces"]);
    told.says("hep", "ok", &["nothing speaks against"]);
    let mut packet = [0; 64];
    let length = homer.recv(&mut packet).unwrap();
    assert_eq!(&packet[..4], b"HEP3", "{:?}", &packet[..length]);
}

#[test]
fn an_engine_that_is_named_and_not_installed_is_told_with_the_line_to_install_it() {
    let mut patient = Patient::new("");
    patient.config = "[engine]\nrecognizer = \"none\"\nsynthesizer = \"espeak-ng\"\n".to_owned();

    let told = patient.env("PATH", "/nonexistent").examine();

    told.says("engine", "bad", &["espeak-ng", "engine.synthesizer", "apt-get install espeak-ng"]);
}

#[test]
fn beside_a_running_server_its_ports_and_its_folder_are_no_mistake() {
    let patient = Patient::new("");
    let mut server =
        patient.command("serve").env("OFFHOOK_LOG_JSON", "1").stderr(Stdio::piped()).spawn().unwrap();
    let mut log = std::io::BufReader::new(server.stderr.take().unwrap());
    let ready = std::io::BufRead::lines(&mut log)
        .map_while(Result::ok)
        .find(|line| line.contains("ready for calls"))
        .unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let address = |name: &str| ready["fields"][name].as_str().unwrap().to_owned();
    let patient = patient.arg("--sip").arg(&address("sip")).arg("--api").arg(&address("api"));

    let told = patient.examine();

    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(told.code, 0, "{:#?}", told.findings);
    told.says("sip_udp", "note", &["server that runs"]);
    told.says("data_folder", "note", &["a server runs"]);
    told.says("api_key", "ok", &["api-key"]);
}

/// A server of HTTP that says this to everybody.
fn answering(answer: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}
