//! See `everwatch_fuzz::inotify_records`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| everwatch_fuzz::inotify_records::run(data));
