//! A Windows installation that Wine runs programs in: a directory.
//!
//! Making one takes seconds and copying one nothing, because files are linked. So there is a template
//! below `target/`, and each run has a copy of its own and with it a Wine server of its own: nothing
//! that a run leaves behind is found by the next, and two runs at the same time do not meet.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::prerequisites::{self, target_directory};
use crate::process::{self, output_of, prepare};

const SERVER: &str = "wineserver";

/// What both are in, on Debian.
const PACKAGES: &[&str] = &["wine", "wine64"];

/// Where the loader of 64-bit programs may be. The script that Debian has on the path complains that
/// there is none for 32 bits.
const LOADERS: &[&str] = &[
    "wine64",
    "/usr/lib/wine/wine64",
    "/usr/lib/wine/wine",
    "wine",
];

/// What one step of the installation may take.
const STEP: Duration = Duration::from_secs(120);

/// For how many seconds the server stays when its last program has ended. Not for ever: whoever is
/// killed cannot end it.
const LINGERING: u32 = 120;

/// The file of a prefix that says what it was made with.
const STAMP: &str = "stamp";

/// What the compiler of the missing library reads.
const LIBRARY: &str = "xtask/wine/process_prng.c";

/// A prefix with its server. Ended, and with a run's prefix deleted, when it is dropped.
pub(super) struct Prefix {
    directory: PathBuf,
    loader: PathBuf,
    is_kept: bool,
}

impl Prefix {
    /// One for a single run.
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

    /// One for a person, that stays; without a server, which comes with the first program.
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

    /// What runs Windows programs.
    pub(super) fn loader(&self) -> &Path {
        &self.loader
    }

    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        variables(&self.directory)
    }

    /// Starts the server without any of our descriptors: readers of our output would wait for it.
    fn serve(&self) {
        let mut server = in_prefix(Path::new(SERVER), &self.directory);
        server.arg(format!("-p{LINGERING}"));
        // Without, the first program starts it.
        let _ = quiet(&mut server).status();
        // The services come with the first program that asks for a volume, and keep its output.
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
        // What is left is swept by the next run.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn kill_server(prefix: &Path) {
    let mut server = in_prefix(Path::new(SERVER), prefix);
    // That there is none is no failure.
    let _ = quiet(server.arg("-k")).status();
}

/// Sets what every program under Wine is run with.
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

/// Where the repository is, which is where this runs.
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

/// Deletes what runs left that were killed.
fn sweep(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((_, id)) = name.rsplit_once('-') else {
            continue;
        };
        if !Path::new("/proc").join(id).exists() {
            kill_server(&entry.path());
            // Another run may be at it as well.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The template, made if there is none or if it was made with something else.
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

/// What a template depends on.
fn stamp(loader: &Path) -> Result<String, String> {
    let version = output_of(&format!("{} --version", loader.display()))
        .ok_or_else(|| format!("{} does not run", loader.display()))?;
    let library =
        fs::read_to_string(LIBRARY).map_err(|error| format!("cannot read {LIBRARY}: {error}"))?;
    Ok(format!("{version}{}\n{library}", temporary()))
}

/// The system's temporary directory by its Windows name, so that programs on both sides can use
/// what the other makes in it.
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

/// Copies by linking. What Wine writes it replaces, so the template is never changed.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let mut copy = Command::new("cp");
    copy.arg("-al").args([from, to]);
    prepare(copy, STEP)
}
