//! The torture messages of RFC 4475 and RFC 5118 get the answers of `sip-fixtures/EXPECTED.tsv` from an endpoint and a
//! user that knows everybody.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::support::{Bench, TestUser, udp};

#[test]
fn every_torture_message_gets_the_answer_of_the_table() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../sip-fixtures");
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let mut wrong = BTreeMap::new();
    let mut count = 0;

    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (path, wanted) = (columns[0], columns[4]);
        let mut bytes = std::fs::read(folder.join(path)).unwrap();
        if path.ends_with("baddn.dat") {
            // The archive left its final empty line out.
            bytes.extend_from_slice(b"\r\n\r\n");
        }
        let mut user = TestUser::new(Bench::new(), None);
        user.receive_bytes(&bytes, udp("127.9.9.9:5060"));

        let answer = match user.bench.sent.first() {
            Some((_, transmit)) => String::from_utf8_lossy(&transmit.bytes[8..11]).into_owned(),
            None => "drop".to_owned(),
        };
        if !wanted.split('|').any(|pattern| fits(pattern, &answer)) {
            wrong.insert(path.to_owned(), format!("{answer}, wanted {wanted}"));
        }
        let to_source = |ip: std::net::IpAddr| ip.to_string() == "127.9.9.9";
        assert!(user.bench.sent.iter().all(|(_, t)| to_source(t.peer.remote.ip())), "{path}");
        count += 1;
    }

    assert_eq!(wrong, BTreeMap::new());
    assert_eq!(count, 61);
}

/// `\d` stands for any digit.
fn fits(pattern: &str, answer: &str) -> bool {
    let pattern = pattern.replace("\\d", "#");
    let same = |(wanted, got): (char, char)| wanted == got || wanted == '#' && got.is_ascii_digit();
    pattern.len() == answer.len() && pattern.chars().zip(answer.chars()).all(same)
}
