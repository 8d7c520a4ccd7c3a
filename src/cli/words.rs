//! Texts that several commands print: paths, and what to type next.

use std::borrow::Cow;
use std::path::Path;

/// `text` for a terminal: characters that would steer it or turn the order of others are shown by their number, as JSON
/// writes them. Names and paths may come from files of other people.
pub(super) fn visible(text: &str) -> String {
    let steers = |character: char| {
        (character.is_control() && !matches!(character, '\n' | '\t'))
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            shown += &format!("\\u{:04x}", u32::from(character));
        } else {
            shown.push(character);
        }
    }
    shown
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    // No path holds a NUL, the one thing that cannot be quoted.
    shlex::try_quote(&text).map_or_else(|_| text.clone(), Cow::into_owned)
}

/// The command that goes on with the run or grid in `dir`.
pub(super) fn resume_command(dir: &Path) -> String {
    format!("sharpsweep resume {}", quoted(dir))
}

/// What to do with an unfinished run or grid in `dir`.
pub(super) fn go_on_with(dir: &Path) -> String {
    format!("go on with: {}", resume_command(dir))
}

/// How to see the summary of the finished run or grid in `dir`.
pub(super) fn show_with(dir: &Path) -> String {
    format!("show it with: sharpsweep show {}", quoted(dir))
}

/// Says that the run or grid in `dir` is not finished, and what to do with it.
pub(super) fn unfinished(written: u64, rows: u64, dir: &Path) -> String {
    let go_on = go_on_with(dir);
    format!("not finished: {written} of {rows} rows are written, and nothing above counts the others; {go_on}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{quoted, visible};

    #[test]
    fn nothing_that_is_printed_steers_the_terminal() {
        assert_eq!(visible("λ_1 = 3\tx\n"), "λ_1 = 3\tx\n");
        assert_eq!(visible("a\x1b[2J\r\u{7f}\u{9b}\u{202e}b"), r"a\u001b[2J\u000d\u007f\u009b\u202eb");
    }

    #[test]
    fn a_directory_with_a_space_can_be_pasted_into_a_shell() {
        assert_eq!(quoted(Path::new("runs/a-1")), "runs/a-1");
        assert_eq!(quoted(Path::new("my runs/it's")), r#""my runs/it's""#);
        assert_eq!(quoted(Path::new("a; rm -r $HOME")), "'a; rm -r $HOME'");
    }
}
