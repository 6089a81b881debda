//! Events, and waits for any of a set of them.

use std::ptr::{null, null_mut};
use std::sync::Arc;

use everwatch_proactor::fault_injection::{Call, attempt, attempt_open};
use everwatch_proactor::native::{Handle, last_error, result_of, valid_handle};
use windows_sys::Win32::Foundation::{HANDLE, WAIT_FAILED, WAIT_OBJECT_0, WAIT_TIMEOUT};
use windows_sys::Win32::System::Threading::{CreateEventW, SetEvent, WaitForMultipleObjects};

/// The most handles that one wait takes (`MAXIMUM_WAIT_OBJECTS`).
pub(crate) const HANDLES_PER_WAIT: usize = 64;

/// An event that a satisfied wait resets. Any thread may set it.
#[derive(Debug)]
pub(crate) struct Event(Handle);

impl Event {
    /// Makes an event that is not set.
    pub(crate) fn new() -> Result<Event, u32> {
        attempt_open(Call::CreateEvent, [0; 5], || {
            // SAFETY: it has no name and no security descriptor; the handle is fresh.
            unsafe {
                let event = CreateEventW(null(), 0, 0, null());
                Ok(Handle::own(valid_handle(event, null_mut())?))
            }
        })
        .map(Event)
    }

    /// Ends one wait for it: the current one, or the next.
    pub(crate) fn set(&self) -> Result<(), u32> {
        let event = self.0.raw();
        // SAFETY: the handle is open.
        let set = || result_of(unsafe { SetEvent(event) });
        attempt(Call::SetEvent, event, [0; 5], set)
    }

    /// The number of its handle, which is open for as long as `self` lives.
    pub(super) fn raw(&self) -> HANDLE {
        self.0.raw()
    }
}

/// Events that are waited for together, each with a key, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct EventSet {
    /// At most [`HANDLES_PER_WAIT`].
    events: Vec<(usize, Arc<Event>)>,
    /// The handles of `events`, in their order.
    handles: Vec<HANDLE>,
}

// SAFETY: the handles are those of the events, which are Send; any thread may wait for them.
unsafe impl Send for EventSet {}

impl EventSet {
    /// Adds an event behind the others.
    pub(crate) fn add(&mut self, key: usize, event: Arc<Event>) {
        debug_assert!(self.events.len() < HANDLES_PER_WAIT);
        self.handles.push(event.raw());
        self.events.push((key, event));
    }

    /// Removes the events of a key.
    pub(crate) fn remove(&mut self, key: usize) {
        self.events.retain(|(other, _)| *other != key);
        let handles = self.events.iter().map(|(_, event)| event.raw());
        self.handles = handles.collect();
    }

    /// Waits until one of the events from `first` on is set, and resets the first that is. Returns its place
    /// and its key; `None` when the time is over, or there is nothing to wait for.
    ///
    /// # Errors
    /// What WaitForMultipleObjects reports.
    pub(crate) fn wait(
        &self,
        first: usize,
        milliseconds: u32,
    ) -> Result<Option<(usize, usize)>, u32> {
        let handles = self.handles.get(first..).unwrap_or_default();
        if handles.is_empty() {
            return Ok(None);
        }
        let (count, start) = (handles.len() as u32, handles.as_ptr());
        let call = Call::WaitForMultipleObjects;
        let signalled = attempt(call, null_mut(), [handles.len(), 0, 0, 0, 0], || {
            // SAFETY: there are at most 64 handles, and the events hold them open.
            match unsafe { WaitForMultipleObjects(count, start, 0, milliseconds) } {
                WAIT_TIMEOUT => Ok(None),
                WAIT_FAILED => Err(last_error()),
                signalled => Ok(Some((signalled - WAIT_OBJECT_0) as usize)),
            }
        })?;
        Ok(signalled.map(|at| (first + at, self.events[first + at].0)))
    }
}
