//! A running `offhook serve`.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::api::Api;
use super::{program, until, until_within};

/// How a server shall be started.
#[derive(Default)]
pub struct Setup {
    config: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    data: Option<PathBuf>,
    ports: Option<(u16, u16)>,
    shell: Option<String>,
}

impl Setup {
    pub fn new() -> Self {
        Self::default()
    }

    /// The text of its configuration file.
    pub fn config(mut self, toml: &str) -> Self {
        self.config.push_str(toml);
        self
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A line of shell that is done in the server's process before it becomes the server.
    pub fn shell(mut self, line: &str) -> Self {
        self.shell = Some(line.to_owned());
        self
    }

    /// A data folder that outlives the server.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Room for this many calls; 64 where nothing is said.
    pub fn calls(mut self, calls: u16) -> Self {
        self.ports = Some(free_block(calls));
        self
    }

    /// Starts it and waits until it takes calls.
    pub fn start(self) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let data = self.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let ports = self.ports.unwrap_or_else(|| free_block(64));
        let mut command = self.command(folder.path(), &data, ports);
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        let log = Log::of(&mut child);
        let ready = until("the server to be ready", || {
            let ready = log.find(|line| line["fields"]["message"] == "ready for calls");
            if ready.is_none() && child.try_wait().unwrap().is_some() {
                panic!("the server ended at once:\n{}", log.text());
            }
            ready
        });
        let address = |name: &str| -> SocketAddr { ready["fields"][name].as_str().unwrap().parse().unwrap() };
        let key = std::fs::read_to_string(data.join("api-key")).unwrap_or_default();
        let (sip, api) = (address("sip"), address("api"));
        let api = Api::new(api, key.trim());
        Server { sip, api, data, ports, ready_within: began.elapsed(), log, child, _folder: folder }
    }

    /// Runs one that is to end by itself; answers its exit code and what it said.
    pub fn run_to_its_end(self) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().unwrap();
        let data = self.data.clone().unwrap_or_else(|| folder.path().join("data"));
        let mut child = self.command(folder.path(), &data, free_block(4)).spawn().unwrap();
        let log = Log::of(&mut child);
        let status = until("the server to end by itself", || child.try_wait().unwrap());
        (status.code(), log.whole())
    }

    fn command(&self, folder: &Path, data: &Path, ports: (u16, u16)) -> Command {
        let config = folder.join("offhook.toml");
        std::fs::write(&config, &self.config).unwrap();
        let mut command = match &self.shell {
            None => Command::new(program()),
            Some(line) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{line}; exec \"$0\" \"$@\"")]).arg(program());
                shell
            }
        };
        command.arg("serve").arg("--config").arg(config).arg("--data").arg(data);
        for (option, address) in [("--sip", "127.0.0.1:0"), ("--api", "127.0.0.1:0")] {
            if !self.args.iter().any(|arg| arg == option) {
                command.args([option, address]);
            }
        }
        command.args(["--rtp", &format!("{}-{}", ports.0, ports.1)]).args(&self.args);
        command.env("OFFHOOK_LOG_JSON", "1").env_remove("OFFHOOK_LOG");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }
}

/// A server that takes calls; it is killed when the test is over.
pub struct Server {
    pub sip: SocketAddr,
    pub api: Api,
    pub data: PathBuf,
    /// First and last RTP port.
    pub ports: (u16, u16),
    pub ready_within: Duration,
    log: Log,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Server {
    /// One with the built-in defaults.
    pub fn start() -> Server {
        Setup::new().start()
    }

    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.sip)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        until_within(limit, "the server to end", || self.child.try_wait().unwrap())
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The value of a metric with its labels, as `offhook_calls` or `offhook_worker_calls{worker="0"}`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let metrics = self.api.text("/metrics");
        let line =
            metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// The thread ids of the media workers.
    pub fn worker_threads(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let mut threads: Vec<u32> = tasks
            .flatten()
            .filter(|task| {
                let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
                name.starts_with("media-")
            })
            .filter_map(|task| task.file_name().to_string_lossy().parse().ok())
            .collect();
        threads.sort_unstable();
        threads
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log\n{}", self.log.text());
        }
    }
}

/// What the server writes to stderr, line by line.
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

impl Log {
    fn of(child: &mut Child) -> Log {
        let stderr = child.stderr.take().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                written.lock().unwrap().push(line);
            }
        });
        Log { lines, reader: Some(reader) }
    }

    fn find(&self, wanted: impl Fn(&serde_json::Value) -> bool) -> Option<serde_json::Value> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).find(wanted)
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Everything, once the program has ended.
    fn whole(mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.text()
    }
}

/// A block of ports that nobody uses now, below those that the kernel gives away. Another server may choose an
/// overlapping one: both pass over ports that are taken.
fn free_block(calls: u16) -> (u16, u16) {
    let length = calls * 2;
    until("a free block of RTP ports", || {
        let first = (20_000 + random() % u64::from(12_000 - length)) as u16 & !1;
        let free = |port: u16| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        (first..first + length)
            .step_by(usize::from(length / 16).max(1))
            .all(free)
            .then_some((first, first + length - 1))
    })
}

/// A number that differs from run to run.
pub fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
