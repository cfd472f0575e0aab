//! HTTP tools of bots.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use offhook_call_control::TRACEPARENT;
use offhook_conversation::{ToolAnswer, ToolCall, ToolFailure, ToolSecret};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// An answer longer than this is refused: it has to fit a conversation's variables.
const LONGEST_BODY: usize = 256 * 1024;

/// Runs the tools of all calls, each with its own time-out. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tools {
    client: reqwest::Client,
    runtime: Handle,
    running: Arc<Mutex<BTreeMap<(u64, u64), AbortHandle>>>,
}

impl Tools {
    /// A client that follows no redirects and keeps connections open.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub fn new(runtime: Handle) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(2))
            .user_agent(concat!("offhook/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Tools { client, runtime, running: Arc::default() })
    }

    /// Runs `tool` of `call`; `done` gets its outcome, unless it is cancelled.
    pub fn run(
        &self,
        call: u64,
        tool: ToolCall,
        done: impl FnOnce(Result<ToolAnswer, ToolFailure>) + Send + 'static,
    ) {
        self.run_in_trace(call, tool, None, done);
    }

    /// [`run`](Self::run), telling the tool of the trace that it is asked in. A `traceparent` of the bot's own wins.
    pub fn run_in_trace(
        &self,
        call: u64,
        tool: ToolCall,
        traceparent: Option<String>,
        done: impl FnOnce(Result<ToolAnswer, ToolFailure>) + Send + 'static,
    ) {
        let id = (call, tool.id.0);
        let client = self.client.clone();
        let running = Arc::clone(&self.running);
        let task = self.runtime.spawn(async move {
            let timeout = tool.timeout;
            let outcome = tokio::time::timeout(timeout, request(&client, tool, traceparent)).await;
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
            done(outcome.unwrap_or(Err(ToolFailure::TimedOut)));
        });
        let handle = task.abort_handle();
        if !handle.is_finished() {
            self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(id, handle);
        }
    }

    /// The result is not wanted any more.
    pub fn cancel(&self, call: u64, tool: u64) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&(call, tool));
        if let Some(task) = running {
            task.abort();
        }
    }

    /// The call is over.
    pub fn cancel_all(&self, call: u64) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<_> = running.range((call, 0)..=(call, u64::MAX)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(task) = running.remove(&id) {
                task.abort();
            }
        }
    }
}

async fn request(
    client: &reqwest::Client,
    mut tool: ToolCall,
    traceparent: Option<String>,
) -> Result<ToolAnswer, ToolFailure> {
    let refused = |why: String| ToolFailure::Refused(why);
    if let Some(ToolSecret { headers, body }) = std::mem::take(&mut tool.secret).into_revealed() {
        (tool.headers, tool.body) = (headers, body);
    }
    let method = reqwest::Method::from_bytes(tool.method.as_bytes())
        .map_err(|_| refused(format!("'{}' is no method", tool.method)))?;
    let mut request = client.request(method, &tool.url);
    let mut has_content_type = false;
    let mut has_trace = false;
    for (name, value) in &tool.headers {
        has_content_type |= name.eq_ignore_ascii_case("content-type");
        has_trace |= name.eq_ignore_ascii_case(TRACEPARENT);
        request = request.header(name, value);
    }
    if let Some(traceparent) = traceparent.filter(|_| !has_trace) {
        request = request.header(TRACEPARENT, traceparent);
    }
    if let Some(body) = tool.body {
        if !has_content_type {
            request = request.header("content-type", "application/json");
        }
        request = request.body(body);
    }
    let mut response = request.send().await.map_err(|error| failure(&error))?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_BODY {
            return Err(refused(format!("the answer is longer than {LONGEST_BODY} bytes")));
        }
    }
    Ok(ToolAnswer { status, body: String::from_utf8_lossy(&body).into_owned() })
}

fn failure(error: &reqwest::Error) -> ToolFailure {
    if error.is_timeout() {
        ToolFailure::TimedOut
    } else if error.is_builder() {
        ToolFailure::Refused(error.to_string())
    } else {
        ToolFailure::Unreachable(error.to_string())
    }
}
