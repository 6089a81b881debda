//! The layouts of records that volumes were found to have.
//!
//! Windows has extended records, and some file systems have not: ReFS accepts the read and completes it with
//! `ERROR_INVALID_FUNCTION` (gradle/native-platform #253, on a Dev Drive), others refuse the call. What one
//! directory showed holds for its volume, and for as long as the process lives: no second directory has to find it
//! out by a read that ends.

use std::collections::BTreeMap;
use std::os::windows::io::BorrowedHandle;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::native::{best_layout, identity};
use crate::settings::Layout;

/// No more volumes are remembered. Those beyond find out each time.
const MOST: usize = 256;

/// What was found, by volume serial number.
static FOUND: Mutex<BTreeMap<u64, Layout>> = Mutex::new(BTreeMap::new());

fn found() -> MutexGuard<'static, BTreeMap<u64, Layout>> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The layout to ask the volume of a directory for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VolumeLayout {
    /// `None` if the directory does not say which volume it is on.
    volume: Option<u64>,
    /// The richest one that it may have.
    pub(crate) best: Layout,
    /// Whether a read has shown that it has this one, or there is no other.
    pub(crate) is_proven: bool,
}

impl VolumeLayout {
    /// That of the volume of an open directory.
    pub(crate) fn of(directory: BorrowedHandle<'_>) -> VolumeLayout {
        if best_layout() == Layout::Plain {
            return VolumeLayout {
                volume: None,
                best: Layout::Plain,
                is_proven: true,
            };
        }
        let volume = identity(directory).ok().map(|identity| identity.volume);
        let known = volume.and_then(|volume| found().get(&volume).copied());
        VolumeLayout {
            volume,
            best: known.unwrap_or(Layout::Extended),
            is_proven: known.is_some(),
        }
    }

    /// Remembers what a read has shown.
    pub(crate) fn note(&mut self, layout: Layout) {
        (self.best, self.is_proven) = (layout, true);
        let mut found = found();
        if let Some(volume) = self.volume
            && (found.len() < MOST || found.contains_key(&volume))
        {
            found.insert(volume, layout);
        }
    }
}

/// Forgets everything, for a test that gives a volume another layout.
#[cfg(feature = "fault-injection")]
#[doc(hidden)]
pub fn forget_layouts() {
    found().clear();
}
