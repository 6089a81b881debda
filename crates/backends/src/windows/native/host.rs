//! The kernel of Windows with its thread: starting a completion model, and waiting for it.

use std::time::Duration;

use everwatch_core::coverage::Gap;
use everwatch_core::fault::{Fault, FaultKind};
use everwatch_directory_reads::{Model, Waker, reads};

use super::Native;
use crate::contract::{HostKernel, Woken};
use crate::options::{Backend, CompletionModel, StartOptions};
use crate::windows::errors::fault;
use crate::windows::kernel::WindowsKernel;
use crate::windows::system_calls::Code;

/// Windows, as the engine sees it.
pub type NativeKernel = WindowsKernel<Native>;

/// Wakes the thread that waits. Any thread may ring it, at any time; many rings count as one.
#[derive(Clone, Debug)]
pub struct PortBell(Waker);

impl PortBell {
    /// Wakes the thread, now or when it next waits.
    pub fn ring(&self) {
        self.0.ring();
    }
}

impl HostKernel for NativeKernel {
    type Bell = PortBell;

    /// Starts the completion model that the options name.
    fn start(options: &StartOptions) -> Result<NativeKernel, Fault> {
        if options.backend == Backend::Inotify {
            return Err(Fault {
                kind: FaultKind::Unsupported,
                code: 0,
            });
        }
        let reads = reads(model(options)).map_err(|error| fault(Code(error.code())))?;
        let gap = (options.backend == Backend::Poll).then_some(Gap::Chosen);
        Ok(WindowsKernel::new(Native::new(reads), gap))
    }

    fn backend(&self) -> Backend {
        match self.is_polling() {
            true => Backend::Poll,
            false => Backend::Windows,
        }
    }

    fn bell(&self) -> PortBell {
        PortBell(self.system.reads.waker())
    }

    /// Nothing is mounted below a root, so mounts never end it.
    fn wait(&mut self, timeout: Option<Duration>) -> Woken {
        self.sleep(timeout);
        Woken::default()
    }

    fn nap(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// The first argument of a worker process.
const WORKER: &str = "isolated-reads";

/// The completion model that the options name.
fn model(options: &StartOptions) -> Model {
    match options.completion {
        CompletionModel::Port => Model::Port,
        CompletionModel::Apc => Model::Apc,
        CompletionModel::Event => Model::Event,
        CompletionModel::Blocking => Model::Blocking,
        CompletionModel::Isolated => Model::Isolated {
            worker: options.worker.clone(),
            arguments: vec![WORKER.into()],
        },
    }
}
