//! What a configuration may say, and what is told about one that is wrong.

use std::time::Duration;

use offhook_call_media::LineCodec;

use super::{Config, Nat, RtpRange};

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
        ("[media]\ncodecs = [\"pcmu\", \"PCMU\"]", "line 2, column 19: media.codecs: 'PCMU' is there twice"),
        ("[media]\ncodecs = []", "media.codecs: at least one codec is needed: write pcmu, pcma"),
        ("[media]\nptime_ms = 25", "media.ptime_ms: 25 is none of 10, 20, 30, 40, 60"),
        ("[limits]\ncall_time = -1.0", "limits.call_time: -1 is out of range"),
        ("[limits]\ncall_time = \"1h\"", "line 2, column 13: limits.call_time: invalid type: string \"1h\""),
        ("[limits]\nring_time = 1e30", "is out of range: write seconds, 1 to 31536000"),
        ("[limits]\ntick_lateness_ms = 0.0", "0 is out of range: write milliseconds, 1 to 1000"),
        ("[limits]\ncalls = 0", "limits.calls: 0 lets no call in: write 1 or more"),
        ("[[route]]\nbot = \"x\"", "line 1, column 1: route 1: has no condition: add user, did or header"),
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
        ("agents = \"agents@pbx\"", "line 2, column 10: bots.targets.agents: 'agents@pbx' cannot be called"),
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
    let targets =
        "[bots.targets]\na = \"sip:a@192.0.2.9:5070\"\nb = \"sip:b@PBX.example\"\nc = \"sip:c@127.0.0.1\"\n";
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
    assert_eq!([a.trunk.as_deref(), b.trunk.as_deref(), none.trunk.as_deref()], [Some("a"), Some("b"), None]);
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
        ("name = \"t\"\nallow = [\"10.0.0.1\"]\nlimits.call_time = 0", "limits.call_time: 0 is out of range"),
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
