//! A buffer that is too small costs records, never the watch.

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Model, Tag};

use crate::support::{Reader, Reported, buffers_of, count_of, create, tree};

crate::conformance::over_all_models!(
    // requirement: S3 bug 2, S1 bug 8 (wine)
    after_an_overflow_the_read_goes_on,
    a_caller_that_does_not_collect_loses_nothing_without_a_report,
    overflows_that_are_not_collected_are_reported_once,
);

fn after_an_overflow_the_read_goes_on(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    reader.arm(1, tree.path(), buffers_of(64));
    for round in 0..20 {
        let long = format!("{round}-{}", "x".repeat(60));
        create(&tree.path().join(&long));
        reader.until("an overflow", |reported| {
            reported.contains(&Reported::Lost(Tag(1)))
        });
        let short = format!("s{round}");
        loop {
            reader.reported.clear();
            create(&tree.path().join(&short));
            reader.until("a record or an overflow", |reported| !reported.is_empty());
            if reader.has(Action::Added, &short) {
                break;
            }
            std::fs::remove_file(tree.path().join(&short)).expect("a file to remove");
            reader.until("the removal", |reported| reported.len() > 1);
        }
        reader.reported.clear();
    }
    reader.close();
}

fn a_caller_that_does_not_collect_loses_nothing_without_a_report(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    reader.arm(1, tree.path(), buffers_of(4096));
    let names: Vec<String> = (0..900).map(|number| format!("file-{number:04}")).collect();
    for name in &names {
        create(&tree.path().join(name));
    }
    create(&tree.path().join("last"));
    let mut rounds = 0;
    reader.until("the end or an overflow", |reported| {
        count_of(reported, Action::Added, "last") > 0 || reported.contains(&Reported::Lost(Tag(1)))
    });
    while !reader.has(Action::Added, "after") {
        let _ = std::fs::remove_file(tree.path().join("after"));
        reader.until("quiet", |_| true);
        create(&tree.path().join("after"));
        reader
            .reads
            .wait(Some(std::time::Duration::from_millis(100)));
        reader.collect();
        rounds += 1;
        assert!(rounds < 100, "the read does not go on");
    }
    if !reader.reported.contains(&Reported::Lost(Tag(1))) {
        let mut reported = reader.added(1);
        reported.retain(|name| name.starts_with("file-"));
        assert_eq!(reported, names);
    }
    reader.close();
}

fn overflows_that_are_not_collected_are_reported_once(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    reader.arm(1, tree.path(), buffers_of(64));
    for number in 0..100 {
        create(&tree.path().join(format!("{number:0>60}")));
    }
    reader.fence();
    let reported = reader.reported.len();
    assert!(
        reader
            .reported
            .iter()
            .all(|reported| *reported == Reported::Lost(Tag(1)))
    );
    assert!((1..=4).contains(&reported), "{reported} times");
    reader.close();
}
