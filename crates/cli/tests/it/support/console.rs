//! Ctrl-C for a child, without a terminal: the console sends an event to a group of processes.

use std::os::windows::process::CommandExt;
use std::process::Command;

use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

/// Puts the command into a group of its own.
pub(crate) fn apart(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Sends Ctrl-Break, which unlike Ctrl-C reaches a group that was made for it. Returns whether there is a
/// console that does so: under Wine without a terminal and without a display there is none, and it
/// cannot be made.
pub(crate) fn interrupt(group: u32) -> bool {
    // SAFETY: takes numbers.
    unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) != 0 }
}
