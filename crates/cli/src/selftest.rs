//! `everwatch selftest`: which guarantees hold on this machine and this file system, as a table or as JSON lines.
//!
//! The test itself is that of the library. Progress goes to standard error, the result to standard output. Ctrl-C
//! and SIGTERM end the test between two operations, so that its scratch directory is removed.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use everwatch::selftest::{Outcome, Progress, Selftest};
use everwatch::{Options, printable};

use crate::args::SelftestArgs;
use crate::standard_output::StandardOutput;

/// Operations of `--quick`, which takes about ten seconds.
const QUICK: usize = 10_000;

/// Exit code if a guarantee does not hold.
const EXIT_BROKEN: u8 = 1;

/// Exit code after Ctrl-C or SIGTERM, as shells have it.
const EXIT_INTERRUPTED: u8 = 130;

/// Whether a signal has come.
static IS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Runs the test and prints the result. An error is the sentence for standard error.
pub(crate) fn run(args: &SelftestArgs) -> Result<ExitCode, String> {
    ctrlc::set_handler(|| IS_INTERRUPTED.store(true, Ordering::Release))
        .map_err(|error| format!("cannot set up Ctrl-C: {error}"))?;
    let directory = args.directory.clone().unwrap_or_else(std::env::temp_dir);
    let seed = args.seed.unwrap_or_else(random_seed);
    let options = Options::new()
        .backend(args.backend.into())
        .completion(args.completion.into())
        .poll_interval(args.poll_interval)
        .worker(std::env::current_exe().unwrap_or_else(|_| "everwatch".into()));
    let mut test = Selftest::new(&directory).seed(seed).options(options);
    if args.quick {
        test = test.operations(QUICK);
    }
    crate::say!(
        "everwatch: self-test below {}, seed {seed}",
        printable(&directory)
    );
    let mut line = ProgressLine::new();
    let outcome = test.run(|progress| {
        line.show(&progress);
        match IS_INTERRUPTED.load(Ordering::Acquire) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    line.end();
    let outcome = match outcome {
        Err(error) if IS_INTERRUPTED.load(Ordering::Acquire) => {
            crate::say!("everwatch: {error}");
            return Ok(ExitCode::from(EXIT_INTERRUPTED));
        }
        outcome => outcome.map_err(|error| error.to_string())?,
    };
    let text = match args.json {
        true => json(&outcome),
        false => table(&outcome),
    };
    match StandardOutput::new().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(format!("cannot write to standard output: {error}"));
        }
        _ => {}
    }
    if outcome.is_held() {
        return Ok(ExitCode::SUCCESS);
    }
    let repeated = again(args, &directory.to_string_lossy(), seed);
    crate::say!("everwatch: a guarantee does not hold here; to see it again: {repeated}");
    Ok(ExitCode::from(EXIT_BROKEN))
}

/// A seed that is another one each time, and short enough to be typed.
fn random_seed() -> u64 {
    use std::hash::BuildHasher as _;
    std::hash::RandomState::new().hash_one(std::process::id()) % 1_000_000
}

/// The command that repeats the run.
fn again(args: &SelftestArgs, directory: &str, seed: u64) -> String {
    let quick = if args.quick { " --quick" } else { "" };
    let mut command = format!("everwatch selftest{quick} --seed {seed}");
    if args.backend != crate::args::BackendName::Auto {
        let _ = write!(
            command,
            " --backend {}",
            everwatch::Backend::from(args.backend).as_str()
        );
    }
    if args.completion != crate::args::ModelName::Port {
        let model = everwatch::CompletionModel::from(args.completion);
        let _ = write!(command, " --completion {}", model.as_str());
    }
    let quote = if cfg!(windows) { '"' } else { '\'' };
    let _ = write!(command, " {quote}{directory}{quote}");
    command
}

/// Progress on standard error: one line that is written over on a terminal, a line for each phase elsewhere.
struct ProgressLine {
    is_terminal: bool,
    phase: &'static str,
    shown: Option<Instant>,
}

impl ProgressLine {
    fn new() -> ProgressLine {
        ProgressLine {
            is_terminal: io::stderr().is_terminal(),
            phase: "",
            shown: None,
        }
    }

    fn show(&mut self, progress: &Progress) {
        let is_new = self.phase != progress.phase;
        self.phase = progress.phase;
        if self.is_terminal {
            let is_due = self
                .shown
                .is_none_or(|shown| shown.elapsed() > Duration::from_millis(100));
            if is_due || is_new {
                self.shown = Some(Instant::now());
                crate::show!(
                    "\r\x1b[K{}: {} operations",
                    progress.phase,
                    progress.operations
                );
            }
        } else if is_new {
            crate::say!(
                "everwatch: {}: {} operations so far",
                progress.phase,
                progress.operations
            );
        }
    }

    fn end(&self) {
        if self.is_terminal {
            crate::show!("\r\x1b[K");
        }
    }
}

/// The figures by name, as the table and the JSON lines have them.
fn figures(outcome: &Outcome) -> [(&'static str, u64); 11] {
    let figures = &outcome.figures;
    [
        ("operations", figures.operations),
        ("retried", figures.retried),
        ("events", figures.events),
        ("missing", figures.missing),
        ("ghosts", figures.ghosts),
        ("wrong kinds", figures.wrong_kinds),
        ("unreported writes", figures.unreported_writes),
        ("wrong moves", figures.wrong_moves),
        ("late behind barrier", figures.late),
        ("resyncs", figures.resyncs),
        ("overflows", figures.overflows),
    ]
}

/// The result for people.
fn table(outcome: &Outcome) -> String {
    let mut text = String::new();
    let version = env!("CARGO_PKG_VERSION");
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "everwatch {version} on {} {}, {}, seed {}, {:.1} s\n",
        std::env::consts::OS,
        std::env::consts::ARCH,
        outcome.file_system,
        outcome.seed,
        outcome.took.as_secs_f64()
    );
    for finding in &outcome.findings {
        let guarantee = finding.guarantee.to_string();
        let verdict = finding.verdict.as_str();
        let _ = writeln!(
            text,
            "  {guarantee:<40} {verdict:<12} {} checks, {} failures",
            finding.checks, finding.failures
        );
        for note in &finding.notes {
            let _ = writeln!(text, "      {note}");
        }
    }
    text.push('\n');
    for (name, value) in figures(outcome) {
        let _ = writeln!(text, "  {name:<40} {value}");
    }
    for skipped in &outcome.skipped {
        let _ = writeln!(text, "  left out: {skipped}");
    }
    for question in &outcome.questions {
        let answer = question.answer.as_deref().unwrap_or("not asked");
        let _ = writeln!(
            text,
            "\n  question: {}\n  expected: {}\n  answer:   {answer}",
            question.text, question.expected
        );
    }
    text
}

/// The result for programs: one object a line.
fn json(outcome: &Outcome) -> String {
    use serde_json::{Map, Value, json};
    let mut lines = vec![json!({
        "type": "selftest",
        "version": env!("CARGO_PKG_VERSION"),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "file_system": outcome.file_system,
        "seed": outcome.seed,
        "seconds": outcome.took.as_secs_f64(),
        "held": outcome.is_held(),
    })];
    for finding in &outcome.findings {
        lines.push(json!({
            "type": "guarantee",
            "id": finding.guarantee.id(),
            "name": finding.guarantee.name(),
            "verdict": finding.verdict.as_str(),
            "checks": finding.checks,
            "failures": finding.failures,
            "notes": finding.notes,
        }));
    }
    let mut sums = Map::from_iter([("type".to_owned(), Value::from("figures"))]);
    for (name, value) in figures(outcome) {
        sums.insert(name.replace(' ', "_"), value.into());
    }
    lines.push(Value::Object(sums));
    for skipped in &outcome.skipped {
        lines.push(json!({ "type": "skipped", "what": skipped }));
    }
    for question in &outcome.questions {
        lines.push(json!({
            "type": "question",
            "text": question.text,
            "expected": question.expected,
            "answer": question.answer,
        }));
    }
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}
