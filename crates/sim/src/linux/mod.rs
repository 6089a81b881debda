//! Linux, simulated: an inotify instance with its queue, and the kernel that the engine sees on it.

#[cfg(all(test, target_os = "linux"))]
mod fidelity;
pub(crate) mod kernel;
pub(crate) mod queue;
mod setup;
