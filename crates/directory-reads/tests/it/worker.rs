//! The worker of the `isolated` model in the tests: one that serves, and ones that do not.

#[cfg(windows)]
#[allow(dead_code)]
#[path = "../fault_injection/extended_reads.rs"]
mod extended_reads;

fn main() {
    #[cfg(windows)]
    match std::env::args().nth(1).as_deref() {
        Some("silent") => loop {
            std::thread::park();
        },
        Some("noise") => println!("This is not a frame, and was never meant to be one."),
        Some("gone") => {}
        // On a file system that ends its first extended read.
        Some("refused-layout") => {
            let session = everwatch_proactor::fault_injection::Session::open();
            extended_reads::give(&session);
            extended_reads::refuse(&session, 0);
            everwatch_directory_reads::serve_isolated();
        }
        _ => everwatch_directory_reads::serve_isolated(),
    }
}
