//! Writes the pages that `scripts/check-report.sh` opens in Chromium.
//!
//!     cargo run -p offhook-report --example sample-report -- FOLDER

#[path = "../tests/common/mod.rs"]
mod common;

use std::error::Error;
use std::path::PathBuf;

#[allow(clippy::disallowed_methods, reason = "an example may ask how it was started")]
fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("which folder?")?);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("bench.html"), common::bench_page().html())?;
    Ok(())
}
