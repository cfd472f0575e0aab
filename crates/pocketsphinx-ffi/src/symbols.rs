//! The functions that we use, found at run time.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Arc;

use crate::Error;

/// libpocketsphinx and libsphinxbase, loaded. Cheap to clone.
#[derive(Clone)]
pub struct Library {
    pub(crate) symbols: Arc<Symbols>,
}

impl Library {
    /// Loads the libraries and silences their logging.
    pub fn load() -> Result<Library, Error> {
        let symbols = Symbols::load()?;
        // SAFETY: err_set_logfp takes a FILE or NULL; NULL turns logging off (sphinxbase/err.h).
        unsafe { (symbols.err_set_logfp)(std::ptr::null_mut()) };
        Ok(Library { symbols: Arc::new(symbols) })
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("libpocketsphinx.so.3")
    }
}

/// Opaque `cmd_ln_t`.
pub(crate) type Config = c_void;
/// Opaque `ps_decoder_t`.
pub(crate) type RawDecoder = c_void;
/// Opaque `ps_seg_t`.
pub(crate) type RawSegment = c_void;
/// Opaque `cmn_t`.
pub(crate) type Cmn = c_void;

/// `feat_t` of sphinxbase/feat.h up to the one field that has no accessor.
#[repr(C)]
pub(crate) struct Feat {
    refcount: c_int,
    name: *mut c_char,
    /// How many numbers a cepstral vector has.
    pub(crate) cepsize: i32,
    n_stream: i32,
    stream_len: *mut u32,
    window_size: i32,
    n_sv: i32,
    sv_len: *mut u32,
    subvecs: *mut *mut i32,
    sv_buf: *mut f32,
    sv_dim: i32,
    cmn: c_int,
    varnorm: i32,
    agc: c_int,
    compute_feat: *const c_void,
    /// The running cepstral mean.
    pub(crate) cmn_struct: *mut Cmn,
}

macro_rules! symbols {
    ($($library:ident { $($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)+ })+) => {
        /// One field per C function, named after it.
        pub(crate) struct Symbols {
            $($(pub(crate) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)+)+
        }

        impl Symbols {
            fn find($($library: &libloading::Library),+) -> Result<Symbols, libloading::Error> {
                Ok(Symbols {
                    // SAFETY: each type is the function's declaration in the header of the soname that is loaded,
                    // and the library is never unloaded, so the pointers stay good.
                    $($($name: unsafe { *$library.get(concat!(stringify!($name), "\0").as_bytes())? },)+)+
                })
            }
        }
    };
}

symbols! {
    sphinxbase {
        cmd_ln_parse_r: fn(*mut Config, *const c_void, i32, *mut *mut c_char, i32) -> *mut Config;
        cmd_ln_free_r: fn(*mut Config) -> c_int;
        err_set_logfp: fn(*mut c_void);
        cmn_live_set: fn(*mut Cmn, *const f32);
        cmn_live_get: fn(*mut Cmn, *mut f32);
    }
    pocketsphinx {
        ps_args: fn() -> *const c_void;
        ps_init: fn(*mut Config) -> *mut RawDecoder;
        ps_free: fn(*mut RawDecoder) -> c_int;
        ps_get_feat: fn(*mut RawDecoder) -> *mut Feat;
        ps_add_word: fn(*mut RawDecoder, *const c_char, *const c_char, c_int) -> c_int;
        ps_set_jsgf_string: fn(*mut RawDecoder, *const c_char, *const c_char) -> c_int;
        ps_set_search: fn(*mut RawDecoder, *const c_char) -> c_int;
        ps_unset_search: fn(*mut RawDecoder, *const c_char) -> c_int;
        ps_start_stream: fn(*mut RawDecoder) -> c_int;
        ps_start_utt: fn(*mut RawDecoder) -> c_int;
        ps_process_raw: fn(*mut RawDecoder, *const i16, usize, c_int, c_int) -> c_int;
        ps_process_cep: fn(*mut RawDecoder, *mut *mut f32, c_int, c_int, c_int) -> c_int;
        ps_end_utt: fn(*mut RawDecoder) -> c_int;
        ps_get_hyp: fn(*mut RawDecoder, *mut i32) -> *const c_char;
        ps_seg_iter: fn(*mut RawDecoder) -> *mut RawSegment;
        ps_seg_next: fn(*mut RawSegment) -> *mut RawSegment;
        ps_seg_word: fn(*mut RawSegment) -> *const c_char;
        ps_seg_frames: fn(*mut RawSegment, *mut c_int, *mut c_int);
        ps_seg_prob: fn(*mut RawSegment, *mut i32, *mut i32, *mut i32) -> i32;
    }
}

impl Symbols {
    fn load() -> Result<Symbols, Error> {
        let missing = |what: &str, package| Error::Missing { what: what.to_owned(), package };
        let sphinxbase = open("libsphinxbase.so.3").ok_or(missing("libsphinxbase.so.3", "libsphinxbase3"))?;
        let pocketsphinx =
            open("libpocketsphinx.so.3").ok_or(missing("libpocketsphinx.so.3", "libpocketsphinx3"))?;
        let symbols = Symbols::find(&sphinxbase, &pocketsphinx)
            .map_err(|error| missing(&error.to_string(), "libpocketsphinx3"))?;
        // The library keeps state of its own (logging, mapped models): it is never unloaded.
        std::mem::forget((sphinxbase, pocketsphinx));
        Ok(symbols)
    }
}

fn open(soname: &str) -> Option<libloading::Library> {
    // SAFETY: these libraries have no initialisers with preconditions.
    unsafe { libloading::Library::new(soname) }.ok()
}
