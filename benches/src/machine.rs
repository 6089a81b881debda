//! The machine that figures were measured on: processor, kernel, versions, date.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use everwatch_testing::scratch::{Place, scratch};

/// The lock file, which has the versions that were built.
const LOCK: &str = include_str!("../../Cargo.lock");

const LIMITS: [&str; 3] = [
    "max_user_watches",
    "max_user_instances",
    "max_queued_events",
];

/// The lines of a table with two columns: a name and a value.
pub(crate) fn describe(places: &[Place]) -> Vec<(String, String)> {
    let processor = after(&read("/proc/cpuinfo"), "model name").unwrap_or_default();
    let memory = after(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
    let memory = memory
        .split(' ')
        .next()
        .and_then(|size| size.parse::<f64>().ok())
        .unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(0, Into::into);
    let sysctl = |name: &str| {
        read(&format!("/proc/sys/fs/inotify/{name}"))
            .trim()
            .to_owned()
    };
    let mut lines = vec![
        ("date".to_owned(), date()),
        (
            "processor".to_owned(),
            format!("{processor}, {processors} cores"),
        ),
        (
            "memory".to_owned(),
            format!("{:.1} GB", memory * 1024.0 / 1e9),
        ),
        (
            "kernel".to_owned(),
            format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
        ),
        (
            "inotify queue".to_owned(),
            format!("{} records", sysctl("max_queued_events")),
        ),
    ];
    for &place in places {
        let tree = scratch(place);
        let directory = tree.path().parent().unwrap_or(tree.path()).display();
        let kind = run("stat", &["-f", "-c", "%T", &directory.to_string()]);
        let text = format!("`{directory}`, {}", kind.unwrap_or_default());
        lines.push((place.name().to_owned(), text));
    }
    let commit = run("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    let everwatch = locked("everwatch").pop().unwrap_or_default();
    lines.push(("everwatch".to_owned(), format!("{everwatch}, {commit}")));
    lines.push(("notify".to_owned(), locked("notify").join(" and ")));
    if let Some(version) = watchman_version() {
        lines.push(("Watchman".to_owned(), version));
    }
    lines.push((
        "compiler".to_owned(),
        run("rustc", &["--version"]).unwrap_or_default(),
    ));
    lines.push(("load before".to_owned(), load()));
    lines
}

/// The limits of inotify as they are now.
pub(crate) fn limits() -> [String; 3] {
    LIMITS.map(|name| read(&format!("/proc/sys/fs/inotify/{name}")))
}

/// Waits until the limits of inotify are these again. Tests on the same machine lower them for moments, and
/// a subject under other limits does other work.
pub(crate) fn wait_for(limits: &[String; 3]) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while self::limits() != *limits {
        ensure!(
            Instant::now() < deadline,
            "the limits of inotify are not what they were when this began"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The version of Watchman, if it is installed.
pub(crate) fn watchman_version() -> Option<String> {
    run("watchman", &["--version"])
}

/// The output of a program that succeeds and prints something.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// What follows the colon on the first line that begins with `name`.
fn after(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn load() -> String {
    read("/proc/loadavg")
        .split(' ')
        .take(3)
        .collect::<Vec<_>>()
        .join(", ")
}

/// All versions of a package in the lock file.
pub(crate) fn locked(package: &str) -> Vec<String> {
    let name = format!("name = \"{package}\"");
    let lines: Vec<&str> = LOCK.lines().collect();
    lines
        .windows(2)
        .filter(|pair| pair[0] == name)
        .filter_map(|pair| pair[1].split('"').nth(1).map(str::to_owned))
        .collect()
}

/// The date in UTC.
fn date() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// Year, month and day of a day counted from 1970, by counting years from March.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_819), (2027, 1, 1));
    }
}
