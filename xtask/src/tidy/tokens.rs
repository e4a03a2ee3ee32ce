//! Rust source as a flat list of tokens with lines.
//!
//! Tokens and not a syntax tree, because code inside macro calls (`proptest!`, `tokio::select!`)
//! has to hold to the same rules, and a syntax tree ends at a macro's door.

use std::str::FromStr;

use proc_macro2::{Delimiter, LexError, TokenStream, TokenTree};

/// One token; a bracketed group is its opening token, its content and its closing token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The token's text; `{`, `}`, `(`, `)`, `[`, `]` for the ends of groups.
    pub(crate) text: String,
    /// Line in the file, from 1.
    pub(crate) line: usize,
    /// How many groups enclose the token.
    pub(crate) depth: usize,
}

/// Reads a file's tokens. The error is the line where it stops being Rust.
pub(crate) fn read(text: &str) -> Result<Vec<Token>, usize> {
    let stream =
        TokenStream::from_str(text).map_err(|error: LexError| error.span().start().line)?;
    let mut tokens = Vec::new();
    flatten(stream, 0, &mut tokens);
    Ok(tokens)
}

fn flatten(stream: TokenStream, depth: usize, tokens: &mut Vec<Token>) {
    for tree in stream {
        let TokenTree::Group(group) = tree else {
            let line = tree.span().start().line;
            tokens.push(Token { text: tree.to_string(), line, depth });
            continue;
        };
        let (open, close) = match group.delimiter() {
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            // The lexer makes no invisible groups; they would only come from macro expansion.
            Delimiter::Parenthesis | Delimiter::None => ("(", ")"),
        };
        let line = group.span_open().start().line;
        tokens.push(Token { text: open.to_owned(), line, depth });
        flatten(group.stream(), depth + 1, tokens);
        let line = group.span_close().start().line;
        tokens.push(Token { text: close.to_owned(), line, depth });
    }
}

/// The index of the token that closes the group opened at `open`.
pub(crate) fn closing(tokens: &[Token], open: usize) -> Option<usize> {
    let depth = tokens.get(open)?.depth;
    let inside = tokens[open + 1..].iter().take_while(|token| token.depth > depth).count();
    Some(open + 1 + inside).filter(|&close| close < tokens.len())
}

/// Where the token texts `wanted` follow each other, as indices of their first token.
pub(crate) fn find<'a>(
    tokens: &'a [Token],
    wanted: &'a [&'a str],
) -> impl Iterator<Item = usize> + 'a {
    let windows = tokens.windows(wanted.len()).enumerate();
    windows.filter_map(move |(index, window)| {
        let same = window.iter().zip(wanted).all(|(token, text)| token.text == *text);
        same.then_some(index)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_flattened_with_lines_and_depth() {
        let tokens = read("fn a() {\n    b(1);\n}\n").unwrap();
        let texts: Vec<_> = tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["fn", "a", "(", ")", "{", "b", "(", "1", ")", ";", "}"]);
        assert_eq!((tokens[5].line, tokens[5].depth), (2, 1));
        assert_eq!(closing(&tokens, 4), Some(10));
        assert_eq!(find(&tokens, &["b", "("]).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn text_that_is_not_rust_gives_its_line() {
        assert!(read("fn a() {\n").is_err());
    }
}
