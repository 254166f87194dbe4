//! input.nn: what defines a potential, every number checked where it stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::functions::{self, Listed};
use super::keywords::{self, Duty};
use super::text::wanted_number;
use crate::descriptor::{CutoffFunction, CutoffKind};
use crate::formats::FormatError;
use crate::formats::error::quote;
use crate::network::Activation;
use crate::structure::Species;

/// How symmetry functions are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalingMode {
    /// G.
    None,
    /// Smin + (Smax − Smin)(G − Gmin)/(Gmax − Gmin).
    Scale,
    /// G − mean.
    Center,
    /// Smin + (Smax − Smin)(G − mean)/(Gmax − Gmin).
    ScaleCenter,
    /// Smin + (Smax − Smin)(G − mean)/sigma.
    Sigma,
}

/// The widths of an element's hidden layers as the keywords say, and as n2p2 has them, which leaves the last layer alone.
pub(super) type HiddenWidths = [Vec<usize>; 2];

/// What input.nn says of the potential, in the units of the file.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub path: PathBuf,
    /// In order of atomic number.
    pub elements: Vec<Species>,
    /// The free-atom energy of each element.
    pub atom_energies: Vec<f64>,
    pub cutoff: CutoffFunction,
    /// Per element, in n2p2's own order.
    pub functions: Vec<Vec<Listed>>,
    pub scaling: ScalingMode,
    pub scale_min: f64,
    pub scale_max: f64,
    /// The widths of the hidden layers per element.
    pub hidden: Vec<HiddenWidths>,
    /// Of the hidden layers and the output.
    pub activations: Vec<Activation>,
    pub normalize_nodes: bool,
    /// The mean energy per atom and the factor of energies, 0 and 1 where the data were not normalised.
    pub mean_energy: f64,
    pub conv_energy: f64,
}

/// The lines of one keyword.
struct Entry<'a> {
    line: usize,
    words: Vec<&'a str>,
}

struct Reader<'a> {
    path: &'a Path,
    entries: BTreeMap<&'a str, Vec<Entry<'a>>>,
    last: usize,
}

impl Settings {
    pub fn parse(text: &str, path: &Path) -> Result<Self, FormatError> {
        let reader = Reader::collect(text, path)?;
        if let Some((line, word)) = reader.word("nnp_type")?
            && !matches!(word, "2" | "2G-HDNNP")
        {
            let message = format!("nnp_type {}: only short-range potentials (2) are read", quote(word));
            return Err(FormatError::line(path, line, message));
        }
        let elements = reader.elements()?;
        let functions = reader.functions(&elements)?;
        let (hidden, activations) = reader.networks(&elements)?;
        let (mean_energy, conv_energy) = reader.normalisation()?;
        let scale_min = reader.number("scale_min_short")?.unwrap_or(0.0);
        let scale_max = reader.number("scale_max_short")?.unwrap_or(1.0);
        let scaling = reader.scaling_mode();
        if scale_min >= scale_max && !matches!(scaling, ScalingMode::None | ScalingMode::Center) {
            let line = reader.line_of("scale_max_short");
            return Err(FormatError::line(
                path,
                line,
                "scale_max_short must be above scale_min_short",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            atom_energies: reader.atom_energies(&elements)?,
            cutoff: reader.cutoff()?,
            functions,
            scaling,
            scale_min,
            scale_max,
            hidden,
            activations,
            normalize_nodes: reader.entries.contains_key("normalize_nodes"),
            mean_energy,
            conv_energy,
            elements,
        })
    }
}

impl<'a> Reader<'a> {
    /// The words of all lines by keyword; unknown, unsupported and repeated keywords are errors.
    fn collect(text: &'a str, path: &'a Path) -> Result<Self, FormatError> {
        let mut entries: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
        let mut last = 1;
        for (index, content) in text.lines().enumerate() {
            let line = index + 1;
            last = line;
            let content = content.split(['#', '!']).next().unwrap_or("");
            let mut words = content.split_whitespace();
            let Some(word) = words.next() else {
                continue;
            };
            let keyword = keywords::canonical(word);
            match keywords::duty(keyword) {
                Some(Duty::Prediction | Duty::Training) => {}
                Some(Duty::Unsupported(reason)) => {
                    return Err(FormatError::line(
                        path,
                        line,
                        format!("{} is not supported: {reason}", quote(word)),
                    ));
                }
                None => {
                    let advice = match keywords::other_case(word) {
                        Some(known) => format!("keywords are case-sensitive, write `{known}`"),
                        None => "remove it or put # before it".to_owned(),
                    };
                    let message = format!("{} is no keyword of n2p2: {advice}", quote(word));
                    return Err(FormatError::line(path, line, message));
                }
            }
            let list = entries.entry(keyword).or_default();
            if let Some(first) = list.first()
                && !keywords::repeats(keyword)
            {
                let message = format!(
                    "{} stands here a second time, first in line {}",
                    quote(word),
                    first.line
                );
                return Err(FormatError::line(path, line, message));
            }
            list.push(Entry {
                line,
                words: words.collect(),
            });
        }
        Ok(Self { path, entries, last })
    }

    fn all(&self, keyword: &str) -> &[Entry<'a>] {
        self.entries.get(keyword).map_or(&[], Vec::as_slice)
    }

    fn line_of(&self, keyword: &str) -> usize {
        self.all(keyword).first().map_or(self.last, |entry| entry.line)
    }

    /// The first word after a keyword.
    fn word(&self, keyword: &str) -> Result<Option<(usize, &'a str)>, FormatError> {
        let Some(entry) = self.all(keyword).first() else {
            return Ok(None);
        };
        match entry.words.first() {
            Some(word) => Ok(Some((entry.line, *word))),
            None => Err(self.fail(entry.line, format!("`{keyword}` needs a value"))),
        }
    }

    fn number(&self, keyword: &str) -> Result<Option<f64>, FormatError> {
        self.word(keyword)?
            .map(|(line, word)| wanted_number(self.path, line, keyword, word))
            .transpose()
    }

    fn whole(&self, line: usize, keyword: &str, word: &str) -> Result<usize, FormatError> {
        word.parse()
            .map_err(|_| self.fail(line, format!("{keyword} is {}: expected a whole number", quote(word))))
    }

    fn missing(&self, keyword: &str) -> FormatError {
        self.fail(self.last, format!("the file ends without the keyword `{keyword}`"))
    }

    fn fail(&self, line: usize, message: impl Into<String>) -> FormatError {
        FormatError::line(self.path, line, message)
    }

    fn species(&self, line: usize, word: &str) -> Result<Species, FormatError> {
        let species: Species = word
            .parse()
            .map_err(|_| self.fail(line, format!("{} is not a chemical element", quote(word))))?;
        if species.symbol() != word {
            return Err(self.fail(line, format!("{} is not written as `{species}`", quote(word))));
        }
        Ok(species)
    }

    fn elements(&self) -> Result<Vec<Species>, FormatError> {
        let (line, word) = self
            .word("number_of_elements")?
            .ok_or_else(|| self.missing("number_of_elements"))?;
        let count = self.whole(line, "number_of_elements", word)?;
        let entry = self.all("elements").first().ok_or_else(|| self.missing("elements"))?;
        let mut elements = Vec::new();
        for word in &entry.words {
            elements.push(self.species(entry.line, word)?);
        }
        if elements.len() != count {
            let message = format!(
                "{} elements are listed, but number_of_elements is {count}",
                elements.len()
            );
            return Err(self.fail(entry.line, message));
        }
        elements.sort_unstable();
        if let Some(twice) = elements
            .windows(2)
            .find_map(|pair| (pair[0] == pair[1]).then_some(pair[0]))
        {
            return Err(self.fail(entry.line, format!("{twice} is listed twice")));
        }
        if elements.is_empty() {
            return Err(self.fail(entry.line, "no element is listed"));
        }
        Ok(elements)
    }

    /// The place of an element that a line names.
    fn place(&self, line: usize, word: &str, elements: &[Species]) -> Result<usize, FormatError> {
        let species = self.species(line, word)?;
        elements.binary_search(&species).map_err(|_| {
            let known = elements.iter().map(|e| e.symbol()).collect::<Vec<_>>().join(" ");
            self.fail(line, format!("{species} is not among the elements ({known})"))
        })
    }

    fn atom_energies(&self, elements: &[Species]) -> Result<Vec<f64>, FormatError> {
        let mut energies = vec![None; elements.len()];
        for entry in self.all("atom_energy") {
            let [symbol, energy, ..] = entry.words[..] else {
                return Err(self.fail(entry.line, "`atom_energy` needs an element and an energy"));
            };
            let energy = wanted_number(self.path, entry.line, "the energy of a free atom", energy)?;
            let place = self.place(entry.line, symbol, elements)?;
            if energies[place].replace(energy).is_some() {
                return Err(self.fail(entry.line, format!("the energy of {symbol} is given twice")));
            }
        }
        Ok(energies.into_iter().map(|energy| energy.unwrap_or(0.0)).collect())
    }

    fn cutoff(&self) -> Result<CutoffFunction, FormatError> {
        let (line, word) = self.word("cutoff_type")?.ok_or_else(|| self.missing("cutoff_type"))?;
        let kind = match word {
            "0" => CutoffKind::Hard,
            "1" => CutoffKind::Cosine,
            "2" => CutoffKind::TanhCubed,
            "3" => CutoffKind::TanhCubedNormalised,
            "4" => CutoffKind::Exponential,
            "5" => CutoffKind::Polynomial1,
            "6" => CutoffKind::Polynomial2,
            "7" => CutoffKind::Polynomial3,
            "8" => CutoffKind::Polynomial4,
            _ => return Err(self.fail(line, format!("cutoff_type is {}: expected 0 to 8", quote(word)))),
        };
        let inner_fraction = match self.all("cutoff_type")[0].words.get(1) {
            Some(word) => wanted_number(self.path, line, "the inner cutoff α", word)?,
            None => 0.0,
        };
        if !(0.0..1.0).contains(&inner_fraction) {
            return Err(self.fail(
                line,
                format!("the inner cutoff α is {inner_fraction}: it must be at least 0 and below 1"),
            ));
        }
        Ok(CutoffFunction { kind, inner_fraction })
    }

    fn functions(&self, elements: &[Species]) -> Result<Vec<Vec<Listed>>, FormatError> {
        let mut lists = vec![Vec::new(); elements.len()];
        for entry in self.all("symfunction_short") {
            let place = |word: &str| self.place(entry.line, word, elements);
            let (central, listed) = functions::parse(&entry.words, self.path, entry.line, &place)?;
            lists[central].push(listed);
        }
        for (list, element) in lists.iter_mut().zip(elements) {
            if list.is_empty() {
                let line = self.line_of("symfunction_short");
                return Err(self.fail(
                    line,
                    format!("no symfunction_short has {element} as its central element"),
                ));
            }
            functions::sort(list);
        }
        Ok(lists)
    }

    /// Where several keywords stand together, n2p2 looks at the two that scale and centre first.
    fn scaling_mode(&self) -> ScalingMode {
        let has = |keyword: &str| self.entries.contains_key(keyword);
        match (has("scale_symmetry_functions"), has("center_symmetry_functions")) {
            (true, true) => ScalingMode::ScaleCenter,
            (true, false) => ScalingMode::Scale,
            (false, true) => ScalingMode::Center,
            (false, false) if has("scale_symmetry_functions_sigma") => ScalingMode::Sigma,
            (false, false) => ScalingMode::None,
        }
    }

    /// Hidden widths per element, and activations.
    fn networks(&self, elements: &[Species]) -> Result<(Vec<HiddenWidths>, Vec<Activation>), FormatError> {
        let keyword = "global_hidden_layers_short";
        let (line, word) = self.word(keyword)?.ok_or_else(|| self.missing(keyword))?;
        let layers = self.whole(line, keyword, word)?;
        let keyword = "global_nodes_short";
        let mut widths = Vec::new();
        if layers > 0 {
            let entry = self.all(keyword).first().ok_or_else(|| self.missing(keyword))?;
            for word in entry.words.iter().take(layers) {
                widths.push(self.width(entry.line, word)?);
            }
            if widths.len() < layers {
                let message = format!("{keyword} gives {} widths for {layers} hidden layers", widths.len());
                return Err(self.fail(entry.line, message));
            }
        }
        let keyword = "global_activation_short";
        let entry = self.all(keyword).first().ok_or_else(|| self.missing(keyword))?;
        let mut activations = Vec::new();
        for word in entry.words.iter().take(layers + 1) {
            activations.push(activation(word).ok_or_else(|| {
                self.fail(
                    entry.line,
                    format!(
                        "the activation {} is not known: expected one of l t s p r g c S e h",
                        quote(word)
                    ),
                )
            })?);
        }
        if activations.len() < layers + 1 {
            let message = format!(
                "{keyword} gives {} activations for {layers} hidden layers and the output",
                activations.len()
            );
            return Err(self.fail(entry.line, message));
        }
        let mut hidden = vec![[widths.clone(), widths]; elements.len()];
        for entry in self.all("element_nodes_short") {
            let [symbol, layer, width, ..] = entry.words[..] else {
                let message = "`element_nodes_short` needs an element, a hidden layer and a number of nodes";
                return Err(self.fail(entry.line, message));
            };
            let place = self.place(entry.line, symbol, elements)?;
            let layer = self.whole(entry.line, "the hidden layer", layer)?;
            let width = self.width(entry.line, width)?;
            if layer == 0 || layer > layers {
                let message = format!("there is no hidden layer {layer}: expected 1 to {layers}");
                return Err(self.fail(entry.line, message));
            }
            hidden[place][0][layer - 1] = width;
            // n2p2 leaves the last hidden layer as it is, and so do the weights it trained.
            if layer < layers {
                hidden[place][1][layer - 1] = width;
            }
        }
        Ok((hidden, activations))
    }

    fn width(&self, line: usize, word: &str) -> Result<usize, FormatError> {
        match self.whole(line, "a number of nodes", word)? {
            0 => Err(self.fail(line, "a layer needs at least one node")),
            width => Ok(width),
        }
    }

    /// mean_energy and conv_energy; conv_length changes lengths and function parameters alike and so nothing.
    fn normalisation(&self) -> Result<(f64, f64), FormatError> {
        let names = ["mean_energy", "conv_energy", "conv_length"];
        let given = [self.number(names[0])?, self.number(names[1])?, self.number(names[2])?];
        match given {
            [None, None, None] => Ok((0.0, 1.0)),
            [Some(mean), Some(energy), Some(length)] => {
                for (name, value) in [(names[1], energy), (names[2], length)] {
                    if value <= 0.0 {
                        return Err(self.fail(self.line_of(name), format!("{name} is {value}: it must be positive")));
                    }
                }
                Ok((mean, energy))
            }
            _ => {
                let line = names.iter().map(|name| self.line_of(name)).min().unwrap_or(self.last);
                let message = "`mean_energy`, `conv_energy` and `conv_length` must be given together or not at all";
                Err(self.fail(line, message))
            }
        }
    }
}

const ACTIVATIONS: [(&str, Activation); 10] = [
    ("l", Activation::Linear),
    ("t", Activation::Tanh),
    ("s", Activation::Logistic),
    ("p", Activation::Softplus),
    ("r", Activation::Relu),
    ("g", Activation::Gaussian),
    ("c", Activation::Cosine),
    ("S", Activation::ReverseLogistic),
    ("e", Activation::Exponential),
    ("h", Activation::Harmonic),
];

fn activation(word: &str) -> Option<Activation> {
    ACTIVATIONS.iter().find(|(letter, _)| *letter == word).map(|(_, a)| *a)
}

/// n2p2's letter of an activation, if it has one.
pub(super) fn letter(activation: Activation) -> Option<&'static str> {
    ACTIVATIONS
        .iter()
        .find(|(_, a)| *a == activation)
        .map(|(letter, _)| *letter)
}
