//! `offhook config`.

use std::process::ExitCode;

use crate::bots::Bots;
use crate::cli::ConfigCommand;
use crate::config::Config;

pub(super) fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check { file } => {
            let config = Config::load(&file)?;
            let bots = Bots::load(config.bots.as_deref())?;
            for (number, route) in config.routes.iter().enumerate() {
                if bots.role(&route.bot).is_none() {
                    anyhow::bail!(
                        "{}: route {}: there is no bot '{}'",
                        file.display(),
                        number + 1,
                        route.bot
                    );
                }
            }
            println!("{}: fine", file.display());
        }
        // There is one version so far: a file that is fine needs nothing.
        ConfigCommand::Migrate { file } => {
            Config::load(&file)?;
            println!("{}: is in the format of this version (1) already; nothing was changed", file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}
