//! Lines of the sources: what counts as code, what is unsafe, which files say what they are.
//!
//! In: a folder. Tests (`tests/`, `tests.rs`, what `#[cfg(test)]` marks), comments and blank lines are no code. Text is
//! first stripped of comments and of what stands in quotes, so that neither can pass for code.

use anyhow::{Context as _, Result};
use std::path::Path;

/// What one file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// Where it is.
    pub path: String,
    /// All lines.
    pub lines: usize,
    /// Lines of code, tests aside.
    pub sloc: usize,
    /// Every `unsafe`.
    pub unsafes: usize,
    /// `unsafe` blocks and implementations.
    pub duties: usize,
    /// Those of them with a SAFETY comment.
    pub safeties: usize,
    /// Lines of those without.
    pub bare: Vec<usize>,
    /// Opens with `//!`, or is no Rust.
    pub documented: bool,
}

/// Every file of code below `folder`, tests aside.
///
/// # Errors
/// If a folder or file cannot be read.
pub fn below(folder: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        let extension = path.extension().unwrap_or_default();
        if path.is_dir() && name != "tests" {
            files.extend(below(&path)?);
        } else if name != "tests.rs" && (extension == "rs" || extension == "S") {
            let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push(File { path: path.display().to_string(), ..measure(&text, extension == "rs") });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Measures one file's text.
#[must_use]
pub fn measure(text: &str, is_rust: bool) -> File {
    let code = strip(text, is_rust);
    let tests = if is_rust { test_lines(&code) } else { vec![false; code.len()] };
    let raw: Vec<&str> = text.lines().collect();
    let mut file = File { lines: raw.len(), documented: !is_rust || text.starts_with("//!"), ..File::default() };
    for (index, line) in code.iter().enumerate() {
        if tests.get(index).copied().unwrap_or(false) || line.trim().is_empty() {
            continue;
        }
        file.sloc += 1;
        for next in after_word(line, "unsafe") {
            file.unsafes += 1;
            let following = if next.is_empty() { code.get(index + 1).map_or("", |line| line.trim()) } else { next };
            if !following.starts_with('{') && !following.starts_with("impl") {
                continue;
            }
            file.duties += 1;
            if has_safety(&raw, &code, index) {
                file.safeties += 1;
            } else {
                file.bare.push(index + 1);
            }
        }
    }
    file
}

/// What follows each `word` in `line`.
fn after_word<'a>(line: &'a str, word: &str) -> Vec<&'a str> {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    let found = line.match_indices(word).filter_map(|(at, _)| {
        let (before, after) = (line.get(..at)?, line.get(at + word.len()..)?);
        (!before.ends_with(joins) && !after.starts_with(joins)).then(|| after.trim_start())
    });
    found.collect()
}

/// Whether SAFETY stands on line `index`, or in the comment before its statement.
fn has_safety(raw: &[&str], code: &[String], index: usize) -> bool {
    for at in (0..=index).rev() {
        let (raw, code) = (raw.get(at).copied().unwrap_or_default(), code.get(at).map_or("", |line| line.trim()));
        if raw.contains("SAFETY:") {
            return true;
        }
        if at != index && (raw.trim().is_empty() || code.ends_with([';', '}'])) {
            return false;
        }
    }
    false
}

/// Which lines belong to an item marked `#[cfg(test)]`.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut marks = vec![false; code.len()];
    let mut index = 0;
    while index < code.len() {
        if !code.get(index).is_some_and(|line| line.trim().starts_with("#[cfg(test)]")) {
            index += 1;
            continue;
        }
        // The item ends with the first `;` or closing brace outside of everything it opened.
        let (mut depth, mut done) = (0_i32, false);
        while let Some(line) = code.get(index).filter(|_| !done) {
            for c in line.trim().trim_start_matches("#[cfg(test)]").chars() {
                depth += i32::from(matches!(c, '{' | '(' | '[')) - i32::from(matches!(c, '}' | ')' | ']'));
                done |= depth == 0 && matches!(c, ';' | '}');
            }
            if let Some(mark) = marks.get_mut(index) {
                *mark = true;
            }
            index += 1;
        }
    }
    marks
}

/// Where in a text one stands.
enum State {
    Code,
    LineComment,
    /// Block comments nest in Rust.
    BlockComment(usize),
    /// In quotes; raw ones end with this many `#` and know no escapes.
    Quotes(Option<usize>),
}

/// The lines of `text` without comments and without what stands in quotes.
fn strip(text: &str, is_rust: bool) -> Vec<String> {
    let (mut lines, mut line, mut state, mut rest) = (Vec::new(), String::new(), State::Code, text);
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        if c == '\n' {
            if matches!(state, State::LineComment) {
                state = State::Code;
            }
            lines.push(std::mem::take(&mut line));
            rest = rest.get(taken..).unwrap_or_default();
            if matches!(state, State::Quotes(_)) {
                // The inside of a text of several lines is code, not blank.
                line.push('"');
            }
            continue;
        }
        match state {
            State::Code if rest.starts_with("//") => state = State::LineComment,
            State::Code if rest.starts_with("/*") => (state, taken) = (State::BlockComment(1), 2),
            State::Code if c == '"' => {
                line.push(c);
                state = State::Quotes(None);
            }
            State::Code if is_rust && raw_quotes(rest, &line).is_some() => {
                let hashes = raw_quotes(rest, &line).unwrap_or(0);
                line.push('"');
                (state, taken) = (State::Quotes(Some(hashes)), hashes + 2);
            }
            State::Code if is_rust && c == '\'' => {
                taken = character(rest);
                line.push('\'');
            }
            State::Code => line.push(c),
            State::BlockComment(depth) if rest.starts_with("*/") => {
                taken = 2;
                state = if depth > 1 { State::BlockComment(depth - 1) } else { State::Code };
            }
            State::BlockComment(depth) if is_rust && rest.starts_with("/*") => {
                (state, taken) = (State::BlockComment(depth + 1), 2);
            }
            State::LineComment | State::BlockComment(_) => {}
            State::Quotes(None) if c == '\\' && !rest.starts_with("\\\n") => {
                taken += rest.chars().nth(1).map_or(0, char::len_utf8);
            }
            State::Quotes(hashes) => {
                let fence = "#".repeat(hashes.unwrap_or(0));
                if c == '"' && rest.get(1..).is_some_and(|rest| rest.starts_with(&fence)) {
                    taken += fence.len();
                    line.push('"');
                    state = State::Code;
                }
            }
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// How many `#` a raw text opening here has.
fn raw_quotes(rest: &str, before: &str) -> Option<usize> {
    let joined = before.strip_suffix('b').unwrap_or(before).ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let fence = rest.strip_prefix('r').filter(|_| !joined)?;
    let quoted = fence.trim_start_matches('#');
    quoted.starts_with('"').then(|| fence.len() - quoted.len())
}

/// Bytes of the character in quotes here; of a lifetime, its mark.
fn character(rest: &str) -> usize {
    let inside = rest.get(1..).unwrap_or_default();
    let mut chars = inside.char_indices();
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let from = at + escaped.len_utf8();
            inside.get(from..).and_then(|tail| tail.find('\'')).map_or(1, |end| from + end + 2)
        }
        (Some(_), Some((at, '\''))) => at + 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{measure, strip};

    #[test]
    fn comments_and_blank_lines_are_no_code() {
        let text = "//! Doc.\n\n/// Doc.\nfn f() { // why\n    /* long\n    fn g() {}\n    */ let x = 1;\n}\n";
        let file = measure(text, true);
        assert_eq!((file.lines, file.sloc, file.documented), (8, 3, true));
        assert_eq!(measure("fn f() {}\n", true), super::File { lines: 1, sloc: 1, ..super::File::default() });
    }

    #[test]
    fn what_follows_the_tests_still_counts() {
        let text = "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() { \"}\"; '}'; }\n}\nfn h() {}\n";
        assert_eq!(measure(text, true).sloc, 2);
        assert_eq!(
            measure("#[cfg(test)]\nmod tests;\n#[cfg(test)]\n#[allow(x)]\nuse a::{b, c};\nfn f() {}\n", true).sloc,
            1
        );
    }

    #[test]
    fn quotes_hide_neither_code_nor_comments() {
        assert_eq!(strip("let a = \"// no\"; // yes", true), ["let a = \"\"; "]);
        assert_eq!(strip("let a = r#\"\"/*\"#; b", true), ["let a = \"\"; b"]);
        assert_eq!(strip("f('\"', '\\'', 'x, b\"//\")", true), ["f(', ', 'x, b\"\")"]);
        assert_eq!(strip("fn f<'a>(x: &'a str) {} // x", true), ["fn f<'a>(x: &'a str) {} "]);
        assert_eq!(measure("let a = \"one\n\n// three\";\n", true).sloc, 3);
    }

    #[test]
    fn assembly_counts_and_needs_no_module_doc() {
        let file = measure("// what\n.macro f\n    mov x0, x1 // why\n\n/* a\nb */\n.endm\n", false);
        assert_eq!((file.sloc, file.documented), (3, true));
    }

    #[test]
    fn an_unsafe_block_needs_its_own_safety_comment() {
        let text = "// SAFETY: told.\nlet a = unsafe { f() };\nlet b = unsafe { f() };\n// SAFETY: told.\nunsafe impl S for T {}\n\
                    unsafe fn g() {}\n// SAFETY: over two lines.\nlet c =\n    unsafe { f() };\n#[unsafe(no_mangle)]\n// \"unsafe {\n\
                    let s = \"unsafe {\";\nforbid(unsafe_code);\n";
        let file = measure(text, true);
        assert_eq!((file.unsafes, file.duties, file.safeties), (6, 4, 3));
        assert_eq!(file.bare, [3]);
    }
}
