//! Callers whose words are text.

use crate::tools::Fake;
use crate::{Folder, is_a_bundle, offhook, replay, repository, sample_bot};

const ORDER: &str = "# an order that was shipped\n\
bot: Hello, this is after sales.\n\
bot: You can check your order, return something, or talk to a person. What would you like to do?\n\
caller: where is my order\n\
bot: Please say your eight digit order number, or type it on your keypad.\n\
dtmf: 24691357\n\
bot: I heard two four six nine, one three five seven. Is that right?\n\
caller: yes please\n\
wait 1s\n\
caller: no thank you\n";

const ANSWERS: &str = r#"[{"tool": "find_order", "url": "/orders/24691357",
    "body": {"state": "shipped", "delivery": "2026-11-27"}}]"#;

#[test]
fn a_transcript_is_played_to_its_end_and_its_bundle_is_read_by_the_other_commands() {
    let folder = Folder::new();
    let (file, tools) = (folder.file("order.txt", ORDER), folder.file("tools.json", ANSWERS));
    let bundle = folder.path("order.call");
    let (tools, out) = (tools.display().to_string(), bundle.display().to_string());

    let ran = replay(&file, &["--bot", &sample_bot(), "--tools", &tools, "-o", &out, "--json"]);

    let told = ran.json();
    let call = &told["calls"][0];
    assert_eq!((ran.code, &told["met"]), (Some(0), &1.into()), "{told}");
    assert_eq!(call["report"]["record"]["outcome"], "order_status_told", "{told}");
    assert_eq!(call["report"]["record"]["digits"], "24691357");
    assert!(call["departure"].is_null(), "{told}");
    assert_eq!(call["answered_by"][format!("tool: {tools}")], 1, "{told}");
    assert_eq!(call["answered_by"]["recognizer: the transcript"], 3, "{told}");
    is_a_bundle(&bundle);
    let text = replay(&file, &["--bot", &sample_bot(), "--tools", &tools]);
    for part in
        ["caller: where is my order", "bot_hung_up; outcome: order_status_told", "  states: greet, menu"]
    {
        assert!(text.out.contains(part), "{part}: {}", text.out);
    }
    let ladder = offhook(&["bundle", "show"], &bundle, &["--ladder"]);
    assert!(ladder.out.contains("INVITE") && ladder.out.contains("BYE"), "{ladder:?}");
}

#[test]
fn a_chinese_transcript_as_json_meets_a_chinese_bot() {
    let folder = Folder::new();
    let lines = r#"{"transcript": [["caller", "我要查询订单"], {"dtmf": "12345678"}, {"dtmf": "1"}, {"hangup": true}]}"#;
    let file = folder.file("zh.json", lines);
    let bot = repository("bots/after-sales-zh.yaml").display().to_string();
    let tools = folder.file("tools.json", r#"[{"body": {"state": "shipped", "delivery": "2026-11-27"}}]"#);

    let ran = replay(&file, &["--bot", &bot, "--tools", tools.to_str().unwrap(), "--json"]);

    let told = ran.json();
    let record = &told["calls"][0]["report"]["record"];
    assert_eq!(ran.code, Some(0), "{told}");
    let lines = record["transcript"].as_array().unwrap();
    assert!(lines.iter().any(|line| line[0] == "caller" && line[1] == "我要查询订单"), "{record}");
    assert!(
        lines.iter().any(|line| line[0] == "bot" && line[1].as_str().unwrap().contains("订单号")),
        "{record}"
    );
    assert_eq!(record["outcome"], "order_status_told", "{record}");
}

#[test]
fn where_the_bot_leaves_the_transcript_is_told_and_a_program_goes_on_as_the_caller() {
    let folder = Folder::new();
    let file = folder.file("then.txt", "bot: Hello! Would you like coffee or tea?\ncaller: a tea please\nbot: Two teas.\ncaller: thank you\n");
    let bot = repository("bots/hello.yaml").display().to_string();
    let other = folder.file("other.txt", "bot: Hello, what?\ncaller: a tea please\n");
    let program = folder.file(
        "caller.sh",
        "while read -r line; do case $line in\n\
         *'\"persona\":\"likes coffee\"'*'coffee or tea'*) echo '{\"say\": \"coffee please\"}' ;;\n\
         *) echo '{\"hang_up\": true}' ;; esac; done",
    );

    let told = replay(&file, &["--bot", &bot, "--json"]).json();
    let program = format!("cmd:sh {}", program.display());
    let taken =
        replay(&other, &["--bot", &bot, "--json", "--caller", &program, "--persona", "likes coffee"]).json();

    let departure = &told["calls"][0]["departure"];
    assert_eq!((&departure["line"], &departure["expected"]), (&3.into(), &"Two teas.".into()), "{told}");
    assert!(departure["got"].as_str().unwrap().contains("One tea"), "{told}");
    assert_eq!(told["calls"][0]["unread"], serde_json::json!([4]), "{told}");
    let report = &taken["calls"][0]["report"];
    assert_eq!(taken["calls"][0]["departure"]["line"], 1, "{taken}");
    let lines = report["lines"].to_string();
    assert!(lines.contains("coffee please") && lines.contains("One coffee"), "{taken}");
    assert!(report["answered"].to_string().contains(&program.replace('"', "\\\"")), "{taken}");
}

#[test]
fn a_language_model_behind_a_chat_endpoint_is_the_caller() {
    let folder = Folder::new();
    let file = folder.file("empty.txt", "wait 100ms\n");
    let bot = repository("bots/hello.yaml").display().to_string();
    let model = Fake::start(|body| {
        let asked: serde_json::Value = serde_json::from_str(body).unwrap();
        let messages = asked["messages"].as_array().unwrap();
        assert!(messages[0]["content"].as_str().unwrap().contains("You want tea."), "{asked}");
        let last = messages.last().unwrap()["content"].as_str().unwrap();
        let said = if last.contains("coffee or tea") { "A tea, please." } else { "[hang up]" };
        serde_json::json!({ "choices": [{ "message": { "role": "assistant", "content": said } }] })
            .to_string()
    });
    let url = model.url("/v1/chat/completions");

    let options =
        ["--bot", &bot, "--json", "--caller", &url, "--persona", "You want tea.", "--model", "small"];
    let told = replay(&file, &options).json();

    let report = &told["calls"][0]["report"];
    let lines = report["lines"].to_string();
    assert!(lines.contains("A tea, please.") && lines.contains("One tea"), "{told}");
    assert!(report["answered"].to_string().contains("the model small"), "{told}");
    assert!(model.bodies()[0].contains("\"model\":\"small\""), "{:?}", model.bodies());
}

#[test]
fn what_is_wrong_with_the_files_or_options_is_told() {
    let folder = Folder::new();
    let good = folder.file("good.txt", "caller: hello\n");
    let bad = folder.file("bad.txt", "caller: hello\nnonsense\n");
    let wav = folder.path("caller.wav");
    offhook_caller::wav::write(&wav, &[&[0; 8_000]]).unwrap();
    let bot = sample_bot();

    for (file, options, told) in [
        (&good, vec![], "--bot FILE says which bot"),
        (&bad, vec!["--bot", &bot], "line 2: 'nonsense' is no line"),
        (&good, vec!["--bot", "nowhere.yaml"], "--bot nowhere.yaml"),
        (&good, vec!["--bot", &bot, "--tools", "nowhere.json"], "--tools nowhere.json"),
        (&good, vec!["--bot", &bot, "--delay", "soon"], "--delay soon"),
        (&good, vec!["--bot", &bot, "--caller", "nobody"], "write cmd:PROGRAM, or a URL"),
        (&good, vec!["--bot", &bot, "--set", "fade=1s"], "--set changes a call of our own"),
        (&wav, vec!["--bot", &bot, "--engine", "scripted"], "--words FILE"),
        (
            &wav,
            vec!["--bot", &bot, "--caller", "cmd:true", "--engine", "none"],
            "--caller speaks for a transcript",
        ),
        (&wav, vec![], "--bot"),
    ] {
        let ran = replay(file, &options);
        assert_ne!(ran.code, Some(0), "{options:?}");
        assert!(ran.err.contains(told), "{options:?}: {told}: {ran:?}");
    }
}
