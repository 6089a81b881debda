//! The census itself.

use everwatch_testing::alone::{alone, settles};
use everwatch_testing::census::Census;

/// The counts are those of this process, and they count.
#[test]
fn a_census_sees_handles_threads_and_memory() {
    const MEBIBYTE: usize = 1024 * 1024;
    alone("census::a_census_sees_handles_threads_and_memory", || {
        let before = Census::take();
        let file = tempfile::tempfile().expect("a file");
        let files: Vec<_> = (0..50).map(|_| file.try_clone()).collect();
        let memory = vec![1_u8; 8 * MEBIBYTE];
        let (end, is_over) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || is_over.recv());
        let during = Census::take();
        assert!(
            during.handles >= before.handles + 50,
            "{before:?} {during:?}"
        );
        assert!(during.threads > before.threads, "{before:?} {during:?}");
        assert!(
            during.memory >= before.memory + 6 * MEBIBYTE,
            "{before:?} {during:?}"
        );
        assert!(!during.is_no_more_than(&before));
        drop((end, file, files, memory));
        thread
            .join()
            .expect("a thread")
            .expect_err("the end of the channel");
        settles(&before, "a census");
    });
}
