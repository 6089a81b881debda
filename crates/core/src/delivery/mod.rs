//! Delivery: from changes of the mirror to the events of each consumer.
//!
//! Each consumer has an [outlet](outlet). It delivers every change at once while its consumer has room, and
//! keeps the difference of states in a [fold] while there is none, so memory is bounded however long a
//! consumer stalls. The [plan] decides in which order a fold is delivered, so that the consumer may stop after
//! any change and has a tree to which the rest applies.

pub(crate) mod fold;
pub(crate) mod outlet;
mod plan;

#[cfg(test)]
mod oracle;
