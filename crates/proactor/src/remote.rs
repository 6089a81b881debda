//! The remote of a loop: what reaches it from any thread.

use std::fmt;
use std::os::windows::io::AsHandle;
use std::sync::Arc;

use crate::deferred_wakes::DeferredWakes;
use crate::shared::{Route, Shared};

/// Reaches a [`Proactor`](crate::Proactor) from any thread: operations are submitted through it. Cheap to
/// clone. When the proactor has closed, every new operation ends with `ERROR_ABANDONED_WAIT_0`.
#[derive(Clone)]
pub struct Remote {
    pub(crate) shared: Arc<Shared>,
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Remote")
    }
}

impl Remote {
    /// Ends the current poll, or the next one. Never lost, however often and on whichever thread it is called.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// How many operations the kernel has.
    pub fn in_flight(&self) -> usize {
        self.shared.registry().table.in_flight()
    }

    /// How many packets belonged to nothing. Anything but 0 is a defect.
    pub fn stray_packets(&self) -> u64 {
        self.shared.registry().stray_packets
    }

    /// Closes the loop to new operations and asks all others to end. The thread that polls takes their
    /// packets; [`Proactor::close`](crate::Proactor::close) waits for them. Does not block. May be called from
    /// anywhere, also from a waker.
    pub fn close(&self) {
        let mut deferred = DeferredWakes::default();
        {
            let mut registry = self.shared.registry();
            registry.is_closed = true;
            deferred.add(registry.table.cancel_all());
            deferred.wake(registry.timers.take_all());
        }
        self.wake();
        drop(deferred);
    }

    /// Whether the loop was closed.
    pub fn is_closed(&self) -> bool {
        self.shared.registry().is_closed
    }

    /// Sends packets of a new key to `route`, and returns the key. For operations that are issued beside the
    /// loop.
    pub fn add_route(&self, route: Arc<dyn Route>) -> usize {
        let key = self.shared.next_key();
        self.shared.registry().routes.insert(key, route);
        key
    }

    /// Removes a route. Packets of its key count as stray from now on.
    pub fn remove_route(&self, key: usize) {
        let route = self.shared.registry().routes.remove(&key);
        drop(route);
    }

    /// Sends the completions of a handle to this loop, under the key of a route.
    ///
    /// # Errors
    /// What CreateIoCompletionPort reports: `ERROR_INVALID_PARAMETER` for a handle that has a port.
    pub fn associate(&self, handle: impl AsHandle, key: usize) -> Result<(), u32> {
        self.shared.port.associate(handle, key)
    }
}
