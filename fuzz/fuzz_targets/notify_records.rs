//! See `everwatch_fuzz::notify_records`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| everwatch_fuzz::notify_records::run(data));
