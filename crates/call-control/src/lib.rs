//! The half of a call that decides.
