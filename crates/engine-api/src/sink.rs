//! Where an engine reports.

use std::fmt;
use std::sync::Arc;

/// An engine's way back to its call. Cheap to clone; may be used from any thread; never blocks.
pub struct EventSink<E>(Arc<dyn Fn(E) + Send + Sync>);

impl<E> EventSink<E> {
    /// A sink that hands each event to `receive`, which must not block.
    pub fn new(receive: impl Fn(E) + Send + Sync + 'static) -> Self {
        EventSink(Arc::new(receive))
    }

    /// Reports one event.
    pub fn send(&self, event: E) {
        (self.0)(event);
    }
}

impl<E> Clone for EventSink<E> {
    fn clone(&self) -> Self {
        EventSink(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for EventSink<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSink")
    }
}
