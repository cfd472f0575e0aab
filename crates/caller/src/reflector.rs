//! A bare SIP/RTP reflector: what the machine alone costs.
