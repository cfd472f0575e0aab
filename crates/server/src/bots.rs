//! The bots of this server: built-in ones, samples, and the files of the configured folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use offhook_call_control::{BridgeSettings, Role};
use offhook_conversation::Bot;

use crate::config::{Config, ConfigError};

/// The sample bots, part of the binary.
const SAMPLES: &[(&str, &str)] = &[
    ("after-sales", include_str!("../../../bots/after-sales.yaml")),
    ("after-sales-zh", include_str!("../../../bots/after-sales-zh.yaml")),
    ("hello", include_str!("../../../bots/hello.yaml")),
];

/// Bots without a file.
const BUILT_IN: &[&str] = &["echo", "bridge", "bridge-8k-raw", "bridge-16k-raw"];

/// Ends the stem of a file of tests beside a bot file: `tea.tests.yaml` beside `tea.yaml`. It is no bot.
const TESTS: &str = ".tests";

/// Bots by name.
#[derive(Clone, Debug)]
pub struct Bots {
    files: BTreeMap<String, Arc<Bot>>,
    /// Names of the folder's.
    own: BTreeSet<String>,
}

impl Bots {
    /// The samples and the files of `folder`; a file replaces a sample of its name.
    ///
    /// # Errors
    /// Every mistake of the first file that has any, with line and column.
    pub fn load(folder: Option<&Path>) -> anyhow::Result<Bots> {
        let (mut files, mut own) = (BTreeMap::new(), BTreeSet::new());
        for (name, text) in SAMPLES {
            let bot =
                Bot::parse(text, &format!("{name}.yaml")).map_err(|errors| anyhow::anyhow!("{errors}"))?;
            files.insert((*name).to_owned(), Arc::new(bot));
        }
        if let Some(folder) = folder {
            let entries = std::fs::read_dir(folder).with_context(|| {
                format!(
                    "bots.folder: {} cannot be read: write the folder of your bot files",
                    folder.display()
                )
            })?;
            for entry in entries {
                let path = entry?.path();
                let is_yaml =
                    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
                let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_yaml) else {
                    continue;
                };
                if name.ends_with(TESTS) {
                    continue;
                }
                files.insert(name.to_owned(), Arc::new(read_bot(&path)?));
                own.insert(name.to_owned());
            }
        }
        Ok(Bots { files, own })
    }

    /// Whether every route leads to a bot.
    ///
    /// # Errors
    /// The first that does not, with its place.
    pub fn check_routes(&self, config: &Config) -> Result<(), ConfigError> {
        let Some(route) = config.routes.iter().find(|route| self.role(&route.bot).is_none()) else {
            return Ok(());
        };
        let known: Vec<&str> =
            BUILT_IN.iter().copied().chain(self.files.keys().map(String::as_str)).collect();
        Err(ConfigError {
            file: config.file.clone(),
            place: route.place.clone(),
            what: format!("there is no bot '{}': known are {}", route.bot, known.join(", ")),
        })
    }

    /// What is not wrong in the file, but will be where it is used: transfers that cannot succeed, a key that is not here.
    pub fn notes(&self, config: &Config) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(why) = config.api_key.as_ref().and_then(|key| key.reveal().err()) {
            notes.push(format!("api.key: {why} here: the server will not start without it"));
        }
        for (name, bot) in self.used(config) {
            for (target, uri) in bot.targets() {
                // One of the configuration replaces the bot's own, and was checked when it was read.
                match uri.filter(|_| !config.targets.contains_key(target)) {
                    None if config.targets.contains_key(target) => {}
                    None => notes.push(format!(
                        "bot '{name}' transfers to '{target}', which has no address: every such transfer fails; \
                         add {target} = \"sip:USER@HOST\" to [bots.targets]"
                    )),
                    Some(uri) => {
                        let allowed = uri.parse().map(|uri| config.outbound.check_uri(&uri, None).err());
                        if let Ok(Some(why)) = allowed {
                            notes.push(format!("bot '{name}' transfers to '{target}' at {uri}: {why}"));
                        }
                    }
                }
            }
        }
        notes
    }

    /// Those of the folder, and the samples that a route names.
    pub fn used(&self, config: &Config) -> impl Iterator<Item = (&str, &Arc<Bot>)> {
        let is_used =
            |name: &str| self.own.contains(name) || config.routes.iter().any(|route| route.bot == name);
        self.files.iter().map(|(name, bot)| (name.as_str(), bot)).filter(move |(name, _)| is_used(name))
    }

    /// Who takes a call for the bot `name`.
    pub fn role(&self, name: &str) -> Option<Role> {
        let bridge = |sample_rate, raw| Some(Role::Bridge(BridgeSettings { sample_rate, raw }));
        match name {
            "echo" => Some(Role::Echo),
            "bridge" => bridge(16_000, false),
            "bridge-16k-raw" => bridge(16_000, true),
            "bridge-8k-raw" => bridge(8_000, true),
            _ => self.files.get(name).map(|bot| Role::Bot(Arc::clone(bot))),
        }
    }
}

/// The tests beside a bot file, where there are any: `tea.tests.yaml` beside `tea.yaml`.
pub fn tests_beside(bot: &Path) -> Option<PathBuf> {
    let stem = bot.file_stem()?.to_str()?;
    let beside = |ending: &str| bot.with_file_name(format!("{stem}{TESTS}.{ending}"));
    ["yaml", "yml"].iter().map(|ending| beside(ending)).find(|file| file.is_file())
}

/// The bot file beside a file of tests, where there is one.
pub fn bot_beside(tests: &Path) -> Option<PathBuf> {
    let stem = tests.file_stem()?.to_str()?.strip_suffix(TESTS)?;
    let beside = |ending: &str| tests.with_file_name(format!("{stem}.{ending}"));
    ["yaml", "yml"].iter().map(|ending| beside(ending)).find(|file| file.is_file())
}

/// Reads and checks one bot file.
///
/// # Errors
/// Every mistake, with line and column.
pub fn read_bot(path: &Path) -> anyhow::Result<Bot> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    match Bot::parse(&text, &path.display().to_string()) {
        Ok(bot) => Ok(bot),
        Err(errors) => bail!("{errors}"),
    }
}
