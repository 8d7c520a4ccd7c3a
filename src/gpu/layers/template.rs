//! Texts that say once what is done for every layer.
//!
//! WGSL has no arrays of arrays of different lengths, and compilers keep an array in registers only if each of its
//! indices is a constant once loops are unrolled. So every layer has variables and constants of its own, and a text
//! writes them with LAYER in the place of the layer's number, between a line that says for which layers and one that
//! ends the block:
//!
//! ```text
//! //@ for each hidden layer
//! var h_LAYER: array<f32, UNITS_LAYER>;
//! //@ end
//! ```
//!
//! BELOW stands for the number of the layer before. Layers count from 1 to P, and layer 0 is the inputs.

/// Which layers a block is written out for, and in which order.
const SELECTIONS: [(&str, Chosen); 5] = [
    ("//@ for each layer", |layers| (1..=layers).collect()),
    ("//@ for each hidden layer", |layers| (1..layers).collect()),
    ("//@ for each layer after the first", |layers| (2..=layers).collect()),
    ("//@ for each layer after the first, from the last", |layers| (2..=layers).rev().collect()),
    ("//@ for the last layer", |layers| vec![layers]),
];

/// The layers that are chosen, given P.
type Chosen = fn(usize) -> Vec<usize>;

/// `text` with its blocks written out for a network of P = `layers` layers.
pub(super) fn expanded(text: &str, layers: usize) -> String {
    let mut whole = String::new();
    // The layers and the lines of the block that is read.
    let mut block: Option<(Chosen, Vec<&str>)> = None;
    for line in text.lines() {
        let trimmed = line.trim();
        match &mut block {
            None => match SELECTIONS.iter().find(|(words, _)| *words == trimmed) {
                Some((_, selection)) => block = Some((*selection, Vec::new())),
                None => whole = whole + line + "\n",
            },
            Some((selection, lines)) if trimmed == "//@ end" => {
                for layer in selection(layers) {
                    for line in lines.iter() {
                        let line = line.replace("LAYER", &layer.to_string());
                        whole = whole + &line.replace("BELOW", &(layer - 1).to_string()) + "\n";
                    }
                }
                block = None;
            }
            Some((_, lines)) => lines.push(line),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::expanded;

    #[test]
    fn blocks_are_written_out_layer_by_layer() {
        let text = "a\n    //@ for each hidden layer\n    h_LAYER(h_BELOW);\n    //@ end\n\
                    //@ for each layer after the first, from the last\ng_BELOW\n//@ end\n\
                    //@ for the last layer\nz_LAYER\n//@ end\nb\n";
        assert_eq!(expanded(text, 3), "a\n    h_1(h_0);\n    h_2(h_1);\ng_2\ng_1\nz_3\nb\n");
        assert_eq!(expanded(text, 1), "a\nz_1\nb\n");
    }
}
