//! A line of an ignore file, translated into the syntax of the crate that matches it.
//!
//! The syntax is that of gitignore(5) except in a few places, in which git is right: blanks at the end, classes in
//! brackets, and braces, which git takes for themselves.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// The line for the crate `ignore`. `None` if it has no pattern, or one that matches nothing.
pub(super) fn translated(line: &str) -> Option<String> {
    let line = without_trailing_blanks(line);
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (prefix, pattern) = match line.strip_prefix('!') {
        Some(pattern) => ("!", pattern),
        None => ("", line),
    };
    let mut out = String::new();
    let mut excludes_slash = false;
    let mut chars = pattern.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            // What git takes as it is, also where nothing follows that needs the escape.
            '\\' => literal(&mut out, chars.next()?, Escape::Kept),
            '[' => {
                let class = Class::parse(&mut chars)?;
                excludes_slash |= class.is_negated;
                class.write(&mut out)?;
            }
            _ => literal(&mut out, char, Escape::None),
        }
    }
    // A slash that a class excludes is none of the pattern, which matches at every depth still.
    let has_slash = pattern.trim_end_matches('/').contains('/');
    let depth = if excludes_slash && !has_slash {
        "**/"
    } else {
        ""
    };
    Some(format!("{prefix}{depth}{out}"))
}

/// Whether a character stood behind a backslash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Kept,
}

/// Writes a character outside of brackets.
fn literal(out: &mut String, char: char, escape: Escape) {
    match (char, escape) {
        // Blanks that git keeps. At the end of a line the crate would drop them.
        (char, _) if char.is_whitespace() && (char != ' ' || escape == Escape::Kept) => {
            out.extend(['[', char, ']']);
        }
        ('{' | '}', _) => out.extend(['\\', char]),
        (_, Escape::Kept) => out.extend(['\\', char]),
        (_, Escape::None) => out.push(char),
    }
}

/// A line without the blanks at its end, of which a backslash keeps one.
fn without_trailing_blanks(line: &str) -> &str {
    let mut end = 0;
    let mut chars = line.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            ' ' => {}
            '\\' => match chars.next() {
                Some((at, escaped)) => end = at + escaped.len_utf8(),
                None => return line,
            },
            _ => end = at + char.len_utf8(),
        }
    }
    line.get(..end).unwrap_or(line)
}

/// A class in brackets.
#[derive(Debug)]
struct Class {
    is_negated: bool,
    /// First and last characters.
    ranges: Vec<(char, char)>,
}

impl Class {
    /// Reads a class behind its opening bracket. `None` if it does not end, or names no class of characters: then
    /// the whole pattern matches nothing.
    fn parse(chars: &mut Peekable<Chars<'_>>) -> Option<Class> {
        let is_negated = chars.next_if(|&char| char == '!' || char == '^').is_some();
        let mut ranges = Vec::new();
        // The character before, from which a range may start.
        let mut before = None;
        let mut is_first = true;
        loop {
            let char = chars.next()?;
            let single = match char {
                ']' if !is_first => return Some(Class { is_negated, ranges }),
                '\\' => chars.next()?,
                '-' if before.is_some() && chars.peek().is_some_and(|&next| next != ']') => {
                    let start = before?;
                    let end = match chars.next()? {
                        '\\' => chars.next()?,
                        end => end,
                    };
                    ranges.push((start, end));
                    (before, is_first) = (None, false);
                    continue;
                }
                '[' if chars.peek() == Some(&':') => {
                    if let Some(named) = named(chars)? {
                        ranges.extend_from_slice(named);
                        (before, is_first) = (None, false);
                        continue;
                    }
                    '['
                }
                char => char,
            };
            ranges.push((single, single));
            (before, is_first) = (Some(single), false);
        }
    }

    /// Writes the class. `None` if no character is in it.
    fn write(&self, out: &mut String) -> Option<()> {
        // No class matches a slash.
        let mut ranges = match self.is_negated {
            true => [&self.ranges[..], &[('/', '/')]].concat(),
            false => without(&self.ranges, '/'),
        };
        ranges.retain(|(first, last)| first <= last);
        // These three have a meaning by where they stand.
        let has = |wanted: char| ranges.iter().any(|&(a, b)| (a..=b).contains(&wanted));
        let (has_bracket, has_dash) = (has(']'), has('-'));
        let plain = without(&without(&ranges, ']'), '-');
        let (marks, plain): (Vec<_>, Vec<_>) = plain
            .into_iter()
            .partition(|(first, _)| "!^".contains(*first));
        if ranges.is_empty() {
            return None;
        }
        if !self.is_negated && !has_bracket && !has_dash && plain.is_empty() {
            // Marks alone would negate the class.
            let choices = marks.iter().flat_map(|&(first, last)| first..=last);
            let choices: Vec<String> = choices.map(|choice| format!("\\{choice}")).collect();
            let _ = write!(out, "{{{}}}", choices.join(","));
            return Some(());
        }
        out.push_str(if self.is_negated { "[!" } else { "[" });
        out.push_str(if has_bracket { "]" } else { "" });
        // A dash stands for itself in the first place, and in the last.
        let leads = has_dash && !has_bracket && plain.is_empty();
        out.push_str(if leads { "-" } else { "" });
        for (first, last) in plain.into_iter().chain(marks) {
            out.push(first);
            if first != last {
                out.extend(['-', last]);
            }
        }
        out.push_str(if has_dash && !leads { "-]" } else { "]" });
        Some(())
    }
}

/// Ranges without one character.
fn without(ranges: &[(char, char)], char: char) -> Vec<(char, char)> {
    let before = char::from_u32(u32::from(char) - 1);
    let after = char::from_u32(u32::from(char) + 1);
    let parts = ranges.iter().flat_map(|&(first, last)| {
        let is_in = (first..=last).contains(&char);
        let parts = match (is_in, before, after) {
            (true, Some(before), Some(after)) => [Some((first, before)), Some((after, last))],
            _ => [Some((first, last)), None],
        };
        parts.into_iter().flatten()
    });
    parts.filter(|(first, last)| first <= last).collect()
}

/// Reads a named class, `[:alpha:]`, from its colon on. `Some(None)` if none is meant, so that the bracket before it
/// stands for itself; `None` if the class does not end or there is none of its name.
fn named(chars: &mut Peekable<Chars<'_>>) -> Option<Option<&'static [(char, char)]>> {
    let mut ahead = chars.clone();
    ahead.next();
    let mut name = String::new();
    loop {
        match ahead.next()? {
            ']' => break,
            char => name.push(char),
        }
    }
    let Some(name) = name.strip_suffix(':') else {
        return Some(None);
    };
    let class: &[(char, char)] = match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "blank" => &[(' ', ' '), ('\t', '\t')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => &[('0', '9')],
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    };
    *chars = ahead;
    Some(Some(class))
}

#[cfg(test)]
mod tests {
    use super::translated;

    #[track_caller]
    fn assert_translated(lines: &[(&str, Option<&str>)]) {
        for &(line, wanted) in lines {
            assert_eq!(translated(line).as_deref(), wanted, "{line:?}");
        }
    }

    #[test]
    fn blanks_at_the_end_are_dropped_and_other_space_is_kept() {
        assert_translated(&[
            ("a  ", Some("a")),
            ("a\\ ", Some("a[ ]")),
            ("a\\  ", Some("a[ ]")),
            ("a\\\\ ", Some("a\\\\")),
            ("a\t", Some("a[\t]")),
            ("a b", Some("a b")),
            ("  ", None),
        ]);
    }

    #[test]
    fn a_pattern_that_does_not_end_matches_nothing() {
        assert_translated(&[
            ("a[b", None),
            ("a\\", None),
            ("[[:alpha]", Some("[[:alpha]")),
        ]);
    }

    #[test]
    fn braces_stand_for_themselves() {
        assert_translated(&[("a{b,c}", Some("a\\{b,c\\}"))]);
    }

    #[test]
    fn classes_have_names_and_escapes() {
        assert_translated(&[
            ("[[:digit:]]", Some("[0-9]")),
            ("[![:upper:]]", Some("**/[!A-Z/]")),
            ("a/[!b]", Some("a/[!b/]")),
            ("[[:word:]]", None),
            ("[\\]]", Some("[]]")),
            ("[]a-]", Some("[]a-]")),
            ("[\\!]", Some("{\\!}")),
            ("[-!]", Some("[-!]")),
            ("[/]", None),
        ]);
    }
}
