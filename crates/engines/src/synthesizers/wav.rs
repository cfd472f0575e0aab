//! The beginning of a WAV stream, as a program writes it into a pipe.

/// What the header says, and how many bytes it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) sample_rate: u32,
    pub(super) bytes: usize,
}

/// The header of 16-bit mono PCM once it is complete. The sizes are not read: a pipe cannot know them.
pub(super) fn header(bytes: &[u8]) -> Result<Option<Header>, String> {
    if bytes.len() < 12 {
        return Ok(None);
    }
    if &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
        return Err("not a WAV stream".to_owned());
    }
    let mut at = 12;
    let mut sample_rate = None;
    while let Some(chunk) = bytes.get(at..at + 8) {
        let length = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]) as usize;
        match &chunk[..4] {
            b"data" => {
                let sample_rate = sample_rate.ok_or("no format before the samples")?;
                return Ok(Some(Header { sample_rate, bytes: at + 8 }));
            }
            b"fmt " => {
                let Some(format) = bytes.get(at + 8..at + 24) else { return Ok(None) };
                if format[..4] != [1, 0, 1, 0] || format[14..16] != [16, 0] {
                    return Err("not 16-bit mono PCM".to_owned());
                }
                sample_rate = Some(u32::from_le_bytes([format[4], format[5], format[6], format[7]]));
            }
            _ => {}
        }
        at += 8 + length + length % 2;
        if at > 4096 {
            return Err("a header without an end".to_owned());
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_as_soon_as_the_header_is_complete() {
        let mut stream = b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        stream.extend(22_050u32.to_le_bytes());
        stream.extend(44_100u32.to_le_bytes());
        stream.extend([2, 0, 16, 0]);
        stream.extend(b"data\xff\xff\xff\x7f");

        assert_eq!(header(&stream), Ok(Some(Header { sample_rate: 22_050, bytes: 44 })));
        assert!((0..44).all(|end| header(&stream[..end]) == Ok(None)));
        assert!(header(b"<html>nothing").is_err());
    }
}
