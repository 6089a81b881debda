//! The hostile kernel: the simulated Linux, driven by the bytes of a fuzzer.
//!
//! The bytes decide what other processes do, also in the middle of the engine's calls, and which records are
//! lost. They may also make up records that are not true. What the fuzz targets run is here: functions from
//! bytes that panic if something is wrong and return otherwise.

pub mod ignore_rules;
mod processes;
pub mod records;
