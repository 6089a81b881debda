//! `cargo xtask fuzz`: the fuzz targets, by cargo-fuzz.

use std::path::Path;

use crate::{arguments, prerequisites, process};

/// Seconds that a target runs without `--seconds`.
const SECONDS: u64 = 60;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let mut rest = arguments.to_vec();
    let seconds = arguments::take_number(&mut rest, "--seconds")?.unwrap_or(SECONDS);
    let known = targets()?;
    let chosen = match rest.split_first() {
        None => known,
        Some((target, more)) => {
            arguments::nothing_else(more)?;
            if !known.contains(target) {
                return Err(format!(
                    "no fuzz target {target:?}; there are {}",
                    known.join(", ")
                ));
            }
            vec![target.clone()]
        }
    };
    prerequisites::need_nightly("fuzzing")?;
    prerequisites::need_cargo_fuzz()?;
    for target in chosen {
        println!("\n==== {target}, {seconds} s");
        process::run_plain(fuzz(&target, seconds))?;
    }
    Ok(())
}

/// Runs one target. `fuzz/seeds` holds the inputs that git keeps; new ones go to `fuzz/corpus`, which git
/// ignores.
fn fuzz(target: &str, seconds: u64) -> std::process::Command {
    let corpus = format!("fuzz/corpus/{target}");
    // libFuzzer wants the directory to exist. An error here shows again as its error.
    let _ = std::fs::create_dir_all(&corpus);
    let line = format!(
        "cargo +nightly fuzz run {target} {corpus} fuzz/seeds/{target} -- \
         -max_total_time={seconds} -max_len=4096 -print_final_stats=1"
    );
    process::command(&line, &[])
}

/// The names of the targets: one for each file.
fn targets() -> Result<Vec<String>, String> {
    let directory = Path::new("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(directory)
        .map_err(|error| format!("cannot list {}: {error}", directory.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}
