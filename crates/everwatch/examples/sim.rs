//! Runs schedules of the simulator: `--seed N` one of them, `--trace N` the same with all that
//! happens, `--count N [--from N]` many.

use std::process::ExitCode;

use everwatch::sys::sim;

fn main() -> ExitCode {
    let (mut seed, mut count, mut from, mut traces) = (None, 10_000, 0, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let Some(value) = arguments.next().and_then(|value| value.parse().ok()) else {
            eprintln!("usage: sim --seed N | --trace N | --count N [--from N]");
            return ExitCode::from(2);
        };
        match flag.as_str() {
            "--seed" => seed = Some(value),
            "--trace" => {
                seed = Some(value);
                traces = true;
            }
            "--count" => count = value,
            "--from" => from = value,
            _ => eprintln!("{flag} is not known and is left out"),
        }
    }
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(seed) = seed {
        return match sim::run(seed) {
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
    let (report, failures) = sim::search(from, count, threads, |done| {
        if done % 8192 == 0 {
            eprintln!("{done} of {count}");
        }
    });
    for failure in &failures {
        println!("{failure}\n");
    }
    println!("{report:?}");
    let seeds: Vec<u64> = failures.iter().map(|failure| failure.seed).collect();
    println!("{} failures: {seeds:?}", seeds.len());
    ExitCode::from(u8::from(!seeds.is_empty()))
}
