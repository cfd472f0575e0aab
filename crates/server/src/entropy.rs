//! Real randomness, for secrets and for the seeds of calls.

use offhook_time::Seed;
use rustix::rand::{GetRandomFlags, getrandom};

/// Fills `bytes` from the kernel.
///
/// # Errors
/// What the kernel said.
pub fn fill(bytes: &mut [u8]) -> std::io::Result<()> {
    let mut at = 0;
    while at < bytes.len() {
        at += getrandom(&mut bytes[at..], GetRandomFlags::empty())?;
    }
    Ok(())
}

/// A seed for one call.
///
/// # Errors
/// What the kernel said.
pub fn seed() -> std::io::Result<Seed> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(Seed(bytes))
}
