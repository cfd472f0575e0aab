//! The `offhook` binary.

use std::process::ExitCode;

use clap::Parser;
use offhook_server::cli::Cli;

/// Counts what media workers allocate: `/metrics` shows that they do not.
#[global_allocator]
static ALLOCATOR: offhook_linux_ffi::CountingAllocator = offhook_linux_ffi::CountingAllocator;

fn main() -> ExitCode {
    offhook_server::commands::run(Cli::parse())
}
