//! The writers of the suites as a program, so that they run on Windows, too.
//!
//! `workload PLAN SEED OPERATIONS WRITERS PACE ROOT…`; a pace of 0 is full speed. It prints the number of
//! operations that succeeded.

#![forbid(unsafe_code)]
use std::ffi::OsString;
use std::path::PathBuf;

use everwatch_torture::names::Names;
use everwatch_torture::workload::{Plan, Workload};

fn number(argument: Option<OsString>) -> Option<u64> {
    argument?.to_str()?.parse().ok()
}

fn workload(arguments: &mut impl Iterator<Item = OsString>) -> Option<Workload> {
    let plan = arguments.next()?;
    let plan = Plan::ALL.into_iter().find(|known| plan == known.name())?;
    Some(Workload {
        plan,
        names: Names::Plain,
        seed: number(arguments.next())?,
        operations: number(arguments.next())? as usize,
        writers: number(arguments.next())? as usize,
        pace: Some(number(arguments.next())? as u32).filter(|&pace| pace > 0),
        is_portable: true,
    })
}

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let workload = workload(&mut arguments).expect("PLAN SEED OPERATIONS WRITERS PACE ROOT…");
    let roots: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    println!("{}", workload.run(&roots));
}
