//! The page of a bench: complete, escaped, bounded. How it looks is `scripts/check-report.sh`.

mod common;

use common::{bench_page, data_of, policy_of};
use offhook_report::{
    BenchPage, Better, Distribution, Figure, Histogram, LinePlot, Plot, Role, Series, Verdict,
};

#[test]
fn a_page_is_one_file_that_names_nothing_else() {
    let html = bench_page().html();

    for outside in
        ["http://", "https://", "src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest", "import("]
    {
        let found: Vec<&str> =
            html.match_indices(outside).map(|(at, _)| &html[at..html.floor_char_boundary(at + 50)]).collect();
        let ours = |text: &&str| text.starts_with("http://www.w3.org/2000/svg") || text.starts_with("url(#");
        assert!(found.iter().all(ours), "{outside}: {found:?}");
    }
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"));
}

#[test]
fn the_policy_lets_only_our_own_script_and_style_run() {
    let html = bench_page().html();

    let policy = policy_of(&html);
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    common::assert_hashes(&html);
}

#[test]
fn words_of_others_are_data_and_never_markup() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u{2028}中文";
    let mut page = BenchPage::new(hostile, Verdict::bad(hostile));
    page.subtitle = hostile.to_owned();
    page.figures.push(Figure::new(hostile, 1.0, hostile, Better::Lower));
    page.machine.push((hostile.to_owned(), hostile.to_owned()));
    page.notes.push(hostile.to_owned());

    let html = page.html();

    assert_eq!(html.matches("<script").count(), 2, "the data and our script");
    assert_eq!(html.matches("</script").count(), 2);
    assert!(!html.contains("<img"));
    assert_eq!(data_of(&html)["notes"][0], hostile);
}

#[test]
fn a_long_run_makes_no_large_file() {
    let mut page = BenchPage::new("soak", Verdict::good("measured"));
    let points: Vec<(f64, f64)> = (0..1_000_000).map(|at| (f64::from(at), f64::from(at % 97))).collect();
    page.plots.push(Plot::Lines(LinePlot {
        series: vec![Series { name: "all".to_owned(), points, ..Series::default() }],
        ..LinePlot::default()
    }));
    let values = (0..1_000_000).map(|at| f64::from(at) / 1000.0 + 0.001);
    page.plots.push(Plot::Histogram(Histogram {
        distributions: vec![Distribution::of("all", Role::Measured, values)],
        ..Histogram::default()
    }));

    let html = page.html();

    assert!(html.len() < 200_000, "{}", html.len());
}

#[test]
fn figures_that_are_no_numbers_leave_the_data_valid() {
    let mut page = BenchPage::new("odd", Verdict::good("measured"));
    page.figures.push(Figure::new("nothing", f64::NAN, "ms", Better::Lower).goal(f64::INFINITY));
    page.plots.push(Plot::Lines(LinePlot {
        series: vec![Series { points: vec![(0.0, f64::NAN), (1.0, 2.0)], ..Series::default() }],
        ..LinePlot::default()
    }));

    let data = data_of(&page.html());

    assert!(data["figures"][0]["value"].is_null());
    assert_eq!(data["plots"][0]["series"][0]["points"], serde_json::json!([[1.0, 2.0]]));
}
