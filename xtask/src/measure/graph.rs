//! Directed graphs of files: which files lead to each other.

use std::collections::{BTreeMap, BTreeSet};

/// Edges between files with the number of calls or imports that they stand for.
#[derive(Default)]
pub(super) struct Graph {
    edges: BTreeMap<(String, String), usize>,
}

impl Graph {
    /// Adds one call or import. Those of a file to itself do not count.
    pub(super) fn add(&mut self, from: &str, to: &str) {
        if from != to {
            *self
                .edges
                .entry((from.to_owned(), to.to_owned()))
                .or_default() += 1;
        }
    }

    pub(super) fn total(&self) -> usize {
        self.edges.values().sum()
    }

    /// Each edge with its number.
    pub(super) fn listed(&self) -> Vec<String> {
        let edges = self.edges.iter();
        edges
            .map(|((from, to), count)| format!("{from} -> {to}: {count}"))
            .collect()
    }

    /// The pairs of files with edges in both directions.
    pub(super) fn mutual(&self) -> Vec<(&str, &str)> {
        let is_mutual = |(from, to): &&(String, String)| {
            from < to && self.edges.contains_key(&(to.clone(), from.clone()))
        };
        let pairs = self.edges.keys().filter(is_mutual);
        pairs
            .map(|(from, to)| (from.as_str(), to.as_str()))
            .collect()
    }

    /// The groups of two or more files that lead to each other, the largest first.
    pub(super) fn circles(&self) -> Vec<Vec<String>> {
        let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, to) in self.edges.keys() {
            next.entry(from).or_default().insert(to);
        }
        let reached: BTreeMap<&str, BTreeSet<&str>> = next
            .keys()
            .map(|from| (*from, reach(&next, from)))
            .collect();
        let leads = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
        let mut groups: Vec<Vec<String>> = Vec::new();
        for &file in next.keys().filter(|file| leads(file, file)) {
            if !groups.iter().flatten().any(|known| known == file) {
                let both = |other: &&&str| leads(file, other) && leads(other, file);
                groups.push(
                    next.keys()
                        .filter(both)
                        .map(|&other| other.to_owned())
                        .collect(),
                );
            }
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
        groups
    }
}

/// Everything that `from` leads to. `from` itself is in it only if a circle leads back.
fn reach<'a>(next: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(file) = open.pop() {
        for &to in next.get(file).into_iter().flatten() {
            if found.insert(to) {
                open.push(to);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_and_pairs_are_found() {
        let mut graph = Graph::default();
        for (from, to) in [
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("d", "a"),
            ("e", "f"),
            ("f", "e"),
        ] {
            graph.add(from, to);
        }
        graph.add("e", "e");
        assert_eq!(graph.total(), 6);
        assert_eq!(graph.mutual(), [("e", "f")]);
        assert_eq!(graph.circles(), [vec!["a", "b", "c"], vec!["e", "f"]]);
    }
}
