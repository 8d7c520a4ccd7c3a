//! The hidden layers of a network as they are asked for and recorded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::MAX_LAYERS;

/// The widths N_1 .. N_{P-1} of hidden layers, from the first to the last; none for a linear model.
///
/// As text, `3` is one hidden layer, `8x8` are two, and `none` is none; `0` is read as `none`. A manifest holds a
/// number for one hidden layer and a list of numbers for any others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "InManifest", into = "InManifest")]
pub struct HiddenLayers(Vec<usize>);

/// [`HiddenLayers`] as a manifest holds them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum InManifest {
    One(usize),
    Several(Vec<usize>),
}

impl HiddenLayers {
    /// Their widths.
    pub fn widths(&self) -> &[usize] {
        &self.0
    }
}

impl From<usize> for HiddenLayers {
    /// One hidden layer of this width; none for 0.
    fn from(width: usize) -> Self {
        Self(if width == 0 { Vec::new() } else { vec![width] })
    }
}

impl From<Vec<usize>> for HiddenLayers {
    /// Hidden layers of these widths.
    fn from(widths: Vec<usize>) -> Self {
        Self(widths)
    }
}

impl From<InManifest> for HiddenLayers {
    fn from(recorded: InManifest) -> Self {
        match recorded {
            InManifest::One(width) => Self::from(width),
            InManifest::Several(widths) => Self(widths),
        }
    }
}

impl From<HiddenLayers> for InManifest {
    fn from(HiddenLayers(widths): HiddenLayers) -> Self {
        match widths[..] {
            [width] => Self::One(width),
            _ => Self::Several(widths),
        }
    }
}

impl FromStr for HiddenLayers {
    type Err = String;

    /// `3`, `8x8`, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" || text == "0" {
            return Ok(Self(Vec::new()));
        }
        let wrong = |why: &str| {
            Err(format!("{why}: give the width of one hidden layer, such as 3, of several, such as 8x8, or none"))
        };
        let mut widths = Vec::new();
        for width in text.split('x') {
            match width.parse() {
                Ok(0) => return wrong("every hidden layer needs at least one unit"),
                Ok(width) => widths.push(width),
                Err(_) if width.is_empty() => return wrong("a width is missing"),
                Err(_) => return wrong(&format!("`{width}` is no width")),
            }
        }
        let most = MAX_LAYERS - 1;
        if widths.len() > most {
            return wrong(&format!("{} hidden layers are more than {most}", widths.len()));
        }
        Ok(Self(widths))
    }
}

impl fmt::Display for HiddenLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let widths: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&widths.join("x"))
    }
}

#[cfg(test)]
mod tests {
    use super::HiddenLayers;

    #[test]
    fn layers_are_read_as_they_are_written() {
        for (text, widths, recorded) in [
            ("3", vec![3], "3"),
            ("8x8", vec![8, 8], "[8,8]"),
            ("none", vec![], "[]"),
            ("1x2x3", vec![1, 2, 3], "[1,2,3]"),
        ] {
            let layers: HiddenLayers = text.parse().unwrap();
            assert_eq!((layers.widths(), layers.to_string()), (&widths[..], text.to_owned()));
            let json = serde_json::to_string(&layers).unwrap();
            assert_eq!((json.as_str(), serde_json::from_str(&json).unwrap()), (recorded, layers));
        }
        assert_eq!("0".parse(), Ok(HiddenLayers::from(0)));
        assert_eq!(serde_json::from_str::<HiddenLayers>("0").unwrap().to_string(), "none");
        assert_eq!(serde_json::from_str::<HiddenLayers>("[3]").unwrap(), HiddenLayers::from(3));
    }

    #[test]
    fn what_is_no_layer_is_refused_in_words() {
        let message = |text: &str| text.parse::<HiddenLayers>().unwrap_err();
        for (text, says) in [
            ("8x0", "at least one unit"),
            ("8x", "a width is missing"),
            ("", "a width is missing"),
            ("8-8", "`8-8` is no width"),
            ("-3", "`-3` is no width"),
            ("1x1x1x1x1x1x1x1x1x1", "10 hidden layers are more than 9"),
        ] {
            assert!(message(text).contains(says), "{text}: {}", message(text));
        }
    }
}
