//! Lengths: a file up to 1,000 lines, a function up to 70, in product and test code alike.

use super::tokens::{self, Token};
use super::{SourceFile, Violation};

/// Beyond this a file is more than one subject.
const FILE_LINES_MAX: usize = 1_000;

/// What fits on one screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Source files of the project's own languages are no longer than [`FILE_LINES_MAX`].
pub(crate) fn check_file(file: &SourceFile) -> Option<Violation> {
    let lines = file.text.lines().count();
    let ours = file.has_extension(&["rs", "ts", "mts", "js", "mjs", "css"]);
    (ours && lines > FILE_LINES_MAX).then(|| {
        let problem = format!("{lines} lines, at most {FILE_LINES_MAX}");
        file.violation(FILE_LINES_MAX + 1, "file-length", problem, "split it by subject")
    })
}

/// Functions are no longer than [`FUNCTION_LINES_MAX`], from the `fn` line to the closing brace.
pub(crate) fn check_functions(file: &SourceFile, tokens: &[Token]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for start in (0..tokens.len()).filter(|&index| tokens[index].text == "fn") {
        let Some(function) = Function::at(tokens, start) else { continue };
        let lines = function.last_line - function.first_line + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = function.name;
            let problem = format!("fn {name} has {lines} lines, at most {FUNCTION_LINES_MAX}");
            let remedy = "move a step with a name of its own into a function";
            violations.push(file.violation(
                function.first_line,
                "function-length",
                problem,
                remedy,
            ));
        }
    }
    violations
}

struct Function<'a> {
    name: &'a str,
    first_line: usize,
    last_line: usize,
}

impl<'a> Function<'a> {
    /// The function whose `fn` is at `start`; none for a pointer type or one without a body.
    fn at(tokens: &'a [Token], start: usize) -> Option<Self> {
        let Token { line: first_line, depth, .. } = tokens[start];
        let name = tokens.get(start + 1).filter(|token| token.text != "(")?;
        let body = (start + 2..tokens.len())
            .take_while(|&index| tokens[index].depth >= depth)
            .find(|&index| {
                tokens[index].depth == depth && matches!(tokens[index].text.as_str(), "{" | ";")
            })
            .filter(|&index| tokens[index].text == "{")?;
        let last_line = tokens[tokens::closing(tokens, body)?].line;
        Some(Self { name: &name.text, first_line, last_line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: String) -> SourceFile {
        SourceFile { path: "crates/hub/src/a.rs".to_owned(), text }
    }

    fn functions(text: String) -> Vec<Violation> {
        let tokens = tokens::read(&text).unwrap();
        check_functions(&file(text), &tokens)
    }

    fn body(lines: usize) -> String {
        "    work();\n".repeat(lines)
    }

    #[test]
    fn a_file_may_have_a_thousand_lines_and_not_one_more() {
        assert_eq!(check_file(&file("//\n".repeat(1_000))), None);
        assert_eq!(check_file(&file("//\n".repeat(1_001))).unwrap().rule, "file-length");
    }

    #[test]
    fn generated_text_and_data_may_be_long() {
        let lock = SourceFile { path: "Cargo.lock".to_owned(), text: "a\n".repeat(9_000) };
        assert_eq!(check_file(&lock), None);
    }

    #[test]
    fn a_function_may_have_seventy_lines_and_not_one_more() {
        assert_eq!(functions(format!("fn a() {{\n{}}}\n", body(68))), []);
        let found = functions(format!("\nfn a() {{\n{}}}\n", body(69)));
        assert_eq!((found.len(), found[0].line), (1, 2));
        assert!(found[0].problem.contains("fn a has 71 lines"), "{}", found[0].problem);
    }

    #[test]
    fn functions_inside_macros_impls_and_traits_are_measured() {
        let long = body(80);
        for text in [
            format!("proptest! {{ #[test] fn a(x in 0..9u8) {{\n{long}}} }}"),
            format!("impl X {{ pub async fn a(&self) -> u8 {{\n{long}}} }}"),
            format!("trait X {{ fn b(); fn a<T>() where T: Copy {{\n{long}}} }}"),
        ] {
            assert_eq!(functions(text).len(), 1);
        }
    }

    #[test]
    fn pointer_types_and_declarations_have_no_length() {
        let rest = body(80);
        assert_eq!(functions(format!("type F = fn(u8) -> u8;\nconst A: () = {{\n{rest}}};")), []);
        assert_eq!(functions(format!("trait X {{ fn b(); }}\nmod m {{\n{rest}}}")), []);
    }
}
