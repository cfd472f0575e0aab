//! RTP, RTCP, jitter buffer, telephone events and concealment as pure state machines.
