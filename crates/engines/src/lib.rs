//! Adapters to speech engines, one module per wire protocol.
