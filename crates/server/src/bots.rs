//! The bots of this server: built-in ones, samples, and the files of the configured folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use offhook_call_control::{BridgeSettings, Role};
use offhook_conversation::Bot;

/// The sample bots, part of the binary.
const SAMPLES: &[(&str, &str)] = &[
    ("after-sales", include_str!("../../../bots/after-sales.yaml")),
    ("after-sales-zh", include_str!("../../../bots/after-sales-zh.yaml")),
    ("hello", include_str!("../../../bots/hello.yaml")),
];

/// Bots by name.
#[derive(Clone, Debug)]
pub struct Bots {
    files: BTreeMap<String, Arc<Bot>>,
}

impl Bots {
    /// The samples and the files of `folder`; a file replaces a sample of its name.
    ///
    /// # Errors
    /// Every mistake of the first file that has any, with line and column.
    pub fn load(folder: Option<&Path>) -> anyhow::Result<Bots> {
        let mut files = BTreeMap::new();
        for (name, text) in SAMPLES {
            let bot =
                Bot::parse(text, &format!("{name}.yaml")).map_err(|errors| anyhow::anyhow!("{errors}"))?;
            files.insert((*name).to_owned(), Arc::new(bot));
        }
        if let Some(folder) = folder {
            let entries =
                std::fs::read_dir(folder).with_context(|| format!("bots.folder {}", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                let is_yaml =
                    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
                let Some(name) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_yaml) else {
                    continue;
                };
                files.insert(name.to_owned(), Arc::new(read_bot(&path)?));
            }
        }
        Ok(Bots { files })
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
