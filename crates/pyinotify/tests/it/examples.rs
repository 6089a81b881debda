//! The example program, run as its reader would.

use everwatch_testing::example::Example;

#[test]
fn a_watch_reports_ignores_and_changes_its_mask() {
    let example = Example::start("a_watch_that_changes", [""; 0]);
    let (lines, status) = example.finish();
    assert!(status.success(), "{lines:?}");
    let at = |text: &str| {
        let found = lines.iter().position(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("no {text:?} in {lines:?}"))
    };
    assert!(at("IN_CREATE|IN_ISDIR") < at("IN_MOVED_FROM"));
    let cookie = |line: usize| lines[line].rsplit_once("(cookie").map(|(_, cookie)| cookie);
    let moved = (at("IN_MOVED_FROM"), at("IN_MOVED_TO"));
    assert!(cookie(moved.0).is_some());
    assert_eq!(cookie(moved.0), cookie(moved.1));
    assert!(
        !lines.iter().any(|line| line.contains("unseen")),
        "{lines:?}"
    );
    // After the update, what is deleted alone.
    let updated = at("IN_DELETE");
    assert!(
        lines[updated..]
            .iter()
            .all(|line| line.starts_with("IN_DELETE"))
    );
    let last = lines.last().map(String::as_str).unwrap_or_default();
    assert!(
        last.starts_with("IN_DELETE|IN_ISDIR") && last.ends_with("letters"),
        "{last:?}"
    );
}
