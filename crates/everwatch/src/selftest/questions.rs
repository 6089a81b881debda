//! The open questions about Windows: what no public source answers, asked of the machine where the test runs.
//!
//! Each answer stands beside what is expected. None of them decides about a guarantee.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::AsHandle as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use everwatch_directory_reads::records::{self, Action, Extended};
use everwatch_directory_reads::{Completion, DirectoryReads, Layout, Model, Settings, Tag, reads};

use super::outcome::Question;

/// `FILE_LIST_DIRECTORY`.
const LIST: u32 = 1;
/// `FILE_FLAG_BACKUP_SEMANTICS`, without which no directory opens.
const BACKUP: u32 = 0x0200_0000;
/// `FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE`.
const SHARE_ALL: u32 = 7;
/// The quiet time after which no further record is expected.
const QUIET: Duration = Duration::from_millis(500);
/// Replacing renames beside a program that looks at their target.
const RENAMES: u32 = 500;

/// A record, and whether the entry was there when it came.
#[derive(Debug)]
struct Line {
    action: Action,
    name: String,
    extended: Option<Extended>,
    is_there: bool,
}

/// What one directory was reported to undergo.
struct Recorder {
    reads: Box<dyn DirectoryReads>,
    directory: PathBuf,
    layout: Option<Layout>,
    /// Buffers that ended with the first half of a rename.
    old_at_end: u32,
    lost: u32,
    failed: Option<u32>,
}

impl Recorder {
    fn start(directory: &Path, bytes: u32) -> io::Result<Recorder> {
        let handle = OpenOptions::new()
            .access_mode(LIST)
            .custom_flags(BACKUP)
            .share_mode(SHARE_ALL)
            .open(directory)?;
        let mut reads = reads(Model::Port)?;
        let settings = Settings {
            bytes,
            ..Settings::default()
        };
        reads.arm(Tag(1), handle.as_handle(), directory, settings)?;
        Ok(Recorder {
            reads,
            directory: directory.to_owned(),
            layout: None,
            old_at_end: 0,
            lost: 0,
            failed: None,
        })
    }

    /// The records that come until it is quiet.
    fn lines(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < QUIET {
            self.reads.wait(Some(Duration::from_millis(50)));
            let before = lines.len();
            let (directory, layouts) = (&self.directory, &mut self.layout);
            let (old_at_end, lost, failed) =
                (&mut self.old_at_end, &mut self.lost, &mut self.failed);
            self.reads.collect(&mut |_, completion| match completion {
                Completion::Changes { bytes, layout } => {
                    *layouts = Some(layout);
                    let changes = records::changes(bytes, layout).flatten();
                    for change in changes {
                        let units: Vec<u16> = change.name.units().collect();
                        let name = String::from_utf16_lossy(&units);
                        lines.push(Line {
                            action: change.action,
                            is_there: fs::symlink_metadata(directory.join(&name)).is_ok(),
                            name,
                            extended: change.extended,
                        });
                    }
                    let is_old = |line: &Line| line.action == Action::OldName;
                    *old_at_end += u32::from(lines.last().is_some_and(is_old));
                }
                Completion::Lost => *lost += 1,
                Completion::Failed { code } => *failed = Some(code),
            });
            if lines.len() > before {
                quiet_since = Instant::now();
            }
        }
        lines
    }
}

/// Asks everything in a directory below `scratch`.
pub(super) fn ask(scratch: &Path) -> Vec<Question> {
    let asked = [
        (
            "Are the file id and the attributes filled in records of removed and renamed files?",
            "extended on NTFS: the same id in all records of a file; plain elsewhere",
            contents(&scratch.join("q contents")),
        ),
        (
            "Do extended reads work over \\\\localhost\\c$, and what are their ids?",
            "plain, because the protocol has plain records only",
            over_the_network(scratch),
        ),
        (
            "Does a look make a replacing rename fail?",
            "some fail beside looks that open the file, as those of this test do",
            replacing(&scratch.join("q replacing")),
        ),
        (
            "Is the first half of a rename ever alone at the end of a buffer?",
            "yes, with a buffer of about one record",
            halves(&scratch.join("q halves")),
        ),
        (
            "Does a record come before its effect is visible, or after it is gone again?",
            "0 of the creations are not there yet, 0 of the removals are there still",
            effects(&scratch.join("q effects")),
        ),
        (
            "Is a file that was deleted while it is open still listed?",
            "no on NTFS from Windows 10 1809 on, yes on others",
            delete_pending(&scratch.join("q pending")),
        ),
        (
            "Does a name get its old case back when it is made again in another one?",
            "no: the listing and the record both say MADE",
            tunnelling(&scratch.join("q tunnel")),
        ),
    ];
    let mut questions: Vec<Question> = asked
        .into_iter()
        .map(|(text, expected, answer)| Question {
            text,
            expected,
            answer: Some(answer.unwrap_or_else(|error| format!("could not be asked: {error}"))),
        })
        .collect();
    for (text, expected) in [
        (
            "Are other records held back while a directory is renamed?",
            "yes on NTFS: no record with the old path behind that of the new name",
        ),
        (
            "Are the 64-bit ids in records on ReFS those of listings?",
            "no: they are derived from 128 bits",
        ),
    ] {
        questions.push(Question {
            text,
            expected,
            answer: None,
        });
    }
    questions
}

/// A new directory with a recorder.
fn recorded(directory: &Path, bytes: u32) -> io::Result<Recorder> {
    fs::create_dir_all(directory)?;
    Recorder::start(directory, bytes)
}

/// The records of one file from its creation to its removal.
fn contents(directory: &Path) -> io::Result<String> {
    let mut recorder = recorded(directory, 65_536)?;
    fs::write(directory.join("file"), "text")?;
    fs::rename(directory.join("file"), directory.join("renamed"))?;
    fs::remove_file(directory.join("renamed"))?;
    let lines = recorder.lines();
    Ok(dump(&recorder, &lines))
}

/// The records as text.
fn dump(recorder: &Recorder, lines: &[Line]) -> String {
    let mut text = match (recorder.layout, recorder.failed) {
        (_, Some(code)) => format!("the read failed with {code}"),
        (Some(layout), None) => format!("{layout:?}"),
        (None, None) => "no record".to_owned(),
    };
    for line in lines {
        text.push_str(&format!("; {:?} {}", line.action, line.name));
        if let Some(extended) = line.extended {
            text.push_str(&format!(
                " id {:x} attributes {:x} size {}",
                extended.file_id, extended.file_attributes, extended.file_size
            ));
        }
    }
    text
}

/// The same over the network path of the scratch directory, if its path has a drive letter.
fn over_the_network(scratch: &Path) -> io::Result<String> {
    let text = scratch.to_string_lossy().into_owned();
    let plain = text.strip_prefix(r"\\?\").unwrap_or(&text);
    let Some((drive, rest)) = plain
        .split_once(":\\")
        .filter(|(drive, _)| drive.len() == 1)
    else {
        return Err(io::Error::other("the directory is on no drive"));
    };
    let path = PathBuf::from(format!(r"\\localhost\{drive}$\{rest}")).join("q network");
    contents(&path)
}

/// Replaces a file again and again while another thread looks at it.
fn replacing(directory: &Path) -> io::Result<String> {
    fs::create_dir_all(directory)?;
    let target = directory.join("target");
    fs::write(&target, "first")?;
    let is_over = Arc::new(AtomicBool::new(false));
    let (looked_at, until) = (target.clone(), Arc::clone(&is_over));
    let looker = std::thread::spawn(move || {
        let mut looks = 0_u32;
        while !until.load(Ordering::Relaxed) {
            let _ = fs::symlink_metadata(&looked_at);
            looks += 1;
        }
        looks
    });
    let mut failed = 0;
    for number in 0..RENAMES {
        let temporary = directory.join(format!("t{number}"));
        let result = fs::write(&temporary, "next");
        let result = result.and_then(|()| fs::rename(&temporary, &target));
        failed += u32::from(result.is_err());
    }
    is_over.store(true, Ordering::Relaxed);
    let looks = looker.join().unwrap_or_default();
    Ok(format!("{failed} of {RENAMES} failed beside {looks} looks"))
}

/// Renames one file at a time into a buffer that has room for about one record.
fn halves(directory: &Path) -> io::Result<String> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("a"), "")?;
    let mut recorder = Recorder::start(directory, 100)?;
    let mut lines = 0;
    for _ in 0..5 {
        fs::rename(directory.join("a"), directory.join("b"))?;
        fs::rename(directory.join("b"), directory.join("a"))?;
        lines += recorder.lines().len();
    }
    Ok(format!(
        "{} buffers ended so; {lines} records, {} losses",
        recorder.old_at_end, recorder.lost
    ))
}

/// Looks at each entry at once when its record comes.
fn effects(directory: &Path) -> io::Result<String> {
    let mut recorder = recorded(directory, 65_536)?;
    let count = 200;
    for number in 0..count {
        fs::write(directory.join(format!("f{number}")), "")?;
    }
    let made = recorder.lines();
    for number in 0..count {
        fs::remove_file(directory.join(format!("f{number}")))?;
    }
    let removed = recorder.lines();
    let too_early = made.iter().filter(|line| !line.is_there).count();
    let still_there = removed
        .iter()
        .filter(|line| line.action == Action::Removed && line.is_there)
        .count();
    Ok(format!(
        "{too_early} of {} creations and writes were not there yet, {still_there} of {} removals were there still",
        made.len(),
        removed.len()
    ))
}

/// Deletes a file that is open, and lists its directory.
fn delete_pending(directory: &Path) -> io::Result<String> {
    fs::create_dir_all(directory)?;
    let path = directory.join("open");
    fs::write(&path, "")?;
    let open = OpenOptions::new()
        .read(true)
        .share_mode(SHARE_ALL)
        .open(&path)?;
    fs::remove_file(&path)?;
    let listed = fs::read_dir(directory)?.count();
    let look = match fs::symlink_metadata(&path) {
        Ok(_) => "it can be looked at".to_owned(),
        Err(error) => format!("a look fails: {error}"),
    };
    drop::<File>(open);
    let listed = if listed > 0 { "yes" } else { "no" };
    Ok(format!("{listed}; {look}"))
}

/// Deletes `made`, makes `MADE`, and compares the record with the listing.
fn tunnelling(directory: &Path) -> io::Result<String> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("made"), "")?;
    let mut recorder = Recorder::start(directory, 65_536)?;
    fs::remove_file(directory.join("made"))?;
    fs::write(directory.join("MADE"), "")?;
    let lines = recorder.lines();
    let added = lines.iter().find(|line| line.action == Action::Added);
    let record = added.map_or("nothing", |line| &line.name);
    let listed: Vec<String> = fs::read_dir(directory)?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    Ok(format!(
        "the record says {record}, the listing {}",
        listed.join(", ")
    ))
}
