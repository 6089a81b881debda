//! The operations of one proactor: a slab of slots, each with an `OVERLAPPED` of its own.
//!
//! A slot's `OVERLAPPED` is allocated once, is given to one operation after the other, and is not freed
//! while the table lives: an address that the kernel may still know never becomes that of something else.
//! A packet is matched by that address and by the key of its endpoint, which is never reused, and
//! neither is followed before both are found here: a packet without an operation is counted and has no effect.
//! Futures know a slot by number and generation, so that one which is late finds nothing.
//!
//! The table is under a lock, and wakers and operations are other people's: dropping one may come back
//! here. So none is dropped here; they are returned.

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr::NonNull;
use std::task::Waker;

use windows_sys::Win32::System::IO::OVERLAPPED;

use crate::native::Packet;
use crate::native::calls;
use crate::operation::{Cancelled, Ended, Erased};

/// A slot, and which of the operations that it has had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OperationId {
    slot: u32,
    generation: u32,
}

enum State {
    Free,
    /// In the kernel.
    Flying {
        operation: Erased,
        key: usize,
        waker: Option<Waker>,
        /// The call that issues it has returned.
        is_issued: bool,
        /// Its future is gone.
        is_abandoned: bool,
    },
    /// Waits for its future.
    Landed(Erased, Ended),
    /// The kernel did not give it back before the end. Its memory is leaked.
    Lost,
}

struct Slot {
    generation: u32,
    /// From a box. Shared with the kernel while the slot is flying, so never a reference.
    overlapped: NonNull<UnsafeCell<OVERLAPPED>>,
    state: State,
}

impl Slot {
    fn overlapped(&self) -> *mut OVERLAPPED {
        self.overlapped.as_ptr().cast()
    }
}

/// See the module head.
#[derive(Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// The slot of each `OVERLAPPED`.
    addresses: HashMap<usize, u32, BuildHasherDefault<AddressHasher>>,
    flying: usize,
}

// SAFETY: operations are Send, and the state of a slot says who owns its OVERLAPPED.
unsafe impl Send for Table {}

/// What is left to do for an operation once the lock is given up.
pub(crate) enum Landing {
    /// Its future must be woken.
    Wake(Option<Waker>),
    /// Nobody waits for it. The waker is only to be dropped.
    Abandon(Erased, Ended, Option<Waker>),
}

/// What a future finds.
pub(crate) enum Found {
    Flying(Option<Waker>),
    Landed(Erased, Ended),
    /// The kernel never gave it back.
    Lost,
}

impl Table {
    /// Takes an operation in, which is about to be issued with this `OVERLAPPED`.
    pub(crate) fn insert(
        &mut self,
        operation: Erased,
        key: usize,
    ) -> (OperationId, *mut OVERLAPPED) {
        let number = self.free.pop().unwrap_or_else(|| self.grow());
        let slot = &mut self.slots[number as usize];
        slot.generation = slot.generation.wrapping_add(1);
        // SAFETY: the slot is free, so the kernel does not know its OVERLAPPED.
        unsafe { slot.overlapped().write(OVERLAPPED::default()) };
        slot.state = State::Flying {
            operation,
            key,
            waker: None,
            is_issued: false,
            is_abandoned: false,
        };
        self.flying += 1;
        let id = OperationId {
            slot: number,
            generation: slot.generation,
        };
        (id, slot.overlapped())
    }

    fn grow(&mut self) -> u32 {
        let overlapped = NonNull::from(Box::leak(Box::new(UnsafeCell::new(OVERLAPPED::default()))));
        let number = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.addresses.insert(overlapped.as_ptr() as usize, number);
        self.slots.push(Slot {
            generation: 0,
            overlapped,
            state: State::Free,
        });
        number
    }

    fn slot(&mut self, id: OperationId) -> Option<&mut Slot> {
        self.slots
            .get_mut(id.slot as usize)
            .filter(|slot| slot.generation == id.generation)
    }

    fn release(&mut self, number: u32) -> State {
        self.free.push(number);
        std::mem::replace(&mut self.slots[number as usize].state, State::Free)
    }

    /// The call has returned, and a packet comes or has come.
    pub(crate) fn issued(&mut self, id: OperationId) {
        if let Some(State::Flying { is_issued, .. }) = self.slot(id).map(|slot| &mut slot.state) {
            *is_issued = true;
        }
    }

    /// Takes out an operation that the call completed or refused, so that no packet comes.
    pub(crate) fn withdraw(&mut self, id: OperationId) -> Option<Erased> {
        if !matches!(self.slot(id)?.state, State::Flying { .. }) {
            return None;
        }
        self.flying -= 1;
        match self.release(id.slot) {
            State::Flying { operation, .. } => Some(operation),
            _ => None,
        }
    }

    /// Lands the operation of a packet, or gives the packet back.
    pub(crate) fn land(&mut self, packet: Packet) -> Result<Landing, Packet> {
        let address = packet.overlapped() as usize;
        let Some(&number) = self.addresses.get(&address) else {
            return Err(packet);
        };
        let slot = &mut self.slots[number as usize];
        match slot.state {
            State::Flying { key, .. } if key == packet.key() => {}
            _ => return Err(packet),
        }
        // SAFETY: the packet says that the kernel has let go of it.
        let (status, bytes) = unsafe {
            let overlapped = slot.overlapped();
            ((*overlapped).Internal, (*overlapped).InternalHigh)
        };
        let ended = Ended {
            error: calls::error_of(status as u32),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            status: status as u32,
        };
        Ok(self.end(number, ended))
    }

    /// The kernel has let go of a flying operation.
    fn end(&mut self, number: u32, ended: Ended) -> Landing {
        let slot = &mut self.slots[number as usize];
        match std::mem::replace(&mut slot.state, State::Free) {
            State::Flying {
                operation,
                waker,
                is_abandoned: false,
                ..
            } => {
                self.flying -= 1;
                slot.state = State::Landed(operation, ended);
                Landing::Wake(waker)
            }
            State::Flying {
                operation, waker, ..
            } => {
                self.flying -= 1;
                self.free.push(number);
                Landing::Abandon(operation, ended, waker)
            }
            other => {
                slot.state = other;
                Landing::Wake(None)
            }
        }
    }

    /// What became of an operation; one that has landed is taken out. `waker` is kept for one that has
    /// not, and the one that was kept is given back.
    pub(crate) fn claim(&mut self, id: OperationId, waker: &Waker) -> Found {
        match self.slot(id).map(|slot| &mut slot.state) {
            Some(State::Flying { waker: kept, .. }) => match kept {
                Some(kept) if kept.will_wake(waker) => Found::Flying(None),
                kept => Found::Flying(kept.replace(waker.clone())),
            },
            Some(State::Landed(..)) => match self.release(id.slot) {
                State::Landed(operation, ended) => Found::Landed(operation, ended),
                _ => Found::Lost,
            },
            _ => Found::Lost,
        }
    }

    /// Asks for an operation to end. Returns the work that is left if that ends it.
    pub(crate) fn cancel(&mut self, id: OperationId) -> Option<Landing> {
        self.slot(id)?;
        self.cancel_slot(id.slot)
    }

    fn cancel_slot(&mut self, number: u32) -> Option<Landing> {
        let slot = &self.slots[number as usize];
        let State::Flying {
            operation,
            is_issued: true,
            ..
        } = &slot.state
        else {
            return None;
        };
        // SAFETY: it was issued, and its packet has not been dequeued.
        match unsafe { operation.cancel(slot.overlapped()) } {
            Cancelled::PacketComes => None,
            Cancelled::Gone => Some(self.end(number, Ended::CANCELLED)),
        }
    }

    /// The future of an operation is gone.
    pub(crate) fn abandon(&mut self, id: OperationId) -> Option<Landing> {
        match self.slot(id).map(|slot| &mut slot.state)? {
            State::Flying { is_abandoned, .. } => {
                *is_abandoned = true;
                self.cancel_slot(id.slot)
            }
            State::Landed(..) => match self.release(id.slot) {
                State::Landed(operation, ended) => Some(Landing::Abandon(operation, ended, None)),
                _ => None,
            },
            State::Free | State::Lost => None,
        }
    }

    /// The future of an operation is gone, and leaves it running. One that has landed is taken out.
    pub(crate) fn let_run(&mut self, id: OperationId) -> Option<(Erased, Ended)> {
        match self.slot(id).map(|slot| &mut slot.state)? {
            State::Flying { is_abandoned, .. } => {
                *is_abandoned = true;
                None
            }
            State::Landed(..) => match self.release(id.slot) {
                State::Landed(operation, ended) => Some((operation, ended)),
                _ => None,
            },
            State::Free | State::Lost => None,
        }
    }

    /// Asks for all operations to end.
    pub(crate) fn cancel_all(&mut self) -> Vec<Landing> {
        let numbers = 0..self.slots.len() as u32;
        numbers
            .filter_map(|number| self.cancel_slot(number))
            .collect()
    }

    /// Gives up what is flying still. Its operations and their memory are leaked; the futures, which can
    /// have no output, are woken.
    pub(crate) fn lose_all(&mut self) -> (usize, Vec<Waker>) {
        let mut wakers = Vec::new();
        for slot in &mut self.slots {
            if let State::Flying { waker, .. } = &mut slot.state {
                wakers.extend(waker.take());
                slot.state = State::Lost;
            }
        }
        (std::mem::take(&mut self.flying), wakers)
    }

    /// How many operations the kernel has.
    pub(crate) fn flying(&self) -> usize {
        self.flying
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for slot in self.slots.drain(..) {
            match slot.state {
                // The kernel may still write to it.
                State::Flying { .. } | State::Lost => continue,
                // SAFETY: it has landed.
                State::Landed(operation, ended) => unsafe { operation.abandon(ended) },
                State::Free => {}
            }
            // SAFETY: it came from a box, and the kernel does not know it any more.
            drop(unsafe { Box::from_raw(slot.overlapped.as_ptr()) });
        }
    }
}

/// Addresses are spread by one multiplication.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_usize(usize::from(byte) ^ self.0 as usize);
        }
    }

    fn write_usize(&mut self, address: usize) {
        let spread = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ spread >> 32;
    }
}
