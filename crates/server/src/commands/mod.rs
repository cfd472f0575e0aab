//! What each subcommand does. The only place that writes to the terminal.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks to its user here")]

mod bench;
mod bot;
mod bundle;
mod bundle_file;
mod bundle_streams;
mod bundle_wav;
mod call;
mod calls;
mod compare;
mod compare_calls;
mod compare_text;
mod config;
mod demo;
mod doctor;
mod order_service;
mod replay;
mod replay_capture;
mod replay_encounter;
mod replay_live;
mod replay_machine;
mod replay_to_test;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::bail;
use offhook_engines::host::{NativeEngine, run_engine_host_on_stdio};
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};

pub use compare::help as compare_help;
pub use replay::settings as replay_settings;

/// Runs the command and says how it went.
pub fn run(cli: Cli) -> ExitCode {
    start_logs();
    // One provider for everything that speaks TLS; a second call finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match dispatch(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("offhook: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    if matches!(
        command,
        Command::Config { .. } | Command::Calls { .. } | Command::Bot { .. } | Command::Bundle { .. }
    ) {
        offhook_linux_ffi::end_when_nobody_reads();
    }
    match command {
        Command::Serve(args) => crate::serve::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Doctor { serve, json } => doctor::run(&serve, json),
        Command::Config { command } => config::run(command),
        Command::Calls { command } => calls::run(command),
        Command::Call(args) => call::run(&args),
        Command::Bundle { command } => bundle::run(command),
        Command::Replay(args) => replay::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Bench { command } => bench::run(command),
        Command::Bot { command } => bot::run(command),
        Command::OrderService { listen } => order_service::run(listen),
        Command::EchoApplication { listen } => echo_application(listen),
        Command::Reflector { listen } => reflector(listen),
        Command::Demo(args) => demo::run(&args),
        Command::EngineHost { engine } => {
            let Some(engine) = NativeEngine::from_name(&engine) else {
                bail!("there is no engine '{engine}'")
            };
            run_engine_host_on_stdio(engine)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn echo_application(listen: std::net::SocketAddr) -> anyhow::Result<ExitCode> {
    let application =
        offhook_engines::websocket::realtime_echo_application(std::net::TcpListener::bind(listen)?)?;
    println!("ws://{}/", application.address());
    wait_for_interrupt()?;
    Ok(ExitCode::SUCCESS)
}

fn reflector(listen: std::net::IpAddr) -> anyhow::Result<ExitCode> {
    let reflector = offhook_caller::reflector::Reflector::start(listen, false)?;
    println!("{}", reflector.uri());
    wait_for_interrupt()?;
    Ok(ExitCode::SUCCESS)
}

/// Blocks until Ctrl-C or SIGTERM.
fn wait_for_interrupt() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}

/// Raises `stop` on Ctrl-C, for commands that hang up properly.
fn stop_on_interrupt() -> offhook_caller::call::Stop {
    let stop = offhook_caller::call::Stop::default();
    let raised = stop.clone();
    std::thread::spawn(move || {
        if wait_for_interrupt().is_ok() {
            raised.raise();
        }
    });
    stop
}

fn start_logs() {
    let filter = EnvFilter::try_from_env("OFFHOOK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::env::var_os("OFFHOOK_LOG_JSON").is_some() {
        logs.json().init();
    } else {
        logs.with_target(false).with_ansi(std::io::stderr().is_terminal()).init();
    }
}
