//! One decoder.

use std::ffi::{CStr, CString, c_int};
use std::path::Path;
use std::ptr::{self, NonNull};

use crate::symbols::{Feat, RawDecoder};
use crate::{Error, Library};

/// How many numbers a cepstral vector of the model has.
pub const CEPSTRUM: usize = 13;

/// One word or filler of the best path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// As the dictionary spells it; fillers in angle or square brackets.
    pub word: String,
    /// First 10 ms frame, counted since the decoder was made.
    pub first_frame: i32,
    /// Last 10 ms frame.
    pub last_frame: i32,
    /// Acoustic score, a scaled logarithm.
    pub acoustic: i32,
    /// Grammar score, a scaled logarithm.
    pub language: i32,
}

/// A recognizer with its acoustic model.
pub struct Decoder {
    library: Library,
    raw: NonNull<RawDecoder>,
}

// SAFETY: the C object has no thread affinity (no thread-local state); `&mut self` keeps it to one thread at a time.
unsafe impl Send for Decoder {}

impl Decoder {
    /// A decoder with these options (`("-hmm", "directory")` and so on, see pocketsphinx(1)).
    pub fn new(library: &Library, options: &[(&str, &str)]) -> Result<Decoder, Error> {
        for (option, path) in options {
            if ["-hmm", "-dict", "-allphone"].contains(option) && !Path::new(path).exists() {
                return Err(Error::Missing { what: (*path).to_owned(), package: "pocketsphinx-en-us" });
            }
        }
        let words =
            ["decoder"].into_iter().chain(options.iter().flat_map(|(option, value)| [*option, *value]));
        let words: Vec<CString> = words.map(text).collect::<Result<_, _>>()?;
        let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr().cast_mut()).collect();
        let symbols = &library.symbols;
        // SAFETY: `pointers` are valid C strings for the call, which copies them; ps_args is a static table.
        let config = unsafe {
            (symbols.cmd_ln_parse_r)(
                ptr::null_mut(),
                (symbols.ps_args)(),
                pointers.len() as i32,
                pointers.as_mut_ptr(),
                1,
            )
        };
        if config.is_null() {
            return Err(Error::Failed("cmd_ln_parse_r"));
        }
        // SAFETY: config is valid; ps_init retains it, so our reference is given back afterwards.
        let raw = unsafe { (symbols.ps_init)(config) };
        // SAFETY: the reference from cmd_ln_parse_r is ours.
        unsafe { (symbols.cmd_ln_free_r)(config) };
        let raw = NonNull::new(raw).ok_or(Error::Failed("ps_init"))?;
        Ok(Decoder { library: library.clone(), raw })
    }

    /// Teaches a word by its phones (`HH AH L OW`).
    pub fn add_word(&mut self, word: &str, phones: &str) -> Result<(), Error> {
        let (word, phones) = (text(word)?, text(phones)?);
        // SAFETY: both are C strings; the decoder copies them. 0: no search is rebuilt.
        let id = unsafe {
            (self.library.symbols.ps_add_word)(self.raw.as_ptr(), word.as_ptr(), phones.as_ptr(), 0)
        };
        if id < 0 { Err(Error::Failed("ps_add_word")) } else { Ok(()) }
    }

    /// Compiles a JSGF grammar under a name.
    pub fn set_grammar(&mut self, name: &str, jsgf: &str) -> Result<(), Error> {
        let (name, jsgf) = (text(name)?, text(jsgf)?);
        // SAFETY: both are C strings; the decoder copies them.
        let result = unsafe {
            (self.library.symbols.ps_set_jsgf_string)(self.raw.as_ptr(), name.as_ptr(), jsgf.as_ptr())
        };
        check(result, "ps_set_jsgf_string")
    }

    /// Uses the grammar of that name from the next utterance on.
    pub fn select_search(&mut self, name: &str) -> Result<(), Error> {
        let name = text(name)?;
        // SAFETY: a C string; an unknown name is an error, not undefined.
        check(
            unsafe { (self.library.symbols.ps_set_search)(self.raw.as_ptr(), name.as_ptr()) },
            "ps_set_search",
        )
    }

    /// Forgets the grammar of that name; it must not be the selected one.
    pub fn remove_search(&mut self, name: &str) -> Result<(), Error> {
        let name = text(name)?;
        // SAFETY: a C string; the library unlinks the search and frees it.
        check(
            unsafe { (self.library.symbols.ps_unset_search)(self.raw.as_ptr(), name.as_ptr()) },
            "ps_unset_search",
        )
    }

    /// Forgets the noise of the line before: the next utterance comes from another one.
    pub fn start_stream(&mut self) -> Result<(), Error> {
        // SAFETY: the decoder is valid; a wrong state is an error code.
        check(unsafe { (self.library.symbols.ps_start_stream)(self.raw.as_ptr()) }, "ps_start_stream")
    }

    /// Begins an utterance.
    pub fn start_utterance(&mut self) -> Result<(), Error> {
        // SAFETY: the decoder is valid; a wrong state is an error code.
        check(unsafe { (self.library.symbols.ps_start_utt)(self.raw.as_ptr()) }, "ps_start_utt")
    }

    /// Takes samples at 16 kHz and searches as far as they reach.
    pub fn process(&mut self, samples: &[i16]) -> Result<(), Error> {
        // SAFETY: the pointer and length describe `samples`; the library only reads them.
        let result = unsafe {
            (self.library.symbols.ps_process_raw)(self.raw.as_ptr(), samples.as_ptr(), samples.len(), 0, 0)
        };
        check(result, "ps_process_raw")
    }

    /// Takes cepstral vectors, one for each 10 ms, and searches as far as they reach. The decoder must have been made
    /// with `-cmn none` where the vectors are normalized already.
    pub fn process_cepstra(&mut self, vectors: &[[f32; CEPSTRUM]]) -> Result<(), Error> {
        // SAFETY: ps_get_feat gives the decoder's own feat_t, which lives as long as it; `Feat` is its declared
        // beginning in sphinxbase/feat.h of this soname. Nothing writes to it while `self` is borrowed.
        let feat = unsafe { (self.library.symbols.ps_get_feat)(self.raw.as_ptr()).as_ref() };
        if feat.is_none_or(|feat| feat.cepsize != CEPSTRUM as i32) {
            return Err(Error::Failed("ps_get_feat"));
        }
        let mut rows: Vec<*mut f32> = vectors.iter().map(|row| row.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(rows.len()).map_err(|_| Error::Failed("ps_process_cep"))?;
        // SAFETY: `rows` are `count` pointers to as many numbers as the decoder's vectors have, which was checked; the
        // library copies them into its own buffer and writes to none (acmod.c).
        let result = unsafe {
            (self.library.symbols.ps_process_cep)(self.raw.as_ptr(), rows.as_mut_ptr(), count, 0, 0)
        };
        check(result, "ps_process_cep")
    }

    /// Ends the utterance; the result is complete after it.
    pub fn end_utterance(&mut self) -> Result<(), Error> {
        // SAFETY: the decoder is valid; a wrong state is an error code.
        check(unsafe { (self.library.symbols.ps_end_utt)(self.raw.as_ptr()) }, "ps_end_utt")
    }

    /// The best text and its score, or none where no path reached the end of the grammar.
    pub fn hypothesis(&mut self) -> Option<(String, i32)> {
        let mut score = 0;
        // SAFETY: `score` outlives the call; the string is the decoder's until its next call and is copied here.
        let hypothesis = unsafe {
            let pointer = (self.library.symbols.ps_get_hyp)(self.raw.as_ptr(), &mut score);
            NonNull::new(pointer.cast_mut())
                .map(|at| CStr::from_ptr(at.as_ptr()).to_string_lossy().into_owned())
        };
        hypothesis.map(|hypothesis| (hypothesis, score))
    }

    /// The best path, piece by piece.
    pub fn segments(&mut self) -> Vec<Segment> {
        let symbols = &self.library.symbols;
        let mut segments = Vec::new();
        // SAFETY: the decoder is valid; NULL means no path.
        let mut at = unsafe { (symbols.ps_seg_iter)(self.raw.as_ptr()) };
        while !at.is_null() {
            let (mut first_frame, mut last_frame, mut acoustic, mut language, mut back) = (0, 0, 0, 0, 0);
            // SAFETY: `at` is a live iterator, the out-parameters outlive the calls, the word is copied.
            // ps_seg_next frees the iterator itself when it returns NULL.
            unsafe {
                (symbols.ps_seg_frames)(at, &mut first_frame, &mut last_frame);
                (symbols.ps_seg_prob)(at, &mut acoustic, &mut language, &mut back);
                let word = (symbols.ps_seg_word)(at);
                let word = if word.is_null() {
                    String::new()
                } else {
                    CStr::from_ptr(word).to_string_lossy().into()
                };
                segments.push(Segment { word, first_frame, last_frame, acoustic, language });
                at = (symbols.ps_seg_next)(at);
            }
        }
        segments
    }

    /// The running cepstral mean: what the decoder knows about the line and the voice.
    pub fn cepstral_mean(&self) -> Vec<f32> {
        let Some(feat) = self.feat() else { return Vec::new() };
        let mut mean = vec![0.0; feat.cepsize.max(0) as usize];
        // SAFETY: cmn_struct is this decoder's, and `mean` holds the cepsize numbers that are written.
        unsafe { (self.library.symbols.cmn_live_get)(feat.cmn_struct, mean.as_mut_ptr()) };
        mean
    }

    /// Sets the running cepstral mean, so that another call's voice does not colour this one's.
    pub fn set_cepstral_mean(&mut self, mean: &[f32]) -> Result<(), Error> {
        let feat = self.feat().ok_or(Error::Failed("ps_get_feat"))?;
        if mean.len() != feat.cepsize.max(0) as usize {
            return Err(Error::Failed("cmn_live_set"));
        }
        // SAFETY: cmn_struct is this decoder's, and `mean` holds the cepsize numbers that are read.
        unsafe { (self.library.symbols.cmn_live_set)(feat.cmn_struct, mean.as_ptr()) };
        Ok(())
    }

    fn feat(&self) -> Option<&Feat> {
        // SAFETY: ps_get_feat gives the decoder's own feat_t, which lives as long as it; `Feat` is its declared
        // beginning in sphinxbase/feat.h of this soname. Nothing writes to it while `self` is borrowed.
        let feat = unsafe { (self.library.symbols.ps_get_feat)(self.raw.as_ptr()).as_ref() }?;
        (!feat.cmn_struct.is_null()).then_some(feat)
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: the reference from ps_init is ours and is given back once.
        unsafe { (self.library.symbols.ps_free)(self.raw.as_ptr()) };
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoder")
    }
}

fn text(text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::ZeroByte)
}

fn check(result: c_int, what: &'static str) -> Result<(), Error> {
    if result < 0 { Err(Error::Failed(what)) } else { Ok(()) }
}
