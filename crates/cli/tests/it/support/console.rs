//! Console events for a child: Ctrl-Break without a terminal, sent to a group of processes.

use std::os::windows::process::CommandExt;
use std::process::Command;

use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

/// Puts the command into a group of its own.
pub(crate) fn apart(command: &mut Command) {
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Sends Ctrl-Break, which, unlike Ctrl-C, reaches a group created with CREATE_NEW_PROCESS_GROUP. Returns
/// whether there is a console: Wine has none without a terminal and a display, and cannot create one.
pub(crate) fn interrupt(group: u32) -> bool {
    // SAFETY: the call takes two integers by value; any value is allowed.
    unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) != 0 }
}
