//! Whether what is written down makes sense.

use super::report::Findings;
use crate::bots::Bots;
use crate::config::Config;

/// The bots, where they can be used.
pub(super) fn check(config: &Config, found: &mut Findings<'_>) -> Option<Bots> {
    if config.file.is_empty() {
        found.ok("configuration", "", "no configuration file: built-in defaults");
    } else {
        found.ok("configuration", &config.file, "the configuration is right");
    }
    let bots = match Bots::load(config.bots.as_deref()) {
        Ok(bots) => bots,
        Err(error) => {
            let remedy = "set the bot file right: `offhook bot check FILE` says it again";
            found.bad("bots", "bots.folder", format!("{error:#}"), remedy);
            found.skipped("routes", "route", "it is not known which bots there are");
            return None;
        }
    };
    found.ok("bots", "bots.folder", "every bot file is right");
    match bots.check_routes(config) {
        Ok(()) => {
            found.ok("routes", "route", format!("each of {} routes leads to a bot", config.routes.len()))
        }
        Err(error) => {
            found.bad("routes", &error.place, error.what, "write one of these, or add the bot's file");
        }
    }
    for note in bots.notes(config) {
        let (what, remedy) = note.split_once("; ").unwrap_or((&note, ""));
        found.note("bot_note", "bots", what, remedy);
    }
    for (name, bot) in bots.used(config) {
        for (key, default) in bot.config() {
            if default.is_none() && !config.bot_config.contains_key(key) {
                let what = format!("bot '{name}' wants config.{key}, which is not there");
                found.bad("bot_config", "bots.config", what, format!("add {key} = \"…\" to [bots.config]"));
            }
        }
    }
    if let Some(folder) = &config.prompts {
        let place = "bots.prompts";
        match std::fs::read_dir(folder) {
            Ok(_) => found.ok("prompts", place, format!("recorded prompts are in {}", folder.display())),
            Err(error) => {
                let what = format!("{} cannot be read: {error}", folder.display());
                found.bad("prompts", place, what, "write the folder of your WAV files");
            }
        }
    }
    Some(bots)
}
