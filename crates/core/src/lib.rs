//! The decisions of Everwatch: records of a kernel in, an exact feed of changes out.
//!
//! This crate decides what is believed of what a kernel says about a directory tree. It has no
//! clock, no thread, no file descriptor and no unsafe code; all it knows of an operating system is
//! the trait [`Kernel`](kernel::Kernel), so the same decisions run on the real kernel, in the
//! simulator, in property tests and under Miri. Most programs want the crate `everwatch`, which runs an
//! [`Engine`] on a thread.
//!
//! # The path of a change
//!
//! ```text
//!              records                          changes                events
//!  Kernel ───────────────▶ RecordQueue ─▶ Engine ───────▶ Mirror ─▶ Outlet ───────▶ consumer, Tree
//!    ▲      Kernel::drain                   │                         │  ▲
//!    └──────────────────────────────────────┘                         ▼  │ no room
//!        open, identify, watch, list, stat                            Fold
//! ```
//!
//! 1. [`Kernel::drain`](kernel::Kernel::drain) moves what the system has queued into the
//!    [`RecordQueue`](queue::RecordQueue).
//! 2. The [`Engine`] takes one [`Record`](record::Record) after the other. If it fits the
//!    [`Mirror`](mirror::Mirror), it is believed; if not, the engine looks at the disk.
//! 3. What changes in the mirror is an [`Event`](event::Event) for each consumer that has room, and an entry in
//!    the fold of each that has none.
//! 4. The consumer applies the events, as [`Tree`](tree::Tree) does.
//!
//! # Modules, from the ground up
//!
//! | modules | what they have |
//! |---|---|
//! | [`entry`], [`time`], [`path`], [`fault`], [`coverage`] | the words that everything else is described with |
//! | [`event`], [`tree`] | the feed, and the consumer that applies it to the letter |
//! | [`record`], [`queue`], [`inotify`] | what a kernel says, in order, and a decoder of it |
//! | [`listing`], [`kernel`] | what the engine asks of an operating system, and its contract |
//! | [`mirror`] | the tree as it is known |
//! | [`ignore`](mod@ignore) | which entries are hidden |
//! | `delivery` | outlets, folds, and the order in which a fold is delivered |
//! | [`engine`] | what records and listings mean |
//!
//! No module uses one that stands below it in the table.
//!
//! # Features
//!
//! - `globs`: entries can be hidden by globs and by `.gitignore` files. Brings the crate `ignore`.
//! - `serde`: events can be written and read, with the fields of the command's JSON lines. See [`event`].
//!
//! Both are off by default.

#![forbid(unsafe_code)]

pub mod coverage;
mod delivery;
pub mod engine;
pub mod entry;
pub mod event;
pub mod fault;
pub mod ignore;
pub mod inotify;
pub mod kernel;
pub mod listing;
mod log;
pub mod mirror;
pub mod path;
pub mod queue;
pub mod record;
pub mod time;
pub mod tree;
#[cfg(feature = "serde")]
mod wire;

pub use delivery::outlet::{Delivery, OutletId};
pub use engine::Engine;
