//! Sends spans to a collector: OTLP over HTTP, protobuf, in batches, with the retries that the specification asks for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::otlp::{self, Resource};
use super::{Span, TraceStats, Tracer};
use crate::config::TraceConfig;

/// Spans that may wait: a minute of a hundred calls. One takes half a KiB.
const QUEUE: usize = 8192;

/// Spans of one request.
const BATCH: usize = 512;

/// How long a span waits for company.
const GATHER: Duration = Duration::from_secs(1);

/// How long the collector may take for one request.
const ANSWER: Duration = Duration::from_secs(10);

/// First pause after a failure; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long one batch is tried at most; others wait meanwhile.
const TRY_FOR: Duration = Duration::from_secs(30);

/// How long the end of the server waits for the collector.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The longest answer that is looked at.
const LONGEST_ANSWER: usize = 64 * 1024;

/// The export of traces as the server holds it.
#[derive(Debug)]
pub struct Exporter {
    /// The way in.
    pub tracer: Tracer,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Starts it. `None` where no collector is configured.
    ///
    /// # Errors
    /// A header is not there or is none; TLS cannot be set up.
    pub fn start(
        config: &TraceConfig,
        stats: Arc<TraceStats>,
        runtime: &Handle,
    ) -> anyhow::Result<Option<Exporter>> {
        let Some(collector) = Collector::new(config)? else { return Ok(None) };
        let (sender, queue) = channel(QUEUE);
        let tracer = Tracer::new(sender, Arc::clone(&stats), config.sample);
        let export = Export { collector, resource: resource(&config.service), stats, is_away: false };
        let task = runtime.spawn(export.run(queue));
        Ok(Some(Exporter { tracer, task }))
    }

    /// Sends what is there, once nobody else has a [`Tracer`] any more. A collector that does not answer is waited for only
    /// so long.
    pub fn stop(self, runtime: &Handle) {
        let Exporter { tracer, task } = self;
        drop(tracer);
        if runtime.block_on(async { tokio::time::timeout(LAST_WORDS, task).await }).is_err() {
            tracing::warn!("the collector of traces does not answer: the latest spans are lost");
        }
    }
}

/// What a collector says to a request without spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceProbe {
    /// It takes spans.
    Takes,
    /// It answers, and does not.
    Refuses(u16),
    /// It does not answer.
    Unreachable(String),
}

/// Asks the configured collector whether it takes spans; `None` where there is none.
///
/// # Errors
/// As [`Exporter::start`].
pub async fn probe(config: &TraceConfig) -> anyhow::Result<Option<TraceProbe>> {
    let Some(collector) = Collector::new(config)? else { return Ok(None) };
    Ok(Some(match collector.post(otlp::request(&Resource(Vec::new()), &[])).await {
        Ok(response) if response.status().is_success() => TraceProbe::Takes,
        Ok(response) => TraceProbe::Refuses(response.status().as_u16()),
        Err(error) => TraceProbe::Unreachable(chain(&error)),
    }))
}

struct Collector {
    client: reqwest::Client,
    url: String,
}

impl Collector {
    fn new(config: &TraceConfig) -> anyhow::Result<Option<Collector>> {
        let Some(url) = config.otlp.clone() else { return Ok(None) };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        for (name, value) in config.reveal_headers()? {
            let mut value = HeaderValue::from_str(&value)
                .with_context(|| format!("trace.headers.{name}: no value of a header"))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).context("trace.headers")?, value);
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(2))
            .timeout(ANSWER)
            .default_headers(headers)
            .user_agent(concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("HTTP client for traces")?;
        Ok(Some(Collector { client, url }))
    }

    async fn post(&self, body: Vec<u8>) -> reqwest::Result<reqwest::Response> {
        self.client.post(&self.url).body(body).send().await
    }
}

struct Export {
    collector: Collector,
    resource: Resource,
    stats: Arc<TraceStats>,
    /// That the collector does not take what it should was said.
    is_away: bool,
}

/// What to do with a batch that was sent.
enum Verdict {
    Taken,
    /// But for so many, for this reason.
    InPart(u64, String),
    /// Try again, after this long where the collector says so.
    Again(Option<Duration>, String),
    GiveUp(String),
}

impl Export {
    async fn run(mut self, mut queue: Receiver<Span>) {
        let mut batch = Vec::new();
        while let Some(span) = queue.recv().await {
            batch.push(span);
            let until = Instant::now() + GATHER;
            while batch.len() < BATCH {
                let room = BATCH - batch.len();
                match tokio::time::timeout_at(until, queue.recv_many(&mut batch, room)).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
            }
            self.send(&batch, &queue).await;
            batch.clear();
        }
    }

    async fn send(&mut self, batch: &[Span], queue: &Receiver<Span>) {
        let body = otlp::request(&self.resource, batch);
        let began = Instant::now();
        let mut pause = FIRST_PAUSE;
        let why = loop {
            match self.try_once(body.clone(), batch.len() as u64).await {
                Verdict::Taken => {
                    if std::mem::take(&mut self.is_away) {
                        tracing::info!("the collector of traces takes spans again");
                    }
                    return;
                }
                Verdict::InPart(refused, said) => {
                    if !std::mem::replace(&mut self.is_away, true) {
                        tracing::warn!(refused, said, "the collector of traces does not take every span");
                    }
                    return;
                }
                Verdict::GiveUp(why) => break why,
                Verdict::Again(after, why) => {
                    let wait = after.unwrap_or(pause);
                    // At the end of the server nobody waits for better times.
                    if queue.is_closed() || began.elapsed() + wait > TRY_FOR {
                        break why;
                    }
                    tokio::time::sleep(wait).await;
                    pause *= 2;
                }
            }
        };
        self.stats.failed.fetch_add(batch.len() as u64, Ordering::Relaxed);
        if !std::mem::replace(&mut self.is_away, true) {
            tracing::warn!(why, url = self.collector.url, "the collector of traces takes no spans");
        }
    }

    async fn try_once(&self, body: Vec<u8>, spans: u64) -> Verdict {
        let response = match self.collector.post(body).await {
            Ok(response) => response,
            Err(error) => return Verdict::Again(None, chain(&error)),
        };
        let status = response.status();
        if status.is_success() {
            let rejected = match bounded(response).await {
                Some(answer) => otlp::rejected(&answer),
                None => None,
            };
            let (refused, said) = rejected.unwrap_or_default();
            let refused = refused.min(spans);
            self.stats.exported.fetch_add(spans - refused, Ordering::Relaxed);
            self.stats.failed.fetch_add(refused, Ordering::Relaxed);
            return if refused > 0 { Verdict::InPart(refused, said) } else { Verdict::Taken };
        }
        let why = format!("it answers {status}");
        // OTLP 1.x, "Retryable response codes": these, and no others.
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                let after = after.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
                Verdict::Again(after, why)
            }
            _ => Verdict::GiveUp(why),
        }
    }
}

/// The body, where it is no longer than anything a collector has to say.
async fn bounded(mut response: reqwest::Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.ok()? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return None;
        }
    }
    Some(body)
}

/// An error and its causes: reqwest's own words alone do not say why.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}

/// Who we are, in the terms of the semantic conventions for resources.
fn resource(service: &str) -> Resource {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Resource(vec![
        ("service.name", service.into()),
        ("service.version", env!("CARGO_PKG_VERSION").into()),
        ("service.instance.id", uuid::Uuid::now_v7().to_string().into()),
        ("host.name", host.trim().into()),
        ("process.pid", std::process::id().into()),
        ("telemetry.sdk.name", "offhook".into()),
        ("telemetry.sdk.language", "rust".into()),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION").into()),
    ])
}
