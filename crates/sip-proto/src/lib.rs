//! SIP messages, transactions, dialogs and SDP as pure state machines.
