//! Delivery: from changes of the mirror to the events of each consumer.
//!
//! An [`Outlet`](outlet::Outlets) writes each change out at once while its consumer has room, and keeps
//! the difference of states in a [`Fold`](fold::Fold) while it has none. The [plan](plan) decides in
//! which order a fold is written out, so that every prefix of it applies to the consumer's tree.

pub(crate) mod fold;
pub(crate) mod outlet;
mod plan;

#[cfg(test)]
mod oracle;
