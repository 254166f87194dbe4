//! KPOINTS: what may stand in it, and its text for the fingerprint.

/// How a KPOINTS file chooses its points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kpoints {
    /// Whether the number of points follows the cell by itself, so that energies of different cells are not comparable.
    pub follows_cell: bool,
    /// The content without its title and with blanks made even, for the fingerprint.
    pub normal: String,
}

impl Kpoints {
    /// Reads a KPOINTS file: a mesh (Gamma or Monkhorst-Pack), `Automatic` with a length, generalised lattice vectors, or listed
    /// points. A path for band structures is refused.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines: Vec<String> = text
            .lines()
            .map(|line| {
                let line = line.split(['!', '#']).next().unwrap_or_default();
                line.split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect();
        let line = |index: usize, what: &str| -> Result<&str, String> {
            lines
                .get(index)
                .map(String::as_str)
                .filter(|line| !line.is_empty())
                .ok_or_else(|| format!("line {} must hold {what}", index + 1))
        };
        let count: i64 = line(1, "the number of points, or 0")?
            .split(' ')
            .next()
            .and_then(|word| word.parse().ok())
            .ok_or("line 2 must hold the number of points, or 0 for a mesh")?;
        let kind = line(2, "Gamma, Monkhorst-Pack, Automatic or the kind of coordinates")?;
        let letter = kind.chars().next().map(|c| c.to_ascii_lowercase());
        let numbers = |index: usize, most: usize| -> Result<(), String> {
            let text = line(index, "numbers")?;
            let good = text
                .split(' ')
                .take(most)
                .all(|word| word.replace(['d', 'D'], "E").parse::<f64>().is_ok());
            if good && text.split(' ').count() >= most {
                Ok(())
            } else {
                Err(format!("line {} must hold {most} numbers, not `{text}`", index + 1))
            }
        };
        let mut follows_cell = false;
        match (count, letter) {
            (_, Some('l')) => {
                return Err("line mode is for band structures and gives no total energy: give a mesh".to_owned());
            }
            (0, Some('a')) => {
                follows_cell = true;
                numbers(3, 1)?;
            }
            (0, Some('g' | 'm')) => {
                numbers(3, 3)?;
                let divisions = line(3, "the divisions of the mesh")?;
                if divisions
                    .split(' ')
                    .take(3)
                    .any(|word| word.parse::<i64>().map_or(true, |n| n < 1))
                {
                    return Err(format!(
                        "line 4 must hold three whole numbers from 1 up, not `{divisions}`"
                    ));
                }
            }
            (0, _) => {
                for index in 3..6 {
                    numbers(index, 3)?;
                }
            }
            (count, _) if count > 0 => {
                for index in 0..count as usize {
                    numbers(3 + index, 4)?;
                }
            }
            _ => return Err(format!("the number of points is {count}")),
        }
        let mut content: Vec<String> = lines.into_iter().skip(1).filter(|line| !line.is_empty()).collect();
        if let (0, Some(first)) = (count, content.get_mut(1)) {
            // Of the word only its first letter counts.
            *first = first.chars().take(1).collect::<String>().to_uppercase();
        }
        Ok(Self {
            follows_cell,
            normal: content.join("; "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meshes_and_lists_are_read() {
        let mesh = Kpoints::parse("title\n0\nMonkhorst\n4 4 4\n0 0 0\n").unwrap();
        assert!(!mesh.follows_cell);
        let same = Kpoints::parse("another title\r\n 0 ! none\r\nmonkhorst-pack\r\n 4  4 4\r\n0 0  0\r\n\r\n").unwrap();
        assert_eq!(mesh, same);
        assert!(Kpoints::parse("auto\n0\nAuto\n20\n").unwrap().follows_cell);
        assert!(!Kpoints::parse("list\n1\nReciprocal\n0 0 0 1\n").unwrap().follows_cell);
        assert!(Kpoints::parse("generalised\n0\nDirect\n0.25 0 0\n0 0.25 0\n0 0 0.25\n0.5 0.5 0.5\n").is_ok());
    }

    #[test]
    fn what_is_no_mesh_is_refused() {
        assert!(
            Kpoints::parse("bands\n40\nLine-mode\nrec\n")
                .unwrap_err()
                .contains("band structures")
        );
        for bad in [
            "",
            "title\n",
            "t\nx\nGamma\n1 1 1\n",
            "t\n0\nGamma\n1 1\n",
            "t\n0\nGamma\n0 1 1\n",
            "t\n2\nR\n0 0 0 1\n",
        ] {
            assert!(Kpoints::parse(bad).is_err(), "{bad}");
        }
    }
}
