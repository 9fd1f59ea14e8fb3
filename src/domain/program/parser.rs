//! Reads an expression: all of Python's grammar of expressions, so that what is wrong and what is only not allowed are
//! told apart, of which only a part makes a tree.

use super::error::{Fault, ProgramErrorKind};
use super::token::{Placed, Token, tokens};
use super::tree::Node;

mod atom;
mod expression;

/// The most bytes of an expression.
pub(super) const MAX_BYTES: usize = 65_536;

/// The most brackets, and what else holds an expression in an expression, that may be open at once.
pub(super) const MAX_DEPTH: usize = 100;

/// The most resources that an expression may name.
pub(super) const MAX_RESOURCES: usize = 64;

/// An expression, and the names of the resources in it in the order of first appearance.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) root: Node,
    pub(super) names: Vec<String>,
}

/// Reads one line, which has no blanks around it.
///
/// # Errors
/// What is no expression; otherwise the first thing that is not allowed; otherwise that no resource is named.
pub(super) fn parse(text: &str) -> Result<Parsed, Fault> {
    if text.len() > MAX_BYTES {
        let message = format!("the expression has {} bytes, and {MAX_BYTES} are the most", text.len());
        return Err(Fault { kind: ProgramErrorKind::TooLong, at: 0, message });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0, names: Vec::new(), refused: None };
    let root = parser.line()?;
    if let Some(refused) = parser.refused {
        return Err(refused);
    }
    if parser.names.is_empty() {
        let message = "the expression names no resource: want one, such as `package.name == 'bash'`".to_owned();
        return Err(Fault { kind: ProgramErrorKind::NoResource, at: 0, message });
    }
    if parser.names.len() > MAX_RESOURCES {
        let message =
            format!("the expression names {} resources, and {MAX_RESOURCES} are the most", parser.names.len());
        return Err(Fault { kind: ProgramErrorKind::TooLong, at: 0, message });
    }
    Ok(Parsed { root, names: parser.names })
}

type Read = Result<Node, Fault>;

struct Parser<'t> {
    text: &'t str,
    tokens: &'t [Placed],
    at: usize,
    depth: usize,
    names: Vec<String>,
    /// What is not allowed and stands first.
    refused: Option<Fault>,
}

const END: Token = Token::End;

const ARITHMETIC: [&str; 13] = ["+", "-", "*", "/", "%", "@", "&", "|", "^", "**", "//", "<<", ">>"];
const ASSIGNMENTS: [&str; 13] = ["+=", "-=", "*=", "/=", "%=", "@=", "&=", "|=", "^=", "**=", "//=", "<<=", ">>="];

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&END, |placed| &placed.token)
    }

    fn peek_next(&self) -> &Token {
        self.tokens.get(self.at + 1).map_or(&END, |placed| &placed.token)
    }

    /// Where the next token begins.
    fn here(&self) -> usize {
        self.tokens.get(self.at).map_or(self.text.len(), |placed| placed.start)
    }

    fn advance(&mut self) {
        self.at += 1;
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(there) if *there == sign)
    }

    fn is_keyword(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Keyword(there) if *there == word)
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let there = self.is_sign(sign);
        self.at += usize::from(there);
        there
    }

    fn take_keyword(&mut self, word: &str) -> bool {
        let there = self.is_keyword(word);
        self.at += usize::from(there);
        there
    }

    fn unexpected(&self, wanted: &str) -> Fault {
        Fault::syntax(self.here(), format!("want {wanted}, and there is {}", self.peek().describe()))
    }

    fn want_sign(&mut self, sign: &'static str) -> Result<(), Fault> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    fn want_name(&mut self) -> Result<String, Fault> {
        if let Token::Name(name) = self.peek() {
            let name = name.clone();
            self.advance();
            return Ok(name);
        }
        Err(self.unexpected("a name"))
    }

    /// Notes that what stands at this byte is not allowed.
    fn refuse(&mut self, at: usize, what: &str) -> Node {
        if self.refused.as_ref().is_none_or(|refused| at < refused.at) {
            let message = format!(
                "{what}: want names, fields, comparisons, `and`, `or`, lists, tuples, literals, and calls of `len`, \
                 `bool`, `int` and `float`"
            );
            self.refused = Some(Fault::not_allowed(at, message));
        }
        Node::Refused(false)
    }

    /// The number of the resource with this name.
    fn resource(&mut self, name: String) -> usize {
        if let Some(known) = self.names.iter().take(MAX_RESOURCES).position(|known| *known == name) {
            return known;
        }
        self.names.push(name);
        self.names.len() - 1
    }

    fn line(&mut self) -> Read {
        if *self.peek() == END {
            return Ok(Node::None);
        }
        if let Some(statement) = self.statement()? {
            return Ok(statement);
        }
        let root = self.items()?;
        let here = self.here();
        let root = match self.peek() {
            Token::End => Ok(root),
            Token::Sign("=") => self.assignment(root, here),
            Token::Sign(":") => {
                self.assignable(&root, here)?;
                self.advance();
                self.expression()?;
                if self.take_sign("=") {
                    self.assigned()?;
                }
                Ok(self.refuse(here, "an annotation is not allowed"))
            }
            Token::Sign(sign) if ASSIGNMENTS.contains(sign) => {
                self.assignable(&root, here)?;
                self.advance();
                self.assigned()?;
                Ok(self.refuse(here, "an assignment is not allowed"))
            }
            Token::Sign(";") => Err(Fault::syntax(here, "there may be one expression a line, and no `;`")),
            _ => Err(self.unexpected("a comparison, `and`, `or` or the end of the line")),
        }?;
        if *self.peek() == END { Ok(root) } else { Err(self.unexpected("the end of the line")) }
    }

    /// What follows an expression that values are assigned to.
    fn assignment(&mut self, mut target: Node, at: usize) -> Read {
        let mut sign_at = at;
        while self.is_sign("=") {
            self.assignable(&target, sign_at)?;
            self.advance();
            target = self.assigned()?;
            sign_at = self.here();
        }
        Ok(self.refuse(at, "an assignment is not allowed; `==` compares"))
    }

    fn assigned(&mut self) -> Read {
        if self.is_keyword("yield") { self.yielded() } else { self.items() }
    }

    fn assignable(&self, target: &Node, at: usize) -> Result<(), Fault> {
        fn is_target(node: &Node) -> bool {
            match node {
                Node::Record(_) | Node::Field(..) => true,
                Node::List(nodes) | Node::Tuple(nodes) => nodes.iter().all(is_target),
                Node::Refused(target) => *target,
                _ => false,
            }
        }
        if is_target(target) {
            return Ok(());
        }
        let message =
            format!("{} assigns, and nothing can be assigned to what stands before it", self.peek().describe());
        Err(Fault::syntax(at, message))
    }

    /// A statement that is no expression, if there is one: it is refused, and read only as far as that takes.
    fn statement(&mut self) -> Result<Option<Node>, Fault> {
        let Token::Keyword(word) = *self.peek() else { return Ok(None) };
        let next = self.peek_next();
        let begins_expression = match next {
            Token::Sign(sign) => matches!(*sign, "(" | "[" | "{" | "+" | "-" | "~" | "*" | "..."),
            Token::Keyword(word) => matches!(*word, "None" | "True" | "False" | "not" | "lambda" | "await"),
            Token::End => false,
            _ => true,
        };
        let is_statement = match word {
            "pass" | "break" | "continue" => matches!(next, Token::End | Token::Sign(";")),
            "import" | "global" | "nonlocal" | "class" | "def" => matches!(next, Token::Name(_)),
            "from" => matches!(next, Token::Name(_) | Token::Sign("." | "...")),
            "return" | "raise" => begins_expression || *next == END,
            "del" | "assert" | "if" | "while" | "for" | "with" => begins_expression,
            "async" => matches!(next, Token::Keyword("def" | "for" | "with")),
            "yield" => {
                let node = self.yielded()?;
                return if *self.peek() == END { Ok(Some(node)) } else { Err(self.unexpected("the end of the line")) };
            }
            _ => return Ok(None),
        };
        if !is_statement {
            return Err(self.unexpected("an expression"));
        }
        Ok(Some(self.refuse(self.here(), &format!("the statement `{word}` is not allowed"))))
    }

    fn yielded(&mut self) -> Read {
        let at = self.here();
        self.advance();
        if self.take_keyword("from") {
            self.expression()?;
        } else if !matches!(self.peek(), Token::End | Token::Sign(")" | "=")) {
            self.items()?;
        }
        Ok(self.refuse(at, "`yield` is not allowed"))
    }
}

#[cfg(test)]
mod tests;
