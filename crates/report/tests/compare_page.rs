//! The page of a comparison: complete, escaped, bounded. How it looks is `scripts/check-report.sh`.

mod common;

use common::{HOSTILE, assert_hashes, comparison, data_of, policy_of};
use offhook_report::{CompareOptions, compare_html};

fn page(calls: usize, turns: usize) -> String {
    compare_html(&comparison(calls, turns), &CompareOptions::default())
}

#[test]
fn every_call_turn_and_word_is_in_the_page() {
    let compared = comparison(6, 4);

    let data = data_of(&compare_html(&compared, &CompareOptions::default()));

    assert_eq!(data["calls"].as_array().unwrap().len(), 6);
    let third = &data["calls"][2];
    assert_eq!(third["call_id"], compared.calls[2].call_id);
    assert_eq!(third["first_difference"]["a"], compared.calls[2].first_difference.as_ref().unwrap().a);
    let turn = &third["turns"][3][0];
    let old = compared.calls[2].turns[3].a.as_ref().unwrap();
    assert_eq!((turn[0].as_u64(), turn[2].as_u64()), (Some(4), Some(old.micros)));
    let lengths: u64 = turn[4].as_array().unwrap().iter().map(|length| length.as_u64().unwrap()).sum();
    assert_eq!(lengths, old.micros, "the segments sum to the silence");
    let words: String = third["transcript"][2][3]
        .as_array()
        .unwrap()
        .iter()
        .filter(|part| part[0] != 2)
        .map(|part| part[1].as_str().unwrap())
        .collect();
    assert_eq!(words, "Please say your eight digit order number, or type it on your keypad.");
    assert_eq!(data["totals"]["b"]["turn"]["p95"].as_u64(), Some(compared.totals.b.turn.p95));
}

#[test]
fn what_callers_say_is_data_and_never_markup() {
    let html = page(2, 3);

    assert_eq!(html.matches("<script").count(), 2, "the data and our script");
    assert_eq!(html.matches("</script").count(), 2);
    assert!(!html.contains("<img") && !html.contains('\u{2028}'));
    let data = data_of(&html);
    assert_eq!(data["calls"][0]["caller"], HOSTILE);
    assert_eq!(data["calls"][0]["a"]["slots"][HOSTILE], HOSTILE);
}

#[test]
fn a_label_with_tags_is_escaped_in_the_title() {
    let mut compared = comparison(1, 1);
    compared.b.label = "<script>\"new\"</script>".to_owned();

    let html = compare_html(&compared, &CompareOptions::default());

    assert!(html.contains("<title>&lt;script&gt;&quot;new&quot;&lt;/script&gt; against recorded</title>"));
    assert_eq!(html.matches("<script").count(), 2);
}

#[test]
fn the_page_loads_and_runs_nothing_but_its_own() {
    let html = page(3, 2);

    assert!(policy_of(&html).starts_with("default-src 'none'; script-src 'sha256-"));
    assert_hashes(&html);
    for outside in [
        "https://",
        "src=\"",
        "href=",
        "@import",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
    ] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn ten_thousand_turns_make_a_file_that_a_browser_opens_at_once() {
    for (calls, turns) in [(1_000, 10), (1, 10_000)] {
        let html = page(calls, turns);

        assert!(html.len() < 16_000_000, "{calls} calls: {} bytes", html.len());
        assert_eq!(data_of(&html)["totals"]["turns"], 10_000);
    }
}

#[test]
fn what_is_too_much_is_left_out_unchanged_calls_first_and_said() {
    let compared = comparison(100, 2);
    let options = CompareOptions { most_calls: 50, ..CompareOptions::default() };

    let data = data_of(&compare_html(&compared, &options));

    let shown = data["calls"].as_array().unwrap();
    assert_eq!((shown.len(), data["calls_left_out"].as_u64()), (50, Some(50)));
    let changed = compared.calls.iter().filter(|call| !call.changed.is_empty()).count();
    let kept = shown.iter().filter(|call| !call["changed"].as_array().unwrap().is_empty()).count();
    assert_eq!(kept, changed.min(50));
    let numbers: Vec<u64> = shown.iter().map(|call| call["number"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted());
}

#[test]
fn one_endless_call_is_shown_whatever_the_bound() {
    let options = CompareOptions { most_turns: 100, ..CompareOptions::default() };

    let data = data_of(&compare_html(&comparison(1, 500), &options));

    assert_eq!(data["calls"].as_array().unwrap().len(), 1);
}

#[test]
fn a_comparison_of_nothing_is_a_page_too() {
    let data = data_of(&page(0, 0));

    assert_eq!(data["calls"], serde_json::json!([]));
}
