//! Flags with a number, and what is left.

/// Takes `flag N` out of `arguments`.
pub(crate) fn take_number(arguments: &mut Vec<String>, flag: &str) -> Result<Option<u64>, String> {
    let Some(at) = arguments.iter().position(|argument| argument == flag) else {
        return Ok(None);
    };
    let value = arguments.get(at + 1).and_then(|value| value.parse().ok());
    let value = value.ok_or_else(|| format!("{flag} wants a whole number behind it"))?;
    arguments.drain(at..at + 2);
    Ok(Some(value))
}

/// Refuses arguments that nobody took.
pub(crate) fn nothing_else(arguments: &[String]) -> Result<(), String> {
    match arguments.first() {
        Some(argument) => Err(format!("{argument:?} is not understood here")),
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
