//! Needs libflite1; says so where it is missing.

use offhook_flite_ffi::{Error, Flite, VOICES};

#[test]
fn each_voice_speaks_in_pieces() {
    let Some(flite) = flite() else { return };
    for (name, _) in VOICES {
        let mut voice = flite.voice(name).unwrap();
        for _ in 0..2 {
            let (mut pieces, mut samples, mut loudest) = (0, 0, 0);

            voice
                .speak("thank you for calling", |rate, piece| {
                    assert_eq!(rate, 16_000);
                    pieces += 1;
                    samples += piece.len();
                    loudest =
                        piece.iter().fold(loudest, |loudest, sample| loudest.max(sample.unsigned_abs()));
                    true
                })
                .unwrap();

            assert!(pieces > 10, "{name}: {pieces} pieces");
            assert!((12_000..48_000).contains(&samples), "{name}: {samples} samples");
            assert!(loudest > 2_000, "{name}: loudest {loudest}");
        }
    }
}

#[test]
fn a_listener_that_has_heard_enough_ends_the_synthesis() {
    let Some(flite) = flite() else { return };
    let mut voice = flite.voice("kal16").unwrap();
    let mut pieces = 0;

    voice
        .speak("one two three four five six seven eight nine ten", |_, _| {
            pieces += 1;
            pieces < 3
        })
        .unwrap();

    assert_eq!(pieces, 3);
}

#[test]
fn an_unknown_voice_and_a_zero_byte_are_refused() {
    let Some(flite) = flite() else { return };

    assert_eq!(flite.voice("hal").unwrap_err(), Error::UnknownVoice("hal".into()));
    assert_eq!(flite.voice("kal16").unwrap().speak("a\0b", |_, _| true), Err(Error::ZeroByte));
}

fn flite() -> Option<&'static Flite> {
    Flite::load().map_err(|error| skip(&error)).ok()
}

/// Says that a test cannot run here; in the gate (`scripts/test.sh`) that fails it.
fn skip(why: &dyn std::fmt::Display) {
    let gate = std::env::var_os("OFFHOOK_GATE").is_some_and(|value| value == "1");
    assert!(!gate, "cannot run: {why}");
    println!("skipped: {why}");
}
