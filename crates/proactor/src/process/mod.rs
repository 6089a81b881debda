//! Child processes: started into a job, spoken to over overlapped pipes, waited for on the port.

mod child;
mod start;

pub use child::Child;
pub use start::Start;
