//! Killing a process together with its descendants.
//!
//! A process group would do as well, but Ctrl-C of the terminal would no longer reach its members.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Kills `child` and its descendants. Descendants that were adopted by `init` before are not found. Without
/// `/proc` only `child` is killed.
pub(crate) fn kill(child: &mut Child) {
    let below = below(child.id(), &parents());
    // An error means that the process has ended by itself, here and below.
    let _ = child.kill();
    if !below.is_empty() {
        let ids: Vec<String> = below.iter().map(u32::to_string).collect();
        let _ = Command::new("sh")
            .args(["-c", "kill -KILL \"$@\"", "kill"])
            .args(ids)
            .stderr(Stdio::null())
            .status();
    }
}

/// All running processes as pairs of process and parent.
fn parents() -> Vec<(u32, u32)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            Some((id, parent(&entry.path())?))
        })
        .collect()
}

/// Reads the fourth field of `stat`. The second is a name in parentheses that may contain anything.
fn parent(process: &Path) -> Option<u32> {
    let stat = std::fs::read(process.join("stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat).into_owned();
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn below(top: u32, parents: &[(u32, u32)]) -> Vec<u32> {
    let mut found = vec![top];
    let mut next = 0;
    while let Some(&above) = found.get(next) {
        next += 1;
        let children = parents.iter().filter(|(_, parent)| *parent == above);
        let children: Vec<u32> = children.map(|(id, _)| *id).collect();
        found.extend(children.iter().filter(|id| **id != top));
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_and_their_children_are_below_and_others_are_not() {
        let parents = [(2, 1), (3, 2), (4, 3), (5, 3), (6, 1)];
        assert_eq!(below(2, &parents), [3, 4, 5]);
        assert_eq!(below(6, &parents), []);
    }

    #[test]
    fn a_running_process_is_found_below_the_one_that_started_it() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep runs");
        let found = below(std::process::id(), &parents());
        kill(&mut child);
        let _ = child.wait();
        assert!(found.contains(&child.id()));
    }
}
