//! The order service that the sample bots ask.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::program;

/// A running order service; dropping it ends it.
pub struct Orders {
    /// Where it answers.
    pub url: String,
    child: Child,
}

impl Orders {
    pub fn start() -> Orders {
        let mut child = Command::new(program())
            .arg("order-service")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Orders { url: url.trim().to_owned(), child }
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
