//! What binds operands: `or`, `and`, comparisons, and what stands behind an operand.

use super::super::error::{Fault, ProgramErrorKind};
use super::super::token::Token;
use super::super::tree::{Comparison, Node, Operands};
use super::{ARITHMETIC, MAX_DEPTH, Parser, Read};

impl Parser<'_> {
    /// Expressions with commas between them: a tuple if there is a comma.
    pub(super) fn items(&mut self) -> Read {
        let first = self.item(false)?;
        if !self.is_sign(",") {
            return Ok(first);
        }
        Ok(Node::Tuple(self.further_items(first, false)?))
    }

    /// What follows the first of several, as long as commas do.
    pub(super) fn further_items(&mut self, first: Node, named: bool) -> Result<Vec<Node>, Fault> {
        let mut nodes = vec![first];
        while self.take_sign(",") {
            if matches!(self.peek(), Token::End | Token::Sign(")" | "]" | "}" | "=" | ":" | ";")) {
                break;
            }
            nodes.push(self.item(named)?);
        }
        Ok(nodes)
    }

    /// An expression, or one with a star; with a name that it is assigned to where that may be.
    pub(super) fn item(&mut self, named: bool) -> Read {
        let at = self.here();
        if self.take_sign("*") {
            let node = self.arithmetic()?;
            self.refuse(at, "`*` is not allowed");
            return Ok(Node::Refused(matches!(node, Node::Record(_) | Node::Field(..) | Node::Refused(true))));
        }
        if named { self.named() } else { self.expression() }
    }

    /// An expression, or `name := expression`.
    pub(super) fn named(&mut self) -> Read {
        if matches!(self.peek(), Token::Name(_)) && matches!(self.peek_next(), Token::Sign(":=")) {
            let at = self.here();
            self.advance();
            self.advance();
            self.expression()?;
            return Ok(self.refuse(at, "`:=` is not allowed"));
        }
        self.expression()
    }

    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} brackets are open");
            return Err(Fault { kind: ProgramErrorKind::TooDeep, at: self.here(), message });
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    pub(super) fn expression(&mut self) -> Read {
        let at = self.here();
        if self.take_keyword("lambda") {
            self.deeper(|parser| {
                parser.parameters()?;
                parser.expression()
            })?;
            return Ok(self.refuse(at, "`lambda` is not allowed"));
        }
        let node = self.any()?;
        let at = self.here();
        if self.take_keyword("if") {
            self.any()?;
            if !self.take_keyword("else") {
                return Err(self.unexpected("`else`"));
            }
            self.deeper(Self::expression)?;
            return Ok(self.refuse(at, "`if` is not allowed"));
        }
        Ok(node)
    }

    /// The parameters of a `lambda`, and the colon behind them.
    fn parameters(&mut self) -> Result<(), Fault> {
        while !self.take_sign(":") {
            if !self.take_sign("/") {
                let starred = self.take_sign("*");
                if starred || self.take_sign("**") {
                    if !(starred && self.is_sign(",")) {
                        self.want_name()?;
                    }
                } else {
                    self.want_name()?;
                    if self.take_sign("=") {
                        self.expression()?;
                    }
                }
            }
            if !self.take_sign(",") && !self.is_sign(":") {
                return Err(self.unexpected("`,` or `:`"));
            }
        }
        Ok(())
    }

    pub(super) fn any(&mut self) -> Read {
        self.operands("or", Self::all, Node::Any)
    }

    fn all(&mut self) -> Read {
        self.operands("and", Self::negation, Node::All)
    }

    fn operands(&mut self, word: &'static str, operand: fn(&mut Self) -> Read, make: fn(Operands) -> Node) -> Read {
        let first = operand(self)?;
        if !self.is_keyword(word) {
            return Ok(first);
        }
        let mut operands = Operands { nodes: vec![first], spaced: Vec::new() };
        while self.is_keyword(word) {
            operands.spaced.push(self.is_spaced());
            self.advance();
            operands.nodes.push(operand(self)?);
        }
        Ok(make(operands))
    }

    /// Whether the next token has a space on both sides.
    fn is_spaced(&self) -> bool {
        self.tokens.get(self.at).is_some_and(|placed| {
            let (before, behind) = (self.text.get(..placed.start), self.text.get(placed.end..));
            before.is_some_and(|before| before.ends_with(' ')) && behind.is_some_and(|behind| behind.starts_with(' '))
        })
    }

    fn negation(&mut self) -> Read {
        let at = self.here();
        if !self.is_keyword("not") {
            return self.comparison();
        }
        while self.take_keyword("not") {}
        self.comparison()?;
        Ok(self.refuse(at, "`not` is not allowed, but for `not in` and `is not`"))
    }

    fn comparison(&mut self) -> Read {
        let first = self.arithmetic()?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.comparison_sign() {
            rest.push((comparison, self.arithmetic()?));
        }
        Ok(if rest.is_empty() { first } else { Node::Compare(Box::new(first), rest) })
    }

    fn comparison_sign(&mut self) -> Option<Comparison> {
        let comparison = match (self.peek(), self.peek_next()) {
            (Token::Sign("=="), _) => Comparison::Equal,
            (Token::Sign("!="), _) => Comparison::NotEqual,
            (Token::Sign("<"), _) => Comparison::Less,
            (Token::Sign("<="), _) => Comparison::LessOrEqual,
            (Token::Sign(">"), _) => Comparison::Greater,
            (Token::Sign(">="), _) => Comparison::GreaterOrEqual,
            (Token::Keyword("in"), _) => Comparison::In,
            (Token::Keyword("not"), Token::Keyword("in")) => Comparison::NotIn,
            (Token::Keyword("is"), Token::Keyword("not")) => Comparison::IsNot,
            (Token::Keyword("is"), _) => Comparison::Is,
            _ => return None,
        };
        self.advance();
        if matches!(comparison, Comparison::NotIn | Comparison::IsNot) {
            self.advance();
        }
        Some(comparison)
    }

    /// Operands of arithmetic, of which none is allowed: so what binds more strongly does not matter.
    pub(super) fn arithmetic(&mut self) -> Read {
        let mut node = self.signed()?;
        loop {
            let at = self.here();
            match self.peek() {
                Token::Sign(sign) if ARITHMETIC.contains(sign) => {}
                _ => return Ok(node),
            }
            self.advance();
            self.signed()?;
            node = self.refuse(at, "arithmetic is not allowed");
        }
    }

    fn signed(&mut self) -> Read {
        let at = self.here();
        let mut signed = false;
        while self.take_sign("-") || self.take_sign("+") || self.take_sign("~") {
            signed = true;
        }
        let await_at = self.here();
        let awaited = self.take_keyword("await");
        let mut node = self.primary()?;
        if awaited {
            node = self.refuse(await_at, "`await` is not allowed");
        }
        if signed {
            node = self.refuse(at, "arithmetic is not allowed, not even a sign");
        }
        Ok(node)
    }

    /// An atom with what is behind it: fields, calls, subscripts.
    pub(super) fn primary(&mut self) -> Read {
        let at = self.here();
        let mut node = match self.peek() {
            Token::Name(name) => {
                let name = name.clone();
                self.advance();
                if self.is_sign("(") { self.call(&name, at)? } else { Node::Record(self.resource(name)) }
            }
            _ => self.atom()?,
        };
        loop {
            let at = self.here();
            if self.take_sign(".") {
                let field = self.want_name()?;
                node = if let Node::Record(resource) = node {
                    Node::Field(resource, field)
                } else {
                    self.refuse(at, "a field of what is no resource is not allowed");
                    Node::Refused(true)
                };
            } else if self.take_sign("(") {
                self.deeper(Self::arguments)?;
                node = self.refuse(at, "a call of what is no function is not allowed");
            } else if self.take_sign("[") {
                self.deeper(Self::subscripts)?;
                self.refuse(at, "a subscript is not allowed");
                node = Node::Refused(true);
            } else {
                return Ok(node);
            }
        }
    }
}
