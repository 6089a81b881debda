//! `everwatch doctor`.

use std::path::PathBuf;

use everwatch::{State, Watcher, machine};

pub(crate) fn run(paths: &[PathBuf]) -> Result<(), String> {
    for path in paths {
        let report = machine::inspect(path).map_err(|error| error.to_string())?;
        println!("{}", report.path.display());
        println!("  file system         {}", report.file_system);
        match report.gap {
            None => println!("  backend             inotify"),
            Some(gap) => {
                println!(
                    "  backend             poll, because of: {}; {}",
                    gap.as_str(),
                    gap.remedy()
                );
            }
        }
        for (name, value) in &report.limits {
            let value = value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
            println!("  {name:<18}  {value:<10} sysctl fs.inotify.{name}");
        }
        try_it(&report.path)?;
    }
    Ok(())
}

/// Arms the path for real, which shows what no limit on paper does.
fn try_it(path: &std::path::Path) -> Result<(), String> {
    let watcher = Watcher::new().map_err(|error| error.to_string())?;
    watcher.watch(path).map_err(|error| error.to_string())?;
    let counters = watcher.counters();
    println!(
        "  armed               {} entries, {} watches, {} KiB of memory for them",
        counters.entries,
        counters.watches,
        counters.mirror_bytes / 1024
    );
    for subtree in watcher.coverage().map_err(|error| error.to_string())? {
        if let Some(gap) = subtree.gap.filter(|_| subtree.state != State::Live) {
            println!(
                "  {:<18}  {}, because of: {}; {}",
                subtree.state.as_str(),
                subtree.path.display(),
                gap.as_str(),
                gap.remedy()
            );
        }
    }
    Ok(())
}
