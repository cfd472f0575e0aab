//! `offhook config`.

use std::process::ExitCode;

use anyhow::Context;

use crate::bots::Bots;
use crate::cli::ConfigCommand;
use crate::config::Config;

pub(super) fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check { file } => {
            let config = Config::load(&file)?;
            let bots = Bots::load(config.bots.as_deref())?;
            bots.check_routes(&config)?;
            let key = config.bundle.check_key().with_context(|| file.display().to_string())?;
            for note in bots.notes(&config).into_iter().chain(key) {
                println!("{}: note: {note}", file.display());
            }
            println!("{}: fine", file.display());
        }
        // There is one version so far: no older file exists that could be brought up to it.
        ConfigCommand::Migrate { file } => {
            Config::load(&file)?;
            println!(
                "{}: nothing to migrate: version 1 is the first and only one; nothing was changed",
                file.display()
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}
