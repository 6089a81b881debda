//! Operations of a writer that only Unix has: links, pipes, exchanges and permissions.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};

use crate::writer::{Peculiar, Writer};

/// The mark of files that had several names once: the sticky bit, which means nothing on a file. A write
/// is reported under the name that was used, so such files are not asked for reports of writes.
pub const LINKED: Mode = Mode::SVTX;

/// Sets permissions, and keeps the mark [`LINKED`] and those of the owner.
fn add_mode(path: &Path, mode: Mode) -> io::Result<()> {
    let before = fs::symlink_metadata(path)?.permissions().mode() & 0o1700;
    fs::set_permissions(
        path,
        fs::Permissions::from_mode(before | mode.as_raw_mode()),
    )
}

impl Writer<'_> {
    /// Does one of the operations.
    pub fn peculiar(&mut self, operation: Peculiar) -> io::Result<()> {
        match operation {
            Peculiar::HardLink => self.hard_link(),
            Peculiar::Symlink => self.symlink(),
            Peculiar::SwapSymlink => self.swap_symlink(),
            Peculiar::Exchange => self.exchange(),
            Peculiar::ChangeMode => self.change_mode(),
            Peculiar::Pipe => self.pipe(),
        }
    }

    /// Gives a file another name.
    fn hard_link(&mut self) -> io::Result<()> {
        let (from, to) = (self.known_file()?, self.place('h'));
        let made = add_mode(&from, LINKED).and_then(|()| fs::hard_link(&from, &to));
        self.check(&[], made)?;
        self.has_file(to);
        Ok(())
    }

    /// Links to anything: a missing name, a directory, the directory of the link itself, a file.
    fn symlink(&mut self) -> io::Result<()> {
        let link = self.place('l');
        let target = match self.random.below(4) {
            0 => PathBuf::from(".."),
            1 => PathBuf::from("nowhere"),
            2 => self.dir(),
            _ => self.known_file()?,
        };
        symlink(target, &link)?;
        self.has_file(link);
        Ok(())
    }

    /// Replaces the link `current`, as deployments do.
    fn swap_symlink(&mut self) -> io::Result<()> {
        let dir = self.dir();
        let (current, beside) = (dir.join("current"), self.own_place("link"));
        symlink(self.name('d'), &beside)?;
        if let Err(error) = fs::rename(&beside, &current) {
            fs::remove_file(&beside)?;
            return Err(error);
        }
        self.has_file(current);
        Ok(())
    }

    /// Swaps two entries by one rename, renameat2(2).
    fn exchange(&mut self) -> io::Result<()> {
        let (one, other) = (self.known()?, self.known()?);
        let done = renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
        self.check(&[], done.map_err(io::Error::from))
    }

    /// Changes permissions of the group and of others.
    fn change_mode(&mut self) -> io::Result<()> {
        let path = self.known()?;
        let done = add_mode(&path, Mode::from_raw_mode(self.random.below(0o100) as u32));
        self.check(&[&path], done)
    }

    /// Makes a named pipe, and removes half of them at once.
    fn pipe(&mut self) -> io::Result<()> {
        let path = self.place('p');
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0)?;
        // Opening it would block, so it is only renamed or removed.
        self.files.retain(|known| *known != path);
        if self.random.chance(500) {
            fs::remove_file(path)
        } else {
            Ok(())
        }
    }
}
