//! What-if of a bundle, with somebody who answers where the recording does not.

use crate::{Folder, replay, repository, sample_bot};

const CALL: &str = "caller: where is my order\ndtmf: 11112222\ncaller: yes please\ncaller: no thank you\n";

#[test]
fn a_changed_bot_is_answered_beyond_the_recording_and_the_report_says_by_whom() {
    let folder = Folder::new();
    let tools = folder.file("tools.json", r#"[{"body": {"state": "shipped", "delivery": "2026-11-27"}}]"#);
    let tools = tools.display().to_string();
    let bundle = folder.path("then.call");
    let lines = folder.file("then.txt", CALL);
    let made = replay(&lines, &["--bot", &sample_bot(), "--tools", &tools, "-o", bundle.to_str().unwrap()]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let yaml = std::fs::read_to_string(repository("bots/after-sales.yaml")).unwrap();
    let changed =
        yaml.replace("Please say your eight digit order number", "Tell me the number of your order");
    let new = folder.file("new.yaml", changed).display().to_string();
    let program = folder.file(
        "caller.sh",
        "n=0; while read -r line; do n=$((n+1)); case $n in\n\
         1) echo '{\"press\": \"12345678\"}' ;; 2) echo '{\"say\": \"yes\"}' ;; *) echo '{\"hang_up\": true}' ;; esac; done",
    );
    let program = format!("cmd:sh {}", program.display());

    let stopped = replay(&bundle, &["--bot", &new, "--json"]);
    let played = replay(&bundle, &["--bot", &new, "--engine", "scripted", "--tools", &tools, "--json"]);
    let text = replay(&bundle, &["--bot", &new, "--engine", "scripted", "--tools", &tools]);
    let options = ["--bot", &new, "--engine", "scripted", "--tools", &tools, "--caller", &program, "--json"];
    let taken = replay(&bundle, &options);

    assert_eq!((stopped.code, played.code, taken.code), (Some(1), Some(0), Some(0)), "{played:?} {taken:?}");
    assert!(stopped.json()["report"]["stopped"].as_str().unwrap().contains("never said"), "{stopped:?}");
    let report = &played.json()["report"];
    assert!(report["departure"]["got"].as_str().unwrap().contains("Tell me the number"), "{report}");
    assert_eq!(report["played"]["outcome"], "order_status_told", "{report}");
    let by = |who: &str| report["answered"].as_array().unwrap().iter().filter(|one| one["by"] == who).count();
    assert_eq!(by("the modelled voice"), 1, "{report}");
    assert!(by("the recording") >= 4, "{report}");
    assert!(
        text.out.contains("answered from there on:") && text.out.contains("(the recording, "),
        "{}",
        text.out
    );
    let report = &taken.json()["report"];
    assert_eq!(report["played"]["digits"], "12345678", "{report}");
    let callers = report["answered"].as_array().unwrap().iter().filter(|one| one["asked"] == "caller");
    assert!(
        callers.clone().count() >= 3 && callers.clone().all(|one| one["by"] == program.as_str()),
        "{report}"
    );
}

#[test]
fn options_for_what_others_recorded_are_refused_for_a_bundle() {
    let folder = Folder::new();
    let bundle = folder.path("then.call");
    let lines = folder.file("then.txt", "hangup\n");
    let made = replay(&lines, &["--bot", &sample_bot(), "-o", bundle.to_str().unwrap()]);
    assert_eq!(made.code, Some(0), "{made:?}");

    for options in [["-o", "x.call"], ["--words", "x.txt"], ["--side", "callee"]] {
        let ran = replay(&bundle, &options);
        assert_ne!(ran.code, Some(0), "{options:?}");
    }
}
