//! The half of a call that runs every frame.
