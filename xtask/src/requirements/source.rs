//! What a source file says about tests: their names, the statements they prove, and under which
//! conditions they are compiled.
//!
//! Read line by line, as rustfmt leaves it; the compiler is not asked.

use super::statements::identifier;

/// Where tests run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Place {
    Linux,
    /// On Linux as well, built to have the order of its threads chosen: `cargo xtask models`.
    Models,
    Wine,
}

impl Place {
    pub(super) fn target_os(self) -> &'static str {
        match self {
            Place::Linux | Place::Models => "linux",
            Place::Wine => "windows",
        }
    }
}

/// A test that is named after statements, or claimed for them by a comment above it:
/// `// requirement: S0.12, S2.6`.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Test {
    pub(super) ids: Vec<String>,
    pub(super) name: String,
    /// The `cfg` that it is compiled under.
    pub(super) condition: String,
    /// The `cfg` that it is left out under although it is compiled.
    pub(super) ignored: String,
}

/// `mod name;`
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) condition: String,
}

#[derive(Default, Debug)]
pub(super) struct Source {
    /// Of the whole file.
    pub(super) condition: String,
    pub(super) tests: Vec<Test>,
    pub(super) modules: Vec<Module>,
}

/// What stands above an item.
#[derive(Default)]
struct Above {
    attributes: Vec<String>,
    claimed: Vec<String>,
    has_doctest: bool,
}

impl Above {
    fn conditions(&self) -> Vec<String> {
        arguments(&self.attributes, "cfg")
    }

    /// When the test is left out: always, or under the conditions of `cfg_attr(…, ignore)`.
    fn ignored(&self) -> String {
        let always = self.attributes.iter().any(|attribute| {
            attribute
                .strip_prefix("ignore")
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        let mut conditions = if always {
            vec!["all()".to_owned()]
        } else {
            Vec::new()
        };
        for argument in arguments(&self.attributes, "cfg_attr") {
            if let Some((condition, what)) = argument.rsplit_once(", ")
                && what.trim().starts_with("ignore")
            {
                conditions.push(condition.to_owned());
            }
        }
        format!("any({})", conditions.join(", "))
    }

    fn is_test(&self) -> bool {
        self.attributes.iter().any(|attribute| attribute == "test")
    }
}

fn arguments(attributes: &[String], name: &str) -> Vec<String> {
    attributes
        .iter()
        .filter_map(|attribute| {
            let rest = attribute.strip_prefix(name)?.strip_prefix('(')?;
            rest.strip_suffix(')')
                .map(|inner| inner.trim().trim_end_matches(',').to_owned())
        })
        .collect()
}

fn all(conditions: &[String]) -> String {
    format!("all({})", conditions.join(", "))
}

/// Reads a file.
pub(super) fn read(text: &str) -> Source {
    let mut source = Source {
        condition: "all()".to_owned(),
        ..Source::default()
    };
    let mut of_file = Vec::new();
    let mut above = Above::default();
    // The modules around the line, by their indentation.
    let mut around: Vec<(usize, String)> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let indentation = line.len() - line.trim_start().len();
        let line = line.trim();
        if line == "}"
            && around
                .last()
                .is_some_and(|(outer, _)| *outer == indentation)
        {
            around.pop();
        }
        if let Some(ids) = claim(line) {
            above.claimed.extend(ids);
        } else if line.starts_with("//") {
            above.has_doctest |= line.starts_with("/// ```");
        } else if line.starts_with("#[") || line.starts_with("#![") {
            let mut attribute = line.to_owned();
            while attribute.matches('[').count() > attribute.matches(']').count() {
                let Some(more) = lines.next() else { break };
                let space = if attribute.ends_with(['(', '[']) {
                    ""
                } else {
                    " "
                };
                attribute += &format!("{space}{}", more.trim());
            }
            let is_of_file = attribute.starts_with("#!");
            let inner = attribute.trim_start_matches(['#', '!', '[']);
            let inner = inner.strip_suffix(']').unwrap_or(inner).to_owned();
            if is_of_file {
                of_file.push(inner);
            } else {
                above.attributes.push(inner);
            }
        } else if !line.is_empty() {
            item(
                line,
                indentation,
                std::mem::take(&mut above),
                &mut around,
                &mut source,
            );
        }
    }
    source.condition = all(&arguments(&of_file, "cfg"));
    source
}

fn item(
    line: &str,
    indentation: usize,
    above: Above,
    around: &mut Vec<(usize, String)>,
    source: &mut Source,
) {
    let mut conditions: Vec<String> = around
        .iter()
        .map(|(_, condition)| condition.clone())
        .collect();
    conditions.extend(above.conditions());
    if let Some(name) = word_behind("mod", line) {
        if line.ends_with('{') {
            around.push((indentation, all(&above.conditions())));
        } else if line.ends_with(';') {
            source.modules.push(Module {
                name: name.to_owned(),
                condition: all(&conditions),
            });
        }
        return;
    }
    let function = word_behind("fn", line);
    let mut test = Test {
        ids: above.claimed.clone(),
        name: String::new(),
        condition: all(&conditions),
        ignored: above.ignored(),
    };
    if let Some(name) = function.filter(|_| above.is_test()) {
        test.ids.extend(ids_of(name));
        test.name = name.to_owned();
    } else if above.has_doctest && !above.claimed.is_empty() {
        test.name = format!("(doctest) {}", line.trim_end_matches([' ', '{', ';']));
    } else if let Some(name) = given_to_macro(line) {
        test.ids.extend(ids_of(name));
        test.name = name.to_owned();
    }
    if !test.name.is_empty() && !test.ids.is_empty() {
        source.tests.push(test);
    }
}

/// The name of a test that a macro makes: it stands alone at the beginning of a line, `name,` or
/// `name => …`, or is the only argument: `suite!(name);`.
fn given_to_macro(line: &str) -> Option<&str> {
    let line = match line.split_once("!(") {
        Some((name, rest)) if is_word(name) => rest,
        _ => line,
    };
    let name = line.split(|letter: char| !is_of_word(letter)).next()?;
    let rest = line[name.len()..].trim_start();
    let is_alone = rest.is_empty()
        || [",", "=>", ");", ")", ":"]
            .iter()
            .any(|end| rest.starts_with(end));
    (is_alone && !ids_of(name).is_empty()).then_some(name)
}

fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_of_word)
}

/// The word behind a keyword, which may itself stand behind others: `pub(crate) mod name`.
fn word_behind<'a>(keyword: &str, line: &'a str) -> Option<&'a str> {
    let mut words = line.split(' ');
    for word in words.by_ref() {
        if word == keyword {
            let name = words.next()?;
            return name.split(|letter: char| !is_of_word(letter)).next();
        }
        if !(["async", "unsafe", "extern", "\"system\"", "const"].contains(&word)
            || word.starts_with("pub"))
        {
            return None;
        }
    }
    None
}

/// The statements that a comment claims: `// requirement: S0.12, S3 bug 7`.
fn claim(line: &str) -> Option<Vec<String>> {
    let list = line
        .trim_start_matches('/')
        .trim_start()
        .strip_prefix("requirement")?;
    let list = list.strip_prefix('s').unwrap_or(list).strip_prefix(':')?;
    Some(list.split(',').map(identifier).collect())
}

/// The statements that the name of a test begins with: `s1_11_…`, `s3_bug_7_…`, `s2_2_s2_6_…`.
fn ids_of(name: &str) -> Vec<String> {
    let mut words = name.split('_').peekable();
    let mut ids = Vec::new();
    while let Some(source) = words.next_if(|word| matches!(word.as_bytes(), [b's', b'0'..=b'9'])) {
        let is_bug = words.next_if_eq(&"bug").is_some();
        let is_number = |word: &&str| word.parse::<u8>().is_ok() || (is_bug && word.len() == 1);
        let Some(number) = words.next_if(is_number) else {
            break;
        };
        let bug = if is_bug { "bug_" } else { "" };
        ids.push(format!("{source}_{bug}{number}"));
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Test {
        let mut tests = read(text).tests;
        assert_eq!(tests.len(), 1, "{tests:?}");
        tests.remove(0)
    }

    #[test]
    fn ids_are_read_from_the_beginning_of_a_name() {
        assert_eq!(ids_of("s1_11_halves_share_a_cookie"), ["s1_11"]);
        assert_eq!(ids_of("s1_1_a_file"), ["s1_1"]);
        assert_eq!(ids_of("s3_bug_7_spellings"), ["s3_bug_7"]);
        assert_eq!(ids_of("s0_bug_a_lost"), ["s0_bug_a"]);
        assert_eq!(ids_of("s2_2_s2_6_closing"), ["s2_2", "s2_6"]);
        assert!(ids_of("a_file").is_empty());
        assert!(ids_of("s1_moved").is_empty());
    }

    #[test]
    fn a_test_is_under_the_conditions_around_it() {
        let text = "#[cfg(all(test, windows))]\nmod tests {\n    #[test]\n    #[cfg(debug_assertions)]\n    \
                    fn s0_2_it_stops() {\n    }\n}\n#[test]\nfn other() {}";
        assert_eq!(
            only(text).condition,
            "all(all(all(test, windows)), debug_assertions)"
        );
    }

    #[test]
    fn a_module_that_ended_sets_no_condition() {
        let text = "#[cfg(windows)]\nmod one {\n}\n#[test]\nfn s0_2_it_stops() {}";
        assert_eq!(only(text).condition, "all()");
    }

    #[test]
    fn functions_that_are_no_tests_are_not_counted() {
        assert!(read("fn s0_2_it_stops() {}").tests.is_empty());
    }

    #[test]
    fn ignored_tests_say_when() {
        let always = only("#[test]\n#[ignore = \"slow\"]\nfn s0_2_it_stops() {}");
        assert_eq!(always.ignored, "any(all())");
        let text =
            "#[test]\n#[cfg_attr(\n    windows,\n    ignore = \"why\"\n)]\nfn s0_2_it_stops() {}";
        assert_eq!(only(text).ignored, "any(windows)");
        assert_eq!(only("#[test]\nfn s0_2_it_stops() {}").ignored, "any()");
    }

    #[test]
    fn comments_claim_statements_for_tests_and_doctests() {
        let test = only("// requirement: S0.12, S3 bug 7\n#[test]\nfn it_is_so() {}");
        assert_eq!(test.ids, ["s0_12", "s3_bug_7"]);
        let doctest =
            only("// requirement: S0.12\n/// ```compile_fail\n/// x\n/// ```\npub struct Read {");
        assert_eq!(
            (doctest.ids, doctest.name.as_str()),
            (vec!["s0_12".to_owned()], "(doctest) pub struct Read")
        );
    }

    #[test]
    fn names_given_to_macros_are_tests() {
        assert_eq!(
            only("suite! {\n    s0_2_it_stops,\n}").name,
            "s0_2_it_stops"
        );
        assert_eq!(only("each_model!(s0_2_it_stops);").ids, ["s0_2"]);
        assert!(read("    s0_2_it_stops(model);").tests.is_empty());
    }

    #[test]
    fn modules_in_other_files_are_found_with_their_conditions() {
        let source = read("#![cfg(unix)]\n#[cfg(windows)]\npub(crate) mod native;");
        assert_eq!(source.condition, "all(unix)");
        let module = Module {
            name: "native".to_owned(),
            condition: "all(windows)".to_owned(),
        };
        assert_eq!(source.modules, [module]);
    }
}
