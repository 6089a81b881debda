//! Unit tests of the tree: what each kind of change does, and what does not fit.

use super::*;
use crate::coverage::{Coverage, CoverageState, Gap};
use crate::event::{Cause, ChangeKind::*};
use FileType::{Dir, File, Symlink};

fn change(kind: ChangeKind, path: &str, file_type: FileType) -> Event {
    Event::Change(Change::new(1, kind, path, file_type, Cause::Notified))
}

fn moved(from: &str, path: &str, file_type: FileType) -> Event {
    change(Moved { from: from.into() }, path, file_type)
}

/// `/r` with the directory `d`, which holds the file `f`, and the file `g`.
fn tree() -> Tree {
    Tree::from_snapshot([("/r", Dir), ("/r/d", Dir), ("/r/d/f", File), ("/r/g", File)])
}

fn paths(tree: &Tree) -> Vec<String> {
    let shown = |(path, _): (PathBuf, _)| path.display().to_string().replace('\\', "/");
    tree.iter().map(shown).collect()
}

/// Applies an event that does not fit, and checks that it leaves no trace.
fn misfit(event: &Event) -> (MisfitKind, String) {
    let mut tree = tree();
    let misfit = tree.apply(event).expect_err("it does not fit");
    assert_eq!(tree, self::tree(), "{misfit}");
    (misfit.kind(), misfit.path().display().to_string())
}

#[test]
fn created_adds_an_entry() {
    let mut tree = tree();
    tree.apply(&change(Created, "/r/d/new", File))
        .expect("it fits");
    assert_eq!(paths(&tree), ["/r", "/r/d", "/r/d/f", "/r/d/new", "/r/g"]);
    assert_eq!(tree.len(), 5);
}

#[test]
fn created_for_a_path_that_exists_sets_the_type() {
    let mut tree = tree();
    tree.apply(&change(Created, "/r/g", Symlink))
        .expect("it fits");
    assert_eq!(tree.get("/r/g").map(|entry| entry.file_type), Some(Symlink));
    assert_eq!(tree.len(), 4);
}

#[test]
fn modified_and_metadata_set_the_type_and_keep_the_value() {
    for kind in [Modified, Metadata] {
        let mut tree = Tree::<u32>::default();
        tree.insert("/r", File);
        *tree.value_mut("/r").expect("an entry") = 7;
        tree.apply(&change(kind, "/r", Symlink)).expect("it fits");
        let entry = tree.get("/r").expect("an entry");
        assert_eq!((entry.file_type, entry.value), (Symlink, 7));
    }
}

#[test]
fn removed_drops_everything_below() {
    let mut tree = tree();
    tree.apply(&change(Removed, "/r/d", Dir)).expect("it fits");
    assert_eq!(paths(&tree), ["/r", "/r/g"]);
    assert_eq!(tree.len(), 2);
}

#[test]
fn a_name_that_another_one_begins_with_is_not_below_it() {
    let mut tree = Tree::from_snapshot([("/r/a", Dir), ("/r/a.b", File), ("/r/a/b", File)]);
    assert_eq!(paths(&tree), ["/r/a", "/r/a/b", "/r/a.b"]);
    tree.apply(&change(Removed, "/r/a", Dir)).expect("it fits");
    assert_eq!(paths(&tree), ["/r/a.b"]);
}

#[test]
fn moved_brings_everything_below_and_drops_what_was_there() {
    let mut tree = tree();
    tree.apply(&change(Created, "/r/e", Dir)).expect("it fits");
    tree.apply(&change(Created, "/r/e/old", File))
        .expect("it fits");
    tree.apply(&moved("/r/d", "/r/e", Dir)).expect("it fits");
    assert_eq!(paths(&tree), ["/r", "/r/e", "/r/e/f", "/r/g"]);
    assert_eq!(tree.len(), 4);
}

#[test]
fn what_moves_may_come_from_below_what_it_replaces() {
    let mut tree = tree();
    tree.apply(&moved("/r/d/f", "/r/d", File)).expect("it fits");
    assert_eq!(paths(&tree), ["/r", "/r/d", "/r/g"]);
    assert_eq!(tree.get("/r/d").map(|entry| entry.file_type), Some(File));
}

#[test]
fn values_travel_with_their_entries() {
    let mut tree = Tree::<u32>::default();
    for (path, file_type) in [("/r", Dir), ("/r/d", Dir), ("/r/d/f", File)] {
        tree.insert(path, file_type);
    }
    *tree.value_mut("/r/d/f").expect("an entry") = 7;
    tree.apply(&moved("/r/d", "/r/e", Dir)).expect("it fits");
    assert_eq!(tree.get("/r/e/f").map(|entry| entry.value), Some(7));
}

#[test]
fn nodes_of_what_was_removed_are_reused() {
    let mut tree = tree();
    let nodes = tree.nodes.len();
    for _ in 0..100 {
        tree.apply(&change(Created, "/r/x", File)).expect("it fits");
        tree.apply(&moved("/r/x", "/r/y", File)).expect("it fits");
        tree.apply(&change(Removed, "/r/y", File)).expect("it fits");
    }
    assert!(tree.nodes.len() <= nodes + 2, "{}", tree.nodes.len());
}

#[test]
fn changes_of_what_is_not_there_do_not_fit() {
    let unknown = (MisfitKind::Unknown, "/r/d/x".to_owned());
    for kind in [Modified, Metadata, Removed] {
        assert_eq!(misfit(&change(kind, "/r/d/x", File)), unknown);
    }
    assert_eq!(misfit(&moved("/r/d/x", "/r/y", File)), unknown);
}

#[test]
fn entries_in_what_is_no_directory_do_not_fit() {
    for path in ["/r/x/y", "/r/g/y"] {
        let expected = (MisfitKind::NoParent, path.to_owned());
        assert_eq!(misfit(&change(Created, path, File)), expected);
        assert_eq!(misfit(&moved("/r/d", path, Dir)), expected);
    }
}

#[test]
fn a_file_with_entries_below_it_does_not_fit() {
    let expected = (MisfitKind::HasEntries, "/r/d".to_owned());
    assert_eq!(misfit(&change(Created, "/r/d", File)), expected);
    assert_eq!(misfit(&change(Modified, "/r/d", File)), expected);
}

#[test]
fn a_directory_that_moves_into_itself_does_not_fit() {
    let expected = (MisfitKind::IntoItself, "/r/d/e".to_owned());
    assert_eq!(misfit(&moved("/r/d", "/r/d/e", Dir)), expected);
}

#[test]
fn a_root_may_go_and_return() {
    let mut tree = tree();
    tree.apply(&change(Removed, "/r", Dir)).expect("it fits");
    assert!(tree.is_empty());
    let gone = Coverage {
        path: "/r".into(),
        state: CoverageState::Lost,
        gap: Some(Gap::RootGone),
    };
    tree.apply(&Event::Coverage(gone)).expect("it fits");
    tree.apply(&change(Created, "/r", Dir)).expect("it fits");
    tree.apply(&change(Created, "/r/a", File)).expect("it fits");
    assert_eq!(paths(&tree), ["/r", "/r/a"]);
}

#[test]
fn a_root_that_was_not_inserted_may_change_empty_or_not() {
    for entries in [&[][..], &[("/r/a", File)]] {
        let mut tree = Tree::from_snapshot(entries.iter().copied());
        tree.apply(&change(Metadata, "/r", Dir)).expect("it fits");
        assert_eq!(tree.len(), entries.len());
        tree.apply(&change(Removed, "/r", Dir)).expect("it fits");
        assert!(tree.is_empty());
    }
}

#[test]
fn a_root_inside_another_that_was_not_inserted_may_go() {
    let mut tree = Tree::from_snapshot([("/r/in/a", File), ("/r", Dir)]);
    tree.apply(&change(Metadata, "/r/in", Dir))
        .expect("it fits");
    tree.apply(&change(Removed, "/r/in", Dir)).expect("it fits");
    assert_eq!(paths(&tree), ["/r"]);
}

#[test]
fn a_root_may_move_into_another_one() {
    let mut tree = Tree::from_snapshot([("/r/a", File), ("/s", Dir)]);
    tree.apply(&moved("/r", "/s/r", Dir)).expect("it fits");
    assert_eq!(paths(&tree), ["/s", "/s/r", "/s/r/a"]);
    assert_eq!(tree.len(), 3);
}

#[test]
fn children_are_the_entries_of_one_directory() {
    let names = |path: &str| -> Vec<String> {
        let tree = tree();
        let shown = tree
            .children(path)
            .map(|(name, _)| name.display().to_string());
        shown.collect()
    };
    assert_eq!(names("/r"), ["d", "g"]);
    assert!(names("/r/g").is_empty());
}

#[test]
fn a_difference_is_an_entry_of_one_tree_or_one_of_another_type() {
    let other = Tree::from_snapshot([
        ("/r", Dir),
        ("/r/d", Symlink),
        ("/r/g", File),
        ("/r/h", File),
    ]);
    let shown: Vec<String> = tree()
        .diff(&other)
        .iter()
        .map(Difference::to_string)
        .collect();
    let shown: Vec<String> = shown.iter().map(|line| line.replace('\\', "/")).collect();
    assert_eq!(
        shown,
        [
            "/r/d: dir here, symlink there",
            "/r/d/f: file here, nothing there",
            "/r/h: nothing here, file there"
        ]
    );
    assert!(tree().diff(&tree()).is_empty());
}

#[test]
fn a_deep_tree_is_cloned_compared_and_dropped() {
    let mut tree = Tree::new();
    let mut path = PathBuf::from("/");
    let depth = if cfg!(miri) { 20 } else { 500 };
    for _ in 0..depth {
        path.push("d");
        tree.insert(&path, Dir);
    }
    let copy = tree.clone();
    assert!(copy == tree);
    tree.remove("/d");
    assert!(tree.is_empty() && copy.len() == depth);
}
