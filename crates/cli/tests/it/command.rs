//! The output of `everwatch watch`, in each format.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use everwatch_testing::scratch::temp;
use insta::assert_snapshot;

use crate::support::{PATIENCE, Session, everwatch, normal, said};

/// Does one thing of each kind below `root`, each after the one before has been `seen`.
fn perform(root: &Path, mut seen: impl FnMut(&str)) {
    let path = |name: &str| root.join(name);
    fs::create_dir(path("dir")).expect("a directory");
    seen("dir");
    fs::write(path("dir/file"), "text").expect("a file");
    seen("dir/file");
    fs::rename(path("dir/file"), path("moved")).expect("moved");
    seen("moved");
    fs::rename(path("dir"), path("other")).expect("moved");
    seen("other");
    fs::set_permissions(path("moved"), PermissionsExt::from_mode(0o600)).expect("chmod");
    symlink("moved", path("link")).expect("a link");
    seen("link");
    fs::remove_file(path("moved")).expect("removed");
    fs::remove_dir(path("other")).expect("removed");
    fs::write(path("last"), "").expect("a file");
    seen("last");
}

/// The normalised output of the command during [`perform`].
fn output(arguments: &[&str]) -> String {
    let dir = temp();
    fs::write(dir.path().join("old"), "").expect("a file");
    let session = Session::watch(arguments, dir.path());
    perform(dir.path(), |name| {
        session.expect(&dir.path().join(name).to_string_lossy());
    });
    let probe = session.probe();
    let said = session.stop();
    assert_eq!((said.code, &*said.err), (Some(0), ""));
    normal(&said.out, dir.path(), &probe)
}

#[test]
fn lines_for_people() {
    assert_snapshot!(output(&["--format", "text"]));
}

#[test]
fn lines_in_json() {
    assert_snapshot!(output(&["--format", "json"]));
}

#[test]
fn fields_that_end_in_nul() {
    let dir = temp();
    let session = Session::watch(&["--format", "nul"], dir.path());
    perform(dir.path(), |name| {
        session.expect(&dir.path().join(name).to_string_lossy())
    });
    let probe = session.probe();
    let said = session.stop();
    let mut fields: Vec<String> = said
        .out
        .split(|&byte| byte == 0)
        .map(|field| String::from_utf8_lossy(field).into())
        .collect();
    assert_eq!(
        fields.pop().as_deref(),
        Some(""),
        "the last field ends in NUL, too"
    );
    assert_eq!(fields.len() % 3, 0, "{fields:?}");
    let records: Vec<String> = fields.chunks(3).map(|three| three.join(" ␀ ")).collect();
    assert_snapshot!(normal(records.join("\n").as_bytes(), dir.path(), &probe));
}

#[test]
fn the_contents_of_a_new_directory_are_reported_one_by_one() {
    let (dir, outside) = (temp(), temp());
    fs::create_dir_all(outside.path().join("d/e")).expect("directories");
    fs::write(outside.path().join("d/e/f"), "").expect("a file");
    let session = Session::watch(&["--format", "json"], dir.path());
    fs::rename(outside.path().join("d"), dir.path().join("d")).expect("moved");
    session.expect("/d/e/f\"");
    let probe = session.probe();
    let said = session.stop();
    assert_snapshot!(normal(&said.out, dir.path(), &probe));
}

#[test]
fn names_that_are_not_text_or_would_break_a_line_are_reported_exactly() {
    let names: [&[u8]; 5] = [
        b"new\nline",
        b"\x1b[31mred",
        b"caf\xe9\xff",
        b"quote\"\\",
        "\u{202e}backwards".as_bytes(),
    ];
    for format in ["text", "json"] {
        let dir = temp();
        let session = Session::watch(&["--format", format], dir.path());
        for name in names {
            fs::write(dir.path().join(OsStr::from_bytes(name)), "").expect("a file");
        }
        let from = dir.path().join(OsStr::from_bytes(names[2]));
        fs::rename(from, dir.path().join("plain")).expect("moved");
        session.expect("plain");
        let probe = session.probe();
        let said = session.stop();
        assert_snapshot!(
            format!("odd_names_{format}"),
            normal(&said.out, dir.path(), &probe)
        );
    }
}

#[test]
fn only_the_kinds_asked_for_are_printed() {
    let dir = temp();
    fs::write(dir.path().join("a"), "").expect("a file");
    let session = Session::watch(&["--only", "moved,removed"], dir.path());
    fs::write(dir.path().join("a"), "x").expect("written");
    fs::rename(dir.path().join("a"), dir.path().join("b")).expect("moved");
    fs::write(dir.path().join("c"), "x").expect("a file");
    session.expect("/b\n");
    fs::remove_file(dir.path().join("b")).expect("removed");
    let probe = session.probe();
    let said = session.stop();
    let expected = "moved     [ROOT]/a -> [ROOT]/b\nremoved   [ROOT]/b";
    assert_eq!(normal(&said.out, dir.path(), &probe), expected);
}

#[test]
fn without_recursion_only_the_entries_of_the_path_are_printed() {
    let dir = temp();
    fs::create_dir(dir.path().join("d")).expect("a directory");
    let session = Session::watch(&["--no-recursive"], dir.path());
    fs::write(dir.path().join("d/below"), "").expect("a file");
    fs::write(dir.path().join("entry"), "").expect("a file");
    session.expect("entry");
    let probe = session.probe();
    let said = session.stop();
    assert_eq!(
        normal(&said.out, dir.path(), &probe),
        "created   [ROOT]/entry"
    );
}

#[test]
fn what_a_glob_matches_is_not_printed() {
    let dir = temp();
    let session = Session::watch(&["--ignore", "*.tmp", "--ignore", "!keep.tmp"], dir.path());
    for name in ["a.tmp", "keep.tmp", "last"] {
        fs::write(dir.path().join(name), "").expect("a file");
    }
    session.expect("last");
    let probe = session.probe();
    let said = session.stop();
    let expected = "created   [ROOT]/keep.tmp\ncreated   [ROOT]/last";
    assert_eq!(normal(&said.out, dir.path(), &probe), expected);
}

#[test]
fn what_exists_is_printed_first_on_request() {
    let dir = temp();
    fs::create_dir(dir.path().join("d")).expect("a directory");
    fs::write(dir.path().join("d/f"), "").expect("a file");
    let session = Session::watch(&["--snapshot", "--format", "json"], dir.path());
    fs::write(dir.path().join("new"), "").expect("a file");
    session.expect("/new");
    let probe = session.probe();
    let said = session.stop();
    assert_snapshot!(normal(&said.out, dir.path(), &probe));
}

#[test]
fn what_settles_is_printed_by_its_net_effect() {
    let dir = temp();
    fs::write(dir.path().join("old"), "").expect("a file");
    let session = Session::watch(&["--settle", "100"], dir.path());
    for round in 0..20 {
        fs::write(dir.path().join("old"), round.to_string()).expect("written");
        fs::write(dir.path().join("passing"), "x").expect("a file");
        fs::remove_file(dir.path().join("passing")).expect("removed");
    }
    session.expect("/old");
    let probe = session.probe();
    let said = session.stop();
    assert_eq!(
        normal(&said.out, dir.path(), &probe),
        "modified  [ROOT]/old"
    );
}

#[test]
fn a_polled_tree_is_printed_alike() {
    let dir = temp();
    let session = Session::watch(
        &[
            "--backend",
            "poll",
            "--poll-interval",
            "10ms",
            "--format",
            "json",
        ],
        dir.path(),
    );
    fs::write(dir.path().join("a"), "").expect("a file");
    session.expect("/a\"");
    fs::rename(dir.path().join("a"), dir.path().join("b")).expect("moved");
    session.expect("/b\"");
    let probe = session.probe();
    let said = session.stop();
    assert_snapshot!(normal(&said.out, dir.path(), &probe));
}

fn field(line: &str, name: &str) -> Option<serde_json::Value> {
    serde_json::from_str::<serde_json::Value>(line)
        .ok()?
        .get(name)
        .cloned()
}

/// The roots that the `ready` line names, and the paths of the changes.
fn roots_and_paths(out: &[u8]) -> (Vec<String>, Vec<String>) {
    let text = String::from_utf8(out.to_vec()).expect("JSON lines are text");
    let mut roots = Vec::new();
    let mut paths = Vec::new();
    for line in text.lines() {
        let string = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        if let Some(serde_json::Value::Array(all)) = field(line, "roots") {
            roots.extend(all.iter().filter_map(string));
        }
        if field(line, "type").is_some_and(|kind| kind == "change") {
            paths.extend(field(line, "path").as_ref().and_then(string));
        }
    }
    (roots, paths)
}

#[test]
fn the_paths_of_changes_are_below_the_roots_that_were_announced() {
    for spelling in [".", "..", "../sub", "./", "../sub/../sub/."] {
        let dir = temp();
        let sub = dir.path().join("sub");
        fs::create_dir(&sub).expect("a directory");
        let probe = temp();
        let mut command = everwatch(["watch", "--format", "json", spelling]);
        let session = Session::start(command.arg(probe.path()).current_dir(&sub), probe);
        fs::write(sub.join("new"), "").expect("a file");
        session.expect("new\"");
        let said = session.stop();
        let (roots, paths) = roots_and_paths(&said.out);
        let path = paths
            .iter()
            .find(|path| path.ends_with("/new"))
            .expect("the change");
        assert!(
            path.starts_with(&format!("{}/", roots[0])),
            "{path} below {roots:?} ({spelling})"
        );
    }
}

#[test]
fn a_root_that_is_not_text_is_announced_by_its_bytes_too() {
    let dir = temp();
    let root: PathBuf = dir.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&root).expect("a directory");
    let session = Session::watch(&["--format", "json"], &root);
    let said = session.stop();
    let text = String::from_utf8_lossy(&said.out);
    let ready = text.lines().next().expect("the first line");
    assert!(
        ready.contains("636166e9"),
        "the bytes of the name are nowhere: {ready}"
    );
}

#[test]
fn several_roots_are_announced_and_watched() {
    let (one, two) = (temp(), temp());
    let probe = temp();
    let mut command = everwatch(["watch", "--format", "json"]);
    command
        .arg(one.path())
        .arg(two.path())
        .arg(one.path())
        .arg(probe.path());
    let session = Session::start(&mut command, probe);
    fs::write(one.path().join("a"), "").expect("a file");
    session.expect("/a\"");
    fs::rename(one.path().join("a"), two.path().join("b")).expect("moved");
    session.expect("/b\"");
    let said = session.stop();
    let (roots, _) = roots_and_paths(&said.out);
    assert_eq!(roots.len(), 4);
    let text = String::from_utf8(said.out).expect("text");
    let about = |name: &str| text.lines().filter(|line| line.contains(name)).count();
    assert_eq!((about("/a\""), about("/b\"")), (2, 1), "{text}");
}

#[test]
fn the_working_directory_is_watched_if_no_path_is_given() {
    let dir = temp();
    let mut command = everwatch(["watch", "--format", "json"]);
    let child = command.current_dir(dir.path());
    let session = Session::bare(child);
    session.expect("ready");
    fs::write(dir.path().join("new"), "").expect("a file");
    session.expect("/new\"");
    assert_eq!(session.stop().code, Some(0));
}

#[test]
fn lines_are_flushed_whenever_the_tree_rests() {
    let dir = temp();
    let session = Session::watch(&[], dir.path());
    for round in 0..20 {
        fs::write(dir.path().join(format!("f{round}")), "").expect("a file");
        session.expect(&format!("/f{round}\n"));
    }
    assert_eq!(session.stop().code, Some(0));
}

#[test]
fn help_and_version_are_printed_with_exit_code_0() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["watch", "--help"],
        &["doctor", "--help"],
    ] {
        let said = said(&mut everwatch(arguments));
        assert_eq!((said.code, &*said.err), (Some(0), ""), "{arguments:?}");
        assert!(!said.out.is_empty());
    }
}

#[test]
fn the_help_of_watch() {
    let said = said(everwatch(["watch", "--help"]).env("COLUMNS", "100"));
    assert_snapshot!(String::from_utf8_lossy(&said.out));
}

#[test]
fn a_root_that_goes_and_comes_back_is_reported() {
    let dir = temp();
    let root = dir.path().join("root");
    fs::create_dir(&root).expect("a directory");
    let session = Session::watch(&["--format", "json"], &root);
    fs::remove_dir(&root).expect("removed");
    session.expect(r#""state":"lost","reason":"root-gone""#);
    fs::create_dir(&root).expect("a directory");
    fs::write(root.join("f"), "").expect("a file");
    session.expect("/root/f\"");
    session.expect(r#""state":"end""#);
    let probe = session.probe();
    let said = session.stop();
    assert_snapshot!(normal(&said.out, dir.path(), &probe));
}

#[test]
fn a_log_below_the_root_is_not_filled_with_its_own_growth() {
    let dir = temp();
    let log = dir.path().join("log");
    for format in ["text", "json", "nul"] {
        let to = fs::File::create(&log).expect("a file");
        let mut command = everwatch(["watch", "--format", format]);
        command.arg(dir.path()).stdin(Stdio::null());
        command.stdout(to).stderr(Stdio::piped());
        let session = Session::of(command.spawn().expect("the command runs"));
        let text = || fs::read(&log).expect("the log is there");
        let contains = |name: &str| text().windows(name.len()).any(|at| at == name.as_bytes());
        let begin = Instant::now();
        for round in 0.. {
            let name = format!("{format}-{round}.");
            fs::write(dir.path().join(&name), "").expect("a file");
            if contains(&format!("{format}-0.")) || contains(&name) {
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "nothing is printed");
            std::thread::sleep(Duration::from_millis(20));
        }
        session.expect_err("where the changes are written to");
        assert_eq!(session.stop().code, Some(0));
        assert!(!contains(&log.to_string_lossy()), "the log names itself");
    }
}

#[test]
fn gaps_are_named_on_standard_error_where_lines_are_for_people_or_end_in_nul() {
    for format in ["text", "nul"] {
        let dir = temp();
        let root = dir.path().join("root");
        fs::create_dir(&root).expect("a directory");
        let session = Session::watch(&["--format", format], &root);
        fs::remove_dir(&root).expect("removed");
        session.expect_err("root is lost (root-gone)");
        assert_eq!(session.stop().code, Some(0), "{format}");
    }
}

#[test]
fn the_feed_goes_on_after_the_reader_of_standard_error_has_gone() {
    let (dir, other) = (temp(), temp());
    let root = dir.path().join("root");
    fs::create_dir(&root).expect("a directory");
    fs::write(other.path().join("before"), "").expect("a file");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = everwatch(["watch", "--snapshot"]);
    command.args([&root, other.path()]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(writer);
    let session = Session::of(command.spawn().expect("the command runs"));
    session.expect("/before\n");
    // Its coverage is a sentence on standard error.
    fs::remove_dir(&root).expect("removed");
    session.expect("removed");
    fs::write(other.path().join("after"), "").expect("a file");
    session.expect("/after\n");
    assert_eq!(session.stop().code, Some(0));
}
