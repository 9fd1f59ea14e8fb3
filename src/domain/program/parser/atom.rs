//! The operands: literals, and all that stands in brackets.

use super::super::error::Fault;
use super::super::token::Token;
use super::super::tree::{Function, Node};
use super::{Parser, Read};

impl Parser<'_> {
    pub(super) fn call(&mut self, name: &str, at: usize) -> Read {
        self.advance();
        let Some(function) = Function::of_name(name) else {
            self.deeper(Self::arguments)?;
            let name: String = name.chars().take(80).collect();
            return Ok(self.refuse(at, &format!("the function `{name}` is not allowed")));
        };
        let arguments = self.deeper(Self::arguments)?;
        let mut nodes = Vec::with_capacity(arguments.len());
        for (keyword, node) in arguments {
            let is_base = function == Function::Int && nodes.len() == 1 && keyword.as_deref() == Some("base");
            if keyword.is_some() && !is_base {
                self.refuse(at, "an argument with a name is not allowed");
            }
            nodes.push(node);
        }
        Ok(Node::Call(function, nodes))
    }

    /// Arguments and the bracket behind them.
    pub(super) fn arguments(&mut self) -> Result<Vec<(Option<String>, Node)>, Fault> {
        let mut arguments = Vec::new();
        while !self.take_sign(")") {
            let at = self.here();
            let starred = self.take_sign("*") || self.take_sign("**");
            let keyword = match (self.peek(), self.peek_next()) {
                (Token::Name(name), Token::Sign("=")) if !starred => Some(name.clone()),
                _ => None,
            };
            if keyword.is_some() {
                self.at += 2;
            }
            let mut node = if starred || keyword.is_some() { self.expression()? } else { self.named()? };
            if starred {
                node = self.refuse(at, "`*` is not allowed");
            }
            if self.comprehension()? {
                node = Node::Refused(false);
            }
            arguments.push((keyword, node));
            if !self.take_sign(",") && !self.is_sign(")") {
                return Err(self.unexpected("`,` or `)`"));
            }
        }
        Ok(arguments)
    }

    pub(super) fn subscripts(&mut self) -> Result<(), Fault> {
        loop {
            let mut colons = 0;
            while !matches!(self.peek(), Token::Sign("," | "]")) || colons == 0 {
                if colons < 2 && self.take_sign(":") {
                    colons += 1;
                } else {
                    self.item(colons == 0)?;
                    if colons < 2 && self.take_sign(":") {
                        colons += 1;
                    } else {
                        break;
                    }
                }
            }
            if self.take_sign("]") {
                return Ok(());
            }
            if !self.take_sign(",") {
                return Err(self.unexpected("`,` or `]`"));
            }
            if self.take_sign("]") {
                return Ok(());
            }
        }
    }

    pub(super) fn atom(&mut self) -> Read {
        let at = self.here();
        let node = match self.peek().clone() {
            Token::Text(_) | Token::Bytes(_) | Token::Format => return self.texts(),
            Token::Int(int) => Node::Int(int),
            Token::Float(float) => Node::Float(float),
            Token::Imaginary(imaginary) => Node::Imaginary(imaginary),
            Token::Keyword("True") => Node::Bool(true),
            Token::Keyword("False") => Node::Bool(false),
            Token::Keyword("None") => Node::None,
            Token::Sign("...") => Node::Ellipsis,
            Token::Sign("(") => {
                self.advance();
                return self.deeper(Self::brackets);
            }
            Token::Sign("[") => {
                self.advance();
                return self.deeper(Self::list);
            }
            Token::Sign("{") => {
                self.advance();
                self.deeper(Self::braces)?;
                return Ok(self.refuse(at, "a dictionary or a set is not allowed"));
            }
            _ => return Err(self.unexpected("an expression")),
        };
        self.advance();
        Ok(node)
    }

    /// What stands behind an opening round bracket, and the closing one.
    fn brackets(&mut self) -> Read {
        let at = self.here();
        if self.take_sign(")") {
            return Ok(Node::Tuple(Vec::new()));
        }
        if self.is_keyword("yield") {
            let node = self.yielded()?;
            self.want_sign(")")?;
            return Ok(node);
        }
        let starred = self.is_sign("*");
        let first = self.item(true)?;
        if self.comprehension()? {
            self.want_sign(")")?;
            return Ok(Node::Refused(false));
        }
        if self.is_sign(",") {
            let nodes = self.further_items(first, true)?;
            self.want_sign(")")?;
            return Ok(Node::Tuple(nodes));
        }
        if starred {
            return Err(Fault::syntax(at, "`*` may stand only among several"));
        }
        self.want_sign(")")?;
        Ok(first)
    }

    /// What stands behind an opening square bracket, and the closing one.
    fn list(&mut self) -> Read {
        if self.take_sign("]") {
            return Ok(Node::List(Vec::new()));
        }
        let first = self.item(true)?;
        if self.comprehension()? {
            self.want_sign("]")?;
            return Ok(Node::Refused(false));
        }
        let nodes = self.further_items(first, true)?;
        self.want_sign("]")?;
        Ok(Node::List(nodes))
    }

    /// What stands behind an opening brace, and the closing one.
    fn braces(&mut self) -> Result<(), Fault> {
        let mut is_map = None;
        while !self.take_sign("}") {
            let doubly_starred = self.take_sign("**");
            if doubly_starred {
                self.arithmetic()?;
            } else {
                self.item(true)?;
            }
            let has_value = doubly_starred || self.take_sign(":");
            if *is_map.get_or_insert(has_value) != has_value {
                return Err(self.unexpected("keys with values, or only values"));
            }
            if has_value && !doubly_starred {
                self.expression()?;
            }
            if self.comprehension()? {
                return self.want_sign("}");
            }
            if !self.take_sign(",") && !self.is_sign("}") {
                return Err(self.unexpected("`,` or `}`"));
            }
        }
        Ok(())
    }

    /// `for … in … if …`, if it stands here.
    fn comprehension(&mut self) -> Result<bool, Fault> {
        let at = self.here();
        let mut found = false;
        while self.is_keyword("for") || (self.is_keyword("async") && matches!(self.peek_next(), Token::Keyword("for")))
        {
            found = true;
            self.take_keyword("async");
            self.advance();
            loop {
                self.take_sign("*");
                self.primary()?;
                if !self.take_sign(",") || self.is_keyword("in") {
                    break;
                }
            }
            if !self.take_keyword("in") {
                return Err(self.unexpected("`in`"));
            }
            self.any()?;
            while self.take_keyword("if") {
                self.any()?;
            }
        }
        if found {
            self.refuse(at, "a comprehension is not allowed");
        }
        Ok(found)
    }

    /// Texts or bytes behind each other, which are one.
    fn texts(&mut self) -> Read {
        let at = self.here();
        let mut text: Option<String> = None;
        let mut bytes: Option<Vec<u8>> = None;
        let mut has_format = false;
        loop {
            match self.peek() {
                Token::Text(more) => text.get_or_insert_default().push_str(more),
                Token::Bytes(more) => bytes.get_or_insert_default().extend_from_slice(more),
                Token::Format => has_format = true,
                _ => break,
            }
            self.advance();
        }
        if bytes.is_some() && (text.is_some() || has_format) {
            return Err(Fault::syntax(at, "texts and bytes cannot be one: want either"));
        }
        if has_format {
            return Ok(self.refuse(at, "a text with expressions in it is not allowed"));
        }
        Ok(match (text, bytes) {
            (_, Some(bytes)) => Node::Bytes(bytes),
            (text, None) => Node::Text(text.unwrap_or_default()),
        })
    }
}
