//! Wine as the environment has it: how programs are started, and what paths are on either side.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use everwatch_torture::line::{self, Action, Change, Line};

/// The drive that Wine shows the root directory as.
const DRIVE: &str = "Z:";

/// Whoever holds it may start programs.
#[derive(Debug)]
pub(crate) struct Wine {
    command: PathBuf,
    loader: OsString,
    _turn: MutexGuard<'static, ()>,
}

impl Wine {
    /// Waits until no other test uses it. `None`, and says so, where there is no command for it.
    pub(crate) fn here() -> Option<Wine> {
        static TURN: Mutex<()> = Mutex::new(());
        let Some(command) = std::env::var_os("EVERWATCH_WINE_EXE") else {
            println!("EVERWATCH_WINE_EXE does not name an everwatch.exe: nothing was tested");
            return None;
        };
        let loader = std::env::var_os("EVERWATCH_WINE_LOADER").unwrap_or_else(|| "wine".into());
        let wine = Wine {
            command: command.into(),
            loader,
            _turn: TURN.lock().unwrap_or_else(PoisonError::into_inner),
        };
        wine.warm_up();
        Some(wine)
    }

    /// The first program in a prefix starts Wine's services, which stay and keep its standard error
    /// open: whoever reads that to its end would wait for them.
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

    /// Whether `everwatch.exe` can be started with these words; if not, says that nothing was tested.
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

/// What programs under Wine call a path.
pub(crate) fn outside(path: &Path) -> OsString {
    let mut name = OsString::from(DRIVE).into_vec();
    name.extend(path.as_os_str().as_bytes().iter().map(|&byte| match byte {
        b'/' => b'\\',
        byte => byte,
    }));
    OsString::from_vec(name)
}

/// The path of which programs under Wine tell.
fn inside(path: &Path) -> Option<PathBuf> {
    let name = path.as_os_str().as_bytes();
    let name = name.strip_prefix(DRIVE.as_bytes())?;
    let name = name.iter().map(|&byte| match byte {
        b'\\' => b'/',
        byte => byte,
    });
    Some(OsStr::from_bytes(&name.collect::<Vec<u8>>()).into())
}

/// Reads a line with our own paths in it.
pub(crate) fn parse(text: &[u8]) -> Result<Line, String> {
    let bad = || format!("not on {DRIVE}: {}", String::from_utf8_lossy(text));
    let inside = |path: &Path| inside(path).ok_or_else(bad);
    Ok(match line::parse(text)? {
        Line::Change(change) => Line::Change(Change {
            path: inside(&change.path)?,
            action: match change.action {
                Action::Moved { from } => Action::Moved {
                    from: inside(&from)?,
                },
                action => action,
            },
            ..change
        }),
        Line::Coverage {
            path,
            state,
            reason,
        } => Line::Coverage {
            path: inside(&path)?,
            state,
            reason,
        },
        line @ (Line::Ready | Line::Resync { .. }) => line,
    })
}

#[test]
fn a_path_comes_back_as_it_went() {
    let path = Path::new("/dev/shm/a b/\u{e9}");
    assert_eq!(outside(path), "Z:\\dev\\shm\\a b\\\u{e9}");
    assert_eq!(inside(Path::new(&outside(path))).as_deref(), Some(path));
}
