//! Bundles at rest under a key.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::io::{Read, Write};

use common::{Call, Line, meta};
use offhook_journal::bundle::seal::{
    KEY, NONCE, SealError, SealedReader, SealedWriter, fingerprint, is_sealed,
};
use offhook_journal::bundle::{Bundle, Reader, Writer};
use offhook_journal::{Damage, Ending};
use offhook_time::{Half, Step, Time};

const OURS: [u8; KEY] = [7; KEY];
const OTHERS: [u8; KEY] = [8; KEY];
const ONCE: [u8; NONCE] = [9; NONCE];

/// Eight flushes, one step each.
fn sealed() -> Vec<u8> {
    let mut file = Vec::new();
    let mut writer = Writer::begin(SealedWriter::begin(&mut file, &OURS, ONCE).unwrap(), &meta()).unwrap();
    for sequence in 0..8 {
        let now = Time::from_millis(sequence);
        writer.step(Step { half: Half::Media, sequence, now, payload: b"secret" }).unwrap();
        writer.flush().unwrap();
    }
    writer.finish().unwrap().0.finish().unwrap();
    file
}

fn open(file: &[u8]) -> (Vec<u8>, Option<Ending>, Option<std::io::Error>) {
    let mut reader = SealedReader::open(file, &OURS).unwrap();
    let mut plain = Vec::new();
    let error = reader.read_to_end(&mut plain).err();
    (plain, reader.ending(), error)
}

#[test]
fn a_sealed_bundle_comes_back_and_shows_nothing() {
    let file = sealed();

    let mut reader = Reader::new(SealedReader::open(file.as_slice(), &OURS).unwrap());
    let items = reader.by_ref().count();
    let bundle = Bundle::open(SealedReader::open(file.as_slice(), &OURS).unwrap()).unwrap();

    assert!(is_sealed(&file));
    assert!(bundle.verify().is_sound());
    assert_eq!(items, bundle.items.len() + 1);
    assert_eq!(reader.get_ref().ending(), Some(Ending::Complete));
    assert_eq!(bundle.steps(Half::Media).count(), 8);
    assert!(!file.windows(6).any(|window| window == b"secret"));
}

#[test]
fn a_large_file_goes_through_in_chunks() {
    let mut file = Vec::new();
    let mut writer = SealedWriter::begin(&mut file, &OURS, ONCE).unwrap();
    let bytes: Vec<u8> = (0..200_000_u32).map(|at| (at % 251) as u8).collect();
    writer.write_all(&bytes).unwrap();
    writer.finish().unwrap();

    let (plain, ending, _) = open(&file);

    assert_eq!(plain, bytes);
    assert_eq!(ending, Some(Ending::Complete));
    assert!(file.len() < bytes.len() + 200);
}

#[test]
fn the_same_bytes_are_sealed_differently_under_another_nonce() {
    let seal = |nonce| {
        let mut file = Vec::new();
        let mut writer = SealedWriter::begin(&mut file, &OURS, nonce).unwrap();
        writer.write_all(b"the same").unwrap();
        writer.finish().unwrap();
        file
    };

    assert_ne!(seal([1; NONCE])[52..], seal([2; NONCE])[52..]);
}

#[test]
fn a_sealed_file_cut_at_any_byte_reads_up_to_the_last_whole_chunk() {
    let file = sealed();
    let (whole, _, _) = open(&file);

    let mut before = 0;
    for length in 52..file.len() {
        let (plain, ending, error) = open(&file[..length]);

        assert!(error.is_none(), "cut at {length}");
        assert!(
            matches!(ending, Some(Ending::Cut { at }) if at <= length as u64),
            "cut at {length}: {ending:?}"
        );
        assert_eq!(plain, whole[..plain.len()]);
        assert!(plain.len() >= before);
        before = plain.len();
    }
    assert_eq!(before, whole.len());
}

#[test]
fn every_changed_byte_is_noticed_before_its_content_is_given_out() {
    let file = sealed();
    let (whole, _, _) = open(&file);

    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 0x40;

        match SealedReader::open(changed.as_slice(), &OURS) {
            Err(error) => assert!(at < 52, "byte {at}: {error}"),
            Ok(mut reader) => {
                let mut plain = Vec::new();
                let error = reader.read_to_end(&mut plain).err();
                assert!(at >= 52, "byte {at}");
                assert_eq!(plain, whole[..plain.len()]);
                // A length that grew points beyond the end: that looks like a cut, and gives nothing false either.
                let cut = matches!(reader.ending(), Some(Ending::Cut { .. }));
                assert!(error.is_some() || cut, "byte {at}");
            }
        }
    }
}

#[test]
fn chunks_cannot_change_places_or_be_added() {
    let file = sealed();
    let mut chunks = Vec::new();
    let mut at = 52;
    while at < file.len() {
        let length = u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) & 0x7FFF_FFFF;
        chunks.push(&file[at..at + 20 + length as usize]);
        at += 20 + length as usize;
    }
    let of = |chunks: &[&[u8]]| [&file[..52], &chunks.concat()].concat();
    let mut swapped = chunks.clone();
    swapped.swap(3, 4);
    let mut missing = chunks.clone();
    missing.remove(3);
    let mut more = chunks.clone();
    more.push(chunks[3]);

    for (what, file) in [("swapped", of(&swapped)), ("missing", of(&missing)), ("more", of(&more))] {
        let (_, ending, error) = open(&file);

        assert!(matches!(ending, Some(Ending::Damaged { .. })), "{what}: {ending:?}");
        assert_eq!(error.unwrap().kind(), std::io::ErrorKind::InvalidData, "{what}");
    }
}

#[test]
fn a_wrong_key_a_changed_header_and_a_plain_file_are_told_apart() {
    let file = sealed();
    let mut plain = Vec::new();
    Call::begin(&mut plain, Line::v4()).whole(1);
    let mut nonce = file.clone();
    nonce[30] ^= 1;
    let mut newer = file.clone();
    newer[8] = 9;

    let wrong = SealedReader::open(file.as_slice(), &OTHERS).unwrap_err();

    assert!(matches!(&wrong, SealError::WrongKey { given, wanted }
        if *given == fingerprint(&OTHERS) && *wanted == fingerprint(&OURS)));
    assert!(wrong.to_string().contains("another key"), "{wrong}");
    assert!(matches!(SealedReader::open(nonce.as_slice(), &OURS), Err(SealError::Changed)));
    assert!(matches!(SealedReader::open(newer.as_slice(), &OURS), Err(SealError::Newer(9))));
    assert!(matches!(SealedReader::open(plain.as_slice(), &OURS), Err(SealError::NotSealed)));
    assert!(matches!(SealedReader::open(&file[..51], &OURS), Err(SealError::NotSealed)));
}

#[test]
fn a_changed_bundle_says_so_when_it_is_read_as_one() {
    let mut file = sealed();
    let at = file.len() - 400;
    file[at] ^= 1;

    let bundle = Bundle::open(SealedReader::open(file.as_slice(), &OURS).unwrap()).unwrap();

    let invalid = Damage::Io(std::io::ErrorKind::InvalidData);
    assert!(matches!(bundle.ending, Ending::Damaged { why, .. } if why == invalid), "{:?}", bundle.ending);
}
