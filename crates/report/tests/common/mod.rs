//! Pages to look at, and what a test reads out of a page.
#![allow(dead_code, unused_imports, reason = "each test file uses its part")]

use sha2::{Digest, Sha256};

mod bench_sample;
mod compare_sample;

pub use bench_sample::bench_page;
pub use compare_sample::{HOSTILE, comparison};

/// The data block of a page.
pub fn data_of(html: &str) -> serde_json::Value {
    let open = "<script type=\"application/json\" id=\"data\">";
    let from = html.find(open).expect("a data block") + open.len();
    let length = html[from..].find("</script>").expect("an end of it");
    serde_json::from_str(&html[from..from + length]).expect("JSON")
}

/// The policy of a page.
pub fn policy_of(html: &str) -> &str {
    let open = "http-equiv=\"Content-Security-Policy\" content=\"";
    let from = html.find(open).expect("a policy") + open.len();
    &html[from..from + html[from..].find('"').expect("its end")]
}

/// Script and style are those that the policy names.
pub fn assert_hashes(html: &str) {
    for (open, close) in [("<style>", "</style>"), ("<script>", "</script>")] {
        let from = html.find(open).expect("ours") + open.len();
        let content = &html[from..from + html[from..].find(close).expect("its end")];
        let digest = Sha256::digest(content.as_bytes());
        let named: Vec<Vec<u8>> =
            policy_of(html).split('\'').filter_map(|word| word.strip_prefix("sha256-")).map(base64).collect();
        assert!(named.iter().any(|hash| hash[..] == digest[..]), "{open} is not in the policy");
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits = text.trim_end_matches('=').bytes().map(digit).collect::<Vec<u8>>();
    bits.chunks(4)
        .flat_map(|group| {
            let value =
                group.iter().fold(0u32, |value, six| value << 6 | u32::from(*six)) << (6 * (4 - group.len()));
            value.to_be_bytes()[1..group.len()].to_vec()
        })
        .collect()
}
