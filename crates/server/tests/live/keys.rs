//! The API key: where it may stand, and who is let in.

use crate::common::{Server, Setup, program, together};

#[test]
fn a_key_in_the_environment_or_in_a_file_is_the_only_one_that_opens() {
    let _turn = together();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "from-a-file\n").unwrap();
    let in_environment = Setup::new()
        .config("[api]\nkey = \"env:OFFHOOK_TEST_API_KEY\"\n")
        .env("OFFHOOK_TEST_API_KEY", "from-the-environment");
    let in_file = Setup::new().config(&format!("[api]\nkey = \"file:{}\"\n", file.display()));

    for (setup, key, other) in [
        (in_environment, "from-the-environment", "from-a-file"),
        (in_file, "from-a-file", "from-the-environment"),
    ] {
        let server = setup.start();
        let ask = |key| server.api.send("GET", "/v1/calls", Some(key), None);

        assert_eq!(ask(key).status, 200, "{key}");
        for wrong in [other, "", "from", "from-the-environment ", "env:OFFHOOK_TEST_API_KEY"] {
            let answer = ask(wrong);
            let expected = if wrong.trim() == key { 200 } else { 401 };
            assert_eq!(answer.status, expected, "'{wrong}' instead of '{key}'");
            assert!(expected == 200 || answer.code() == "unauthorized", "{answer:?}");
        }
        assert!(!server.data.join("api-key").exists(), "no second key lies around");
        assert!(!server.log().contains(key), "a secret is never logged");
        assert!(list(&server, &["--key", key]).0 && !list(&server, &["--key", other]).0);
    }
}

#[test]
fn the_calls_command_says_what_is_wrong_with_its_key() {
    let _turn = together();
    let server = Server::start();

    let (done, said) = list(&server, &["--key", "wrong"]);

    assert!(!done);
    assert!(said.contains("Authorization: Bearer"), "{said}");
    assert!(list(&server, &["--data", &server.data.display().to_string()]).0);
}

/// `offhook calls list` with these options: whether it went well, and what it said.
fn list(server: &Server, options: &[&str]) -> (bool, String) {
    let api = server.api.address().to_string();
    let output = std::process::Command::new(program())
        .args(["calls", "list", "--api", &api])
        .args(options)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}
