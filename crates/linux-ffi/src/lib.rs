//! Safe wrappers of the few Linux calls that rustix does not offer.
