//! What the doctor found.

use std::fmt;

use serde::Serialize;

/// In the order of looking: what comes later needs what came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Group {
    Network,
    Credentials,
    Parameters,
    Services,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// As it should be.
    Ok,
    /// The server runs with it; somebody may want it otherwise.
    Note,
    /// The server does not start with it, or calls fail.
    Bad,
    /// Not looked at, because of something else.
    Skipped,
}

/// One finding, to be read aloud: what, where, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub group: Group,
    /// A stable name.
    pub check: &'static str,
    pub status: Status,
    /// What is so.
    pub what: String,
    /// The key of the configuration, the file, or the setting of the machine that decides it.
    #[serde(rename = "where")]
    pub place: String,
    /// What to do; empty where nothing need be done.
    pub remedy: String,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub findings: Vec<Finding>,
}

impl Report {
    /// Where the findings of a group are written down.
    pub fn of(&mut self, group: Group) -> Findings<'_> {
        Findings { group, findings: &mut self.findings }
    }

    pub fn is_fine(&self) -> bool {
        !self.findings.iter().any(|finding| finding.status == Status::Bad)
    }

    pub fn has_failed(&self, check: &str) -> bool {
        self.findings.iter().any(|finding| finding.check == check && finding.status == Status::Bad)
    }

    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "fine": self.is_fine(), "findings": self.findings })
    }
}

/// The findings of one group.
pub(super) struct Findings<'a> {
    group: Group,
    findings: &'a mut Vec<Finding>,
}

impl Findings<'_> {
    pub fn ok(&mut self, check: &'static str, place: &str, what: impl Into<String>) {
        self.push(Status::Ok, check, place, what.into(), String::new());
    }

    pub fn note(
        &mut self,
        check: &'static str,
        place: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Status::Note, check, place, what.into(), remedy.into());
    }

    pub fn bad(
        &mut self,
        check: &'static str,
        place: &str,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(Status::Bad, check, place, what.into(), remedy.into());
    }

    pub fn skipped(&mut self, check: &'static str, place: &str, because: impl Into<String>) {
        self.push(Status::Skipped, check, place, because.into(), String::new());
    }

    fn push(&mut self, status: Status, check: &'static str, place: &str, what: String, remedy: String) {
        let (group, place) = (self.group, place.to_owned());
        self.findings.push(Finding { group, check, status, what, place, remedy });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = None;
        for Finding { group, status, what, place, remedy, .. } in &self.findings {
            if last.replace(*group) != Some(*group) {
                let name = match group {
                    Group::Network => "network",
                    Group::Credentials => "credentials",
                    Group::Parameters => "parameters",
                    Group::Services => "services",
                };
                writeln!(f, "{name}")?;
            }
            let word = match status {
                Status::Ok => "ok",
                Status::Note => "note",
                Status::Bad => "BAD",
                Status::Skipped => "skipped",
            };
            let place = if place.is_empty() { String::new() } else { format!(" [{place}]") };
            writeln!(f, "  {word:7}  {what}{place}")?;
            if !remedy.is_empty() {
                writeln!(f, "           → {remedy}")?;
            }
        }
        let count = |wanted| self.findings.iter().filter(|finding| finding.status == wanted).count();
        match (count(Status::Bad), count(Status::Note)) {
            (0, 0) => writeln!(f, "all is well"),
            (0, notes) => writeln!(f, "well, with {notes} to think about"),
            (bad, _) => writeln!(f, "{bad} to set right"),
        }
    }
}
