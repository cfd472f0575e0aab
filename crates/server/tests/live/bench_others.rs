//! The lab measures others: SIPp and baresip, which return what they hear, by the benches that measure us. No server of
//! ours takes part. `make bench-foreign` measures them in earnest.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use offhook_caller::bench::{cps, latency};
use offhook_caller::call::Stop;

use crate::common::{skip, together, tool, until};

/// Where Debian puts baresip's modules.
const MODULES: &str = "/usr/lib/baresip/modules";

#[test]
fn bench_latency_and_cps_measure_sipp() {
    let _turn = together();
    let Some(program) = tool("sipp") else {
        return skip("bench_latency_and_cps_measure_sipp", "SIPp is not installed (apt install sip-tester)");
    };
    let (port, rtp) = (free_port(), free_port());
    let mut command = Command::new(program);
    command.args(["-sn", "uas", "-rtp_echo", "-nostdin", "-i", "127.0.0.1", "-mi", "127.0.0.1"]);
    command.args(["-p", &port.to_string(), "-mp", &rtp.to_string()]).env("TERM", "dumb");
    let _sipp = Running::start(command);
    let uri = format!("sip:service@127.0.0.1:{port}");

    let echoed = until("SIPp to answer", || measure(&uri).ok());
    let rate = cps::run(
        &cps::CpsOptions {
            measure: Duration::from_secs(1),
            reflector: false,
            realtime: false,
            ..cps::CpsOptions::to(uri)
        },
        &Stop::default(),
    )
    .unwrap();

    assert!(echoed.all.frames >= 50 && echoed.all.damaged * 10 <= echoed.all.frames, "{echoed:#?}");
    assert!(rate.server.completed >= 10 && rate.server.failed == 0, "{rate:#?}");
}

/// It names an address of the machine in its description, and answers a caller on loopback from loopback.
#[test]
fn bench_latency_measures_baresip() {
    let _turn = together();
    let Some(program) = tool("baresip").filter(|_| Path::new(MODULES).is_dir()) else {
        return skip("bench_latency_measures_baresip", "baresip is not installed (apt install baresip-core)");
    };
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "sip_listen 127.0.0.1:{port}\naudio_source aubridge,a\naudio_player aubridge,a\naudio_alert aubridge,a\n\
         module_path {MODULES}\nmodule g711.so\nmodule aubridge.so\nmodule_app account.so\nmodule_app echo.so\n"
    );
    let accounts = "<sip:echo@127.0.0.1>;regint=0;audio_codecs=pcmu,pcma\n";
    for (name, text) in [("config", config.as_str()), ("accounts", accounts), ("contacts", "")] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = Command::new(program);
    command.arg("-f").arg(folder.path());
    let _baresip = Running::start(command);

    let echoed = until("baresip to answer", || measure(&format!("sip:echo@127.0.0.1:{port}")).ok());

    assert!(echoed.all.added_ms.count >= 25, "{echoed:#?}");
    assert!(echoed.server_software.is_some_and(|software| software.contains("baresip")));
}

/// An error until the far side is there.
fn measure(uri: &str) -> Result<latency::LatencyReport, offhook_caller::CallerError> {
    let options = latency::LatencyOptions {
        measure: Duration::from_secs(2),
        reflector: false,
        realtime: false,
        ..latency::LatencyOptions::to(uri)
    };
    latency::run(&options, &Stop::default())
}

/// A port that the kernel just gave away and took back: these programs want a number.
fn free_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Running {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
