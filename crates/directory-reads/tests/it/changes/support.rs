//! A pair of connected pipes, and a proactor that has to end clean.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use everwatch_proactor::pipe::{PipeInstance, PipeOptions, connect_pipe};
use everwatch_proactor::{Proactor, Remote, Stream};

/// The output of a future that must be ready when it is polled for the first time.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it has to wait"),
    }
}

/// Both ends of a stream of bytes.
pub(crate) fn pair(remote: &Remote) -> (Stream, Stream) {
    let random = RandomState::new().hash_one(0);
    let name = format!(r"\\.\pipe\everwatch-test-{random:016x}");
    let instance = PipeInstance::first(remote, &name, &PipeOptions::default());
    let instance = instance.expect("an instance");
    let client = at_once(connect_pipe(remote, &name)).expect("the server's end is there");
    let server = at_once(instance.accept()).expect("the client is there");
    (server.into(), client.into())
}

/// A proactor that must end with nothing leaked and no stray packet.
pub(crate) struct Clean(Option<Proactor>);

impl Clean {
    pub(crate) fn new() -> Clean {
        Clean(Some(Proactor::new().expect("a completion port")))
    }

    pub(crate) fn get(&mut self) -> &mut Proactor {
        self.0.as_mut().expect("it is there until the end")
    }
}

impl Drop for Clean {
    fn drop(&mut self) {
        if let Some(proactor) = self.0.take() {
            let closed = proactor.close();
            if !std::thread::panicking() {
                assert_eq!((closed.leaked, closed.stray_packets), (0, 0));
            }
        }
    }
}
