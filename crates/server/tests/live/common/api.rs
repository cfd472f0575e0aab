//! The HTTP API as a client sees it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::until;

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    })
}

/// Status and body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The stable code of an error, in the one shape that errors have.
    pub fn code(&self) -> &str {
        let has_message = self.body["error"]["message"].as_str().is_some_and(|message| !message.is_empty());
        if has_message { self.body["error"]["code"].as_str().unwrap_or("?") } else { "no error body" }
    }
}

/// One server's API.
pub struct Api {
    address: SocketAddr,
    key: String,
    client: reqwest::Client,
}

impl Api {
    pub fn new(address: SocketAddr, key: &str) -> Api {
        let _entered = runtime().enter();
        Api { address, key: key.to_owned(), client: reqwest::Client::new() }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Some(&self.key), None)
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, Some(&self.key), Some(body))
    }

    /// With whatever key, or none.
    pub fn send(&self, method: &str, path: &str, key: Option<&str>, body: Option<&str>) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        runtime().block_on(async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let text = response.text().await.unwrap();
            Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
        })
    }

    /// A page without a key, as text; empty where nobody answers.
    pub fn text(&self, path: &str) -> String {
        runtime().block_on(async {
            match self.client.get(format!("http://{}{path}", self.address)).send().await {
                Ok(response) => response.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            }
        })
    }

    /// The record of the call whose From has this user, once it has ended.
    pub fn ended_call_from(&self, caller: &str) -> Value {
        until(&format!("the end of the call from {caller}"), || {
            self.find_call(caller).filter(|call| !call["cause"].is_null())
        })
    }

    /// Its id, once it is answered.
    pub fn answered_call_from(&self, caller: &str) -> String {
        until(&format!("the answer to {caller}"), || {
            let call = self.find_call(caller).filter(|call| !call["answered_unix_ms"].is_null())?;
            call["call_id"].as_str().map(str::to_owned)
        })
    }

    /// Its id, once the ACK has come too: commands are then answered at once.
    pub fn call_that_is_up(&self, caller: &str) -> String {
        let events = self.events("");
        let id = self.answered_call_from(caller);
        self.post(&format!("/v1/calls/{id}/unmute"), r#"{"command_id":"is-it-up"}"#);
        events.outcome_of("is-it-up");
        id
    }

    fn find_call(&self, caller: &str) -> Option<Value> {
        let listed = self.get("/v1/calls?limit=1000");
        let calls = listed.body["calls"].as_array()?;
        calls.iter().find(|call| call["caller"] == caller).cloned()
    }

    /// Subscribes; what happens after this is seen.
    pub fn events(&self, query: &str) -> Events {
        let url = format!("ws://{}/v1/events{query}", self.address);
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {}", self.key);
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        let connected = runtime().block_on(tokio_tungstenite::connect_async(request));
        let (mut socket, _) = match connected {
            Ok(connected) => connected,
            Err(Error::Http(response)) => panic!("the event stream is refused: {}", response.status()),
            Err(error) => panic!("the event stream: {error}"),
        };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&seen);
        let task = runtime().spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Text(text) = message {
                    written.lock().unwrap().push(serde_json::from_str::<Value>(&text).unwrap());
                }
            }
        });
        Events { seen, task }
    }
}

/// The events that came so far.
pub struct Events {
    seen: Arc<Mutex<Vec<Value>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Events {
    pub fn all(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    /// The first event of this type, as soon as it is there.
    #[track_caller]
    pub fn wait_for(&self, kind: &str) -> Value {
        self.wait_until(kind, |event| event["event"]["type"] == kind)
    }

    /// How a command of this id ended, as soon as it has.
    #[track_caller]
    pub fn outcome_of(&self, command: &str) -> Value {
        let event = self.wait_until(command, |event| {
            event["event"]["type"] == "command_finished" && event["event"]["command_id"] == command
        });
        event["event"]["outcome"].clone()
    }

    #[track_caller]
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&format!("the event {what}"), || self.all().into_iter().find(|event| wanted(event)))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}
