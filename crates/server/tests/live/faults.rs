//! What goes wrong, and what a person then sees: a message, a SIP code, or a sentence of the bot.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use crate::common::{Calling, Phone, Server, Setup, program, sdp, together};

/// Something that goes wrong.
struct Fault {
    name: &'static str,
    /// Makes it happen and tells what was seen.
    provoke: fn() -> String,
    /// What must be in there.
    shows: &'static [&'static str],
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "a key that the configuration does not have",
        provoke: || refused(Setup::new().config("[sip]\nport = 5060\n")),
        shows: &["exit 1", "offhook.toml: line 2, column 1: unknown field `port`"],
    },
    Fault {
        name: "a value that cannot be",
        provoke: || refused(Setup::new().config("[media]\ncodecs = [\"g729\"]\n")),
        shows: &["exit 1", "media.codecs: 'g729' is not spoken here: write pcmu, pcma"],
    },
    Fault {
        name: "a configuration file that is not there",
        provoke: || command(&["config", "check", "nowhere.toml"]),
        shows: &["exit 1", "nowhere.toml: cannot be read: No such file"],
    },
    Fault {
        name: "a route to a bot that is not there",
        provoke: || refused(Setup::new().config("[[route]]\nuser = \"a\"\nbot = \"b\"\n")),
        shows: &["exit 1", "route 1: there is no bot 'b'"],
    },
    Fault {
        name: "a transfer target that no trunk leads to",
        provoke: || refused(Setup::new().config("[bots.targets]\nagents = \"sip:a@192.0.2.1\"\n")),
        shows: &["exit 1", "line 2, column 10: bots.targets.agents: 192.0.2.1 is outside", "add a [[trunk]]"],
    },
    Fault {
        name: "a transfer target without an address",
        provoke: target_without_address,
        shows: &["exit 0", "note: bot 'mine' transfers to 'agents', which has no address", "fine"],
    },
    Fault {
        name: "a file of the first version, to be migrated",
        provoke: migrated,
        shows: &["exit 0", "nothing to migrate"],
    },
    Fault {
        name: "a secret that cannot be read",
        provoke: || refused(Setup::new().config("[api]\nkey = \"env:OFFHOOK_NO_SUCH_VARIABLE\"\n")),
        shows: &["exit 1", "api.key", "OFFHOOK_NO_SUCH_VARIABLE"],
    },
    Fault {
        name: "a wrong bot file",
        provoke: wrong_bot_file,
        shows: &["exit 1", "broken.yaml", ":3:", "nowhere"],
    },
    Fault {
        name: "a wrong bot file, checked",
        provoke: checked_bot_file,
        shows: &["exit 1", "broken.yaml:2:", "`sayy`"],
    },
    Fault {
        name: "a bridge that is no WebSocket",
        provoke: || refused(Setup::new().arg("--bridge").arg("http://127.0.0.1/")),
        shows: &["exit 1", "--bridge: 'http://127.0.0.1/' is not ws://HOST:PORT/PATH"],
    },
    Fault {
        name: "a data folder that cannot be made",
        provoke: || refused(Setup::new().data(Path::new("/dev/null/data"))),
        shows: &["exit 1", "/dev/null/data cannot be made: choose another with --data"],
    },
    Fault {
        name: "a data folder that another server uses",
        provoke: data_in_use,
        shows: &["exit 1", "storage in ", "another offhook uses this folder", "--data", "first: crash"],
    },
    Fault {
        name: "a busy SIP port (UDP)",
        provoke: busy_udp,
        shows: &["exit 1", "SIP cannot listen on", "choose another with --sip", "in use"],
    },
    Fault {
        name: "a busy SIP port (TCP)",
        provoke: busy_tcp,
        shows: &["exit 1", "SIP cannot listen on", "choose another with --sip", "in use"],
    },
    Fault {
        name: "a busy API port",
        provoke: busy_api,
        shows: &["exit 1", "the API cannot listen on", "choose another with --api", "in use"],
    },
    Fault {
        name: "no espeak-ng on the path",
        provoke: || missing_engines(Setup::new().env("PATH", "/nonexistent")),
        shows: &["200", "speech in other languages", "apt install espeak-ng"],
    },
    Fault {
        name: "no flite",
        provoke: || without_library("libflite.so.1"),
        shows: &["200", "English speech", "apt install libflite1"],
    },
    Fault {
        name: "no pocketsphinx",
        provoke: || without_library("libpocketsphinx.so.3"),
        shows: &["200", "speech recognition", "apt install libpocketsphinx3"],
    },
    Fault {
        name: "a recognizer that is named and not there",
        provoke: named_recognizer,
        shows: &[
            "engine.recognizer names it, so calls to bots that need it are answered 480",
            "apt install libpocketsphinx3",
            "hello: SIP/2.0 480 ",
            "Q.850;cause=27",
            "engine_unavailable",
            "echo: SIP/2.0 200 ",
            "after-sales-zh: SIP/2.0 200 ",
            "dialled: 503 unavailable",
        ],
    },
    Fault {
        name: "a recognizer that is not there and not named",
        provoke: unnamed_recognizer,
        shows: &["speech recognition", "hello: SIP/2.0 200 "],
    },
    Fault { name: "no codec in common", provoke: || offered("9 18", ""), shows: &["SIP/2.0 488 "] },
    Fault { name: "an offer that is no SDP", provoke: garbage_offer, shows: &["SIP/2.0 400 "] },
    Fault {
        name: "an offer of something else than SDP",
        provoke: foreign_body,
        shows: &["SIP/2.0 415 ", "application/sdp"],
    },
    Fault {
        name: "no application",
        provoke: || Phone::udp(&Server::start()).invite("bridge", "").start,
        shows: &["SIP/2.0 480 "],
    },
    Fault {
        name: "an application that is down at the answer",
        provoke: application_down,
        shows: &["SIP/2.0 480 ", "application_unavailable"],
    },
    Fault {
        name: "every RTP port is taken",
        provoke: no_rtp_port,
        shows: &["SIP/2.0 503 ", "retry-after: Some"],
    },
    Fault {
        name: "the most calls that the configuration allows",
        provoke: too_many_calls,
        shows: &["SIP/2.0 503 ", "retry-after: Some"],
    },
    Fault {
        name: "a server that is not there",
        provoke: || command(&["calls", "list", "--api", "127.0.0.1:9", "--key", "k"]),
        shows: &["exit 1", "no server answers at http://127.0.0.1:9/v1/calls"],
    },
];

#[test]
fn every_fault_shows_what_a_user_would_expect() {
    let _turn = together();
    let mut wrong = Vec::new();

    for fault in FAULTS {
        let seen = (fault.provoke)();
        for expected in fault.shows {
            if !seen.contains(expected) {
                wrong.push(format!("{}: expected '{expected}', seen:\n{seen}", fault.name));
            }
        }
        let first = seen.lines().find(|line| !line.starts_with('{')).unwrap_or_default();
        eprintln!("{:45}  {first}", fault.name);
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A server that does not start: its exit code and what it said.
fn refused(setup: Setup) -> String {
    let (code, said) = setup.run_to_its_end();
    format!("exit {}: {said}", code.unwrap_or(-1))
}

fn command(args: &[&str]) -> String {
    let output = std::process::Command::new(program()).args(args).output().unwrap();
    format!("exit {}: {}", output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr))
}

/// What a command says on both streams about a configuration file.
fn about_file(command: &[&str], config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("offhook.toml");
    std::fs::write(&file, config).unwrap();
    let output = std::process::Command::new(program()).args(command).arg(&file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    format!("exit {}: {}", output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said))
}

fn target_without_address() -> String {
    let folder = tempfile::tempdir().unwrap();
    let bot = "bot: mine\nstart: a\ntargets: { agents: { ring_time: 10s } }\nstates:\n  \
               a: { say: Hello, transfer: { to: agents, on_failed: b } }\n  b: { say: Sorry, hang_up: true }\n";
    std::fs::write(folder.path().join("mine.yaml"), bot).unwrap();
    about_file(&["config", "check"], &format!("[bots]\nfolder = \"{}\"\n", folder.path().display()))
}

fn migrated() -> String {
    about_file(&["config", "migrate"], "version = 1\n")
}

fn wrong_bot_file() -> String {
    let folder = tempfile::tempdir().unwrap();
    let text = "bot: broken\nstart: greet\nstates: { greet: { say: Hello, goto: nowhere } }\n";
    std::fs::write(folder.path().join("broken.yaml"), text).unwrap();
    let config = format!("[bots]\nfolder = \"{}\"\n", folder.path().display());
    refused(Setup::new().config(&config))
}

fn checked_bot_file() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.yaml");
    std::fs::write(
        &file,
        "bot: broken\nsayy: Hello\nstart: greet\nstates: { greet: { say: Hello, hang_up: true } }\n",
    )
    .unwrap();
    command(&["bot", "check", &file.display().to_string()])
}

/// A second server is refused, and what the first has written down outlives its `kill -9`.
fn data_in_use() -> String {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut first = Setup::new().data(&data).start();
    let call = Calling::to(&first, "echo").from("first").start();
    first.api.answered_call_from("first");

    let seen = refused(Setup::new().data(&data));

    first.kill();
    call.abandon();
    let cause = Setup::new().data(&data).start().api.ended_call_from("first")["cause"].clone();
    format!("{seen}\nfirst: {}", cause.as_str().unwrap_or_default())
}

fn busy_udp() -> String {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    refused(Setup::new().arg("--sip").arg(&taken.local_addr().unwrap().to_string()))
}

fn busy_tcp() -> String {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    refused(Setup::new().arg("--sip").arg(&taken.local_addr().unwrap().to_string()))
}

fn busy_api() -> String {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    refused(Setup::new().arg("--api").arg(&taken.local_addr().unwrap().to_string()))
}

/// A server that starts all the same: what `/readyz` says, and that calls are answered.
fn missing_engines(setup: Setup) -> String {
    let server = setup.start();
    let ready = crate::common::until("the engines to be looked for", || {
        let ready = server.api.send("GET", "/readyz", None, None);
        let found = ready.body["missing_engines"].as_array().is_some_and(|missing| !missing.is_empty());
        found.then_some(ready)
    });
    let call = Calling::to(&server, "echo").script("wait 200ms\nhangup").place();
    assert!(call.report.is_success(), "{}", call.said);
    format!("{} {}", ready.status, ready.body)
}

/// A library that cannot be loaded, because a file that is none is found first.
fn without_library(name: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), "not a library").unwrap();
    missing_engines(Setup::new().env("LD_LIBRARY_PATH", &folder.path().display().to_string()))
}

/// A server without pocketsphinx, once it knows: what `/readyz` says.
fn without_pocketsphinx(config: &str) -> (Server, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("libpocketsphinx.so.3"), "not a library").unwrap();
    let path = folder.path().display().to_string();
    let server = Setup::new().config(config).env("LD_LIBRARY_PATH", &path).start();
    let missing = crate::common::until("the engines to be looked for", || {
        let ready = server.api.send("GET", "/readyz", None, None).body["missing_engines"].to_string();
        ready.contains("speech recognition").then_some(ready)
    });
    (server, missing)
}

fn named_recognizer() -> String {
    let (server, missing) = without_pocketsphinx("[engine]\nrecognizer = \"pocketsphinx\"\n");
    let mut seen = format!("{missing}\n");
    for bot in ["hello", "echo", "after-sales-zh"] {
        let answer = Phone::udp(&server).invite(bot, "");
        seen.push_str(&format!("{bot}: {} {:?}\n", answer.start, answer.header("reason")));
    }
    let dialled = server.api.post("/v1/calls", r#"{"to":"sip:a@127.0.0.1:9","bot":"hello"}"#);
    seen.push_str(&format!("dialled: {} {}\n", dialled.status, dialled.code()));
    let ended = crate::common::until("the record", || {
        let ended = server.api.get("/v1/calls?state=ended").body.to_string();
        ended.contains("engine_unavailable").then_some(ended)
    });
    seen + &ended
}

fn unnamed_recognizer() -> String {
    let (server, missing) = without_pocketsphinx("");
    format!("{missing} hello: {}", Phone::udp(&server).invite("hello", "").start)
}

fn offered(types: &str, attributes: &str) -> String {
    let server = Server::start();
    let body = sdp("127.0.0.1:40000".parse().unwrap(), types, attributes);
    Phone::udp(&server).ask("INVITE", "echo", "Content-Type: application/sdp\r\n", &body).start
}

fn garbage_offer() -> String {
    let server = Server::start();
    Phone::udp(&server).ask("INVITE", "echo", "Content-Type: application/sdp\r\n", "hello").start
}

fn foreign_body() -> String {
    let server = Server::start();
    let answer = Phone::udp(&server).ask("INVITE", "echo", "Content-Type: text/plain\r\n", "hello");
    format!("{} accept: {:?}", answer.start, answer.header("accept"))
}

fn application_down() -> String {
    // A port that was free a moment ago: nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Setup::new().arg("--bridge").arg(&format!("ws://{nobody}/")).start();
    let answer = Phone::udp(&server).invite("bridge", "");
    format!("{} record: {}", answer.start, server.api.ended_call_from("phone")["cause"])
}

fn no_rtp_port() -> String {
    let server = Setup::new().calls(16).start();
    let (first, last) = server.ports;
    let taken: Vec<_> = (first..=last).filter_map(|port| UdpSocket::bind(("127.0.0.1", port)).ok()).collect();
    let answer = Phone::udp(&server).invite("echo", "");
    drop(taken);
    format!("{} retry-after: {:?}", answer.start, answer.header("retry-after"))
}

fn too_many_calls() -> String {
    let server = Setup::new().config("[limits]\ncalls = 1\n").start();
    let mut first = Phone::udp(&server);
    let ok = first.invite("echo", "");
    first.in_dialog("ACK", "echo", &ok);
    let answer = Phone::udp(&server).invite("echo", "");
    format!("{} retry-after: {:?}", answer.start, answer.header("retry-after"))
}
