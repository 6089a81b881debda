//! See `everwatch_fuzz::ignore_rules`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| everwatch_fuzz::ignore_rules::run(data));
