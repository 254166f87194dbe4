//! Figures as pictures of dots, for slides and documents that take no SVG.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Options, Tree};

use super::failed;
use crate::analysis::AnalysisError;

/// Dots per pixel of the figure: sharp on paper and on fine screens.
const DOTS: f32 = 2.0;

/// The letters come with the program: a cluster's nodes have none, and the same figure is the same picture everywhere.
static LETTERS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// A figure of this module as a PNG file's bytes, two dots for each of its pixels.
pub fn png(svg: &str) -> Result<Vec<u8>, AnalysisError> {
    let options = Options {
        fontdb: Arc::clone(&LETTERS),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(failed)?;
    let size = tree
        .size()
        .to_int_size()
        .scale_by(DOTS)
        .ok_or_else(|| failed("a figure without an area"))?;
    let mut pixels = Pixmap::new(size.width(), size.height()).ok_or_else(|| failed("a figure too large to draw"))?;
    resvg::render(&tree, Transform::from_scale(DOTS, DOTS), &mut pixels.as_mut());
    pixels.encode_png().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(inside: &str) -> Pixmap {
        let svg = format!(
            "<svg width=\"60\" height=\"30\" xmlns=\"http://www.w3.org/2000/svg\">\
             <rect width=\"60\" height=\"30\" fill=\"#FFFFFF\"/>{inside}</svg>"
        );
        Pixmap::decode_png(&png(&svg).unwrap()).unwrap()
    }

    fn inked(picture: &Pixmap) -> usize {
        picture.pixels().iter().filter(|pixel| pixel.red() < 128).count()
    }

    #[test]
    fn shapes_stand_where_they_were_drawn_at_twice_the_size() {
        let picture = draw("<rect x=\"10\" y=\"5\" width=\"20\" height=\"10\" fill=\"#000000\"/>");
        assert_eq!((picture.width(), picture.height()), (120, 60));
        assert_eq!(inked(&picture), 40 * 20);
        assert_eq!(picture.pixel(20, 10).unwrap().red(), 0);
        assert_eq!(picture.pixel(19, 10).unwrap().red(), 255);
    }

    /// Every letter that figures use is there: none is left out, none is the box that stands for an unknown one.
    #[test]
    fn letters_are_drawn_without_any_font_of_the_machine() {
        let letter = |c: &str| {
            draw(&format!(
                "<text x=\"20\" y=\"20\" font-family=\"{}\" font-size=\"18\" fill=\"#000000\">{c}</text>",
                super::super::FONT
            ))
        };
        // A letter that no font has.
        let unknown = letter("\u{10FFFD}");
        for c in "AaÅβστρΔ⟨⟩√²³·−×±≤≥→–%′".chars() {
            let picture = letter(&c.to_string());
            assert!(inked(&picture) > 3, "{c} is not drawn");
            assert!(picture.data() != unknown.data(), "{c} is drawn as an unknown letter");
        }
    }
}
