//! The other end of the line: a SIP/RTP caller that plays, listens and measures.
