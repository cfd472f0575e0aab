//! What parent and child say to each other: a length (u32, little-endian) and a postcard value.

use std::io::{self, Read};

use offhook_engine_api::{EngineError, Grammar};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longer messages mean that the two do not understand each other.
const MAX_MESSAGE: usize = 16 << 20;

/// Names one call's session, unique in a pool.
pub(crate) type SessionId = u32;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ToChild {
    Grammar {
        session: SessionId,
        grammar: Grammar,
    },
    Start {
        session: SessionId,
    },
    /// 20 ms at 16 kHz.
    Audio {
        session: SessionId,
        samples: Vec<i16>,
    },
    Finish {
        session: SessionId,
    },
    Speak {
        session: SessionId,
        utterance: u32,
        voice: String,
        text: String,
    },
    Cancel {
        session: SessionId,
        utterance: u32,
    },
    Close {
        session: SessionId,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum FromChild {
    /// The engine is loaded and warm.
    Warm,
    /// The engine cannot run here at all.
    Unavailable(EngineError),
    Recognized {
        session: SessionId,
        result: Recognized,
    },
    Audio {
        session: SessionId,
        utterance: u32,
        sample_rate: u32,
        samples: Vec<i16>,
    },
    Complete {
        session: SessionId,
        utterance: u32,
    },
    SpeakFailed {
        session: SessionId,
        utterance: u32,
        error: EngineError,
    },
}

/// The result of one utterance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Recognized {
    Text { text: String, confidence: f32 },
    NoMatch,
    Failed(EngineError),
}

/// Appends one message.
pub(crate) fn encode(message: &impl Serialize, out: &mut Vec<u8>) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    let filled = std::mem::take(out);
    // Postcard fails only where the buffer cannot grow.
    match postcard::to_extend(message, filled) {
        Ok(longer) => *out = longer,
        Err(error) => tracing::error!(%error, "a message to or from an engine host is lost"),
    }
    let length = out.len().saturating_sub(at + 4) as u32;
    if let Some(prefix) = out.get_mut(at..at + 4) {
        prefix.copy_from_slice(&length.to_le_bytes());
    }
}

/// Collects bytes and gives whole messages.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
    at: usize,
}

impl Decoder {
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message; none until it is complete.
    pub(crate) fn next<M: DeserializeOwned>(&mut self) -> io::Result<Option<M>> {
        let rest = &self.bytes[self.at..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_MESSAGE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a message of the engine host is too long",
            ));
        }
        let Some(message) = rest.get(..length) else { return Ok(None) };
        let message = postcard::from_bytes(message)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.at += 4 + length;
        Ok(Some(message))
    }

    /// Reads until a message is complete; none at the end of the input.
    pub(crate) fn read<M: DeserializeOwned>(&mut self, input: &mut impl Read) -> io::Result<Option<M>> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(message) = self.next()? {
                return Ok(Some(message));
            }
            match input.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(read) => self.extend(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_survive_any_split() {
        let messages = [
            ToChild::Audio { session: 7, samples: vec![1, -2, i16::MIN] },
            ToChild::Speak { session: 1, utterance: 2, voice: "slt".into(), text: "谢谢".into() },
            ToChild::Close { session: 7 },
        ];
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| encode(message, &mut bytes));

        for split in 1..bytes.len() {
            let mut decoder = Decoder::default();
            let mut heard = Vec::new();
            for piece in bytes.chunks(split) {
                decoder.extend(piece);
                while let Some(message) = decoder.next::<ToChild>().unwrap() {
                    heard.push(message);
                }
            }
            assert_eq!(heard, messages);
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        let mut decoder = Decoder::default();
        decoder.extend(&[0xff; 8]);

        assert!(decoder.next::<ToChild>().is_err());
    }
}
