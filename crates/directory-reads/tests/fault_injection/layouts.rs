//! File systems that accept an extended read and end it because they do not have its layout, as ReFS does.

use std::os::windows::io::AsHandle;

use everwatch_directory_reads::records::{Action, changes};
use everwatch_directory_reads::{Completion, DirectoryChanges, Layout, Model, Settings, Tag};
use everwatch_proactor::Proactor;
use everwatch_proactor::fault_injection::Session;

use crate::extended_reads::{give, issued, refuse};
use crate::support::{self, Reader, Reported, count_of, create, open, text_of, tree};

crate::over_own_models!(
    a_first_read_that_ends_because_of_its_layout_is_replaced_and_nothing_is_reported,
    what_one_directory_showed_holds_for_the_volume,
    a_layout_that_is_refused_later_is_replaced_and_the_loss_is_reported,
);

fn a_first_read_that_ends_because_of_its_layout_is_replaced_and_nothing_is_reported(model: Model) {
    for code in [1, 50, 87, 120] {
        let session = Session::open();
        give(&session);
        session.complete(0, code, 0xc000_0010);
        let tree = tree();
        let mut reader = Reader::armed(model.clone(), tree.path());
        create(&tree.path().join("new"));
        reader.until_reported(Action::Added, "new");
        assert!(session.is_spent());
        assert!(
            reader
                .reported
                .iter()
                .all(|reported| matches!(reported, Reported::Change(..))),
            "{code}: {:?}",
            reader.reported
        );
        reader.close();
    }
}

fn what_one_directory_showed_holds_for_the_volume(model: Model) {
    let session = Session::open();
    give(&session);
    refuse(&session, 0);
    let (tree, other) = (tree(), tree());
    let mut reader = Reader::armed(model, tree.path());
    let before = issued();
    reader.arm(2, other.path(), Settings::default());
    create(&other.path().join("new"));
    reader.until_reported(Action::Added, "new");
    assert_eq!(issued(), before, "the second directory is asked plainly");
    reader.close();
}

fn a_layout_that_is_refused_later_is_replaced_and_the_loss_is_reported(model: Model) {
    let session = Session::open();
    give(&session);
    // The end of the read that is cancelled while the directory is armed proves nothing.
    refuse(&session, 1);
    let tree = tree();
    let mut reader = Reader::armed(model.clone(), tree.path());
    create(&tree.path().join("early"));
    let ended = |reported: &[Reported]| match model {
        // Its caller arms it again.
        Model::Blocking => reported.contains(&Reported::Failed(Tag(1), 1)),
        _ => reported.contains(&Reported::Lost(Tag(1))),
    };
    reader.until("the end of the first read", ended);
    if model == Model::Blocking {
        reader.reads.retire(Tag(1));
        reader.arm(1, tree.path(), Settings::default());
    }
    let before = issued();
    create(&tree.path().join("new"));
    reader.until_reported(Action::Added, "new");
    assert_eq!(issued(), before);
    reader.close();
}

#[test]
fn a_worker_whose_file_system_refuses_the_layout_reads_in_the_other() {
    let _session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(support::worker("refused-layout"), tree.path());
    create(&tree.path().join("new"));
    reader.until_reported(Action::Added, "new");
    assert_eq!(count_of(&reader.reported, Action::Added, "new"), 1);
    let is_change = |reported: &Reported| matches!(reported, Reported::Change(..));
    assert!(
        reader.reported.iter().all(is_change),
        "{:?}",
        reader.reported
    );
    reader.close();
}

#[test]
fn awaited_changes_go_on_in_the_other_layout_after_a_loss() {
    let session = Session::open();
    give(&session);
    refuse(&session, 0);
    let tree = tree();
    let mut proactor = Proactor::new().expect("a loop");
    let handle = open(tree.path());
    let remote = proactor.remote();
    let mut directory =
        DirectoryChanges::start(&remote, handle.as_handle(), Settings::default()).expect("armed");
    create(&tree.path().join("early"));
    proactor.block_on(async {
        assert!(matches!(directory.next().await, Completion::Lost));
        create(&tree.path().join("new"));
        let mut names: Vec<String> = Vec::new();
        while !names.iter().any(|name| name == "new") {
            let Completion::Changes { bytes, layout } = directory.next().await else {
                panic!("records, and no loss");
            };
            assert_eq!(layout, Layout::Plain);
            let found = changes(bytes, layout).map(|change| text_of(change.expect("whole").name));
            names.extend(found);
        }
    });
    assert!(session.is_spent());
    proactor.block_on(directory.close());
    proactor.close();
}
