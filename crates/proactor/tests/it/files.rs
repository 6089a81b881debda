//! Files, read and written at any place of theirs.

use std::future::Future;
use std::io::ErrorKind;

use everwatch_proactor::File;

use crate::support::Clean;

#[test]
fn what_is_written_at_a_place_is_read_there() {
    let mut proactor = Clean::new();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    let file = File::create(&proactor.remote(), &path).expect("a file");
    proactor.get().block_on(async {
        for place in [8000, 0, 4000] {
            let byte = (place / 1000) as u8;
            let (written, _) = file.write_at(vec![byte; 4000], place).await;
            assert_eq!(written.expect("written"), 4000);
        }
        let (read, bytes) = file.read_at(Vec::with_capacity(2000), 3000).await;
        assert_eq!(read.expect("read"), 2000);
        assert_eq!(bytes, [[0; 1000], [4; 1000]].concat());
    });
    assert_eq!(std::fs::read(&path).expect("the file").len(), 12_000);
}

#[test]
fn the_end_of_a_file_is_no_error() {
    let mut proactor = Clean::new();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    std::fs::write(&path, b"short").expect("written");
    let file = File::open(&proactor.remote(), &path).expect("a file");
    proactor.get().block_on(async {
        let (read, bytes) = file.read_at(Vec::with_capacity(100), 2).await;
        assert_eq!((read.expect("read"), &*bytes), (3, &b"ort"[..]));
        for place in [5, 6, u64::from(u32::MAX) + 10] {
            let (read, bytes) = file.read_at(Vec::with_capacity(100), place).await;
            assert_eq!((read.expect("the end"), bytes.len()), (0, 0));
        }
    });
}

#[test]
fn many_reads_of_a_file_are_in_flight_at_once() {
    let mut proactor = Clean::new();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&path, &content).expect("written");
    let file = File::open(&proactor.remote(), &path).expect("a file");
    let executor = smol::LocalExecutor::new();
    let reads: Vec<_> = (0..100)
        .map(|part| {
            let file = file.clone();
            executor.spawn(async move { file.read_at(Vec::with_capacity(4000), part * 4000).await })
        })
        .collect();
    let read = proactor.get().block_on(executor.run(async {
        let mut all = Vec::new();
        for read in reads {
            let (result, bytes) = read.await;
            result.expect("read");
            all.extend(bytes);
        }
        all
    }));
    assert!(read == content);
}

#[test]
fn a_missing_file_and_one_that_was_opened_to_be_read_are_errors() {
    let mut proactor = Clean::new();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    let missing = File::open(&proactor.remote(), &path).expect_err("not there");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    std::fs::write(&path, b"kept").expect("written");
    let file = File::open(&proactor.remote(), &path).expect("a file");
    let (written, bytes) = proactor.get().block_on(file.write_at(b"lost".to_vec(), 0));
    let error = written.expect_err("opened to be read");
    assert_eq!(
        (error.kind(), bytes),
        (ErrorKind::PermissionDenied, b"lost".to_vec())
    );
    assert_eq!(std::fs::read(&path).expect("the file"), b"kept");
}

#[test]
fn a_dropped_read_or_write_of_a_file_does_no_harm() {
    let mut proactor = Clean::new();
    let directory = tempfile::tempdir().expect("a directory");
    let file = File::create(&proactor.remote(), directory.path().join("file")).expect("a file");
    for _ in 0..100 {
        drop(file.write_at(vec![1; 1000], 0));
        let mut read = Box::pin(file.read_at(Vec::with_capacity(1000), 0));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = read.as_mut().poll(&mut context);
    }
    proactor.settle();
}
