//! The functions that we use, found at run time.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Mutex;

use crate::{Error, VOICES, Voice};

/// `cst_voice` of flite/cst_voice.h up to the field we use.
#[repr(C)]
pub(crate) struct RawVoice {
    name: *const c_char,
    /// What every utterance of the voice starts with.
    pub(crate) features: *mut c_void,
}

/// `cst_wave` of flite/cst_wave.h.
#[repr(C)]
pub(crate) struct RawWave {
    kind: *const c_char,
    pub(crate) sample_rate: c_int,
    pub(crate) num_samples: c_int,
    num_channels: c_int,
    pub(crate) samples: *const i16,
}

/// `cst_audio_streaming_info` of flite/cst_audio.h.
#[repr(C)]
pub(crate) struct RawStreaming {
    pub(crate) min_buffsize: c_int,
    pub(crate) asc: unsafe extern "C" fn(*const RawWave, c_int, c_int, c_int, *mut RawStreaming) -> c_int,
    utterance: *const c_void,
    item: *const c_void,
    pub(crate) userdata: *mut c_void,
}

/// libflite, loaded and initialised.
pub struct Flite {
    pub(crate) flite_synth_text: unsafe extern "C" fn(*const c_char, *mut RawVoice) -> *mut c_void,
    pub(crate) delete_utterance: unsafe extern "C" fn(*mut c_void),
    pub(crate) new_audio_streaming_info: unsafe extern "C" fn() -> *mut RawStreaming,
    pub(crate) audio_streaming_info_val: unsafe extern "C" fn(*mut RawStreaming) -> *mut c_void,
    pub(crate) flite_feat_set: unsafe extern "C" fn(*mut c_void, *const c_char, *const c_void),
    /// Flite's tables are global: one text at a time.
    pub(crate) speaking: Mutex<()>,
}

impl Flite {
    /// Loads the library once per process.
    pub fn load() -> Result<&'static Flite, Error> {
        static LOADED: std::sync::OnceLock<Result<Flite, Error>> = std::sync::OnceLock::new();
        LOADED
            .get_or_init(|| Flite::open().map_err(|_| Error::Missing { what: "libflite.so.1".into() }))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// A voice of [`VOICES`]; each is loaded from its own library.
    pub fn voice(&'static self, name: &str) -> Result<Voice, Error> {
        let (name, _) = VOICES
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| Error::UnknownVoice(name.into()))?;
        let soname = format!("libflite_cmu_us_{name}.so.1");
        let _guard = self.speaking.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let raw = open_voice(&soname, &format!("register_cmu_us_{name}\0"))
            .map_err(|_| Error::Missing { what: soname })?;
        Voice::new(self, raw)
    }

    fn open() -> Result<Flite, libloading::Error> {
        // SAFETY: the library has no initialisers with preconditions; each type is the function's declaration in
        // the headers of this soname; the library is never unloaded, so the pointers stay good.
        unsafe {
            let library = libloading::Library::new("libflite.so.1")?;
            let flite_init: unsafe extern "C" fn() -> c_int = *library.get(b"flite_init\0")?;
            let flite = Flite {
                flite_synth_text: *library.get(b"flite_synth_text\0")?,
                delete_utterance: *library.get(b"delete_utterance\0")?,
                new_audio_streaming_info: *library.get(b"new_audio_streaming_info\0")?,
                audio_streaming_info_val: *library.get(b"audio_streaming_info_val\0")?,
                flite_feat_set: *library.get(b"flite_feat_set\0")?,
                speaking: Mutex::new(()),
            };
            std::mem::forget(library);
            flite_init();
            Ok(flite)
        }
    }
}

impl std::fmt::Debug for Flite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("libflite.so.1")
    }
}

fn open_voice(soname: &str, register: &str) -> Result<*mut RawVoice, libloading::Error> {
    // SAFETY: the register functions take a directory that these voices ignore and return their one static voice;
    // the caller holds the lock. The library is never unloaded.
    unsafe {
        let library = libloading::Library::new(soname)?;
        let register: unsafe extern "C" fn(*const c_char) -> *mut RawVoice =
            *library.get(register.as_bytes())?;
        std::mem::forget(library);
        Ok(register(std::ptr::null()))
    }
}
