//! A safe API over libflite, nothing else.
