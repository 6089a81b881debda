//! The bodies of the fuzz targets over their seeds and over random bytes, without libFuzzer.
//!
//! `EVERWATCH_FUZZ_SECONDS` says for how long each gets random bytes (default 1), and
//! `EVERWATCH_FUZZ_SEED` where they start. A failing input is written to `fuzz/artifacts`, and
//! `EVERWATCH_FUZZ_INPUT` runs one file again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use everwatch_testing::random::Random;

#[test]
fn inotify_records_hold_whatever_the_bytes() {
    exercise("inotify_records", everwatch_fuzz::inotify_records::run);
}

#[test]
fn notify_records_hold_whatever_the_bytes() {
    exercise("notify_records", everwatch_fuzz::notify_records::run);
}

#[test]
fn ignore_rules_hold_whatever_the_text() {
    exercise("ignore_rules", everwatch_fuzz::ignore_rules::run);
}

#[test]
fn the_engine_holds_whatever_the_records() {
    exercise("hostile_records", everwatch_fuzz::hostile_records::run);
}

fn exercise(target: &str, body: fn(&[u8])) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some(input) = std::env::var_os("EVERWATCH_FUZZ_INPUT").map(PathBuf::from) {
        if input
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(target))
        {
            body(&std::fs::read(&input).expect("the input"));
        }
        return;
    }
    let seeds = here.join("seeds").join(target);
    let mut inputs: Vec<Vec<u8>> = std::fs::read_dir(&seeds)
        .unwrap_or_else(|error| panic!("{}: {error}", seeds.display()))
        .map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a seed"))
        .collect();
    assert!(!inputs.is_empty(), "{} has no seeds", seeds.display());
    inputs.sort();
    let mut random = Random::new(number("EVERWATCH_FUZZ_SEED", 1));
    let end = Instant::now() + Duration::from_secs(number("EVERWATCH_FUZZ_SECONDS", 1));
    for input in &inputs {
        attempt(here, target, body, input);
    }
    let mut rounds = 0_u64;
    while Instant::now() < end {
        let input = input(&mut random, &inputs);
        attempt(here, target, body, &input);
        rounds += 1;
    }
    println!(
        "{target}: {} seeds and {rounds} random inputs",
        inputs.len()
    );
}

fn attempt(here: &Path, target: &str, body: fn(&[u8]), input: &[u8]) {
    if !fails(body, input) {
        return;
    }
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let small = shrink(input, |input| fails(body, input));
    std::panic::set_hook(hook);
    let directory = here.join("artifacts");
    std::fs::create_dir_all(&directory).expect("a place for the input");
    let path = directory.join(format!("{target}-found"));
    std::fs::write(&path, &small).expect("the input is kept");
    eprintln!(
        "run it again: EVERWATCH_FUZZ_INPUT={} cargo test --manifest-path fuzz/Cargo.toml \
         --no-default-features -- --nocapture",
        path.display()
    );
    body(&small);
}

fn fails(body: fn(&[u8]), input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| body(input))).is_err()
}

/// Leaves out and zeroes what can be left out and zeroed.
fn shrink(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut small = input.to_vec();
    let mut length = small.len();
    while length > 0 {
        let mut at = 0;
        while at + length <= small.len() {
            let shorter = [&small[..at], &small[at + length..]].concat();
            if fails(&shorter) {
                small = shorter;
            } else {
                at += 1;
            }
        }
        length /= 2;
    }
    for at in 0..small.len() {
        let byte = std::mem::replace(&mut small[at], 0);
        if !fails(&small) {
            small[at] = byte;
        }
    }
    small
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |value| value.parse().expect("a whole number"))
}

/// Fresh bytes, or a seed with some bytes changed and some more at its end.
fn input(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = match random.below(3) {
        0 => Vec::new(),
        _ => random.pick(seeds),
    };
    for _ in 0..random.below(8) {
        let at = random.below(input.len());
        if let Some(byte) = input.get_mut(at) {
            *byte = random.bits() as u8;
        }
    }
    let more = random.below(300);
    input.extend((0..more).map(|_| random.bits() as u8));
    input
}
