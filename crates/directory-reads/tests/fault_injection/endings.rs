//! Reads that end badly, cancels that fail, and what the kernel never gives back.

use std::time::{Duration, Instant};

use everwatch_directory_reads::records::Action;
use everwatch_directory_reads::{Model, Settings, Tag};
use everwatch_proactor::fault_injection::{Call, Session};

use crate::support::{Reader, Reported, create, remove_and_make_again, subdirectory, tree};

crate::over_own_models!(
    // requirement: S3 bug 3, S0 bug c (wine)
    a_read_that_failed_is_reported_and_does_not_delay_the_end,
    // requirement: S3 bug 3 (wine)
    an_overflow_that_comes_as_an_error_is_an_overflow,
    // requirement: S0.10 (wine)
    a_read_that_others_cancelled_goes_on_and_is_not_reported,
    a_read_that_others_always_cancel_is_given_up,
    // requirement: S3 bug 9 (wine)
    a_read_that_cannot_be_issued_again_has_failed,
    an_overflow_between_two_reads_is_an_overflow,
    // requirement: S2.2 (wine)
    a_cancel_that_fails_once_is_asked_for_again,
    // requirement: S3.10 (wine)
    what_the_kernel_keeps_is_leaked_and_counted_and_the_end_comes,
);

fn a_read_that_failed_is_reported_and_does_not_delay_the_end(model: Model) {
    let session = Session::open();
    for (error, status) in [(5, 0xc000_0056), (64, 0xc000_00c9), (0x2e9, 0x10b)] {
        let tree = tree();
        let root = subdirectory(tree.path(), "root");
        let mut reader = Reader::armed(model.clone(), &root);
        session.complete(0, error, status);
        create(&root.join("new"));
        let failed = Reported::Failed(Tag(1), error);
        reader.until("the end of the read", |reported| reported.contains(&failed));
        assert_eq!(reader.reported, [failed]);
        reader.fence();
        reader.reads.retire(Tag(1));
        reader.reads.retire(Tag(1));
        std::fs::remove_dir_all(&root).expect("a directory to remove");
        std::fs::create_dir(&root).expect("a directory of the same name");
        let start = Instant::now();
        reader.close();
        assert!(start.elapsed() < Duration::from_secs(1));
    }
    assert!(session.is_spent());
}

fn an_overflow_that_comes_as_an_error_is_an_overflow(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    session.complete(0, 1022, 0x10c);
    create(&tree.path().join("new"));
    reader.until("an overflow", |reported| {
        reported.contains(&Reported::Lost(Tag(1)))
    });
    create(&tree.path().join("after"));
    reader.until_reported(Action::Added, "after");
    reader.close();
}

fn a_read_that_others_cancelled_goes_on_and_is_not_reported(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    session.complete(0, 995, 0xc000_0120);
    create(&tree.path().join("swallowed"));
    // The records of that read are gone with what stood in for its completion; the next are not.
    let mut round = 0;
    while !session.is_spent() || reader.reported.is_empty() {
        create(&tree.path().join(format!("after-{round}")));
        reader.reads.wait(Some(Duration::from_millis(50)));
        reader.collect();
        round += 1;
        assert!(round < 400, "the read does not go on");
    }
    assert!(matches!(reader.reported[0], Reported::Change(..)));
    reader.close();
}

fn a_read_that_others_always_cancel_is_given_up(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(model, tree.path());
    for _ in 0..16 {
        session.complete(0, 995, 0xc000_0120);
    }
    let mut round = 0;
    while !reader.reported.contains(&Reported::Failed(Tag(1), 995)) {
        create(&tree.path().join(format!("file-{round}")));
        reader.reads.wait(Some(Duration::from_millis(50)));
        reader.collect();
        round += 1;
        assert!(round < 400, "{:?}", reader.reported);
    }
    reader.close();
}

fn a_read_that_cannot_be_issued_again_has_failed(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(model.clone(), tree.path());
    if model == Model::Blocking {
        // Its thread is back in a read already.
        session.complete(0, 64, 0);
    } else {
        session.fail(Call::ReadDirectoryChanges, 0, 64);
    }
    create(&tree.path().join("new"));
    let failed = Reported::Failed(Tag(1), 64);
    reader.until("the end of the read", |reported| reported.contains(&failed));
    if model != Model::Blocking {
        assert!(
            reader.reported[0].is(Action::Added, "new"),
            "what came before is reported"
        );
    }
    assert_eq!(reader.reported.last(), Some(&failed));
    reader.reads.retire(Tag(1));
    reader.arm(2, tree.path(), Settings::default());
    create(&tree.path().join("after"));
    reader.until_reported(Action::Added, "after");
    let closes = session.records_of(Call::CloseHandle);
    let first = session.records_of(Call::NtOpenFile)[0].handle;
    assert!(closes.iter().any(|record| record.handle == first));
    reader.close();
}

fn an_overflow_between_two_reads_is_an_overflow(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::armed(model.clone(), tree.path());
    session.fail(Call::ReadDirectoryChanges, 0, 1022);
    let mut round = 0;
    while !reader.reported.contains(&Reported::Lost(Tag(1))) {
        create(&tree.path().join(format!("file-{round}")));
        reader.reads.wait(Some(Duration::from_millis(50)));
        reader.collect();
        round += 1;
        assert!(round < 400, "{:?}", reader.reported);
    }
    create(&tree.path().join("after"));
    reader.until_reported(Action::Added, "after");
    reader.close();
}

fn cancels(model: &Model) -> &'static [Call] {
    match model {
        Model::Apc => &[Call::CancelIo],
        Model::Blocking => &[Call::CancelSynchronousIo, Call::CancelIoEx],
        _ => &[Call::CancelIoEx],
    }
}

fn a_cancel_that_fails_once_is_asked_for_again(model: Model) {
    let session = Session::open();
    let tree = tree();
    let mut reader = Reader::new(model.clone());
    // A thread that is not in its read again yet leaves without a cancel.
    for round in 0..100 {
        reader.arm(1, tree.path(), Settings::default());
        if session.is_spent() {
            for call in cancels(&model) {
                session.fail(*call, 0, 8);
            }
        }
        reader.reads.retire(Tag(1));
        if session.is_spent() {
            break;
        }
        assert!(round < 99, "no cancel has failed");
    }
    remove_and_make_again(tree.path());
    reader.close();
}

fn what_the_kernel_keeps_is_leaked_and_counted_and_the_end_comes(model: Model) {
    let session = Session::open();
    let tree = tree();
    let reader = Reader::armed(model.clone(), tree.path());
    for call in cancels(&model) {
        session.break_down(*call, 8);
    }
    let start = Instant::now();
    let closed = reader.reads.close();
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!((closed.leaked, closed.stray_packets), (1, 0));
    session.mend();
    // Memory that was freed would be the first to be given out again.
    let read = session.records_of(Call::ReadDirectoryChanges)[0].arguments;
    let later: Vec<Box<[u8; 64]>> = (0..1000).map(|_| Box::new([0; 64])).collect();
    let addresses: Vec<usize> = later
        .iter()
        .map(|memory| memory.as_ptr() as usize)
        .collect();
    assert!(!addresses.contains(&read[3]), "the OVERLAPPED was freed");
    // Others are not harmed, and what still comes into the leaked memory harms nothing.
    let mut reader = Reader::armed(model, tree.path());
    create(&tree.path().join("new"));
    reader.until_reported(Action::Added, "new");
    reader.close();
}
