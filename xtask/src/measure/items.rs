//! Items as people meet them: types, functions, module heads, unsafe blocks, and what documents them.

use std::collections::BTreeMap;

use super::source::{Source, first_word};

/// Openings of a module head that name a question in place of the thing.
const QUESTIONS: &[&str] = &[
    "How", "If", "That", "What", "Whatever", "When", "Where", "Whether", "Which", "Who", "Whoever",
    "Whom", "Whose", "Why",
];

/// A body of at most this many lines is trivial.
const TRIVIAL: usize = 3;

/// How much of something there is, and how much of it has a property.
#[derive(Clone, Copy, Default)]
pub(super) struct Share {
    pub(super) having: usize,
    pub(super) all: usize,
}

impl Share {
    pub(super) fn count(&mut self, has: bool) {
        self.all += 1;
        self.having += usize::from(has);
    }

    pub(super) fn percent(self) -> f64 {
        100.0 * self.having as f64 / self.all.max(1) as f64
    }
}

/// Type names that product code of one package defines more than once: `crates/core: State (2)`.
pub(super) fn types_defined_twice(sources: &[Source]) -> Vec<String> {
    let mut defined: BTreeMap<(&str, String), usize> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_product) {
        for line in source.product_code().lines() {
            if let Some(name) = type_name(line) {
                *defined
                    .entry((&source.package, name.to_owned()))
                    .or_default() += 1;
            }
        }
    }
    let twice = defined.into_iter().filter(|(_, count)| *count > 1);
    twice
        .map(|((package, name), count)| format!("{package}: {name} ({count})"))
        .collect()
}

/// The type that a line defines. Associated types are none: they stand inside other items.
fn type_name(line: &str) -> Option<&str> {
    let mut words = line.trim_start().split(' ').skip_while(|word| {
        word.starts_with("pub") || *word == "unsafe" || *word == "in" || word.ends_with(')')
    });
    let keyword = words.next()?;
    let is_type = ["struct", "enum", "trait", "union"].contains(&keyword)
        || (keyword == "type" && !line.starts_with(' '));
    let name = first_word(words.next().filter(|_| is_type)?);
    name.starts_with(char::is_uppercase).then_some(name)
}

/// A function with the number of its parameters that are a bare `bool`.
struct Function<'a> {
    name: &'a str,
    bools: usize,
    line: usize,
}

fn functions(code: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for (number, start) in line_starts(code) {
        let line = code[start..].lines().next().unwrap_or_default();
        let Some((before, rest)) = line.split_once("fn ") else {
            continue;
        };
        let is_item = before.split(' ').all(|word| {
            word.is_empty()
                || word.starts_with("pub")
                || ["const", "async", "unsafe", "extern", "in"].contains(&word)
                || word.starts_with('"')
                || word.ends_with(')')
        });
        let name = first_word(rest);
        if !is_item || name.is_empty() {
            continue;
        }
        let signature = &code[start + before.len()..];
        let bools = parameters(signature)
            .iter()
            .filter(|it| it.ends_with(": bool"))
            .count();
        found.push(Function {
            name,
            bools,
            line: number,
        });
    }
    found
}

fn line_starts(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let ends = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(ends).enumerate()
}

/// The parameters of the function that `code` begins with.
fn parameters(code: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let (mut angles, mut depth) = (0, 0);
    let mut before = ' ';
    for letter in code.chars() {
        match letter {
            '<' => angles += 1,
            '>' if before != '-' => angles -= 1,
            '(' | '[' if angles == 0 || depth > 0 => depth += 1,
            ')' | ']' if angles == 0 || depth > 0 => depth -= 1,
            _ => {}
        }
        before = letter;
        match letter {
            ')' if depth == 0 && angles == 0 => break,
            '{' | ';' if depth == 0 => break,
            '(' if depth == 1 => {}
            ',' if depth == 1 && angles == 0 => found.push(String::new()),
            _ if depth > 0 => found.last_mut().expect("one is there").push(letter),
            _ => {}
        }
    }
    found
        .iter()
        .map(|it| it.trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect()
}

/// Functions with at least `least` parameters of type `bool`, as `path:line name`.
pub(super) fn with_bools(sources: &[Source], least: usize) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for function in functions(&source.code)
            .iter()
            .filter(|it| it.bools >= least)
        {
            found.push(format!(
                "{}:{} {}",
                source.path,
                function.line + 1,
                function.name
            ));
        }
    }
    found
}

/// Module heads, and those that open with a question, as `path: opening`.
pub(super) fn question_heads(sources: &[Source]) -> (usize, Vec<String>) {
    let heads = sources.iter().filter_map(|source| {
        let head = source
            .text
            .lines()
            .find_map(|line| line.strip_prefix("//! "))?;
        Some((source.path.as_str(), head))
    });
    let asks = |(_, head): &(&str, &str)| QUESTIONS.contains(&first_word(head));
    let list = heads
        .clone()
        .filter(asks)
        .map(|(path, head)| format!("{path}: {head}"));
    (heads.clone().count(), list.collect())
}

/// Comments that send the reader to the module head, as `path:line`.
pub(super) fn see_module_head(sources: &[Source]) -> Vec<String> {
    let sends = |line: &str| {
        let line = line.to_lowercase();
        ["see the module", "see the head of", "see module head"]
            .iter()
            .any(|phrase| line.contains(phrase))
    };
    places(sources, |source| &source.comments, sends)
}

fn places<'a>(
    sources: &'a [Source],
    part: impl Fn(&'a Source) -> &'a str,
    is_meant: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let lines = part(source)
            .lines()
            .enumerate()
            .filter(|(_, line)| is_meant(line));
        found.extend(lines.map(|(at, _)| format!("{}:{}", source.path, at + 1)));
    }
    found
}

/// Unsafe blocks of the product by directory, those outside rooms for them first in the tuple's second part.
pub(super) fn unsafe_blocks(sources: &[Source]) -> (BTreeMap<String, usize>, Vec<String>) {
    let mut by_directory: BTreeMap<String, usize> = BTreeMap::new();
    let mut outside = Vec::new();
    for source in sources.iter().filter(|source| source.is_product) {
        let code = source.product_code();
        let count: usize = ["unsafe {", "unsafe impl"]
            .map(|it| code.matches(it).count())
            .iter()
            .sum();
        if count == 0 {
            continue;
        }
        let (directory, _) = source.path.rsplit_once('/').unwrap_or_default();
        *by_directory.entry(directory.to_owned()).or_default() += count;
        let is_room = |word: &str| ["native", "linux"].contains(&word.trim_end_matches(".rs"));
        if !source.path.split('/').any(is_room) {
            outside.push(format!("{} ({count})", source.path));
        }
    }
    (by_directory, outside)
}

/// Lines of the product that are comments, among those that are not blank.
pub(super) fn comment_share(sources: &[Source], package: &str) -> Share {
    let mut share = Share::default();
    for source in sources.iter().filter(|source| source.package == package) {
        for (at, line) in source.text.lines().enumerate() {
            if source.is_product_line(at) && !line.trim().is_empty() {
                share.count(line.trim_start().starts_with("//"));
            }
        }
    }
    share
}

/// Functions of the product with more than a trivial body that have documentation. Methods of a trait
/// that is implemented are left out: the trait documents them.
pub(super) fn documented_functions(sources: &[Source], missing: &mut Vec<String>) -> Share {
    let mut share = Share::default();
    for source in sources.iter().filter(|source| source.is_product) {
        let code = source.product_code();
        let lines: Vec<&str> = code.lines().collect();
        let text: Vec<&str> = source.text.lines().collect();
        for function in functions(&code) {
            let at = function.line;
            if body_length(&lines[at..]) > TRIVIAL && !is_in_trait_impl(&lines, at) {
                let is_documented = is_documented(&text, at);
                share.count(is_documented);
                if !is_documented {
                    missing.push(format!("{}:{} {}", source.path, at + 1, function.name));
                }
            }
        }
    }
    share
}

/// Types of the product that have documentation.
pub(super) fn documented_types(sources: &[Source]) -> Share {
    let mut share = Share::default();
    for source in sources.iter().filter(|source| source.is_product) {
        let text: Vec<&str> = source.text.lines().collect();
        for (at, line) in source.product_code().lines().enumerate() {
            if type_name(line).is_some() {
                share.count(is_documented(&text, at));
            }
        }
    }
    share
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The lines between the braces of the function whose first line is the first of `lines`.
fn body_length(lines: &[&str]) -> usize {
    let depth = indentation(lines[0]);
    let at_depth = |line: &&str| !line.is_empty() && indentation(line) == depth;
    let opens = |line: &&str| line.ends_with('{') || line.ends_with(';') || line.ends_with('}');
    let Some(begin) = lines.iter().position(|line| at_depth(line) && opens(line)) else {
        return 0;
    };
    if !lines[begin].ends_with('{') {
        return 0;
    }
    let rest = &lines[begin + 1..];
    let end = rest
        .iter()
        .position(|line| at_depth(line) && line.trim() == "}");
    rest[..end.unwrap_or(0)]
        .iter()
        .filter(|line| !line.trim().is_empty())
        .count()
}

fn is_in_trait_impl(lines: &[&str], at: usize) -> bool {
    let depth = indentation(lines[at]);
    let outer = lines[..at].iter().rev().find(|line| {
        !line.trim().is_empty()
            && indentation(line) < depth
            && line.trim() != "}"
            && !line.trim_start().starts_with("where")
            && !line.starts_with(')')
    });
    // The head of a long `impl` is wrapped: its last line is `{` behind the `where`.
    outer.is_some_and(|line| {
        let line = line.trim_start();
        (line.starts_with("impl") || line.starts_with("unsafe impl")) && line.contains(" for ")
    })
}

/// Whether documentation stands above a line, attributes between them allowed.
fn is_documented(text: &[&str], at: usize) -> bool {
    let above = text[..at].iter().rev().map(|line| line.trim());
    let mut above = above.skip_while(|line| {
        line.starts_with("#[")
            || line.ends_with(")]")
            || (line.ends_with(',') && !line.contains("//"))
    });
    above.next().is_some_and(|line| line.starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::super::source::product;
    use super::*;

    #[test]
    fn names_of_types_are_counted_per_package() {
        let sources = [
            product(
                "crates/a/src/x.rs",
                "pub(crate) struct State {}\nimpl A for B {\n    type C = u8;\n}",
            ),
            product(
                "crates/a/src/y.rs",
                "enum State<T> {}\nimpl A for D {\n    type C = u8;\n}",
            ),
            product("crates/b/src/x.rs", "struct State;"),
        ];
        assert_eq!(types_defined_twice(&sources), ["crates/a: State (2)"]);
    }

    #[test]
    fn bools_are_counted_among_the_parameters() {
        let text = "fn a(x: bool, y: bool) {}\npub(crate) fn b<F: Fn(bool) -> bool>(\n    x: bool,\n    f: F,\n    y: bool,\n) -> u8 {}\n\
                    fn c(x: bool, f: impl Fn(bool, bool), y: Vec<bool>) {}";
        let sources = [product("crates/a/src/x.rs", text)];
        let found = with_bools(&sources, 2);
        assert_eq!(found, ["crates/a/src/x.rs:1 a", "crates/a/src/x.rs:2 b"]);
        assert_eq!(with_bools(&sources, 1).len(), 3);
    }

    #[test]
    fn heads_that_ask_are_found() {
        let sources = [
            product("crates/a/src/x.rs", "//! What it does."),
            product("crates/a/src/y.rs", "//! The queue: what it does."),
        ];
        let (all, found) = question_heads(&sources);
        assert_eq!((all, found.len()), (2, 1));
    }

    #[test]
    fn documentation_counts_above_attributes_and_not_for_implemented_traits() {
        let body = "{\n    a();\n    b();\n    c();\n    d();\n}\n";
        let text = format!("/// Says.\n#[inline]\nfn a() {body}fn b() {body}fn c() {{}}\n");
        let inner = body.replace('\n', "\n    ");
        let text = format!("{text}impl A for B {{\n    fn d() {inner}\n}}\n");
        let mut missing = Vec::new();
        let share = documented_functions(&[product("crates/a/src/x.rs", &text)], &mut missing);
        assert_eq!((share.having, share.all), (1, 2));
        assert_eq!(missing, ["crates/a/src/x.rs:9 b"]);
    }

    #[test]
    fn unsafe_belongs_into_rooms_for_it() {
        let text = "fn a() { unsafe { b() } }\nunsafe impl Send for C {}";
        let sources = [
            product("crates/a/src/native/x.rs", text),
            product("crates/a/src/y.rs", text),
        ];
        let (all, outside) = unsafe_blocks(&sources);
        assert_eq!(all.values().sum::<usize>(), 4);
        assert_eq!(outside, ["crates/a/src/y.rs (2)"]);
    }
}
