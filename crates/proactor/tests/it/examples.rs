//! The example programs, run as their readers would.

use everwatch_testing::example::Example;

use crate::support::pipe_name;

#[test]
fn a_server_echoes_to_a_hundred_clients_on_one_thread() {
    let example = Example::start("pipe_echo_server", [&*pipe_name(), "--demo"]);
    let (lines, status) = example.finish();
    assert!(status.success(), "{lines:?}");
    let clients = lines.iter().filter(|line| line.ends_with("has connected"));
    assert_eq!(clients.count(), 100);
    assert_eq!(lines.last().map(String::as_str), Some("all were served"));
}

#[test]
fn pipes_are_served_under_other_executors() {
    let example = Example::start("pipes_on_other_executors", [""; 0]);
    let (lines, status) = example.finish();
    assert!(status.success(), "{lines:?}");
}
