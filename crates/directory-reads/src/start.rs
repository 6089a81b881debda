//! The start of a completion model.

use crate::apc::ApcWorker;
use crate::blocking::ReaderThreads;
use crate::completion::Model;
use crate::error::Error;
use crate::event::EventGroups;
use crate::isolated::IsolatedReads;
use crate::port::PortReads;
use crate::reads::DirectoryReads;

/// Starts a completion model, without any directory yet.
///
/// # Errors
/// The system gives no port, no thread, or no worker process.
pub fn reads(model: Model) -> Result<Box<dyn DirectoryReads>, Error> {
    match model {
        Model::Port => Ok(Box::new(PortReads::new()?)),
        Model::Apc => Ok(Box::new(ApcWorker::start()?)),
        Model::Event => Ok(Box::new(EventGroups::start())),
        Model::Blocking => Ok(Box::new(ReaderThreads::start())),
        Model::Isolated { worker, arguments } => {
            Ok(Box::new(IsolatedReads::start(worker, arguments)?))
        }
    }
}
