//! Windows: ReadDirectoryChangesW for records, opens relative to a handle and listings by handle.
//!
//! - One read of each root reports on all that is below it, so the core is given paths. An open
//!   directory keeps those above it from being renamed, which is why there is not one for each.
//! - `system_calls` is the trait of all calls to Windows; it decides nothing. `kernel` decides: it is the
//!   [`Kernel`](everwatch_core::kernel::Kernel); `reads` arms and retires reads, grows their buffers, and says
//!   what their ends mean; `errors` has the table of errors, `volume` how far a file system is trusted,
//!   `attributes` what an entry is, and `decode` turns what reads return into records, with `halves` for those of
//!   renames. All of that runs on the simulated system (`everwatch-sim`) as well, which does what Wine cannot do.
//! - `native` is Windows itself, and the only part that makes system calls; the reads are
//!   `everwatch-directory-reads`'s.
//! - Wine differs, and `system_calls::Quirks` names how: `wine` makes up for paths that it reports
//!   wrongly.

mod attributes;
mod decode;
mod errors;
mod halves;
mod kernel;
#[cfg(windows)]
mod native;
mod read;
mod reads;
mod system_calls;
mod volume;
mod wine;

pub use attributes::{DIRECTORY, REPARSE_POINT};
pub use kernel::{Dir, WindowsKernel};
pub use system_calls::{Code, Quirks, SystemCalls};
pub use volume::{FileSystem, Volume};

#[cfg(windows)]
pub use native::{EventSignal, NativeKernel, PortBell, describe_volume, limits};
