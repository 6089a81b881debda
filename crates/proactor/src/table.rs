//! The operation table: a slab of slots, each with an `OVERLAPPED` of its own.
//!
//! A slot's `OVERLAPPED` is allocated once and lent to one operation after the other. It is not freed while
//! the table lives, so an address that the kernel may still know never becomes that of something else. A
//! packet is matched by that address and by the key of its endpoint, which is never reused, and neither is
//! followed before both were found here: a packet of no operation is counted and does nothing. Futures know
//! their slot by number and generation, so a late one finds nothing.
//!
//! The table is used under a lock, and wakers and operations are other people's code, which may call the loop
//! when it is dropped. So none is dropped here; they are returned as [`Completed`].

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::task::Waker;

use crate::native::Packet;
use crate::native::in_flight::{Boxed, CallResult, Idle, InFlight, Launch, Over};

/// The name of an operation: its slot, and which of the slot's operations it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OperationId {
    slot: u32,
    generation: u32,
}

/// What a slot holds.
enum SlotState {
    Free(Idle),
    /// The kernel has the operation, or is about to be given it.
    InFlight {
        operation: InFlight,
        waker: Option<Waker>,
        /// Its future is gone.
        is_abandoned: bool,
    },
    /// The operation has ended and waits for its future.
    Ended(Idle, Over),
    /// The kernel did not give the operation back in time. Its memory is leaked.
    Lost,
}

/// A place for one operation at a time.
struct Slot {
    /// Counts the operations that the slot has had, so that a late future finds its own or none.
    generation: u32,
    state: SlotState,
}

/// All operations of one proactor: each slot owns its operation until the packet was dequeued.
#[derive(Default)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    /// The numbers of the slots that are free.
    free: Vec<u32>,
    /// The slot of each `OVERLAPPED`, by address.
    addresses: HashMap<usize, u32, BuildHasherDefault<AddressHasher>>,
    /// How many operations the kernel has.
    in_flight: usize,
}

/// What is left to do for an operation when the lock is released, by [`DeferredWakes`].
///
/// [`DeferredWakes`]: crate::deferred_wakes::DeferredWakes
pub(crate) enum Completed {
    /// Wake its future.
    Wake(Option<Waker>),
    /// Drop the operation, which no future waits for, and its waker.
    Abandon(Over, Option<Waker>),
}

/// What a future finds in the table.
pub(crate) enum Found {
    /// Nothing yet. The waker that was kept before, to be dropped without the lock.
    InFlight(Option<Waker>),
    /// The operation and its end.
    Ended(Over),
    /// The kernel never gave the operation back.
    Lost,
}

impl Table {
    /// Takes an operation in. The caller makes the call that issues it when the lock is released.
    pub(crate) fn insert(&mut self, operation: Boxed, key: usize) -> (OperationId, Launch) {
        let (number, idle) = self.take_free();
        let (operation, launch) = InFlight::new(idle, operation, key);
        let slot = &mut self.slots[number as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.state = SlotState::InFlight {
            operation,
            waker: None,
            is_abandoned: false,
        };
        self.in_flight += 1;
        let id = OperationId {
            slot: number,
            generation: slot.generation,
        };
        (id, launch)
    }

    /// A free slot and its `OVERLAPPED`.
    fn take_free(&mut self) -> (u32, Idle) {
        while let Some(number) = self.free.pop() {
            let state = &mut self.slots[number as usize].state;
            if let SlotState::Free(idle) = std::mem::replace(state, SlotState::Lost) {
                return (number, idle);
            }
        }
        let idle = Idle::new();
        let number = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.addresses.insert(idle.address(), number);
        self.slots.push(Slot {
            generation: 0,
            state: SlotState::Lost,
        });
        (number, idle)
    }

    /// The state of an operation, if the slot still has it.
    fn state(&mut self, id: OperationId) -> Option<&mut SlotState> {
        let slot = self.slots.get_mut(id.slot as usize);
        slot.filter(|slot| slot.generation == id.generation)
            .map(|slot| &mut slot.state)
    }

    /// Makes a slot free again.
    fn release(&mut self, number: u32, idle: Idle) {
        self.slots[number as usize].state = SlotState::Free(idle);
        self.free.push(number);
    }

    /// Takes an operation out of its slot that has ended and not been taken.
    fn take_ended(&mut self, id: OperationId) -> Option<Over> {
        let state = self.state(id)?;
        match std::mem::replace(state, SlotState::Lost) {
            SlotState::Ended(idle, over) => {
                self.release(id.slot, idle);
                Some(over)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// The call that issues an operation has returned that a packet comes.
    pub(crate) fn issued(&mut self, id: OperationId) {
        if let Some(SlotState::InFlight { operation, .. }) = self.state(id) {
            operation.set_issued();
        }
    }

    /// Takes an operation out whose call has returned that no packet comes. `None` if one has come.
    pub(crate) fn withdraw(&mut self, id: OperationId, result: CallResult) -> Option<Over> {
        let state = self.state(id)?;
        match std::mem::replace(state, SlotState::Lost) {
            SlotState::InFlight { operation, .. } => {
                let (idle, over) = operation.withdraw(result);
                self.in_flight -= 1;
                self.release(id.slot, idle);
                Some(over)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// Completes the operation of a packet.
    ///
    /// # Errors
    /// The packet, if it belongs to no operation in flight.
    pub(crate) fn complete(&mut self, packet: Packet) -> Result<Completed, Packet> {
        let address = packet.overlapped() as usize;
        let Some(&number) = self.addresses.get(&address) else {
            return Err(packet);
        };
        let state = &mut self.slots[number as usize].state;
        if !matches!(state, SlotState::InFlight { operation, .. } if operation.owns(&packet)) {
            return Err(packet);
        }
        match std::mem::replace(state, SlotState::Lost) {
            SlotState::InFlight {
                operation,
                waker,
                is_abandoned,
            } => match operation.complete(packet) {
                Ok(ended) => Ok(self.end(number, ended, waker, is_abandoned)),
                Err((_, packet)) => Err(packet),
            },
            _ => Err(packet),
        }
    }

    /// Keeps an operation that has ended for its future, or gives it out if that is gone.
    fn end(
        &mut self,
        number: u32,
        (idle, over): (Idle, Over),
        waker: Option<Waker>,
        is_abandoned: bool,
    ) -> Completed {
        self.in_flight -= 1;
        if is_abandoned {
            self.release(number, idle);
            return Completed::Abandon(over, waker);
        }
        self.slots[number as usize].state = SlotState::Ended(idle, over);
        Completed::Wake(waker)
    }

    /// Looks for the end of an operation. If it has not ended, `waker` is kept for it.
    pub(crate) fn claim(&mut self, id: OperationId, waker: &Waker) -> Found {
        if let Some(over) = self.take_ended(id) {
            return Found::Ended(over);
        }
        match self.state(id) {
            Some(SlotState::InFlight { waker: kept, .. }) => match kept {
                Some(kept) if kept.will_wake(waker) => Found::InFlight(None),
                kept => Found::InFlight(kept.replace(waker.clone())),
            },
            _ => Found::Lost,
        }
    }

    /// Asks for an operation to end. Returns what is left to do if it has ended with that.
    pub(crate) fn cancel(&mut self, id: OperationId) -> Option<Completed> {
        self.state(id)?;
        self.cancel_slot(id.slot)
    }

    /// Cancels the operation of a slot, if it has one. It stays in flight if its packet still comes.
    fn cancel_slot(&mut self, number: u32) -> Option<Completed> {
        let state = &mut self.slots[number as usize].state;
        match std::mem::replace(state, SlotState::Lost) {
            SlotState::InFlight {
                operation,
                waker,
                is_abandoned,
            } => match operation.cancel() {
                Ok(ended) => Some(self.end(number, ended, waker, is_abandoned)),
                Err(operation) => {
                    *state = SlotState::InFlight {
                        operation,
                        waker,
                        is_abandoned,
                    };
                    None
                }
            },
            other => {
                *state = other;
                None
            }
        }
    }

    /// The future of an operation is gone: the operation must end.
    pub(crate) fn abandon(&mut self, id: OperationId) -> Option<Completed> {
        if let Some(over) = self.let_run(id) {
            return Some(Completed::Abandon(over, None));
        }
        self.cancel(id)
    }

    /// The future of an operation is gone, and the operation goes on. One that has ended is taken out.
    pub(crate) fn let_run(&mut self, id: OperationId) -> Option<Over> {
        if let Some(SlotState::InFlight { is_abandoned, .. }) = self.state(id) {
            *is_abandoned = true;
        }
        self.take_ended(id)
    }

    /// Asks for all operations to end.
    pub(crate) fn cancel_all(&mut self) -> Vec<Completed> {
        let numbers = 0..self.slots.len() as u32;
        numbers
            .filter_map(|number| self.cancel_slot(number))
            .collect()
    }

    /// Gives up what is still in flight: leaks it, and returns how much that was, with the wakers of futures
    /// that will never resolve.
    pub(crate) fn lose_all(&mut self) -> (usize, Vec<Waker>) {
        let mut wakers = Vec::new();
        for slot in &mut self.slots {
            if let SlotState::InFlight { waker, .. } = &mut slot.state {
                wakers.extend(waker.take());
                slot.state = SlotState::Lost;
            }
        }
        (std::mem::take(&mut self.in_flight), wakers)
    }

    /// How many operations the kernel has.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }
}

/// A hasher that spreads an address with one multiplication (Fibonacci hashing).
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
