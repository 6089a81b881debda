//! `arm` returns when the read is in the kernel, in kernel order, for the depth that was asked for.

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Filter, Model, Settings, Stage, Tag};

use crate::support::{LONG, Reader, Reported, create, subdirectory, tree};

crate::conformance::over_all_models!(
    // requirement: S1.1 (wine)
    a_file_created_on_the_next_line_is_reported_a_thousand_times,
    // requirement: S1.4, S3.1 (wine)
    records_come_in_the_order_of_the_kernel_and_none_is_missing,
    a_deep_read_reports_what_is_below,
    a_read_that_is_not_deep_reports_only_its_own_entries,
    a_filter_keeps_out_what_it_does_not_name,
    // requirement: S0.15 (wine)
    impossible_settings_and_used_tags_are_refused,
    many_directories_are_kept_apart,
    // requirement: S0.6 (wine)
    the_thread_that_armed_may_block_forever,
);

fn a_file_created_on_the_next_line_is_reported_a_thousand_times(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    for number in 1..=1000 {
        let path = tree.path().join("new");
        reader.arm(number, tree.path(), Settings::default());
        create(&path);
        reader.until_reported(Action::Added, "new");
        reader.reads.retire(Tag(number));
        reader.reported.clear();
        std::fs::remove_file(&path).expect("a file to remove");
    }
    reader.close();
}

fn records_come_in_the_order_of_the_kernel_and_none_is_missing(model: Model) {
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    let names: Vec<String> = (0..2000)
        .map(|number| format!("file-{number:05}"))
        .collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for name in &names {
                create(&tree.path().join(name));
                std::fs::remove_file(tree.path().join(name)).expect("a file to remove");
            }
        });
        let last = names.last().expect("a name");
        reader.until_reported(Action::Removed, last);
    });
    assert!(!reader.reported.contains(&Reported::Lost(Tag(1))));
    assert_eq!(reader.added(1), names);
    reader.close();
}

fn a_deep_read_reports_what_is_below(model: Model) {
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    let below = subdirectory(tree.path(), "below");
    reader.until_reported(Action::Added, "below");
    create(&below.join("file"));
    reader.until_reported(Action::Added, "below/file");
    reader.close();
}

fn a_read_that_is_not_deep_reports_only_its_own_entries(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    let settings = Settings {
        deep: false,
        ..Settings::default()
    };
    reader.arm(1, tree.path(), settings);
    let below = subdirectory(tree.path(), "below");
    reader.until_reported(Action::Added, "below");
    create(&below.join("file"));
    create(&tree.path().join("last"));
    reader.until_reported(Action::Added, "last");
    assert_eq!(reader.added(1), ["below", "last"]);
    reader.close();
}

fn a_filter_keeps_out_what_it_does_not_name(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    let settings = Settings {
        filter: Filter::DIRECTORY_NAME,
        ..Settings::default()
    };
    reader.arm(1, tree.path(), settings);
    create(&tree.path().join("file"));
    subdirectory(tree.path(), "directory");
    reader.until_reported(Action::Added, "directory");
    assert_eq!(reader.added(1), ["directory"]);
    reader.close();
}

fn impossible_settings_and_used_tags_are_refused(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    let good = Settings::default();
    let impossible = [
        Settings { bytes: 0, ..good },
        Settings {
            filter: Filter(0),
            ..good
        },
    ];
    for settings in impossible {
        let error = reader.try_arm(1, tree.path(), settings).unwrap_err();
        assert_eq!(error.stage(), Stage::Settings);
    }
    reader.arm(1, tree.path(), good);
    let error = reader.try_arm(1, tree.path(), good).unwrap_err();
    assert_eq!(error.stage(), Stage::Settings);
    create(&tree.path().join("new"));
    reader.until_reported(Action::Added, "new");
    assert_eq!(
        reader.added(1),
        ["new"],
        "one read, however often it was asked for"
    );
    reader.close();
}

fn many_directories_are_kept_apart(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    let roots: Vec<_> = (0..70)
        .map(|number| subdirectory(tree.path(), &format!("root-{number}")))
        .collect();
    for (number, root) in roots.iter().enumerate() {
        reader.arm(number as u64, root, Settings::default());
    }
    for (number, root) in roots.iter().enumerate().rev() {
        create(&root.join(format!("of-{number}")));
    }
    reader.until("one for each", |reported| reported.len() >= roots.len());
    for number in 0..roots.len() {
        assert_eq!(reader.added(number as u64), [format!("of-{number}")]);
    }
    reader.close();
}

fn the_thread_that_armed_may_block_forever(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    let (armed, is_armed) = std::sync::mpsc::channel();
    let (release, is_released) = std::sync::mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let path = tree.path();
        scope.spawn(move || {
            reader.arm(1, path, Settings::default());
            armed.send(reader).expect("a reader");
            // Not alertable, and longer than the test.
            let _ = is_released.recv();
        });
        let mut reader = is_armed.recv_timeout(LONG).expect("an armed reader");
        create(&path.join("new"));
        reader.until_reported(Action::Added, "new");
        reader.close();
        drop(release);
    });
}
