//! Ctrl-C for a child, without a terminal: the console sends an event to a group of processes.

use std::os::windows::process::CommandExt;
use std::process::Command;
use std::sync::Once;

use windows_sys::Win32::System::Console::{
    AllocConsole, CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent, GetConsoleCP,
};
use windows_sys::Win32::System::Threading::CREATE_NEW_PROCESS_GROUP;

/// Puts the command into a group of its own, on the console of this process.
pub(crate) fn apart(command: &mut Command) {
    static CONSOLE: Once = Once::new();
    CONSOLE.call_once(|| {
        // SAFETY: both take nothing. A process that runs without a console gets one.
        unsafe {
            if GetConsoleCP() == 0 {
                AllocConsole();
            }
        }
    });
    command.creation_flags(CREATE_NEW_PROCESS_GROUP);
}

/// Sends Ctrl-Break, which unlike Ctrl-C reaches a group that is not the console's first.
pub(crate) fn interrupt(group: u32) {
    // SAFETY: takes numbers.
    let result = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) };
    assert_ne!(result, 0, "{}", std::io::Error::last_os_error());
}
