//! One voice.

use std::ffi::{CString, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use crate::symbols::{RawStreaming, RawVoice, RawWave};
use crate::{Error, Flite};

/// `CST_AUDIO_STREAM_CONT` of flite/cst_audio.h.
const GO_ON: c_int = 0;
/// `CST_AUDIO_STREAM_STOP`.
const STOP: c_int = -1;

/// A voice, ready to speak. Voices of one name share one C object; the library's lock keeps them apart.
pub struct Voice {
    flite: &'static Flite,
    raw: NonNull<RawVoice>,
}

// SAFETY: the C objects have no thread affinity; every use holds the library's lock.
unsafe impl Send for Voice {}

impl Voice {
    pub(crate) fn new(flite: &'static Flite, raw: *mut RawVoice) -> Result<Voice, Error> {
        let raw = NonNull::new(raw).ok_or(Error::Failed("register_cmu_us"))?;
        Ok(Voice { flite, raw })
    }

    /// Speaks `text`: hands each run of samples with its rate to `take` as soon as it is there. Where `take` answers
    /// false the rest is not synthesized.
    pub fn speak(&mut self, text: &str, mut take: impl FnMut(u32, &[i16]) -> bool) -> Result<(), Error> {
        let text = CString::new(text).map_err(|_| Error::ZeroByte)?;
        let _guard = self.flite.speaking.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut listener = Listener { take: &mut take, stopped: false };
        // SAFETY: makes a plain structure that we own.
        let streaming = NonNull::new(unsafe { (self.flite.new_audio_streaming_info)() })
            .ok_or(Error::Failed("new_audio_streaming_info"))?;
        // SAFETY: under the lock nobody else uses the voice. flite_feat_set takes the structure over and frees the one
        // before it, so each text gets a fresh one and it lives until the next text. Its user data points to
        // `listener`, which outlives the synthesis, and is cleared after it.
        let utterance = unsafe {
            (*streaming.as_ptr()).asc = take_chunk;
            (*streaming.as_ptr()).userdata = (&raw mut listener).cast::<c_void>();
            let value = (self.flite.audio_streaming_info_val)(streaming.as_ptr());
            (self.flite.flite_feat_set)(self.raw.as_ref().features, c"streaming_info".as_ptr(), value);
            let utterance = (self.flite.flite_synth_text)(text.as_ptr(), self.raw.as_ptr());
            (*streaming.as_ptr()).userdata = ptr::null_mut();
            utterance
        };
        if utterance.is_null() {
            return if listener.stopped { Ok(()) } else { Err(Error::Failed("flite_synth_text")) };
        }
        // SAFETY: the utterance came from flite_synth_text and is ours.
        unsafe { (self.flite.delete_utterance)(utterance) };
        Ok(())
    }
}

impl std::fmt::Debug for Voice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Voice")
    }
}

struct Listener<'a> {
    take: &'a mut dyn FnMut(u32, &[i16]) -> bool,
    stopped: bool,
}

unsafe extern "C" fn take_chunk(
    wave: *const RawWave,
    start: c_int,
    size: c_int,
    _last: c_int,
    streaming: *mut RawStreaming,
) -> c_int {
    // SAFETY: flite passes its wave and the structure that `speak` filled in; user data is null or a live Listener.
    let (Some(wave), Some(listener)) =
        (unsafe { (wave.as_ref(), (*streaming).userdata.cast::<Listener<'_>>().as_mut()) })
    else {
        return STOP;
    };
    let (start, size) = (start.max(0) as usize, size.max(0) as usize);
    let end = (start + size).min(wave.num_samples.max(0) as usize);
    if start >= end {
        return GO_ON;
    }
    // SAFETY: start..end lies inside the wave's num_samples samples.
    let samples = unsafe { std::slice::from_raw_parts(wave.samples.add(start), end - start) };
    let rate = wave.sample_rate.max(0) as u32;
    // A panic must not cross the C frames.
    let go_on = catch_unwind(AssertUnwindSafe(|| (listener.take)(rate, samples))).unwrap_or(false);
    listener.stopped |= !go_on;
    if go_on { GO_ON } else { STOP }
}
