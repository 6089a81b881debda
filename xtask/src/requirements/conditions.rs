//! Where code is compiled: `cfg` attributes, read as the compiler does.

use super::source::Place;

/// Whether code under `#[cfg(condition)]` is there at `place`, with these features.
pub(super) fn holds(condition: &str, place: Place, features: &dyn Fn(&str) -> bool) -> bool {
    let condition = condition.trim();
    let inside = |name: &str| {
        condition
            .strip_prefix(name)?
            .trim_start()
            .strip_prefix('(')?
            .strip_suffix(')')
    };
    let each = |list: &str| {
        parts(list)
            .map(|part| holds(part, place, features))
            .collect::<Vec<bool>>()
    };
    if let Some(list) = inside("all") {
        return each(list).into_iter().all(|part| part);
    }
    if let Some(list) = inside("any") {
        return each(list).into_iter().any(|part| part);
    }
    if let Some(inner) = inside("not") {
        return !holds(inner, place, features);
    }
    match condition.split_once('=') {
        Some((name, value)) => {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "feature" => features(value),
                "target_os" => value == place.target_os(),
                "target_family" => (value == "windows") == (place == Place::Wine),
                "target_pointer_width" => value == "64",
                _ => false,
            }
        }
        None => match condition {
            "test" | "debug_assertions" => true,
            "windows" => place == Place::Wine,
            "unix" => place != Place::Wine,
            "everwatch_shuttle" => place == Place::Models,
            _ => false,
        },
    }
}

/// The parts of a list between its own commas.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    list.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .filter(|part| !part.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(condition: &str) -> (bool, bool) {
        let features = |name: &str| name == "sim";
        (
            holds(condition, Place::Linux, &features),
            holds(condition, Place::Wine, &features),
        )
    }

    #[test]
    fn systems_are_told_apart() {
        assert_eq!(both("windows"), (false, true));
        assert_eq!(both("unix"), (true, false));
        assert_eq!(both("target_os = \"linux\""), (true, false));
        assert_eq!(both("not(windows)"), (true, false));
        assert_eq!(both("test"), (true, true));
    }

    #[test]
    fn lists_are_taken_apart_at_their_own_commas() {
        assert_eq!(
            both("all(test, any(windows, feature = \"other\"))"),
            (false, true)
        );
        assert_eq!(
            both("any(windows, all(unix, feature = \"sim\"))"),
            (true, true)
        );
        assert_eq!(both("all(test, everwatch_shuttle)"), (false, false));
        assert!(holds(
            "all(unix, everwatch_shuttle)",
            Place::Models,
            &|_| { false }
        ));
    }
}
