//! What went in and what came out, as bytes that survive a crash.
