//! baresip: a foreign softphone calls.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crate::common::{Server, repository, skip, together, tool, until};

/// Where Debian puts baresip's modules.
const MODULES: &str = "/usr/lib/baresip/modules";

#[test]
fn baresip_calls_the_echo_over_udp_and_tcp_and_hangs_up() {
    let _turn = together();
    let Some(program) = tool("baresip").filter(|_| Path::new(MODULES).is_dir()) else {
        return skip("baresip_calls_the_echo", "baresip is not installed (apt install baresip-core)");
    };
    let server = Server::start();
    for transport in ["udp", "tcp"] {
        let caller = format!("baresip-{transport}");
        let mut phone = Baresip::start(&program, &caller, transport);

        phone.command(&format!("/dial {}", server.uri("echo")));

        phone.wait_for("Call established");
        let id = server.api.answered_call_from(&caller);
        until("a second of talk", || {
            let record = server.api.get(&format!("/v1/calls/{id}")).body;
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
                as i64;
            (now - record["answered_unix_ms"].as_i64().unwrap() > 1000).then_some(())
        });
        phone.command("/hangup");
        phone.wait_for("terminated (duration");
        let record = server.api.ended_call_from(&caller);
        assert_eq!(record["cause"], "caller_hung_up", "{record}");
        let packets =
            |side: &str| record["media"]["caller"][side].as_u64().unwrap_or_else(|| panic!("{record}"));
        assert!(packets("received") > 40 && packets("sent") > 40, "{record}");
    }
}

struct Baresip {
    child: Child,
    said: Arc<Mutex<String>>,
    _folder: tempfile::TempDir,
}

impl Baresip {
    /// One with a configuration of its own, a sound file for a microphone, and no loudspeaker.
    fn start(program: &Path, user: &str, transport: &str) -> Baresip {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let voice = repository("audio-samples/order-status-slt.wav").canonicalize().unwrap();
        let config = format!(
            "sip_listen 127.0.0.1:0\ncall_max_calls 1\naudio_source aufile,{}\naudio_player aufile,{}\naudio_alert aufile,{}\n\
             module_path {MODULES}\nmodule stdio.so\nmodule g711.so\nmodule aufile.so\nmodule_app account.so\nmodule_app menu.so\n",
            voice.display(),
            folder.path().join("heard.wav").display(),
            folder.path().join("alert.wav").display(),
        );
        write("config", &config);
        write(
            "accounts",
            &format!("<sip:{user}@127.0.0.1;transport={transport}>;regint=0;audio_codecs=pcmu\n"),
        );
        write("contacts", "");
        let mut child = Command::new(program)
            .arg("-f")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        collect(out, Arc::clone(&said));
        collect(err, Arc::clone(&said));
        let phone = Baresip { child, said, _folder: folder };
        phone.wait_for("baresip is ready");
        phone
    }

    fn command(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    #[track_caller]
    fn wait_for(&self, what: &str) {
        let said = || self.said.lock().unwrap().clone();
        until(&format!("baresip to say '{what}'"), || said().contains(what).then_some(()));
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- baresip said\n{}", self.said.lock().unwrap());
        }
    }
}

fn collect(stream: impl std::io::Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let mut said = into.lock().unwrap();
            said.push_str(&String::from_utf8_lossy(&line));
            said.push('\n');
        }
    });
}
