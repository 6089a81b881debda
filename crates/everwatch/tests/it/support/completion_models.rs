//! The completion models that there are on this system. Elsewhere than on Windows the choice has no
//! effect, so there is one.

use everwatch::{CompletionModel, Options};

#[cfg(windows)]
pub(crate) const MODELS: &[CompletionModel] = &[
    CompletionModel::Port,
    CompletionModel::Apc,
    CompletionModel::Event,
    CompletionModel::Blocking,
];

#[cfg(unix)]
pub(crate) const MODELS: &[CompletionModel] = &[CompletionModel::Port];

pub(crate) fn options(model: CompletionModel) -> Options {
    Options::new().completion(model)
}

/// As many roots as a watcher of this model is to take: `blocking` has a thread for each.
pub(crate) fn most_roots(model: CompletionModel) -> usize {
    match model {
        CompletionModel::Blocking => 64,
        _ => 500,
    }
}

/// Makes a test of each function that takes a completion model, for each model there is.
macro_rules! under_each_model {
    ($($name:ident,)*) => {
        mod port {
            $(#[test] fn $name() { super::$name(everwatch::CompletionModel::Port); })*
        }
        #[cfg(windows)]
        mod apc {
            $(#[test] fn $name() { super::$name(everwatch::CompletionModel::Apc); })*
        }
        #[cfg(windows)]
        mod event {
            $(#[test] fn $name() { super::$name(everwatch::CompletionModel::Event); })*
        }
        #[cfg(windows)]
        mod blocking {
            $(#[test] fn $name() { super::$name(everwatch::CompletionModel::Blocking); })*
        }
    };
}

pub(crate) use under_each_model;
