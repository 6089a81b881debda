//! Directory reads among the other operations of a completion loop.

mod support;

use std::future::Future;
use std::os::windows::io::AsHandle;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use everwatch_directory_reads::records::{Action, changes};
use everwatch_directory_reads::{Completion, DirectoryChanges, Settings};
use everwatch_proactor::Remote;

use crate::support::{create, open, text_of, tree};
use support::{Clean, pair};

fn start(remote: &Remote, path: &Path) -> DirectoryChanges {
    let directory = open(path);
    DirectoryChanges::start(remote, directory.as_handle(), Settings::default()).expect("armed")
}

/// The names that came to be, up to the last.
async fn until_added(directory: &mut DirectoryChanges, last: &str) -> Vec<String> {
    let mut names = Vec::new();
    while names.last().map(String::as_str) != Some(last) {
        let Completion::Changes { bytes, layout } = directory.next().await else {
            panic!("records, and no loss");
        };
        for change in changes(bytes, layout) {
            let change = change.expect("well formed");
            if change.action == Action::Added {
                names.push(text_of(change.name));
            }
        }
    }
    names
}

#[test]
fn a_dropped_wait_for_changes_loses_none() {
    let tree = tree();
    let mut proactor = Clean::new();
    let mut directory = start(&proactor.get().remote(), tree.path());
    let mut expected = Vec::new();
    for number in 0..50 {
        {
            let mut next = pin!(directory.next());
            let _ = next.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        expected.push(format!("file-{number}"));
        create(&tree.path().join(&expected[number]));
    }
    let names = proactor
        .get()
        .block_on(until_added(&mut directory, "file-49"));
    assert_eq!(names, expected);
}

#[test]
fn after_close_the_directory_can_be_removed_and_made_again_at_once() {
    let tree = tree();
    let path = tree.path().join("watched");
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    for _ in 0..20 {
        std::fs::create_dir(&path).expect("a directory");
        let directory = start(&remote, &path);
        proactor.get().block_on(directory.close());
        assert_eq!(remote.in_flight(), 0);
        std::fs::remove_dir(&path).expect("no handle to it is open");
    }
}

#[test]
fn a_directory_and_a_pipe_are_served_on_one_thread() {
    let tree = tree();
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let mut directory = start(&remote, tree.path());
    let (server, client) = pair(&remote);
    let path = tree.path().to_owned();
    let asks = std::thread::spawn(move || {
        let mut own = Clean::new();
        own.get().block_on(async {
            client.write(b"name?".to_vec()).await.0.expect("asked");
            create(&path.join("answer"));
            client.read(Vec::with_capacity(100)).await.1
        })
    });
    proactor.get().block_on(async {
        server
            .read(Vec::with_capacity(100))
            .await
            .0
            .expect("a question");
        let names = until_added(&mut directory, "answer").await;
        server
            .write(names.concat().into_bytes())
            .await
            .0
            .expect("reported");
    });
    // The other side's packets come by this proactor.
    while !asks.is_finished() {
        proactor.get().poll(Some(Duration::from_millis(10)));
    }
    assert_eq!(asks.join().expect("an answer"), b"answer");
}

// requirement: S4.6 (wine)
#[test]
fn a_directory_read_may_be_cancelled_while_it_completes() {
    let tree = tree();
    let mut proactor = Clean::new();
    let remote = proactor.get().remote();
    let path = tree.path().join("file");
    // `EVERWATCH_SOAK=1` asks for all.
    let is_soak = std::env::var_os("EVERWATCH_SOAK").is_some();
    for round in 0..if is_soak { 100_000 } else { 500 } {
        let mut directory = start(&remote, tree.path());
        create(&path);
        match round % 3 {
            0 => drop(directory),
            1 => proactor.get().block_on(directory.close()),
            _ => {
                let names = proactor.get().block_on(until_added(&mut directory, "file"));
                assert_eq!(names, ["file"]);
            }
        }
        std::fs::remove_file(&path).expect("it is there");
        if round % 100 == 0 {
            while remote.in_flight() > 0 {
                proactor.get().poll(None);
            }
        }
    }
}
