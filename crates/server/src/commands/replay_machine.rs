//! Who answers a call that goes through the machine again, by the command line.

use std::time::Duration;

use anyhow::{Context, bail};
use offhook_conversation::Bot;
use offhook_replay::{Transcript, TranscriptLine};

use crate::cli_machine::{EngineArg, MachineArgs, VoiceArg};
use crate::config::Config;
use crate::surroundings::{Around, CallerModel, Delay, Ears, ToolSource, Wanted};

/// Longest delay that is no slip of the pen.
const LONGEST_DELAY: f64 = 60.0;

/// Starts those who answer; `usual` hears the caller where nobody says who.
pub(super) fn around(args: &MachineArgs, usual: EngineArg, config: &Config) -> anyhow::Result<Around> {
    let engine = args.engine.unwrap_or(usual);
    let ears = match engine {
        EngineArg::Live => Ears::Live,
        EngineArg::Scripted => Ears::Scripted,
        EngineArg::None => Ears::None,
    };
    let usual_voice = if engine == EngineArg::Live { VoiceArg::Live } else { VoiceArg::Modelled };
    let wanted = Wanted {
        ears,
        speaks: args.voice.unwrap_or(usual_voice) == VoiceArg::Live,
        delay: delay(&args.delay)?,
        tools: args.tools.iter().map(|source| ToolSource::parse(source)).collect(),
        words: words(args, engine)?,
    };
    Around::start(wanted, config)
}

/// The configuration that is named, or the defaults.
pub(super) fn config(args: &MachineArgs) -> anyhow::Result<Config> {
    Ok(args.config.as_deref().map(Config::load).transpose()?.unwrap_or_default())
}

/// The caller who takes over, where one is named.
pub(super) fn caller(args: &MachineArgs, bot: &Bot) -> anyhow::Result<Option<CallerModel>> {
    let Some(place) = &args.caller else { return Ok(None) };
    let persona = match args.persona.as_deref() {
        Some(text) => match text.strip_prefix("file:") {
            Some(path) => std::fs::read_to_string(path).with_context(|| format!("--persona {text}"))?,
            None => text.to_owned(),
        },
        None => String::new(),
    };
    CallerModel::start(place, persona.trim(), &args.model, bot).map(Some)
}

fn words(args: &MachineArgs, engine: EngineArg) -> anyhow::Result<Vec<String>> {
    let Some(file) = &args.words else { return Ok(Vec::new()) };
    if engine != EngineArg::Scripted {
        bail!("--words needs --engine scripted: otherwise the caller is listened to");
    }
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("--words {name}"))?;
    let transcript = Transcript::parse(&text).with_context(|| format!("--words {name}"))?;
    let said = |line| match line {
        TranscriptLine::Caller(text) => Some(text),
        TranscriptLine::Bot(_)
        | TranscriptLine::Keys(_)
        | TranscriptLine::Wait(_)
        | TranscriptLine::HangUp => None,
    };
    Ok(transcript.lines.into_iter().filter_map(said).collect())
}

fn delay(text: &str) -> anyhow::Result<Delay> {
    if text == "measured" {
        return Ok(Delay::Measured);
    }
    let (number, scale) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 0.001),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, f64::NAN),
    };
    match number.parse::<f64>().map(|number| number * scale) {
        Ok(seconds) if (0.0..=LONGEST_DELAY).contains(&seconds) => {
            Ok(Delay::Modelled(Duration::from_secs_f64(seconds)))
        }
        Ok(_) | Err(_) => bail!("--delay {text}: write a time, as 100ms or 0.5s, or measured"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_a_time_or_measured() {
        assert_eq!(delay("250ms").unwrap(), Delay::Modelled(Duration::from_millis(250)));
        assert_eq!(delay("0.5s").unwrap(), Delay::Modelled(Duration::from_millis(500)));
        assert_eq!(delay("measured").unwrap(), Delay::Measured);
        for wrong in ["", "100", "-1s", "2h", "NaNs", "90s"] {
            assert!(delay(wrong).is_err(), "{wrong}");
        }
    }
}
