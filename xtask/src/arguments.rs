//! Command-line arguments: flags with a value, and a refusal of the rest.

/// Removes `flag N` from `arguments`. An error if N is missing or no whole number.
pub(crate) fn take_number(arguments: &mut Vec<String>, flag: &str) -> Result<Option<u64>, String> {
    let wanted = || format!("{flag} wants a whole number behind it");
    match take_value(arguments, flag).map_err(|_| wanted())? {
        Some(value) => value.parse().map(Some).map_err(|_| wanted()),
        None => Ok(None),
    }
}

/// Removes `flag VALUE` from `arguments`. An error if the value is missing.
pub(crate) fn take_value(
    arguments: &mut Vec<String>,
    flag: &str,
) -> Result<Option<String>, String> {
    let Some(at) = arguments.iter().position(|argument| argument == flag) else {
        return Ok(None);
    };
    if at + 1 == arguments.len() {
        return Err(format!("{flag} wants a value behind it"));
    }
    Ok(arguments.drain(at..at + 2).nth(1))
}

/// Refuses arguments that no flag removed.
pub(crate) fn nothing_else(arguments: &[String]) -> Result<(), String> {
    match arguments.first() {
        Some(argument) => Err(format!("unknown argument {argument:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_and_its_number_are_taken_out() {
        let mut arguments = ["a", "--seed", "7", "b"].map(str::to_owned).to_vec();
        assert_eq!(take_number(&mut arguments, "--seed"), Ok(Some(7)));
        assert_eq!(arguments, ["a", "b"]);
        assert_eq!(take_number(&mut arguments, "--seed"), Ok(None));
    }

    #[test]
    fn a_flag_without_a_number_is_refused() {
        let mut arguments = ["--seed", "x"].map(str::to_owned).to_vec();
        assert!(take_number(&mut arguments, "--seed").is_err());
    }
}
