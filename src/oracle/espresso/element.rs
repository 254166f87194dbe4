//! From the labels that an input of `pw.x` gives its kinds of atoms to elements: `Si`, `Fe1`, `O_h`, `Mn-up`.

use crate::structure::Species;

/// The element of a label: its letters up to the first sign that is none, of which two or else one name an element.
pub fn element_of_label(label: &str) -> Option<Species> {
    let letters: String = label.chars().take_while(char::is_ascii_alphabetic).collect();
    [2, 1].iter().find_map(|count| {
        let (first, rest) = letters.get(..*count)?.split_at(1);
        format!("{}{}", first.to_uppercase(), rest.to_lowercase()).parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_elements() {
        let element = |label| element_of_label(label).map(Species::symbol);
        assert_eq!(element("Si"), Some("Si"));
        assert_eq!(element("fe1"), Some("Fe"));
        assert_eq!(element("O_h"), Some("O"));
        assert_eq!(element("H1"), Some("H"));
        assert_eq!(element("Mn-up"), Some("Mn"));
        assert_eq!(element("Oh"), Some("O"));
        assert_eq!(element("X"), None);
        assert_eq!(element(""), None);
    }
}
