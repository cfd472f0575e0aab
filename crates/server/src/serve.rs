//! `offhook serve`: puts the parts together, waits for a signal, takes them apart again.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use offhook_engines::host::{HostPool, HostStatus, NativeEngine};
use offhook_engines::websocket::{BridgeConfig, BridgeHub};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::api::{ApiKey, ApiState, EventHub, Readiness, router};
use crate::bots::Bots;
use crate::cli::ServeArgs;
use crate::config::{Config, RtpRange};
use crate::control::{
    self, CALLS_PER_WORKER, ControlConfig, ControlDoor, ControlHandle, SipSockets, ToControl,
};
use crate::hep::{Hep, HepStats, HepTap};
use crate::recorder::{Janitor, Recorder, RecorderStats, Retention};
use crate::speech::{Engines, Missing, RecognizerHandle, spawn_recognizers};
use crate::storage::Storage;
use crate::tools::Tools;
use crate::trace::{Exporter, TraceStats, Tracer};
use crate::worker::{self, SpeechUplink, ToWorker, WayBack, WorkerConfig, WorkerHandle};

/// Events that may wait for control, of all workers together.
const EVENTS: usize = 1 << 16;

/// Messages that may wait for one worker.
const MESSAGES: usize = 1 << 14;

/// An engine that has not told by then is slow, not missing.
const ENGINE_TELLS_WITHIN: Duration = Duration::from_secs(60);

/// Frames that may wait for the recognizers: half a second of a thousand calls would be 25,000; recognizers keep up or
/// the oldest goes.
const HEARD_FRAMES: usize = 4096;

/// How long callers may take for the answer to our BYE at the end of a drain.
const FAREWELLS: Duration = Duration::from_secs(3);

/// The same where a second signal said that nobody waits: the BYEs leave, and that is all.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// What the rest may take after them: records, bundles, threads.
const HURRIED_END: Duration = Duration::from_millis(500);

/// Configuration file and command line, put together.
///
/// # Errors
/// What is wrong, where, and what would be right.
pub fn configuration(args: &ServeArgs) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    if let Some(sip) = args.sip {
        config.sip = sip;
    }
    if let Some(api) = args.api {
        config.api = api;
    }
    if let Some(rtp) = &args.rtp {
        config.rtp = RtpRange::parse(rtp).map_err(|what| anyhow::anyhow!("--rtp: {what}"))?;
    }
    match args.advertise {
        Some(address) if address.is_ipv6() => config.advertise_v6 = Some(address),
        Some(address) => config.advertise = Some(address),
        None => {}
    }
    if let Some(bridge) = &args.bridge {
        if !bridge.starts_with("ws://") {
            bail!("--bridge: '{bridge}' is not ws://HOST:PORT/PATH");
        }
        config.bridge = Some(bridge.clone());
    }
    if let Some(data) = &args.data {
        config.data.clone_from(data);
    }
    Ok(config)
}

/// Runs the server until it is told to end.
///
/// # Errors
/// What could not be started, and why.
pub fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let config = Arc::new(configuration(args)?);
    let bots = Bots::load(config.bots.as_deref())?;
    bots.check_routes(&config)?;
    for note in bots.notes(&config) {
        tracing::warn!("{note}");
    }
    let sockets = SipSockets::bind(config.sip, config.sip_dscp)
        .with_context(|| format!("SIP cannot listen on {}: choose another with --sip", config.sip))?;
    crate::panics::keep_workers_short();
    // Frames on their way to applications are taken and freed in bursts, many times a second.
    offhook_linux_ffi::keep_freed_memory(8 << 20);
    // Media sockets are two per call, and the shell's usual limit is 1024.
    let _ = offhook_linux_ffi::raise_open_file_limit(1 << 20);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("http")
        .enable_all()
        .build()
        .context("the HTTP runtime cannot start")?;
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(config.api))
        .with_context(|| format!("the API cannot listen on {}: choose another with --api", config.api))?;
    prepare_data(&config.data)?;
    let key = match &config.api_key {
        Some(secret) => {
            let key = secret.reveal().map_err(|why| anyhow::anyhow!("api.key: {why}"))?;
            if key.is_empty() {
                bail!("api.key is empty: write a key, or leave it out to have one made");
            }
            ApiKey::new(&key)
        }
        None => ApiKey::in_file(&config.data.join("api-key"))
            .with_context(|| format!("the API key in {}", config.data.display()))?,
    };
    let metrics = install_metrics()?;
    let (storage, storage_thread) = Storage::start(&config.data, runtime.handle().clone())
        .with_context(|| format!("storage in {}", config.data.display()))?;
    let readiness = Arc::new(Readiness::default());
    let recording = Arc::new(RecorderStats::default());
    let retention = Retention { keep_days: config.bundle.keep_days, max_bytes: config.bundle.max_bytes };
    let janitor = Janitor::start(config.data.clone(), retention, Arc::clone(&recording))
        .context("the thread that removes old bundles")?;
    let recorder = start_recorder(&config, &recording)?;
    let (traces, copies) = (Arc::new(TraceStats::default()), Arc::new(HepStats::default()));
    let exporter = Exporter::start(&config.trace, Arc::clone(&traces), runtime.handle())?;
    let hep = Hep::start(&config.hep, Arc::clone(&copies))?;
    let around = Around {
        storage: &storage,
        recorder: recorder.as_ref(),
        readiness: &readiness,
        tracer: exporter.as_ref().map(|exporter| &exporter.tracer),
        hep: hep.as_ref().map(|hep| &hep.tap),
    };
    let server = start_parts(args, &config, bots, sockets, around, runtime.handle())?;
    let state = ApiState {
        control: server.control.clone(),
        storage: storage.clone(),
        events: server.events.clone(),
        key: Arc::new(key),
        readiness: Arc::clone(&readiness),
        metrics,
        workers: server.workers.clone(),
        heard: Arc::clone(&server.heard),
        recognizers: server.recognizers.clone(),
        recording,
        traces,
        hep: copies,
        data: config.data.clone(),
    };
    let api = listener.local_addr().context("the API's address")?;
    let http = runtime.spawn(async move { axum::serve(listener, router(state)).await });
    readiness.set_started();
    tracing::info!(sip = %server.sip, %api, data = %config.data.display(), "ready for calls");
    let drain = config.drain_timeout;
    runtime.block_on(wait_for_the_end(&server.control, &readiness, drain))?;
    server.stop();
    if let Some(recorder) = recorder {
        recorder.stop();
    }
    if let Some(hep) = hep {
        hep.stop();
    }
    if let Some(exporter) = exporter {
        exporter.stop(runtime.handle());
    }
    drop(janitor);
    http.abort();
    storage.flush();
    drop(storage);
    runtime.shutdown_timeout(Duration::from_secs(1));
    let _ = storage_thread.join();
    tracing::info!("ended");
    Ok(())
}

struct Server {
    sip: SocketAddr,
    control: ControlHandle,
    control_thread: JoinHandle<()>,
    workers: Vec<WorkerHandle>,
    worker_threads: Vec<JoinHandle<()>>,
    events: EventHub,
    heard: Arc<SpeechUplink>,
    recognizers: RecognizerHandle,
}

/// What calls leave behind, and where it is told what is missing.
#[derive(Clone, Copy)]
struct Around<'a> {
    storage: &'a Storage,
    recorder: Option<&'a Recorder>,
    readiness: &'a Arc<Readiness>,
    tracer: Option<&'a Tracer>,
    hep: Option<&'a HepTap>,
}

/// `None` where no call is to be recorded.
fn start_recorder(config: &Config, stats: &Arc<RecorderStats>) -> anyhow::Result<Option<Recorder>> {
    if !config.records_any() {
        return Ok(None);
    }
    let (data, stats) = (config.data.clone(), Arc::clone(stats));
    Recorder::start(&config.bundle, data, &config.hash, config.workers, stats).context("recorder").map(Some)
}

fn start_parts(
    args: &ServeArgs,
    config: &Arc<Config>,
    bots: Bots,
    sockets: SipSockets,
    around: Around<'_>,
    runtime: &tokio::runtime::Handle,
) -> anyhow::Result<Server> {
    let Around { storage, recorder, readiness, tracer, hep } = around;
    let program = std::env::current_exe().context("this program's own path")?;
    if config.realtime == Some(true) {
        require_realtime()?;
    }
    let (engines, missing) = Engines::start(config, &program);
    for missing in &missing {
        tell_missing(missing, readiness);
    }
    for pool in engines.pools() {
        let demanded_by = engines.demanded_by(pool.engine());
        watch_engine(Arc::clone(pool), demanded_by, Arc::clone(readiness)).context("engine's watch")?;
    }
    let heard = SpeechUplink::new(HEARD_FRAMES).context("speech queue")?;
    let (recognizers, _) = spawn_recognizers(Arc::clone(&heard)).context("recognizers' thread")?;
    let bridge = match &config.bridge {
        Some(_) => {
            let hub = BridgeConfig { realtime: config.realtime != Some(false), ..BridgeConfig::default() };
            Some(BridgeHub::start(hub).context("bridge")?)
        }
        None => None,
    };
    let door = ControlDoor::new(EVENTS).context("control's door")?;
    let control = door.handle.clone();
    let mut workers = Vec::new();
    let mut worker_threads = Vec::new();
    for number in 0..config.workers {
        let handle = WorkerHandle::new(MESSAGES).context("worker's inbox")?;
        let worker = WorkerConfig {
            number,
            handle: handle.clone(),
            control: WayBack::new(
                Arc::clone(&door.from_workers),
                Arc::clone(&door.waker),
                Arc::clone(&handle.health),
            ),
            speech: Arc::clone(&heard),
            bridge: bridge.clone(),
            realtime: config.realtime != Some(false),
            tap: recorder.and_then(|recorder| recorder.media_tap(number)),
            calls: CALLS_PER_WORKER,
        };
        worker_threads.push(worker::spawn(worker).context("media worker")?);
        workers.push(handle);
    }
    let sip = sockets.local;
    let events = EventHub::new();
    let control_config = ControlConfig {
        config: Arc::clone(config),
        bots,
        engines,
        recognizers: recognizers.clone(),
        tools: Tools::new(runtime.clone()).context("HTTP client")?,
        bridge,
        storage: storage.clone(),
        events: events.clone(),
        tap: recorder.map(|recorder| recorder.tap.clone()),
        hep: hep.cloned(),
        tracer: tracer.cloned(),
        allow_planted_panics: args.allow_planted_panics,
        calls_per_worker: CALLS_PER_WORKER,
    };
    let control_thread =
        control::spawn(control_config, sockets, door, workers.clone()).context("control thread")?;
    Ok(Server { sip, control, control_thread, workers, worker_threads, events, heard, recognizers })
}

/// One that the configuration names is an error: calls are refused for it.
fn tell_missing(missing: &Missing, readiness: &Readiness) {
    match missing.demanded_by {
        Some(_) => tracing::error!("{missing}"),
        None => tracing::warn!("{missing}"),
    }
    readiness.note_missing(missing.to_string());
}

/// A native engine tells in its own time whether it is there: readiness does not wait for it, but shows it.
fn watch_engine(
    pool: Arc<HostPool>,
    demanded_by: Option<&'static str>,
    readiness: Arc<Readiness>,
) -> std::io::Result<()> {
    let role = match pool.engine() {
        NativeEngine::Pocketsphinx => "speech recognition",
        NativeEngine::Flite => "English speech",
    };
    let watch = move || {
        if let HostStatus::Failed(why) = pool.wait_until_warm(ENGINE_TELLS_WITHIN) {
            tell_missing(&Missing { role, why, demanded_by }, &readiness);
        }
    };
    std::thread::Builder::new().name("engine-watch".into()).spawn(watch).map(drop)
}

impl Server {
    fn stop(self) {
        self.control.send(ToControl::Stop);
        // What a thread had to say in a panic was logged where it happened.
        let _ = self.control_thread.join();
        for worker in &self.workers {
            worker.send(ToWorker::Stop);
        }
        for thread in self.worker_threads {
            let _ = thread.join();
        }
    }
}

/// The signals that end a server.
struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    fn listen() -> anyhow::Result<Self> {
        Ok(EndSignals {
            terminate: signal(SignalKind::terminate()).context("SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("SIGINT")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// SIGTERM and Ctrl-C drain: no new calls, running ones finish within the time-out, then BYE. A second signal ends all
/// at once, with a BYE but without waiting for its answer; a third one does not wait for anything.
async fn wait_for_the_end(
    control: &ControlHandle,
    readiness: &Readiness,
    drain: Duration,
) -> anyhow::Result<()> {
    let mut signals = EndSignals::listen()?;
    signals.next().await;
    readiness.set_draining();
    tracing::info!(seconds = drain.as_secs_f64(), "draining: no new calls, running ones may finish");
    let (done, drained) = oneshot::channel();
    control.send(ToControl::Drain(done));
    let (finished, mut hurried) = tokio::select! {
        finished = tokio::time::timeout(drain, drained) => (finished.is_ok(), false),
        () = signals.next() => (false, true),
    };
    if !finished {
        tracing::warn!("ending the calls that are left");
        let (done, ended) = oneshot::channel();
        control.send(ToControl::EndAll(done));
        let patience = if hurried { LAST_WORDS } else { FAREWELLS };
        let last_words = tokio::time::timeout(patience, ended);
        tokio::pin!(last_words);
        tokio::select! {
            _ = &mut last_words => {}
            () = signals.next(), if !hurried => {
                hurried = true;
            }
        }
    }
    if hurried {
        // What a slow disk still owes is put right from the journal at the next start.
        std::thread::spawn(|| {
            std::thread::sleep(HURRIED_END);
            end_without_waiting();
        });
    }
    tokio::spawn(async move {
        signals.next().await;
        end_without_waiting();
    });
    Ok(())
}

fn end_without_waiting() {
    tracing::warn!("ended without waiting for the disk: the next start completes the records");
    std::process::exit(1);
}

/// `media.realtime = "on"` is a promise: without the right to it the server does not start.
fn require_realtime() -> anyhow::Result<()> {
    // On a thread of its own, which ends with the priority it got.
    let tried =
        std::thread::spawn(|| offhook_linux_ffi::set_realtime_priority(10).map_err(|why| why.to_string()));
    match tried.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(why)) => bail!("media.realtime = \"on\": {why}; give the right to it, or write \"auto\""),
        Err(_) => bail!("media.realtime = \"on\": it could not be tried"),
    }
}

/// Everything that is written from here on is the owner's alone: records hold phone numbers and what people said.
fn prepare_data(folder: &Path) -> anyhow::Result<()> {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| {
        format!("the data folder {} cannot be made: choose another with --data", folder.display())
    })
}

fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let seconds = [0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Prefix("offhook_turn".into()), &seconds)
        .context("metrics")?
        .install_recorder()
        .context("metrics")?;
    crate::metrics_help::describe();
    Ok(handle)
}
