//! `tshark`, the judge of what Wireshark sees.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::Path;
use std::process::{Command, Output};

/// Whether the tool is there. In the gate it must be: a promise that nobody looked at is not kept.
pub fn is_here(tool: &str) -> bool {
    let here = Command::new(tool).arg("--version").output().is_ok();
    let gate = std::env::var_os("OFFHOOK_GATE").is_some_and(|value| value == "1");
    assert!(here || !gate, "{tool} (Debian: tshark) is not installed, and this run decides");
    if !here {
        eprintln!("SKIPPED: {tool} (Debian: tshark) is not installed");
    }
    here
}

/// A file for the judge to read.
pub struct Shark {
    folder: tempfile::TempDir,
}

impl Shark {
    /// Puts the bytes into a file; `None` where there is no tshark.
    pub fn new(file: &[u8]) -> Option<Shark> {
        is_here("tshark").then(|| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("x.call"), file).unwrap();
            Shark { folder }
        })
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("x.call")
    }

    /// What it prints and how it ends, checksums judged.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(&self.path(), arguments)
    }

    /// The lines of a run that must not complain.
    pub fn lines(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.run(arguments);
        let (text, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "tshark: {errors}");
        text.lines().map(str::to_owned).collect()
    }

    /// One line for each packet that the filter lets through.
    pub fn fields(&self, filter: &str, fields: &[&str]) -> Vec<String> {
        let mut arguments = vec!["-Y", filter, "-T", "fields", "-E", "separator=|"];
        for field in fields {
            arguments.extend(["-e", field]);
        }
        self.lines(&arguments)
    }
}

fn run(file: &Path, arguments: &[&str]) -> Output {
    Command::new("tshark")
        .args(["-n", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-r"])
        .arg(file)
        .args(arguments)
        .output()
        .unwrap()
}
