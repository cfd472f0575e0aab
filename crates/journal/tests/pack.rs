//! Finished bundles made smaller, and opened whatever was done to them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::shark::Shark;
use common::{Call, Line};
use offhook_journal::Ending;
use offhook_journal::bundle::seal::{KEY, SealError, SealedWriter};
use offhook_journal::bundle::{Bundle, Reader, pack};

const OURS: [u8; KEY] = [7; KEY];

fn call() -> Vec<u8> {
    let mut file = Vec::new();
    Call::begin(&mut file, Line::v4()).whole(3);
    file
}

fn packed(file: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    pack::pack(file, &mut packed).unwrap();
    packed
}

fn sealed(file: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    let mut writer = SealedWriter::begin(&mut sealed, &OURS, [1; 16]).unwrap();
    std::io::Write::write_all(&mut writer, file).unwrap();
    writer.finish().unwrap();
    sealed
}

#[test]
fn a_bundle_opens_plain_packed_sealed_and_both() {
    let file = call();
    let plain = Bundle::open(file.as_slice()).unwrap();

    for stored in [file.clone(), packed(&file), sealed(&file), sealed(&packed(&file))] {
        let bundle = Bundle::open(pack::open(stored.as_slice(), Some(&OURS)).unwrap()).unwrap();

        assert!(bundle.verify().is_sound());
        assert_eq!(bundle.items, plain.items);
    }
    assert!(packed(&file).len() < file.len() * 3 / 4);
}

#[test]
fn a_sealed_bundle_without_its_key_says_so() {
    let file = sealed(&call());

    assert!(matches!(pack::open(file.as_slice(), None), Err(SealError::KeyMissing)));
    assert!(matches!(pack::open(file.as_slice(), Some(&[1; KEY])), Err(SealError::WrongKey { .. })));
}

#[test]
fn wireshark_opens_a_packed_bundle_as_it_is() {
    let Some(shark) = Shark::new(&packed(&call())) else { return };

    let methods = shark.fields("sip.Method", &["sip.Method"]);
    let streams = shark.lines(&["-q", "-z", "rtp,streams"]);

    assert_eq!(methods, ["INVITE", "ACK", "BYE"]);
    assert_eq!(streams.iter().filter(|stream| stream.contains("0 (0.0%)")).count(), 2, "{streams:#?}");
}

#[test]
fn a_packed_bundle_that_is_cut_or_changed_is_read_as_far_as_it_goes() {
    let file = call();
    let packed = packed(&file);
    let mut changed = packed.clone();
    changed[packed.len() / 2] ^= 0x55;
    let whole = Reader::new(file.as_slice()).count();

    for length in (8..packed.len()).step_by(997) {
        let mut reader = Reader::new(pack::open(&packed[..length], None).unwrap());

        assert!(reader.by_ref().count() < whole);
        assert!(matches!(reader.ending(), Some(Ending::Cut { .. })), "{length}: {:?}", reader.ending());
    }
    let sound = Bundle::open(pack::open(changed.as_slice(), None).unwrap());

    assert!(!sound.is_ok_and(|bundle| bundle.verify().is_sound()));
    assert!(matches!(
        Bundle::open(pack::open(b"neither".as_slice(), None).unwrap()).err(),
        Some(offhook_journal::bundle::OpenError::Cut(0))
    ));
}
