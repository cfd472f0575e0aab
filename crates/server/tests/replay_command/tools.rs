//! Business systems, and a small HTTP service in their place.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use crate::{Folder, replay, sample_bot};

/// Answers each request with what its function makes of the body.
pub struct Fake {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, bodies) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let seen = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut line, mut length, mut first) = (String::new(), 0, String::new());
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    if first.is_empty() {
                        first = line.clone();
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let body = String::from_utf8(body).unwrap();
                let text = answer(if body.is_empty() { &first } else { &body });
                seen.lock().unwrap().push(body);
                let mut stream = stream;
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        Fake { address, bodies }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

const CALL: &str = "caller: where is my order\ndtmf: 11112222\ncaller: yes please\ncaller: no thank you\n";

#[test]
fn systems_are_asked_in_order_and_what_cannot_be_reached_is_passed_over() {
    let folder = Folder::new();
    let file = folder.file("order.txt", CALL);
    let elsewhere = folder.file("tools.json", r#"[{"tool": "another", "status": 500}]"#);
    let service = Fake::start(|request| {
        let known = request.contains("/orders/11112222");
        let state = if known { "shipped" } else { "lost" };
        format!(r#"{{"state": "{state}", "delivery": "2026-11-27"}}"#)
    });
    let url = service.url("");

    // Nobody listens at the bot's own address of the service, nor has the file an answer.
    let options = ["--bot", &sample_bot(), "--json", "--tools", elsewhere.to_str().unwrap(), "--tools", &url];
    let told = replay(&file, &options).json();
    let nobody = replay(&file, &["--bot", &sample_bot(), "--json"]).json();

    let call = &told["calls"][0];
    assert_eq!(call["report"]["record"]["outcome"], "order_status_told", "{told}");
    assert_eq!(call["answered_by"][format!("tool: {url}")], 1, "{told}");
    assert_eq!(nobody["calls"][0]["report"]["record"]["outcome"], "order_service_failed", "{nobody}");
    assert!(nobody["notes"].to_string().contains("nobody answered 1 requests"), "{nobody}");
}
