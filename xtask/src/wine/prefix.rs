//! Wine prefixes: directories that hold a Windows installation.
//!
//! A new prefix takes seconds; a copy of hard links takes milliseconds. So each run copies a template below
//! `target/` and starts its own Wine server: no run sees what another left, and two runs can run at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::prerequisites::{self, target_directory};
use crate::process::{self, output_of, prepare};

const SERVER: &str = "wineserver";

/// Debian's packages of loader and server.
const PACKAGES: &[&str] = &["wine", "wine64"];

/// Candidates for the loader of 64-bit programs. Debian's script `wine` comes last: it prints a warning about a
/// missing 32-bit loader.
const LOADERS: &[&str] = &[
    "wine64",
    "/usr/lib/wine/wine64",
    "/usr/lib/wine/wine",
    "wine",
];

/// The time limit of one step of the installation.
const STEP: Duration = Duration::from_secs(120);

/// Seconds that the server stays after its last program has ended. A run that is killed cannot end its server.
const LINGERING: u32 = 120;

/// The file of a prefix that records what it was made from.
const STAMP: &str = "stamp";

/// The source of a DLL that Wine 8 lacks and Rust's standard library imports.
const LIBRARY: &str = "xtask/wine/process_prng.c";

/// A prefix with its server. Dropping it ends the server and deletes the prefix of a run.
pub(super) struct Prefix {
    directory: PathBuf,
    loader: PathBuf,
    is_kept: bool,
}

impl Prefix {
    /// A prefix for a single run.
    pub(super) fn for_a_run() -> Result<Prefix, String> {
        let loader = loader()?;
        let place = place()?;
        sweep(&place);
        let template = template(&place, &loader)?;
        let directory = place.join(format!("run-{}", std::process::id()));
        copy(&template, &directory)?;
        let prefix = Prefix {
            directory,
            loader,
            is_kept: false,
        };
        prefix.serve();
        Ok(prefix)
    }

    /// A prefix that stays, for work by hand. Its server starts with the first program.
    pub(super) fn to_keep() -> Result<Prefix, String> {
        let loader = loader()?;
        let place = place()?;
        let template = template(&place, &loader)?;
        let directory = place.join("kept");
        let stamp = |prefix: &Path| fs::read_to_string(prefix.join(STAMP)).ok();
        if stamp(&directory) != stamp(&template) {
            if directory.exists() {
                kill_server(&directory);
                fs::remove_dir_all(&directory)
                    .map_err(|error| format!("cannot delete {}: {error}", directory.display()))?;
            }
            copy(&template, &directory)?;
        }
        Ok(Prefix {
            directory,
            loader,
            is_kept: true,
        })
    }

    /// The path of the program that runs Windows programs.
    pub(super) fn loader(&self) -> &Path {
        &self.loader
    }

    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        variables(&self.directory)
    }

    /// Starts the server without our descriptors: it would keep our output open for readers.
    fn serve(&self) {
        let mut server = in_prefix(Path::new(SERVER), &self.directory);
        server.arg(format!("-p{LINGERING}"));
        // On failure the first program starts it.
        let _ = quiet(&mut server).status();
        // The services start with the first program that asks for a volume, and inherit its output.
        let mut first = in_prefix(&self.loader, &self.directory);
        let _ = quiet(first.args(["cmd", "/c", "vol", "Z:"])).status();
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        kill_server(&self.directory);
        // The next run deletes what is left.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn kill_server(prefix: &Path) {
    let mut server = in_prefix(Path::new(SERVER), prefix);
    // An error means that no server runs.
    let _ = quiet(server.arg("-k")).status();
}

/// A program with the environment of a prefix.
fn in_prefix(program: &Path, prefix: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("DISPLAY").envs(variables(prefix));
    command
}

fn variables(prefix: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("WINEPREFIX", prefix.to_string_lossy().into_owned()),
        ("WINEDEBUG", "-all".to_owned()),
        // No .NET and no browser: their installers would open windows.
        ("WINEDLLOVERRIDES", "mscoree,mshtml=".to_owned()),
        // Tests that compare snapshots ask cargo where they are, and there is none in Wine.
        ("INSTA_WORKSPACE_ROOT", workspace()),
    ]
}

/// The top of the repository, which is the current directory.
fn workspace() -> String {
    std::env::current_dir().map_or_else(
        |_| ".".to_owned(),
        |directory| directory.to_string_lossy().into_owned(),
    )
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

/// Finds or installs Wine.
pub(super) fn loader() -> Result<PathBuf, String> {
    let find = || LOADERS.iter().find_map(|name| prerequisites::find(name));
    if find().is_none() || prerequisites::find(SERVER).is_none() {
        prerequisites::install(PACKAGES)?;
    }
    find().ok_or_else(|| "Wine is installed, but its loader is not found".to_owned())
}

fn place() -> Result<PathBuf, String> {
    let place = target_directory().join("wine");
    fs::create_dir_all(&place)
        .and_then(|()| place.canonicalize())
        .map_err(|error| format!("cannot make {}: {error}", place.display()))
}

/// Deletes prefixes of runs that were killed.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((_, id)) = name.rsplit_once('-') else {
            continue;
        };
        if !Path::new("/proc").join(id).exists() {
            kill_server(&entry.path());
            // Another run may delete it at the same time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The template. It is made again if its stamp differs.
fn template(place: &Path, loader: &Path) -> Result<PathBuf, String> {
    let template = place.join("template");
    let stamp = stamp(loader)?;
    if fs::read_to_string(template.join(STAMP)).is_ok_and(|old| old == stamp) {
        return Ok(template);
    }
    let draft = place.join(format!("template-{}", std::process::id()));
    let made = make(&draft, loader);
    kill_server(&draft);
    made?;
    let failed = |error| format!("cannot write {}: {error}", template.display());
    fs::write(draft.join(STAMP), stamp).map_err(failed)?;
    if template.exists() {
        fs::remove_dir_all(&template).map_err(failed)?;
    }
    fs::rename(&draft, &template).map_err(failed)?;
    Ok(template)
}

/// The stamp of a template: the versions that it depends on.
fn stamp(loader: &Path) -> Result<String, String> {
    let version = output_of(&format!("{} --version", loader.display()))
        .ok_or_else(|| format!("{} does not run", loader.display()))?;
    let library =
        fs::read_to_string(LIBRARY).map_err(|error| format!("cannot read {LIBRARY}: {error}"))?;
    Ok(format!("{version}{}\n{library}", temporary()))
}

/// The Windows name of the system's temporary directory, which programs on both sides share.
fn temporary() -> String {
    let directory = std::env::temp_dir();
    format!("Z:{}", directory.to_string_lossy().replace('/', "\\"))
}

fn make(prefix: &Path, loader: &Path) -> Result<(), String> {
    let wine = |arguments: &[&str]| {
        let mut command = in_prefix(loader, prefix);
        command.args(arguments).stderr(Stdio::null());
        prepare(command, STEP)
    };
    wine(&["wineboot", "-i"])?;
    let key = "HKEY_CURRENT_USER\\Environment";
    for name in ["TEMP", "TMP"] {
        wine(&["reg", "add", key, "/v", name, "/d", &temporary(), "/f"])?;
    }
    let library = prefix.join("drive_c/windows/system32/bcryptprimitives.dll");
    if library.exists() {
        return Ok(());
    }
    let line = format!(
        "x86_64-w64-mingw32-gcc -Wall -Wextra -Werror -O2 -shared -o {} {LIBRARY} -ladvapi32",
        library.display()
    );
    prepare(process::command(&line, &[]), STEP)
}

/// Copies by hard links. Wine replaces files when it writes, so the template does not change.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let mut copy = Command::new("cp");
    copy.arg("-al").args([from, to]);
    prepare(copy, STEP)
}
