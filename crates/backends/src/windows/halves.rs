//! The first halves of renames that wait for their second halves.
//!
//! A rename is two records, FILE_ACTION_RENAMED_OLD_NAME and FILE_ACTION_RENAMED_NEW_NAME, and both name the same
//! directory: what goes to another directory is reported as removed and added. MS-FSCC 2.7.1 calls the two
//! consecutive, but they are so in their directory only. Programs that rename in two directories at once
//! leave OLD1 OLD2 NEW1 NEW2 in one read (efsw #178), so a second half belongs to the first half of its
//! directory and, where records carry numbers, of its number. Wine differs: it takes the two halves from inotify,
//! which moves across directories have as well, and puts them beside each other.

use everwatch_core::entry::InodeNumber;
use everwatch_core::record::Cookie;

/// First halves that wait. More directories than this are not renamed in at the same moment.
const MOST: usize = 64;

/// A first half.
#[derive(Debug)]
struct Half {
    /// The path of the directory, as the record has it.
    dir: Box<[u8]>,
    /// The number of the entry, if the record has one.
    id: Option<InodeNumber>,
    cookie: Cookie,
}

/// The first halves of renames that wait for their second halves, oldest first.
#[derive(Debug, Default)]
pub(super) struct Halves {
    waiting: Vec<Half>,
}

impl Halves {
    /// A first half has come: what is at `path` is about to have another name.
    pub(super) fn first(&mut self, path: &[u8], id: Option<InodeNumber>, cookie: Cookie) {
        self.end(path);
        if self.waiting.len() == MOST {
            self.waiting.remove(0);
        }
        let dir = directory_of(path).into();
        self.waiting.push(Half { dir, id, cookie });
    }

    /// A second half has come. Returns the cookie of its first half.
    pub(super) fn second(&mut self, path: &[u8], id: Option<InodeNumber>) -> Option<Cookie> {
        let dir = directory_of(path);
        let is_same = |half: &Half| half.id.is_none() || id.is_none() || half.id == id;
        // One of the two may name the directory by its short name.
        let may_be_short = |half: &Half| half.dir.contains(&b'~') || dir.contains(&b'~');
        let waiting = &self.waiting;
        let at = waiting
            .iter()
            .position(|half| *half.dir == *dir && is_same(half))
            .or_else(|| {
                waiting
                    .iter()
                    .rposition(|half| may_be_short(half) && is_same(half))
            })?;
        Some(self.waiting.remove(at).cookie)
    }

    /// Takes the first half that is the record before, where halves are beside each other and may name two
    /// directories: Wine reports a move across directories as a rename.
    pub(super) fn take_neighbour(&mut self) -> Option<Cookie> {
        let last = self.waiting.pop();
        self.waiting.clear();
        last.map(|half| half.cookie)
    }

    /// The names of the directory of `path` have changed: a rename in it is over.
    pub(super) fn end(&mut self, path: &[u8]) {
        let dir = directory_of(path);
        self.waiting.retain(|half| *half.dir != *dir);
    }
}

/// The path of the directory that has the entry; empty for the directory that is read.
fn directory_of(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte == b'/');
    &path[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookie(number: u32) -> Cookie {
        Cookie::new(number).expect("not zero")
    }

    #[test]
    fn a_second_half_belongs_to_the_first_half_of_its_directory() {
        let mut halves = Halves::default();
        halves.first(b"a/old", None, cookie(1));
        halves.first(b"b/old", None, cookie(2));
        assert_eq!(halves.second(b"a/new", None), Some(cookie(1)));
        assert_eq!(halves.second(b"b/new", None), Some(cookie(2)));
        assert_eq!(halves.second(b"b/new", None), None);
    }

    #[test]
    fn a_second_half_with_another_number_has_no_first_half() {
        let (mut halves, number) = (Halves::default(), InodeNumber::new);
        halves.first(b"a/old", number(7), cookie(1));
        assert_eq!(halves.second(b"a/new", number(8)), None);
        assert_eq!(halves.second(b"A~1/new", number(7)), Some(cookie(1)));
    }

    #[test]
    fn a_second_half_without_a_number_belongs_to_the_last_first_half_if_one_has_a_short_name() {
        let mut halves = Halves::default();
        halves.first(b"long name/old", None, cookie(1));
        assert_eq!(halves.second(b"LONGNA~1/new", None), Some(cookie(1)));
        assert_eq!(halves.second(b"LONGNA~1/new", None), None);
    }

    #[test]
    fn a_neighbour_is_the_record_before_in_any_directory() {
        let mut halves = Halves::default();
        halves.first(b"a/old", None, cookie(1));
        assert_eq!(halves.take_neighbour(), Some(cookie(1)));
        assert_eq!(halves.take_neighbour(), None);
    }

    #[test]
    fn a_change_of_names_in_the_directory_ends_what_waits_in_it() {
        let mut halves = Halves::default();
        halves.first(b"a/old", None, cookie(1));
        halves.end(b"other");
        halves.end(b"a/other");
        assert_eq!(halves.second(b"a/new", None), None);
    }

    #[test]
    fn no_more_first_halves_wait_than_can_be_under_way() {
        let mut halves = Halves::default();
        for number in 1..=1000 {
            let path = format!("{number}/old");
            halves.first(path.as_bytes(), None, cookie(number));
        }
        assert_eq!(halves.second(b"1/new", None), None);
        assert_eq!(halves.second(b"1000/new", None), Some(cookie(1000)));
        assert_eq!(halves.waiting.len(), MOST - 1);
    }
}
