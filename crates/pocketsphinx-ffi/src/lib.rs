//! A safe API over libpocketsphinx, nothing else.
