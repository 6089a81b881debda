//! An allocator that finds out who writes to memory that was given back.
//!
//! A block that is freed is filled with a pattern and kept for a while. When it leaves, and when the test
//! asks, the pattern has to be as it was.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const PATTERN: u8 = 0xd5;

/// How many blocks are kept, and how many bytes of them.
const BLOCKS: usize = 1 << 16;
const BYTES: usize = 16 << 20;

#[derive(Clone, Copy)]
struct Block {
    start: *mut u8,
    layout: Layout,
}

struct Ring {
    blocks: [Option<Block>; BLOCKS],
    oldest: usize,
    count: usize,
    bytes: usize,
}

/// The blocks that were given back and are watched.
pub(crate) struct Quarantine {
    is_locked: AtomicBool,
    ring: UnsafeCell<Ring>,
    kept: AtomicU64,
    overwritten: AtomicU64,
}

// SAFETY: only the holder of the lock touches the ring.
unsafe impl Sync for Quarantine {}

impl Quarantine {
    pub(crate) const fn new() -> Quarantine {
        Quarantine {
            is_locked: AtomicBool::new(false),
            ring: UnsafeCell::new(Ring {
                blocks: [None; BLOCKS],
                oldest: 0,
                count: 0,
                bytes: 0,
            }),
            kept: AtomicU64::new(0),
            overwritten: AtomicU64::new(0),
        }
    }

    /// How many blocks were kept so far.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// Looks at all blocks that are kept, and returns how many of them have been written to so far.
    pub(crate) fn overwritten(&self) -> u64 {
        self.locked(|ring| {
            while let Some(block) = ring.take() {
                self.release(block);
            }
        });
        self.overwritten.load(Ordering::Relaxed)
    }

    /// `work` must not allocate.
    fn locked(&self, work: impl FnOnce(&mut Ring)) {
        while self.is_locked.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
        // SAFETY: the lock is held, and nothing below comes back here.
        work(unsafe { &mut *self.ring.get() });
        self.is_locked.store(false, Ordering::Release);
    }

    fn release(&self, block: Block) {
        // Not a slice: if the pattern is gone, a write may still be under way.
        // SAFETY: the memory is the quarantine's.
        let is_kept = (0..block.layout.size())
            .all(|at| unsafe { block.start.add(at).read_volatile() } == PATTERN);
        if !is_kept {
            self.overwritten.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: it came from there with this layout.
        unsafe { System.dealloc(block.start, block.layout) };
    }
}

impl Ring {
    fn take(&mut self) -> Option<Block> {
        let block = self.blocks[self.oldest].take()?;
        self.oldest = (self.oldest + 1) % BLOCKS;
        self.count -= 1;
        self.bytes -= block.layout.size();
        Some(block)
    }

    fn put(&mut self, block: Block) {
        self.blocks[(self.oldest + self.count) % BLOCKS] = Some(block);
        self.count += 1;
        self.bytes += block.layout.size();
    }
}

// SAFETY: memory comes from the system's allocator and goes back to it once, later.
unsafe impl GlobalAlloc for Quarantine {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as demanded of the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the block is given back, and nothing else refers to it.
        unsafe { start.write_bytes(PATTERN, layout.size()) };
        self.kept.fetch_add(1, Ordering::Relaxed);
        self.locked(|ring| {
            while ring.count == BLOCKS || ring.bytes > BYTES {
                match ring.take() {
                    Some(block) => self.release(block),
                    None => break,
                }
            }
            ring.put(Block { start, layout });
        });
    }
}

#[test]
fn a_write_to_memory_that_was_given_back_is_found() {
    static OWN: Quarantine = Quarantine::new();
    let layout = Layout::new::<[u8; 1000]>();
    // SAFETY: the memory is the quarantine's after it was given back, and still there.
    unsafe {
        let blocks: Vec<*mut u8> = (0..100).map(|_| OWN.alloc(layout)).collect();
        for &block in &blocks {
            OWN.dealloc(block, layout);
        }
        blocks[70].add(999).write_volatile(1);
    }
    assert_eq!((OWN.kept(), OWN.overwritten()), (100, 1));
}
