//! Windows: ReadDirectoryChangesW for records, opens relative to a handle and listings by handle.
//!
//! - One read of each root reports on all that is below it, so the core is given paths. An open
//!   directory keeps those above it from being renamed, which is why there is not one for each.
//! - `system` is the seam: what is asked of Windows, without a decision. `host` decides: it is the
//!   [`Kernel`](everwatch_core::kernel::Kernel); `reads` arms and retires reads, grows their buffers, and says
//!   what their ends mean; `faults` has the table of errors, `attributes` what they make of an entry, and
//!   `tail` turns what reads return into records. All of that runs on the simulated system (`everwatch-sim`) as well, which does what
//!   Wine cannot do.
//! - `native` is Windows itself, and the only part that makes system calls; the reads are
//!   `everwatch-directory-reads`'s.
//! - Wine differs, and `system::Quirks` names how: `names` and `sights` make up for paths that it reports
//!   wrongly.

mod attributes;
mod faults;
mod host;
mod names;
#[cfg(windows)]
mod native;
mod reads;
mod sights;
mod system;
mod tail;

pub use attributes::{DIRECTORY, REPARSE_POINT};
pub use host::{Dir, Kernel32};
pub use system::{Code, Numbers, Quirks, System, Volume};

#[cfg(windows)]
pub use native::{Bell, Host, describe_volume, limits};
