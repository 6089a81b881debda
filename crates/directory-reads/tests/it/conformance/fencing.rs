//! After a fence, everything that was complete before it has been delivered.

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Model, Settings};

use crate::support::{Reader, count_of, create, tree};

crate::conformance::over_all_models!(
    a_fence_delivers_what_was_complete_before_it,
    a_fence_leaves_the_reads_armed,
    a_fence_over_nothing_returns,
    a_fence_delivers_what_waits_for_a_buffer,
);

fn a_fence_delivers_what_was_complete_before_it(model: Model) {
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    for number in 0..200 {
        let name = format!("file-{number}");
        create(&tree.path().join(&name));
        reader.fence();
        assert!(
            reader.has(Action::Added, &name),
            "{name} is not among {:?}",
            reader.reported
        );
        reader.reported.clear();
    }
    reader.close();
}

fn a_fence_leaves_the_reads_armed(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    for tag in 1..=3 {
        reader.arm(tag, tree.path(), Settings::default());
    }
    for _ in 0..50 {
        reader.fence();
    }
    assert_eq!(reader.reported, []);
    create(&tree.path().join("new"));
    reader.until("three times", |reported| {
        count_of(reported, Action::Added, "new") == 3
    });
    reader.close();
}

fn a_fence_over_nothing_returns(model: Model) {
    let mut reader = Reader::new(model);
    reader.fence();
    assert_eq!(reader.reported, []);
    reader.close();
}

fn a_fence_delivers_what_waits_for_a_buffer(model: Model) {
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    let names: Vec<String> = (0..300).map(|number| format!("file-{number}")).collect();
    for name in &names {
        create(&tree.path().join(name));
    }
    reader.fence();
    assert_eq!(reader.added(1), names);
    reader.close();
}
