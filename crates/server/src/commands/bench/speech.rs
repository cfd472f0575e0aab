//! `bench turns` and `bench bargein`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use offhook_caller::bench::{bargein, turns};
use offhook_caller::talk::{Utterance, read_speech, read_voiced};

use super::options::impairment;
use super::output::Output;
use crate::cli::speech::{BargeInArgs, TurnsArgs};
use crate::commands::call::seconds;

pub(super) fn turns(args: &TurnsArgs) -> anyhow::Result<ExitCode> {
    let options = turns::TurnsOptions {
        speech: args.speech.iter().map(|file| read_speech(file)).collect::<Result<_, _>>()?,
        turns: args.turns,
        calls: args.calls.calls,
        at_once: args.calls.at_once,
        answer_within: args.answer_within.map(|ms| millis(ms, "--answer-within")).transpose()?,
        quiet_after: millis(args.quiet_after, "--quiet-after")?,
        greeting_patience: seconds(args.greeting_patience, "--greeting-patience")?,
        answer_patience: seconds(args.answer_patience, "--answer-patience")?,
        impairment: impairment(&args.line)?,
        threads: args.calls.threads,
        server_pid: args.frame.pid,
        reflector: !args.frame.no_reflector,
        seed: args.frame.seed,
        ..turns::TurnsOptions::to(args.uri.clone(), Vec::new())
    };
    let output = Output::begin("turns", &args.frame, options.parameters())?;
    output.finish(&turns::run(&options, &output.stop)?)
}

pub(super) fn bargein(args: &BargeInArgs) -> anyhow::Result<ExitCode> {
    let speech: Vec<Vec<Utterance>> =
        args.speech.iter().map(|file| read_speech(file)).collect::<Result<_, _>>()?;
    let mut noises = Vec::new();
    for path in &args.noise {
        for file in wavs(path)? {
            noises.push(read_voiced(&file)?);
        }
    }
    let options = bargein::BargeInOptions {
        noises,
        moments: args.at.iter().map(|ms| millis(*ms, "--at")).collect::<Result<_, _>>()?,
        calls: args.calls.calls,
        at_once: args.calls.at_once,
        stop_within: args.stop_within.map(|ms| millis(ms, "--stop-within")).transpose()?,
        listen: seconds(args.listen, "--listen")?,
        patience: seconds(args.patience, "--patience")?,
        impairment: impairment(&args.line)?,
        threads: args.calls.threads,
        server_pid: args.frame.pid,
        reflector: !args.frame.no_reflector,
        seed: args.frame.seed,
        ..bargein::BargeInOptions::to(args.uri.clone(), speech.concat())
    };
    let output = Output::begin("bargein", &args.frame, options.parameters())?;
    output.finish(&bargein::run(&options, &output.stop)?)
}

/// A WAV, or those of a folder by their names.
fn wavs(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let read = || path.read_dir().with_context(|| format!("--noise {}", path.display()));
    let mut files: Vec<PathBuf> = read()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wav"));
    files.sort();
    anyhow::ensure!(!files.is_empty(), "--noise {}: no WAV in it", path.display());
    Ok(files)
}

fn millis(value: f64, option: &str) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(value / 1000.0)
        .with_context(|| format!("{option}: {value} is no number of milliseconds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::BenchCommand;
    use crate::cli::{Cli, Command};
    use clap::Parser;

    fn parsed(options: &str) -> Result<BenchCommand, clap::Error> {
        let words = ["offhook", "bench"].into_iter().chain(options.split_whitespace());
        let parsed = Cli::try_parse_from(words)?.command;
        let Command::Bench { command } = parsed else { panic!("{parsed:?}") };
        Ok(command)
    }

    #[test]
    fn speech_is_required_and_noise_alone_will_do_for_barge_in() {
        assert!(parsed("turns").is_err());
        assert!(parsed("bargein").is_err());
        assert!(parsed("bargein --noise cough.wav").is_ok());
        let command = parsed("bargein sip:a@b --speech a.wav --speech b.wav --at 500,1200.5").unwrap();
        let BenchCommand::Bargein(args) = command else { panic!("{command:?}") };
        assert_eq!((args.speech.len(), args.at), (2, vec![500.0, 1200.5]));
    }

    #[test]
    fn a_folder_of_noises_is_its_wavs_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.wav", "a.wav", "a.json"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }

        let found = wavs(folder.path()).unwrap();

        assert_eq!(found, [folder.path().join("a.wav"), folder.path().join("b.wav")]);
        assert_eq!(wavs(Path::new("x.wav")).unwrap(), [PathBuf::from("x.wav")]);
        let nothing = tempfile::tempdir().unwrap();
        assert!(wavs(nothing.path()).is_err());
    }
}
