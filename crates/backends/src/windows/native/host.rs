//! The kernel with its thread: starting and waiting.

use std::path::PathBuf;
use std::time::Duration;

use everwatch_core::coverage::Gap;
use everwatch_core::fault::{Fault, FaultKind};
use everwatch_directory_reads::{Model, Waker, reads};

use super::Native;
use crate::options::{Backend, CompletionModel, StartOptions, Woken};
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

impl NativeKernel {
    /// Starts the completion model that the options name. Nothing is read yet.
    pub fn start(options: &StartOptions) -> Result<NativeKernel, Fault> {
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

    /// The backend in use.
    pub fn backend(&self) -> Backend {
        match self.is_polling() {
            true => Backend::Poll,
            false => Backend::Windows,
        }
    }

    /// Nothing here belongs to the thread that waits.
    pub fn settle_in(&mut self) {}

    /// The bell of this kernel.
    pub fn bell(&self) -> PortBell {
        PortBell(self.system.reads.waker())
    }

    /// Blocks until there is something to do, or for `timeout`.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Woken {
        self.sleep(timeout);
        Woken::default()
    }

    /// Blocks for `time`, or less if there is something to do.
    pub fn nap(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    /// None: nothing is mounted below a root.
    pub fn changed_mounts(&mut self) -> Vec<PathBuf> {
        Vec::new()
    }
}

/// The first argument of a worker process.
const WORKER: &str = "isolated-reads";

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
