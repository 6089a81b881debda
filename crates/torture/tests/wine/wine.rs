//! Wine as the environment configures it: starting programs, and paths on either side.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use everwatch::{Change, ChangeKind};
use everwatch_torture::line::{self, CoverageLine, Line};

/// The drive that Wine shows the root directory as.
const DRIVE: &str = "Z:";

/// The right to start programs under Wine, which one test has at a time.
#[derive(Debug)]
pub(crate) struct Wine {
    command: PathBuf,
    loader: OsString,
    _lock: MutexGuard<'static, ()>,
}

impl Wine {
    /// Waits until no other test uses Wine. `None` if no command for Windows is named, and prints that.
    pub(crate) fn here() -> Option<Wine> {
        static LOCK: Mutex<()> = Mutex::new(());
        let Some(command) = std::env::var_os("EVERWATCH_WINE_EXE") else {
            println!("EVERWATCH_WINE_EXE does not name an everwatch.exe: nothing was tested");
            return None;
        };
        let loader = std::env::var_os("EVERWATCH_WINE_LOADER").unwrap_or_else(|| "wine".into());
        let wine = Wine {
            command: command.into(),
            loader,
            _lock: LOCK.lock().unwrap_or_else(PoisonError::into_inner),
        };
        wine.warm_up();
        Some(wine)
    }

    /// Starts Wine's services. The first program in a prefix does that, and the services keep its standard
    /// error open, so a test that reads that to its end would wait for them.
    fn warm_up(&self) {
        let mut first = self.everwatch();
        first
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        assert!(
            first.status().is_ok_and(|status| status.success()),
            "{} does not run under Wine",
            self.command.display()
        );
    }

    /// A command that starts a program under Wine.
    fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.loader);
        command
            .arg(program)
            .env_remove("DISPLAY")
            .stdin(Stdio::null());
        command
    }

    /// `everwatch.exe`.
    pub(crate) fn everwatch(&self) -> Command {
        self.program(&self.command)
    }

    /// Whether `everwatch.exe` takes these arguments; if not, prints that nothing was tested.
    pub(crate) fn takes(&self, words: &[&str]) -> bool {
        let tried = self
            .everwatch()
            .arg("watch")
            .args(words)
            .arg("--help")
            .output();
        let is_known = tried.is_ok_and(|tried| tried.status.success());
        if !is_known {
            println!("this everwatch.exe does not take {words:?}: nothing was tested");
        }
        is_known
    }

    /// The writers, which were built beside the command.
    pub(crate) fn workload(&self) -> Command {
        let directory = self.command.parent().unwrap_or(Path::new("."));
        let program = directory.join("examples/workload.exe");
        assert!(
            program.exists(),
            "{} is missing: cargo build --release -p everwatch-torture --example workload --target …",
            program.display()
        );
        self.program(&program)
    }
}

/// The name that programs under Wine have for a path.
pub(crate) fn outside(path: &Path) -> OsString {
    let mut name = OsString::from(DRIVE).into_vec();
    name.extend(path.as_os_str().as_bytes().iter().map(|&byte| match byte {
        b'/' => b'\\',
        byte => byte,
    }));
    OsString::from_vec(name)
}

/// The path that programs under Wine have this name for.
fn inside(path: &Path) -> Option<PathBuf> {
    let name = path.as_os_str().as_bytes();
    let name = name.strip_prefix(DRIVE.as_bytes())?;
    let name = name.iter().map(|&byte| match byte {
        b'\\' => b'/',
        byte => byte,
    });
    Some(OsStr::from_bytes(&name.collect::<Vec<u8>>()).into())
}

/// Parses a line and translates its paths.
pub(crate) fn parse(text: &[u8]) -> Result<Line, String> {
    let bad = || format!("not on {DRIVE}: {}", String::from_utf8_lossy(text));
    let inside = |path: &Path| inside(path).ok_or_else(bad);
    Ok(match line::parse(text)? {
        Line::Change(change) => {
            let kind = match change.kind {
                ChangeKind::Moved { from } => ChangeKind::Moved {
                    from: inside(&from)?,
                },
                kind => kind,
            };
            let path = inside(&change.path)?;
            Line::Change(Change::new(
                change.seq,
                kind,
                path,
                change.file_type,
                change.cause,
            ))
        }
        Line::Coverage(line) => Line::Coverage(CoverageLine {
            path: inside(&line.path)?,
            ..line
        }),
        line @ (Line::Ready | Line::ResyncBegin { .. } | Line::ResyncEnd) => line,
    })
}

#[test]
fn a_translated_path_translates_back() {
    let path = Path::new("/dev/shm/a b/\u{e9}");
    assert_eq!(outside(path), "Z:\\dev\\shm\\a b\\\u{e9}");
    assert_eq!(inside(Path::new(&outside(path))).as_deref(), Some(path));
}
