//! The worker of the `isolated` model in the tests: one that serves, and ones that do not.

fn main() {
    #[cfg(windows)]
    match std::env::args().nth(1).as_deref() {
        Some("silent") => loop {
            std::thread::park();
        },
        Some("noise") => println!("This is not a frame, and was never meant to be one."),
        Some("gone") => {}
        _ => everwatch_directory_reads::serve_isolated(),
    }
}
