//! Opening a bundle, whatever was done to it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use offhook_journal::bundle::{Bundle, OpenError, pack, seal};
use offhook_journal::{Damage, Ending};

/// Bytes of a key.
const KEY: usize = seal::KEY;

/// The plain bytes of a bundle: unpacked, decrypted.
pub(super) fn plain(path: &Path, key: Option<&str>) -> anyhow::Result<Box<dyn Read>> {
    let name = path.display().to_string();
    let key = key.map(read_key).transpose()?;
    let file = File::open(path).with_context(|| name.clone())?;
    if file.metadata().is_ok_and(|about| about.is_dir()) {
        bail!(
            "{name} is a folder: name one bundle in it (`offhook bundle list {name}` tells which there are)"
        );
    }
    let opened = pack::open(BufReader::with_capacity(1 << 20, file), key.as_ref());
    let opened = opened.with_context(|| {
        let hint = "an encrypted bundle needs --key, or OFFHOOK_BUNDLE_KEY";
        if key.is_none() { format!("{name}: {hint}") } else { name.clone() }
    })?;
    Ok(Box::new(BufReader::with_capacity(1 << 20, opened)))
}

/// A bundle; `None` where the file is something else, such as a capture of others.
pub(super) fn open_if_bundle(path: &Path, key: Option<&str>) -> anyhow::Result<Option<Bundle>> {
    match Bundle::open(plain(path, key)?) {
        Ok(bundle) => Ok(Some(bundle)),
        Err(OpenError::Damaged(Damage::NotABundle | Damage::NotACapture)) => Ok(None),
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// A bundle, or why there is none.
pub(super) fn open(path: &Path, key: Option<&str>) -> anyhow::Result<Bundle> {
    let name = path.display();
    open_if_bundle(path, key)?.with_context(|| {
        format!("{name} is no call bundle: captures of others are for `offhook replay`, bundles are named CALL.call")
    })
}

/// How far a bundle could be read, in words.
pub(super) fn ending(ending: Ending) -> String {
    match ending {
        Ending::Complete => "complete".to_owned(),
        Ending::Cut { at } => format!("cut after {at} bytes: the call runs still, or its server was killed"),
        Ending::Damaged { at, why } => format!("damaged at byte {at}: {why}"),
    }
}

fn read_key(text: &str) -> anyhow::Result<[u8; KEY]> {
    let digits = match text.strip_prefix("file:") {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("--key file:{path}"))?,
        None => text.to_owned(),
    };
    let digits: Vec<u8> =
        digits.trim().chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    let mut key = [0; KEY];
    if digits.len() != KEY * 2 {
        // Not a digit of it is told.
        bail!("--key is no key: write 64 hexadecimal digits, or file:PATH of a file with them");
    }
    for (octet, pair) in key.iter_mut().zip(digits.chunks(2)) {
        *octet = pair.iter().fold(0, |value, digit| value << 4 | digit);
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_64_digits_and_nothing_of_a_wrong_one_is_told() {
        assert_eq!(read_key(&"0f".repeat(32)).unwrap(), [0x0F; KEY]);

        for wrong in ["", "abc", &"0f".repeat(31), "file:/nowhere/at/all"] {
            let told = read_key(wrong).unwrap_err().to_string();
            assert!(told.contains("--key"), "{told}");
        }
    }
}
