//! The recorded callers.

use std::path::PathBuf;

/// A file of `audio-samples`, 8 kHz mono.
pub fn sample(name: &str) -> Vec<i16> {
    read(&format!("{name}.wav"))
}

/// One of the coughs that nothing was tuned on, 1-12.
pub fn cough(number: usize) -> Vec<i16> {
    read(&format!("coughs/test/cough-{number:02}.wav"))
}

fn read(path: &str) -> Vec<i16> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../audio-samples").join(path);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let data = bytes.windows(4).position(|four| four == b"data").expect("a data chunk") + 8;
    bytes[data..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}
