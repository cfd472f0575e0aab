//! Many calls from few threads.
