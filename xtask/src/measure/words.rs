//! The English of comments, identifiers and documents, and names that were given up.

use std::collections::BTreeMap;

use super::source::{Source, first_word, words};

/// Phrases that plain English says otherwise, and `must`, which contracts say.
pub(super) const PHRASES: &[&str] = &[
    "told",
    "tell",
    "tells",
    "nobody",
    "whoever",
    "whatever",
    "somebody",
    "so many",
    "as many",
    "used again",
    "for ever",
    "in the end",
    "anew",
    "is to be",
    "are to be",
    "may not",
    CAUSATIVE,
    "as demanded of the caller",
    "must",
];

/// "has X do": one makes another do something.
pub(super) const CAUSATIVE: &str = "has X do";

/// Verbs as they stand behind "has X".
const VERBS: &[&str] = &[
    "answer", "arm", "ask", "be", "begin", "call", "cancel", "close", "come", "compare", "count",
    "do", "drop", "end", "fail", "find", "follow", "forget", "get", "give", "go", "keep", "know",
    "leave", "look", "lose", "make", "move", "open", "poll", "post", "print", "read", "report",
    "return", "run", "say", "see", "show", "stand", "start", "stay", "stop", "take", "tell",
    "test", "try", "wait", "wake", "watch", "work", "write",
];

/// How often each of [`PHRASES`] stands in a text.
pub(super) fn phrases(words: &[&str]) -> BTreeMap<&'static str, usize> {
    let lower: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let mut counts = BTreeMap::new();
    for phrase in PHRASES {
        let wanted: Vec<&str> = phrase.split(' ').collect();
        let count = match *phrase {
            CAUSATIVE => (0..lower.len())
                .filter(|&at| is_causative(&lower[at..]))
                .count(),
            _ => lower
                .windows(wanted.len())
                .filter(|window| *window == wanted)
                .count(),
        };
        counts.insert(*phrase, count);
    }
    counts
}

/// Whether the text begins like "has the kernel post". Behind an article the word is a noun: "has a read".
fn is_causative(words: &[String]) -> bool {
    const DETERMINERS: &[&str] = &[
        "a", "an", "another", "each", "every", "its", "no", "one", "the", "this",
    ];
    const OBJECTS: &[&str] = &[
        "a",
        "all",
        "an",
        "another",
        "each",
        "every",
        "everything",
        "him",
        "it",
        "its",
        "one",
        "others",
        "that",
        "the",
        "them",
        "this",
        "those",
        "two",
        "what",
        "whoever",
        "operations",
    ];
    let is = |word: &str, list: &[&str]| list.contains(&word);
    let [has, object, rest @ ..] = words else {
        return false;
    };
    const BORDERS: &[&str] = &["to", "that", "and", "or", "which", "for", "of", "in", "is"];
    let before = std::iter::once(object).chain(rest);
    is(has, &["has", "have", "having", "had"])
        && is(object, OBJECTS)
        && rest
            .iter()
            .zip(before)
            .take(3)
            .take_while(|(word, _)| !is(word, BORDERS))
            .any(|(word, before)| is(word, VERBS) && !is(before, DETERMINERS))
}

/// The words of all comments.
pub(super) fn of_comments(sources: &[Source]) -> Vec<&str> {
    sources
        .iter()
        .flat_map(|source| words(&source.comments))
        .collect()
}

/// The words that the names of functions, types, fields and variables are made of, each name once per file.
pub(super) fn of_identifiers(sources: &[Source]) -> Vec<&str> {
    let mut found = Vec::new();
    for source in sources {
        let names: std::collections::BTreeSet<&str> = words(&source.code).collect();
        for name in names {
            found.extend(name.split('_').filter(|word| !word.is_empty()));
            // No phrase runs from one name into the next.
            found.push(".");
        }
    }
    found
}

/// Where a name of the list below is looked for.
#[derive(Clone, Copy)]
enum Kind {
    /// As a whole identifier of product code.
    Identifier,
    /// As the name of a function that is defined.
    Function,
    /// As a file or directory.
    File,
}

/// A name that was given up: what it was, and where below `crates/`. An empty place means everywhere.
type Former = (Kind, &'static str, &'static [&'static str]);

/// Two were given up in one place and kept in another: `Backlog` and `names.rs` of the front are the backlog of a
/// consumer and the tests of names.
const FORMER: &[Former] = &[
    (
        Kind::Identifier,
        "",
        &[
            "Oddity",
            "Shelf",
            "put_aside",
            "Astray",
            "OuterRules",
            "take_leave",
            "take_shelter",
            "make_way",
            "BORN_ONCE",
            "Desk",
            "Lane",
            "Loan",
            "Crew",
            "Crewed",
            "Seat",
            "Parcel",
            "Opened",
            "Room",
            "Turn",
            "aftermath",
            "Landing",
            "Way",
            "Kernel32",
            "Sight",
            "Ledger",
            "is_dumb",
        ],
    ),
    (
        Kind::Identifier,
        "core/",
        &[
            "aside",
            "park",
            "heirs",
            "inherit",
            "uncover",
            "guest",
            "host",
            "take_shelter",
            "way_to",
            "Stop",
            "recall",
            "put_off",
            "was_changed",
            "born",
            "told",
            "implied",
            "seam",
            "shelf",
            "Backlog",
        ],
    ),
    (
        Kind::Identifier,
        "backends/",
        &[
            "born", "told", "implied", "sights", "Inbox", "seam", "Backlog",
        ],
    ),
    (
        Kind::Identifier,
        "everwatch/",
        &["born", "told", "implied", "sights", "seam"],
    ),
    (
        Kind::Identifier,
        "proactor/",
        &[
            "conclude", "flying", "crew", "desk", "lane", "keeper", "seam", "Inbox", "told",
        ],
    ),
    (
        Kind::Identifier,
        "directory-reads/",
        &[
            "conclude", "flying", "crew", "desk", "lane", "keeper", "seam", "Inbox", "told",
        ],
    ),
    (Kind::Function, "core/", &["fit", "meet", "rest"]),
    (Kind::Function, "everwatch/", &["rest"]),
    (Kind::Function, "backends/", &["rest"]),
    (Kind::Function, "sim/", &["rest"]),
    (
        Kind::File,
        "",
        &[
            "aside", "look", "below", "short", "heirs", "extent", "outer", "trees", "presence",
            "shelf", "desk", "lane", "crew", "room", "turn", "way", "keeper", "sights", "tail",
            "models", "model", "hands", "seam", "facade", "kernel32",
        ],
    ),
    (Kind::File, "core/", &["stamp"]),
    (Kind::File, "everwatch/src/", &["names"]),
    (
        Kind::File,
        "cli/",
        &["machine", "mistake", "itself", "limit", "stop"],
    ),
    (Kind::File, "sim/", &["rest"]),
    (Kind::File, "everwatch/src/sys/sim/", &["rest"]),
];

/// Uses of names that were given up: `core: told (12)`.
pub(super) fn former_names(sources: &[Source]) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources {
        let Some(path) = source.path.strip_prefix("crates/") else {
            continue;
        };
        let (package, _) = path.split_once('/').unwrap_or_default();
        let code = source.product_code();
        for (kind, place, names) in FORMER {
            if !path.starts_with(place) {
                continue;
            }
            for name in *names {
                let count = match kind {
                    Kind::Identifier => words(&code).filter(|word| word == name).count(),
                    Kind::Function => defines(&code, name),
                    Kind::File => path.split('/').filter(|part| is_file(part, name)).count(),
                };
                if count > 0 {
                    let what = if matches!(kind, Kind::File) {
                        format!("{name} ({path})")
                    } else {
                        (*name).to_owned()
                    };
                    *counts.entry(format!("{package}: {what}")).or_default() += count;
                }
            }
        }
    }
    counts
        .into_iter()
        .map(|(name, count)| format!("{name} ({count})"))
        .collect()
}

fn defines(code: &str, name: &str) -> usize {
    let definitions = code.match_indices("fn ");
    definitions
        .filter(|(at, _)| first_word(&code[at + 3..]) == name)
        .count()
}

/// Whether a part of a path has a name, or several of it: `facade_stop.rs`.
fn is_file(part: &str, name: &str) -> bool {
    let part = part.trim_end_matches(".rs");
    part == name || (name == "facade" && part.starts_with("facade_"))
}

#[cfg(test)]
mod tests {
    use super::super::source::product;
    use super::*;

    #[test]
    fn phrases_are_counted_over_lines() {
        let text =
            "// Nobody is told so\n// many times. It may not,\n/// and must not.\nfn told() {}";
        let sources = [product("crates/a/src/x.rs", text)];
        let counts = phrases(&of_comments(&sources));
        let of = |phrase| counts[phrase];
        assert_eq!(
            (
                of("told"),
                of("nobody"),
                of("so many"),
                of("may not"),
                of("must")
            ),
            (1, 1, 1, 1, 1)
        );
        assert_eq!(phrases(&of_identifiers(&sources))["told"], 1);
    }

    #[test]
    fn making_others_do_something_is_found() {
        let count = |text: &str| phrases(&words(text).collect::<Vec<_>>())[CAUSATIVE];
        assert_eq!(count("Has the kernel post no packet."), 1);
        assert_eq!(count("The cursor that has them read again"), 1);
        assert_eq!(count("It has the time to read, and has been read."), 0);
        assert_eq!(count("It has a name."), 0);
        assert_eq!(count("Each has a read, and the call has the answer."), 0);
    }

    #[test]
    fn names_that_were_given_up_are_found_where_they_stood() {
        let sources = [
            product(
                "crates/core/src/engine/aside.rs",
                "struct Oddity { told: bool }",
            ),
            product("crates/cli/src/main.rs", "fn rest(told: u8) {}"),
        ];
        let found = former_names(&sources);
        assert_eq!(
            found,
            [
                "core: Oddity (1)",
                "core: aside (core/src/engine/aside.rs) (1)",
                "core: told (1)"
            ]
        );
    }
}
