//! `offhook calls`: a client of the API.

use std::process::ExitCode;

use anyhow::{Context, bail};
use offhook_call_control::CallRecord;
use serde::Deserialize;

use crate::cli::{ApiArgs, CallsCommand};

#[derive(Deserialize)]
struct Listed {
    calls: Vec<CallRecord>,
}

pub(super) fn run(command: CallsCommand) -> anyhow::Result<ExitCode> {
    match command {
        CallsCommand::List { api } => list(&api),
        CallsCommand::Hangup { id, api } => {
            request(&api, reqwest::Method::POST, &format!("calls/{id}/hangup"))?;
            println!("{id}: is being ended");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn list(api: &ApiArgs) -> anyhow::Result<ExitCode> {
    let text = request(api, reqwest::Method::GET, "calls")?;
    if api.json {
        println!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let listed: Listed = serde_json::from_str(&text).context("the server's answer")?;
    println!("{:36}  {:14}  {:>8}  state", "id", "bot", "seconds");
    for call in listed.calls {
        let state = call.cause.map_or("running", |cause| cause.word());
        println!("{:36}  {:14}  {:>8.1}  {state}", call.call_id, call.bot, call.talk_time().as_secs_f64());
    }
    Ok(ExitCode::SUCCESS)
}

fn request(api: &ApiArgs, method: reqwest::Method, path: &str) -> anyhow::Result<String> {
    let key = match &api.key {
        Some(key) => key.clone(),
        None => {
            let file = api.data.join("api-key");
            let text = std::fs::read_to_string(&file).with_context(|| {
                format!(
                    "the API key in {}: name the server's data folder with --data, or the key with --key",
                    file.display()
                )
            })?;
            text.trim().to_owned()
        }
    };
    let url = format!("http://{}/v1/{path}", api.api);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let request = reqwest::Client::new().request(method, &url).bearer_auth(key);
        let response = request.send().await.with_context(|| format!("no server answers at {url}"))?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            bail!("{}", value["error"]["message"].as_str().unwrap_or(status.as_str()));
        }
        Ok(text)
    })
}
