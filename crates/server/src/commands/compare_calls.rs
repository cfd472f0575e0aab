//! Which bundles `offhook compare` compares with which.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use anyhow::ensure;
use offhook_call_control::CallEvent;
use offhook_journal::bundle::{Item, OutputBody, Reader};
use offhook_replay::compare::NotCompared;
use offhook_replay::decode_fact;

use super::bundle_file;
use crate::cli_compare::PairArg;

/// What is to be compared: a bundle with itself, played again, or with another.
#[derive(Debug)]
pub(super) struct Planned {
    pub file: PathBuf,
    /// Side b's, where that is another.
    pub file_b: Option<PathBuf>,
}

/// The bundles below these paths, by name.
pub(super) fn find(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        ensure!(path.exists(), "{}: there is no such folder or file", path.display());
        find_below(path, &mut files);
    }
    files.sort();
    files.dedup();
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    ensure!(!files.is_empty(), "{}: there is no bundle (CALL.call) there", names.join(", "));
    Ok(files)
}

fn find_below(path: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(path) else { return files.push(path.to_owned()) };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            find_below(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "call") {
            files.push(path);
        }
    }
}

/// Puts the bundles of both folders together; those that stay alone are named.
pub(super) fn pair(
    files: [Vec<PathBuf>; 2],
    by: PairArg,
    key: Option<&str>,
) -> (Vec<Planned>, Vec<NotCompared>) {
    let mut alone = Vec::new();
    let [a, b] = files.map(|files| look_at(files, key, &mut alone));
    let (planned, rest_a, rest_b) = match by {
        PairArg::Id => {
            let (mut pairs, rest_a, rest_b) = together(a, b, |about| Some(about.call_id.clone()));
            let sip = |about: &About| (!about.sip_call_id.is_empty()).then(|| about.sip_call_id.clone());
            let (more, rest_a, rest_b) = together(rest_a, rest_b, sip);
            pairs.extend(more);
            (pairs, rest_a, rest_b)
        }
        PairArg::Caller => together(a, b, |about| Some((about.caller.clone(), about.called.clone()))),
        PairArg::Order => together(a, b, |_| Some(())),
    };
    for (about, other) in rest_a.into_iter().map(|a| (a, "b")).chain(rest_b.into_iter().map(|b| (b, "a"))) {
        let hint = match by {
            PairArg::Id => "; --pair caller or --pair order find calls that have other ids",
            PairArg::Caller | PairArg::Order => "",
        };
        let reason = format!("no call of side {other} belongs to it{hint}");
        let file = about.file.display().to_string();
        alone.push(NotCompared { file, call_id: Some(about.call_id), reason });
    }
    let mut planned: Vec<Planned> =
        planned.into_iter().map(|(a, b)| Planned { file: a.file, file_b: Some(b.file) }).collect();
    planned.sort_by(|one, other| one.file.cmp(&other.file));
    alone.sort_by(|one, other| one.file.cmp(&other.file));
    (planned, alone)
}

/// What calls are paired by.
#[derive(Debug, Default)]
struct About {
    file: PathBuf,
    call_id: String,
    sip_call_id: String,
    caller: String,
    called: String,
    started_unix_ms: i64,
}

fn look_at(files: Vec<PathBuf>, key: Option<&str>, unreadable: &mut Vec<NotCompared>) -> Vec<About> {
    let mut all = Vec::new();
    for file in files {
        match about(&file, key) {
            Ok(about) => all.push(About { file, ..about }),
            Err(error) => unreadable.push(NotCompared {
                file: file.display().to_string(),
                call_id: None,
                reason: format!("{error:#}"),
            }),
        }
    }
    all.sort_by(|one, other| (one.started_unix_ms, &one.file).cmp(&(other.started_unix_ms, &other.file)));
    all
}

/// Reads no further than to the first fact of the call.
fn about(file: &Path, key: Option<&str>) -> anyhow::Result<About> {
    let mut about = About::default();
    for item in Reader::new(bundle_file::plain(file, key)?) {
        if let Item::Meta(meta) = item {
            about.call_id = meta.call;
        } else if let Item::Output(output) = item
            && let OutputBody::Whole(bytes) = &output.body
            && let Some(fact) = decode_fact(bytes)
            && let CallEvent::CallStarted { caller, called, sip_call_id, .. } = fact.event
        {
            return Ok(About { caller, called, sip_call_id, started_unix_ms: fact.at_unix_ms, ..about });
        }
    }
    ensure!(!about.call_id.is_empty(), "no call bundle");
    Ok(about)
}

type Pairs = Vec<(About, About)>;

/// The first of each key with the first of that key.
fn together<K: Ord>(
    a: Vec<About>,
    b: Vec<About>,
    key: impl Fn(&About) -> Option<K>,
) -> (Pairs, Vec<About>, Vec<About>) {
    let mut waiting: BTreeMap<K, VecDeque<About>> = BTreeMap::new();
    let (mut pairs, mut rest_a, mut rest_b) = (Vec::new(), Vec::new(), Vec::new());
    for about in b {
        match key(&about) {
            Some(key) => waiting.entry(key).or_default().push_back(about),
            None => rest_b.push(about),
        }
    }
    for about in a {
        match key(&about).and_then(|key| waiting.get_mut(&key)?.pop_front()) {
            Some(other) => pairs.push((about, other)),
            None => rest_a.push(about),
        }
    }
    rest_b.extend(waiting.into_values().flatten());
    (pairs, rest_a, rest_b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: &str, sip: &str, caller: &str) -> About {
        let (call_id, sip_call_id, caller) = (id.to_owned(), sip.to_owned(), caller.to_owned());
        About { call_id, sip_call_id, caller, ..About::default() }
    }

    #[test]
    fn each_call_finds_one_of_its_key_and_the_others_stay_alone() {
        let a = vec![call("1", "x", "ann"), call("2", "y", "ann"), call("3", "z", "bob")];
        let b = vec![call("8", "y", "ann"), call("9", "x", "ann"), call("7", "w", "eve")];

        let (pairs, rest_a, rest_b) = together(a, b, |about| Some(about.caller.clone()));

        let ids: Vec<_> = pairs.iter().map(|(a, b)| (a.call_id.as_str(), b.call_id.as_str())).collect();
        assert_eq!(ids, [("1", "8"), ("2", "9")]);
        assert_eq!((rest_a[0].call_id.as_str(), rest_b[0].call_id.as_str()), ("3", "7"));
    }
}
