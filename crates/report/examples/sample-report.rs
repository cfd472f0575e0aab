//! Writes the pages that `scripts/check-report.sh` opens in Chromium.
//!
//!     cargo run -p offhook-report --example sample-report -- FOLDER

#[path = "../tests/common/mod.rs"]
mod common;

use std::error::Error;
use std::path::PathBuf;

use offhook_report::{CompareOptions, compare_html};

#[allow(clippy::disallowed_methods, reason = "an example may ask how it was started")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("which folder?")?);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("bench.html"), common::bench_page().html())?;
    // A day of a call centre, ten thousand turns, one endless call, and nothing.
    for (name, calls, turns) in
        [("compare", 60, 9), ("calls-1000", 1_000, 10), ("turns-10000", 1, 10_000), ("empty", 0, 0)]
    {
        let options = CompareOptions { made_unix_ms: Some(1_795_265_400_000), ..CompareOptions::default() };
        let page = compare_html(&common::comparison(calls, turns), &options);
        std::fs::write(folder.join(name).with_extension("html"), page)?;
    }
    Ok(())
}
