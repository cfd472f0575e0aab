//! Sockets, clock, threads, configuration, API and storage: the offhook binary.
