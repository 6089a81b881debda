//! A read with other settings takes over from the one before; the directory moves and goes.

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Filter, Model, Settings, Tag};
use windows_sys::Win32::System::Threading::GetCurrentThreadId;

use crate::support::{
    LONG, Reader, create, subdirectory, tree, wine_drops_what_races_with_a_new_read,
};

crate::conformance::over_all_models!(
    // requirement: S1.17, S1 bug 10 (wine)
    a_read_with_other_settings_takes_over_without_a_gap,
    // requirement: S1 bug 7 (wine)
    the_directory_can_be_renamed_and_removed_by_others,
    // requirement: S1.5 (wine)
    records_are_delivered_on_the_thread_of_the_caller,
);

fn a_read_with_other_settings_takes_over_without_a_gap(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    let settings = |number: u64| Settings {
        filter: if number.is_multiple_of(2) {
            Filter::FILE_NAME
        } else {
            Filter::FILE_NAME | Filter::DIRECTORY_NAME
        },
        bytes: 4096 * (1 + number as u32),
        ..Settings::default()
    };
    reader.arm(0, tree.path(), settings(0));
    let mut names = Vec::new();
    for number in 1..=20 {
        subdirectory(tree.path(), &format!("directory-{number}"));
        for half in ["before", "between", "after"] {
            names.push(format!("{half}-{number}"));
            create(&tree.path().join(names.last().expect("a name")));
            if wine_drops_what_races_with_a_new_read() {
                reader.until_reported(Action::Added, names.last().expect("a name"));
            }
            match half {
                "before" => reader.arm(number, tree.path(), settings(number)),
                "between" => {
                    reader.fence();
                    reader.reads.retire(Tag(number - 1));
                }
                _ => {}
            }
        }
    }
    let last = names.last().expect("a name");
    reader.until("the last", |reported| {
        reported
            .iter()
            .any(|reported| reported.tag() == Tag(20) && reported.is(Action::Added, last))
    });
    let reported = |name: &str| reader.has(Action::Added, name);
    for name in &names {
        assert!(reported(name), "{name} fell between two reads");
    }
    for number in 1..=20_u64 {
        // The read before this one is in force when the directory comes to be.
        let is_asked_for = !(number - 1).is_multiple_of(2);
        assert_eq!(
            reported(&format!("directory-{number}")),
            is_asked_for,
            "{number}"
        );
    }
    reader.close();
}

fn the_directory_can_be_renamed_and_removed_by_others(model: Model) {
    let tree = tree();
    let root = subdirectory(tree.path(), "root");
    let mut reader = Reader::armed(model, &root);
    let moved = tree.path().join("moved");
    std::fs::rename(&root, &moved).expect("a directory to rename");
    create(&moved.join("after"));
    reader.until_reported(Action::Added, "after");
    std::fs::remove_file(moved.join("after")).expect("a file to remove");
    std::fs::remove_dir(&moved).expect("a directory to remove");
    reader.reads.retire(Tag(1));
    assert!(!moved.exists(), "it is gone when no read is pending");
    subdirectory(tree.path(), "moved");
    reader.close();
}

fn records_are_delivered_on_the_thread_of_the_caller(model: Model) {
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    // SAFETY: no preconditions.
    let this = || unsafe { GetCurrentThreadId() };
    let caller = this();
    let mut reported = 0;
    let end = std::time::Instant::now() + LONG;
    while reported < 10 {
        assert!(std::time::Instant::now() < end);
        create(&tree.path().join(reported.to_string()));
        while reader
            .reads
            .collect(&mut |_, _| assert_eq!(this(), caller))
            .delivered
            == 0
        {
            reader.reads.wait(Some(LONG));
        }
        reader.reads.fence(&mut |_, _| assert_eq!(this(), caller));
        reported += 1;
    }
    reader.close();
}
