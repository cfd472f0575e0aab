//! What an author reads when a bot file is wrong: every file in `wrong-bots/` with the message it gives.

use std::fs;
use std::path::Path;

use offhook_conversation::Bot;

#[test]
fn every_wrong_bot_file_gives_a_position_a_reason_and_a_remedy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wrong-bots");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 30, "only {} wrong bot files found", files.len());

    let mut messages = String::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let errors = match Bot::parse(&fs::read_to_string(&file).unwrap(), &name) {
            Ok(_) => panic!("{name} is taken for a good bot"),
            Err(errors) => errors,
        };
        for error in &errors.0 {
            assert!(error.line > 0 && error.column > 0 && !error.remedy.is_empty(), "{error}");
        }
        messages.push_str(&format!("{errors}\n\n"));
    }
    insta::assert_snapshot!(messages);
}
