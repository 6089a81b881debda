//! The command as a program: what it prints, how it ends, and what it says when something is wrong.

#[cfg(unix)]
mod command;
mod doctor;
#[cfg(unix)]
mod ending;
mod errors;
#[cfg(unix)]
mod faults;
#[cfg(unix)]
mod limits;
#[cfg(target_os = "linux")]
mod readme;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod selftest;
mod support;
#[cfg(unix)]
mod terminal;
#[cfg(windows)]
mod windows;
