//! One suite over all completion models: what a reader of directories promises, whichever way it
//! learns of completions.

mod arming;
mod fencing;
mod overflow;
mod replacing;
mod retiring;
mod waking;

/// Runs each of these functions as a test of each model, in a module named after the model.
macro_rules! over_all_models {
    ($($test:ident),* $(,)?) => {
        crate::conformance::over_all_models!(@model port, $($test),*);
        crate::conformance::over_all_models!(@model apc, $($test),*);
        crate::conformance::over_all_models!(@model event, $($test),*);
        crate::conformance::over_all_models!(@model blocking, $($test),*);
        crate::conformance::over_all_models!(@model isolated, $($test),*);
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
pub(crate) use over_all_models;
