//! Fault injection: which calls are made, in which order, and the consequences when they fail; and workers that
//! die, hang or lie.
//!
//! A session sees the whole process, so these tests have a process of their own. Each that reads holds a `Session`
//! for all of its time, so they run one after another.
#![cfg(windows)]

mod calls;
mod endings;
mod extended_reads;
mod isolation;
mod layouts;
mod refusals;
#[path = "../it/support.rs"]
#[allow(dead_code)]
mod support;

/// Runs each of these functions as a test of each model whose reads are made in this process.
macro_rules! over_own_models {
    ($($test:ident),* $(,)?) => {
        crate::over_own_models!(@model port, $($test),*);
        crate::over_own_models!(@model apc, $($test),*);
        crate::over_own_models!(@model event, $($test),*);
        crate::over_own_models!(@model blocking, $($test),*);
    };
    (@model $model:ident, $($test:ident),*) => {
        mod $model {
            $(
                #[test]
                fn $test() {
                    super::$test(crate::support::$model());
                }
            )*
        }
    };
}
pub(crate) use over_own_models;
