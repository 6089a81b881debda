//! See `everwatch_fuzz::hostile_records`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| everwatch_fuzz::hostile_records::run(data));
