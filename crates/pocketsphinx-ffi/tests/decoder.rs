//! Needs libpocketsphinx3 and pocketsphinx-en-us; says so where they are missing.

use offhook_pocketsphinx_ffi::{Decoder, Error, Library, MODEL_DIRECTORY};

#[test]
fn a_grammar_that_changes_between_utterances_is_followed() {
    let Some(mut decoder) = decoder() else { return };
    decoder.add_word("yes", "Y EH S").unwrap();
    decoder.add_word("no", "N OW").unwrap();
    decoder.set_grammar("one", "#JSGF V1.0;\ngrammar g;\npublic <c> = yes;\n").unwrap();
    decoder.set_grammar("two", "#JSGF V1.0;\ngrammar g;\npublic <c> = no;\n").unwrap();

    let mut heard = Vec::new();
    for search in ["one", "two", "one"] {
        decoder.select_search(search).unwrap();
        decoder.start_utterance().unwrap();
        decoder.process(&noise(16_000)).unwrap();
        decoder.end_utterance().unwrap();
        heard.extend(decoder.hypothesis().map(|(text, _)| text));
        assert!(!decoder.segments().is_empty());
    }
    decoder.remove_search("two").unwrap();

    // Noise is forced into whatever the grammar allows: that is why recognition needs a rejection path.
    assert!(heard.iter().all(|text| text == "yes" || text == "no"), "{heard:?}");
}

#[test]
fn the_cepstral_mean_can_be_kept_and_put_back() {
    let Some(mut decoder) = decoder() else { return };
    let before = decoder.cepstral_mean();
    let mut other = before.clone();
    other[0] += 5.0;

    decoder.set_cepstral_mean(&other).unwrap();

    assert_eq!(before.len(), 13);
    assert!((decoder.cepstral_mean()[0] - other[0]).abs() < 0.01);
    assert!(decoder.set_cepstral_mean(&[0.0]).is_err());
}

#[test]
fn what_cannot_be_done_is_an_error() {
    let Some(library) = library() else { return };
    let nowhere = Decoder::new(&library, &[("-hmm", "/nowhere")]);
    let Some(mut decoder) = decoder() else { return };

    assert!(matches!(nowhere, Err(Error::Missing { package: "pocketsphinx-en-us", .. })));
    assert!(decoder.add_word("odd", "QQ ZZZ").is_err());
    assert!(decoder.set_grammar("bad", "this is no grammar").is_err());
    assert!(decoder.select_search("absent").is_err());
    assert_eq!(decoder.add_word("a\0b", "AH"), Err(Error::ZeroByte));
}

fn library() -> Option<Library> {
    Library::load().map_err(|error| println!("skipped: {error}")).ok()
}

fn decoder() -> Option<Decoder> {
    let hmm = format!("{MODEL_DIRECTORY}/en-us");
    Decoder::new(&library()?, &[("-hmm", &hmm), ("-remove_silence", "no")])
        .map_err(|error| println!("skipped: {error}"))
        .ok()
}

fn noise(samples: usize) -> Vec<i16> {
    let mut state = 1u32;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 20) as i16 - 2048
        })
        .collect()
}
