//! Runs schedules of the simulator: `--seed N` one of them, `--trace N` the same with all that
//! happens, `--count N [--from N]` many; with `--kernel windows` or `--kernel wine` those of another
//! system, with `--kernel fat` and the like those of Windows on one sort of volume.

use std::process::ExitCode;

use everwatch_sim::{self as sim, Platform};

fn main() -> ExitCode {
    let (mut seed, mut count, mut from, mut traces) = (None, 10_000, 0, false);
    let mut platform = Platform::Linux;
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        if let ("--kernel", Ok(named)) = (&*flag, value.parse()) {
            platform = named;
            continue;
        }
        let value = match (&*flag, value.parse()) {
            ("--seed" | "--trace" | "--count" | "--from", Ok(value)) => value,
            _ => return refuse(&flag, &value),
        };
        match flag.as_str() {
            "--seed" => seed = Some(value),
            "--trace" => {
                seed = Some(value);
                traces = true;
            }
            "--count" => count = value,
            _ => from = value,
        }
    }
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = seed {
        return match sim::run(platform.first() + seed) {
            Ok(report) => {
                println!("seed {seed}: {report:?}");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                for line in failure.trace.iter().filter(|_| traces) {
                    println!("  {line}");
                }
                println!("{failure}");
                ExitCode::FAILURE
            }
        };
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (report, failures) = sim::search(platform.first() + from, count, threads, |done| {
        if done % 8192 == 0 {
            eprintln!("{done} of {count}");
        }
    });
    for failure in &failures {
        println!("{failure}\n");
    }
    println!("{report:?}");
    let seeds: Vec<u64> = failures
        .iter()
        .map(|failure| Platform::of(failure.seed).1)
        .collect();
    println!("{} failures: {seeds:?}", seeds.len());
    ExitCode::from(u8::from(!seeds.is_empty()))
}

/// Says what is wrong with an argument, and what there is.
fn refuse(flag: &str, value: &str) -> ExitCode {
    match flag {
        "--seed" | "--trace" | "--count" | "--from" => {
            eprintln!("sim: {flag} takes a number, not {value:?}");
        }
        "--kernel" => eprintln!(
            "sim: --kernel: {}",
            value.parse::<Platform>().err().unwrap_or_default()
        ),
        _ => eprintln!("sim: there is no flag {flag:?}"),
    }
    eprintln!("usage: sim [--kernel NAME] --seed N | --trace N | --count N [--from N]");
    ExitCode::from(2)
}
