//! After `retire` nothing is left of a directory; after `close` nothing of all.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Model, Settings, Tag};

use crate::support::{
    Reader, busy, create, remove_and_make_again, subdirectories, subdirectory, tree,
};

crate::conformance::over_all_models!(
    // requirement: S1.14, S3 bug 1 (wine)
    after_retire_nothing_of_the_tag_is_delivered,
    // requirement: S2.3 (wine)
    after_retire_the_directory_can_be_removed_and_made_again_at_once,
    // requirement: S0.13 (wine)
    retiring_twice_or_for_nothing_does_nothing,
    // requirement: S0.2, S3 bug 4, S3.10 (wine)
    an_idle_reader_closes_at_once_with_none_one_and_many_roots,
    // requirement: S2.2 (wine)
    closing_from_another_thread_during_traffic_is_quick,
    // requirement: S0.3 (wine)
    any_thread_may_retire,
    // requirement: S3 bug 5 (wine)
    after_the_last_directory_has_gone_another_is_read,
    a_directory_that_starves_can_be_retired,
    // requirement: S0.7, S1 bug 9 (wine)
    a_reader_dropped_under_load_harms_no_other,
);

fn after_retire_nothing_of_the_tag_is_delivered(model: Model) {
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    reader.arm(2, tree.path(), Settings::default());
    for number in 0..50 {
        create(&tree.path().join(format!("before-{number}")));
    }
    reader.reads.retire(Tag(1));
    create(&tree.path().join("last"));
    reader.until_reported(Action::Added, "last");
    assert!(
        reader
            .reported
            .iter()
            .all(|reported| reported.tag() == Tag(2))
    );
    assert_eq!(reader.added(2).len(), 51);
    reader.close();
}

fn after_retire_the_directory_can_be_removed_and_made_again_at_once(model: Model) {
    let tree = tree();
    let root = subdirectory(tree.path(), "root");
    let mut reader = Reader::new(model);
    for tag in 1..=50 {
        reader.arm(tag, &root, Settings::default());
        create(&root.join("file"));
        if tag % 2 == 0 {
            reader.until_reported(Action::Added, "file");
            reader.reported.clear();
        }
        reader.reads.retire(Tag(tag));
        std::fs::remove_file(root.join("file")).expect("a file to remove");
        remove_and_make_again(&root);
    }
    reader.close();
}

fn retiring_twice_or_for_nothing_does_nothing(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    reader.reads.retire(Tag(7));
    reader.arm(1, tree.path(), Settings::default());
    reader.reads.retire(Tag(2));
    reader.reads.retire(Tag(1));
    reader.reads.retire(Tag(1));
    create(&tree.path().join("new"));
    reader.fence();
    assert_eq!(reader.reported, []);
    reader.close();
}

fn an_idle_reader_closes_at_once_with_none_one_and_many_roots(model: Model) {
    let tree = tree();
    let roots = subdirectories(tree.path(), 130);
    let count = if model == Model::Blocking {
        64
    } else {
        roots.len()
    };
    for count in [0, 1, count] {
        // Others may be busy on this machine, so the best of a few is what the model can do.
        let times = (0..5).map(|_| {
            let mut reader = Reader::new(model.clone());
            for (number, root) in roots[..count].iter().enumerate() {
                reader.arm(number as u64, root, Settings::default());
            }
            let start = Instant::now();
            reader.close();
            start.elapsed()
        });
        let best = times.min().expect("a time");
        assert!(best < Duration::from_millis(200), "{count} roots: {best:?}");
    }
}

fn closing_from_another_thread_during_traffic_is_quick(model: Model) {
    let tree = tree();
    let _busy = busy(tree.path().join("busy"));
    for _ in 0..20 {
        let mut reader = Reader::armed(model.clone(), tree.path());
        reader.until_reported(Action::Added, "busy");
        let closed = std::thread::spawn(move || {
            let start = Instant::now();
            reader.close();
            start.elapsed()
        });
        let time = closed.join().expect("a thread that closes");
        assert!(time < Duration::from_secs(1), "{time:?}");
    }
}

fn any_thread_may_retire(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    for tag in 0..8 {
        reader.arm(tag, tree.path(), Settings::default());
    }
    let reader = Mutex::new(reader);
    std::thread::scope(|scope| {
        for tag in 0..8 {
            let reader = &reader;
            scope.spawn(move || reader.lock().unwrap().reads.retire(Tag(tag)));
        }
    });
    let mut reader = reader.into_inner().unwrap();
    create(&tree.path().join("new"));
    reader.fence();
    assert_eq!(reader.reported, []);
    reader.close();
}

fn after_the_last_directory_has_gone_another_is_read(model: Model) {
    let tree = tree();
    let mut reader = Reader::new(model);
    for tag in 1..=20 {
        reader.arm(tag, tree.path(), Settings::default());
        let name = format!("file-{tag}");
        create(&tree.path().join(&name));
        reader.until_reported(Action::Added, &name);
        reader.reads.retire(Tag(tag));
    }
    reader.close();
}

fn a_directory_that_starves_can_be_retired(model: Model) {
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    reader.arm(2, tree.path(), Settings::default());
    for number in 0..100 {
        create(&tree.path().join(format!("file-{number}")));
    }
    reader.reads.retire(Tag(1));
    reader.until("the other", |reported| reported.len() >= 100);
    assert_eq!(reader.added(1), Vec::<&str>::new());
    assert_eq!(reader.added(2).len(), 100);
    reader.close();
}

fn a_reader_dropped_under_load_harms_no_other(model: Model) {
    let tree = tree();
    let _busy = busy(tree.path().join("busy"));
    for round in 0..50_usize {
        drop(Reader::armed(model.clone(), tree.path()));
        // What the kernel would write into freed memory lands in these.
        let canaries: Vec<Vec<u64>> = vec![vec![round as u64; 8192]; 4];
        std::thread::yield_now();
        assert!(canaries.iter().flatten().all(|word| *word == round as u64));
    }
}
