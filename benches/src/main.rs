//! The bench: Everwatch beside its peers, or beside another build of itself, in one run.
//!
//! Each subject runs in a process of its own, which is this program again, so that run time and
//! memory are its own. Subjects take turns in every round, so that other load on the machine falls on all
//! of them alike. The medians, the ratios and the verdict on each target go to BENCHMARKS.md, which is
//! generated and never edited.
//!
//! [`scenario`] changes the tree and measures, [`observer`] holds the process of a subject, [`service`] is
//! that process, and [`subject`] has one file for each competitor. For Windows, only the process of a
//! subject is built; the bench for Linux starts it under Wine.

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
