//! "Did you mean ...?": the known word nearest to a mistyped one.

/// Returns the candidate that `word` most probably was meant to be, or nothing where none is near.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    let allowed = (word.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_key() {
        let keys = ["kernel", "memory", "cpus", "when_idle"];
        assert_eq!(nearest("kernal", keys), Some("kernel"));
        assert_eq!(nearest("memroy", keys), Some("memory"));
        assert_eq!(nearest("cpu", keys), Some("cpus"));
        assert_eq!(nearest("when-idle", keys), Some("when_idle"));
    }

    #[test]
    fn another_word_finds_none() {
        assert_eq!(nearest("colour", ["kernel", "memory", "cpus"]), None);
    }
}
