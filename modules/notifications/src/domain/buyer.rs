//! How a buyer is called in mail. Whoever orders chooses both a name and an address, and both may be
//! somebody else's: a mail to a stranger must not carry what the orderer wants to advertise.

/// The name, or nothing when it could be taken for a link: it has `://` in it, or a dot with a letter
/// or digit before it and two or more behind it, as hosts have (`example.org`) and initials
/// (`J.R.R. Tolkien`) have not.
pub(crate) fn name_to_write(name: &str) -> &str {
    if name.contains("://") || has_host(name) { "" } else { name }
}

fn has_host(name: &str) -> bool {
    // Mail programs make links of these, too.
    let is_dot = |it: char| matches!(it, '.' | '\u{3002}' | '\u{FF0E}' | '\u{FF61}');
    let letters: Vec<char> = name.chars().filter(|it| !is_invisible(*it)).collect();
    letters.windows(4).any(|it| match it {
        [before, dot, first, second] => {
            is_dot(*dot) && [before, first, second].iter().all(|it| it.is_alphanumeric())
        }
        _ => false,
    })
}

/// Letters that are not seen and could part what belongs together.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_people_are_written() {
        for name in
            ["Cara O'Brien", "J.R.R. Tolkien", "Dr. No", "A. B.", "Zoë", "王小明", "M.", "3.5"]
        {
            assert_eq!(name_to_write(name), name);
        }
    }

    #[test]
    fn what_looks_like_a_link_is_not() {
        for name in [
            "https://example.org/win",
            "ftp://x",
            "www.example.org",
            "Win at example.org!",
            "example。org",
            "bücher.example",
            "exam\u{200B}ple.\u{200B}org",
            "1.2.3.45",
        ] {
            assert_eq!(name_to_write(name), "", "{name}");
        }
    }
}
