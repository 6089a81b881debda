//! Everwatch beside its peers, side by side in one run.
//!
//! Each subject runs in a process of its own, which is this program again, so that run time and
//! memory are its own. Subjects take turns in every round, so that whatever else the machine does
//! falls on all of them alike. The medians, the ratios and the verdict on each target are written
//! to a file that is generated and never edited.
//!
//! For Windows only what serves a subject is built. Under Wine its processes are held by the bench for
//! Linux.

#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
mod command;
#[cfg(target_os = "linux")]
mod compare;
#[cfg(windows)]
mod echo;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
mod machine;
#[cfg(target_os = "linux")]
mod mix;
#[cfg(target_os = "linux")]
mod observer;
#[cfg(target_os = "linux")]
mod pipes;
#[cfg_attr(not(target_os = "linux"), path = "process_elsewhere.rs")]
mod process;
mod replica;
#[cfg(target_os = "linux")]
mod report;
#[cfg(target_os = "linux")]
mod scenario;
mod service;
mod subject;
#[cfg(target_os = "linux")]
mod target;
#[cfg(target_os = "linux")]
mod wine;
#[cfg(target_os = "linux")]
mod workload;

fn main() -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    return command::main();
    #[cfg(not(target_os = "linux"))]
    return service::main();
}
