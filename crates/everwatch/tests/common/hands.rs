//! Hands that change the tree while others have it open.
//!
//! Windows refuses to rename a directory below which something is open, and Wine lets a removed entry
//! stay until whoever has it open closes it. The engine has directories open for moments, as any
//! program that lists them has. So hands on Windows try again; on Unix they do not.

use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::time::Instant;

use super::{PATIENCE, capabilities};

pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    patiently(|| fs::rename(from, to))
}

/// What is gone is removed: here something that was removed before may have stayed until now.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    patiently(|| gone_is_fine(fs::remove_file(path)))?;
    vanish(path)
}

pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    patiently(|| gone_is_fine(fs::remove_dir(path)))?;
    vanish(path)
}

pub(crate) fn remove_dir_all(path: &Path) -> Result<()> {
    patiently(|| gone_is_fine(fs::remove_dir_all(path)))?;
    vanish(path)
}

/// Removes the directory, or renames it where a removal of what is watched is told of to nobody.
pub(crate) fn take_away(path: &Path, away: &Path) {
    match capabilities::lets_go_of_removed_directories() {
        true => fs::remove_dir_all(path).expect("removed"),
        false => rename(path, away).expect("moved"),
    }
}

pub(crate) fn create_dir(path: &Path) -> Result<()> {
    patiently(|| fs::create_dir(path))
}

pub(crate) fn create_dir_all(path: &Path) -> Result<()> {
    patiently(|| fs::create_dir_all(path))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    patiently(|| fs::write(path, text))
}

/// Waits until nothing is called `path`.
fn vanish(path: &Path) -> Result<()> {
    patiently(|| match fs::symlink_metadata(path) {
        Ok(_) if cfg!(windows) => Err(Error::from(ErrorKind::PermissionDenied)),
        _ => Ok(()),
    })
}

fn gone_is_fine(result: Result<()>) -> Result<()> {
    match result {
        Err(error) if cfg!(windows) && error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn patiently<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let begin = Instant::now();
    loop {
        match work() {
            Err(error) if is_passing(&error) && begin.elapsed() < PATIENCE => {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// Whether somebody who has something open may be the reason.
fn is_passing(error: &Error) -> bool {
    cfg!(windows)
        && matches!(
            error.kind(),
            ErrorKind::PermissionDenied
                | ErrorKind::DirectoryNotEmpty
                | ErrorKind::AlreadyExists
                | ErrorKind::ResourceBusy
        )
}
