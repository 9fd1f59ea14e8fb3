//! The stack machine.

use std::collections::BTreeMap;

use super::heap::{Heap, Made, Node, Place};
use super::literal::{self, Bytes};
use super::{Global, PickleError, Value, opcode};

/// The most bytes of the name of a module or a class.
const MAX_NAME: usize = 1_000;

/// The latest protocol.
const PROTOCOL: u8 = 5;

/// Runs the program to its end: the value that it leaves.
pub(super) fn run(bytes: &[u8]) -> Result<Value, PickleError> {
    let mut machine = Machine {
        input: Bytes::new(bytes),
        at: 0,
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
    };
    loop {
        if let Some(value) = machine.step()? {
            return machine.heap.value(value);
        }
    }
}

struct Machine<'a> {
    input: Bytes<'a>,
    /// Where the instruction begins that is carried out.
    at: usize,
    heap: Heap,
    stack: Vec<Place>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Place>,
}

type Done<T = ()> = Result<T, PickleError>;

impl Machine<'_> {
    fn wrong<T>(&self, what: impl Into<String>) -> Done<T> {
        Err(PickleError { offset: self.at, what: what.into() })
    }

    /// What was read from the bytes, or that it cannot be.
    fn read<T>(&self, read: Result<T, String>) -> Done<T> {
        read.or_else(|what| self.wrong(what))
    }

    fn push(&mut self, node: Node) -> Done {
        let place = self.heap.add(self.at, node)?;
        self.stack.push(place);
        Ok(())
    }

    fn push_plain(&mut self, value: Value) -> Done {
        self.push(Node::Plain(value))
    }

    fn top(&self) -> Done<Place> {
        let floor = self.marks.last().copied().unwrap_or_default();
        match self.stack.get(floor..).and_then(<[Place]>::last) {
            Some(place) => Ok(*place),
            None => self.wrong("the stack is empty"),
        }
    }

    fn pop(&mut self) -> Done<Place> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// What was pushed since the last mark, which is gone.
    fn pop_mark(&mut self) -> Done<Vec<Place>> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => self.wrong("there is no mark on the stack"),
        }
    }

    /// Carries out an instruction. The last one answers with the value that is left.
    fn step(&mut self) -> Done<Option<Place>> {
        self.at = self.input.offset();
        let code = self.input.u8();
        let code = self.read(code)?;
        match code {
            opcode::STOP => return self.stop().map(Some),
            opcode::PROTO => {
                let version = self.input.u8();
                let version = self.read(version)?;
                if version > PROTOCOL {
                    return self.wrong(format!("it has protocol {version}, and {PROTOCOL} is the latest known"));
                }
            }
            opcode::FRAME => {
                let length = self.input.take(8).map(|bytes| bytes.try_into().map_or(u64::MAX, u64::from_le_bytes));
                if self.read(length)? > self.input.left() as u64 {
                    return self.wrong("a frame is longer than the pickle");
                }
            }
            opcode::MARK => self.marks.push(self.stack.len()),
            opcode::POP if self.marks.last() == Some(&self.stack.len()) => drop(self.marks.pop()),
            opcode::POP => drop(self.pop()?),
            opcode::POP_MARK => drop(self.pop_mark()?),
            opcode::DUP => {
                let top = self.top()?;
                self.stack.push(top);
            }
            opcode::PUT | opcode::BINPUT | opcode::LONG_BINPUT | opcode::MEMOIZE => self.remember(code)?,
            opcode::GET | opcode::BINGET | opcode::LONG_BINGET => self.recall(code)?,
            _ => self.make(code)?,
        }
        Ok(None)
    }

    fn stop(&mut self) -> Done<Place> {
        let value = self.pop()?;
        match (self.stack.len(), self.marks.len(), self.input.left()) {
            (0, 0, 0) => Ok(value),
            (0, 0, left) => self.wrong(format!("it stops, and {left} bytes follow")),
            (left, ..) => self.wrong(format!("it stops with {left} more values on the stack, or a mark")),
        }
    }

    /// The place in the memo that the instruction names.
    fn place(&mut self, code: u8) -> Done<u64> {
        let place = match code {
            opcode::PUT | opcode::GET => self.input.line().and_then(literal::place),
            opcode::BINPUT | opcode::BINGET => self.input.u8().map(u64::from),
            _ => self.input.u32().map(u64::from),
        };
        self.read(place)
    }

    fn remember(&mut self, code: u8) -> Done {
        let place = match code {
            opcode::MEMOIZE => self.memo.len() as u64,
            code => self.place(code)?,
        };
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, code: u8) -> Done {
        let place = self.place(code)?;
        match self.memo.get(&place) {
            Some(value) => self.stack.push(*value),
            None => return self.wrong(format!("nothing is at place {place} of the memo")),
        }
        Ok(())
    }

    /// Makes a value, or changes one.
    fn make(&mut self, code: u8) -> Done {
        match code {
            opcode::NONE => self.push_plain(Value::None),
            opcode::NEWTRUE => self.push_plain(Value::Bool(true)),
            opcode::NEWFALSE => self.push_plain(Value::Bool(false)),
            opcode::INT
            | opcode::LONG
            | opcode::BININT
            | opcode::BININT1
            | opcode::BININT2
            | opcode::LONG1
            | opcode::LONG4
            | opcode::FLOAT
            | opcode::BINFLOAT => {
                let number = number(&mut self.input, code);
                let number = self.read(number)?;
                self.push_plain(number)
            }
            opcode::UNICODE
            | opcode::SHORT_BINUNICODE
            | opcode::BINUNICODE
            | opcode::BINUNICODE8
            | opcode::SHORT_BINBYTES
            | opcode::BINBYTES
            | opcode::BINBYTES8
            | opcode::BYTEARRAY8 => {
                let text = text(&mut self.input, code);
                let text = self.read(text)?;
                self.push_plain(text)
            }
            opcode::EMPTY_LIST => self.push(Node::List(Vec::new())),
            opcode::EMPTY_TUPLE => self.push(Node::Tuple(Vec::new())),
            opcode::EMPTY_DICT => self.push(Node::Dict(Vec::new())),
            opcode::EMPTY_SET => self.push(Node::Set(Vec::new())),
            opcode::LIST => {
                let values = self.pop_mark()?;
                self.push(Node::List(values))
            }
            opcode::TUPLE => {
                let values = self.pop_mark()?;
                self.push(Node::Tuple(values))
            }
            opcode::FROZENSET => {
                let values = self.pop_mark()?;
                self.push(Node::Set(values))
            }
            opcode::DICT => {
                let values = self.pop_mark()?;
                let pairs = self.pairs(&values)?;
                self.push(Node::Dict(pairs))
            }
            opcode::TUPLE1 | opcode::TUPLE2 | opcode::TUPLE3 => {
                let mut values = Vec::new();
                for _ in opcode::TUPLE1..=code {
                    values.push(self.pop()?);
                }
                values.reverse();
                self.push(Node::Tuple(values))
            }
            opcode::APPEND
            | opcode::APPENDS
            | opcode::ADDITEMS
            | opcode::SETITEM
            | opcode::SETITEMS
            | opcode::BUILD => self.change(code),
            opcode::GLOBAL | opcode::STACK_GLOBAL => {
                let global = self.global(code)?;
                self.push_plain(Value::Global(global))
            }
            opcode::REDUCE | opcode::NEWOBJ | opcode::NEWOBJ_EX | opcode::INST | opcode::OBJ => self.call(code),
            opcode::STRING | opcode::BINSTRING | opcode::SHORT_BINSTRING => {
                self.wrong("a text of Python 2, which is not read here")
            }
            opcode::PERSID
            | opcode::BINPERSID
            | opcode::EXT1
            | opcode::EXT2
            | opcode::EXT4
            | opcode::NEXT_BUFFER
            | opcode::READONLY_BUFFER => self.wrong("it names something outside itself"),
            code => self.wrong(format!("there is no instruction {code:#04x}")),
        }
    }

    fn pairs(&self, values: &[Place]) -> Done<Vec<(Place, Place)>> {
        let (pairs, rest) = values.as_chunks::<2>();
        if rest.is_empty() {
            Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
        } else {
            self.wrong("a key has no value")
        }
    }

    /// Puts values into the one below them.
    fn change(&mut self, code: u8) -> Done {
        let values = match code {
            opcode::APPEND | opcode::BUILD => vec![self.pop()?],
            opcode::SETITEM => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        let new_pairs =
            if matches!(code, opcode::SETITEM | opcode::SETITEMS) { self.pairs(&values)? } else { Vec::new() };
        let into = self.top()?;
        match (code, self.heap.get_mut(into)) {
            (opcode::APPEND | opcode::APPENDS, Some(Node::List(list) | Node::Object(Made { entries: list, .. })))
            | (opcode::ADDITEMS, Some(Node::Set(list))) => list.extend(values),
            (opcode::SETITEM | opcode::SETITEMS, Some(Node::Dict(pairs) | Node::Object(Made { pairs, .. }))) => {
                pairs.extend(new_pairs);
            }
            (opcode::BUILD, Some(Node::Object(Made { state: state @ None, .. }))) => *state = values.first().copied(),
            _ => return self.wrong("what is to be put somewhere does not go there"),
        }
        Ok(())
    }

    fn global(&mut self, code: u8) -> Done<Global> {
        let (module, name) = if code == opcode::STACK_GLOBAL {
            let (name, module) = (self.pop()?, self.pop()?);
            match (self.heap.get(module), self.heap.get(name)) {
                (Some(Node::Plain(Value::Text(module))), Some(Node::Plain(Value::Text(name)))) => {
                    (module.as_str(), name.as_str())
                }
                _ => return self.wrong("the name of a class is no text"),
            }
        } else {
            let names = self.input.line().and_then(|module| Ok((module, self.input.line()?)));
            let (module, name) = self.read(names)?;
            match (std::str::from_utf8(module), std::str::from_utf8(name)) {
                (Ok(module), Ok(name)) => (module, name),
                _ => return self.wrong("the name of a class is not UTF-8"),
            }
        };
        if module.len() > MAX_NAME || name.len() > MAX_NAME {
            return self.wrong(format!("the name of a class has more than {MAX_NAME} bytes"));
        }
        // Python writes the old names of these where the protocol is one of Python 2.
        let module = match module {
            "__builtin__" => "builtins",
            "copy_reg" => "copyreg",
            module => module,
        };
        Ok(Global { module: module.to_owned(), name: name.to_owned() })
    }

    /// What Python would call.
    fn call(&mut self, code: u8) -> Done {
        let (class, args) = match code {
            opcode::INST => {
                let class = self.global(opcode::GLOBAL)?;
                (class, self.pop_mark()?)
            }
            opcode::OBJ => {
                let mut args = self.pop_mark()?.into_iter();
                let class = args.next();
                (self.class(class)?, args.collect())
            }
            _ => {
                if code == opcode::NEWOBJ_EX {
                    let named = self.pop()?;
                    if !matches!(self.heap.get(named), Some(Node::Dict(pairs)) if pairs.is_empty()) {
                        return self.wrong("arguments by name are not read here");
                    }
                }
                let (args, class) = (self.pop()?, self.pop()?);
                let class = self.class(Some(class))?;
                match self.heap.get(args) {
                    Some(Node::Tuple(args)) => (class, args.clone()),
                    _ => return self.wrong("the arguments of a call are no tuple"),
                }
            }
        };
        let node = if code == opcode::REDUCE { self.known(class, args)? } else { made(class, args) };
        self.push(node)
    }

    fn class(&self, place: Option<Place>) -> Done<Global> {
        match place.and_then(|place| self.heap.get(place)) {
            Some(Node::Plain(Value::Global(global))) => Ok(global.clone()),
            _ => self.wrong("what is to be called is no class"),
        }
    }

    /// What Python writes as a call of a function of its own for plain values and for objects.
    fn known(&self, class: Global, args: Vec<Place>) -> Done<Node> {
        let nodes: Vec<Option<&Node>> = args.iter().take(4).map(|place| self.heap.get(*place)).collect();
        let bytes = |bytes| Ok(Node::Plain(Value::Bytes(bytes)));
        match (class.module.as_str(), class.name.as_str(), nodes.as_slice()) {
            ("copyreg", "__newobj__", [Some(Node::Plain(Value::Global(class))), ..]) => {
                Ok(made(class.clone(), args.iter().skip(1).copied().collect()))
            }
            // The third is what a base class of Python's own makes its part from.
            ("copyreg", "_reconstructor", [Some(Node::Plain(Value::Global(class))), Some(_), Some(base)]) => {
                let is_bare = matches!(base, Node::Plain(Value::None));
                Ok(made(class.clone(), args.iter().skip(2).take(usize::from(!is_bare)).copied().collect()))
            }
            ("builtins", "set" | "frozenset", []) => Ok(Node::Set(Vec::new())),
            ("builtins", "set" | "frozenset", [Some(Node::List(values) | Node::Tuple(values))]) => {
                Ok(Node::Set(values.clone()))
            }
            ("builtins", "bytes" | "bytearray", []) => bytes(Vec::new()),
            ("builtins", "bytearray", [Some(Node::Plain(Value::Bytes(content)))]) => bytes(content.clone()),
            ("_codecs", "encode", [Some(Node::Plain(Value::Text(text))), Some(Node::Plain(Value::Text(encoding)))])
            | (
                "builtins",
                "bytearray",
                [Some(Node::Plain(Value::Text(text))), Some(Node::Plain(Value::Text(encoding)))],
            ) if matches!(encoding.as_str(), "latin1" | "latin-1") => {
                match text.chars().map(u8::try_from).collect::<Result<_, _>>() {
                    Ok(content) => bytes(content),
                    Err(_) => self.wrong("bytes hold a character that is no byte"),
                }
            }
            _ => Ok(made(class, args)),
        }
    }
}

fn made(class: Global, args: Vec<Place>) -> Node {
    Node::Object(Made { class, args, state: None, entries: Vec::new(), pairs: Vec::new() })
}

fn number(input: &mut Bytes<'_>, code: u8) -> Result<Value, String> {
    Ok(match code {
        opcode::INT => match input.line()? {
            b"00" => Value::Bool(false),
            b"01" => Value::Bool(true),
            line => Value::Int(literal::decimal(line)?),
        },
        opcode::LONG => Value::Int(literal::decimal(input.line()?)?),
        opcode::BININT => Value::Int(input.i32()?.into()),
        opcode::BININT1 => Value::Int(input.u8()?.into()),
        opcode::BININT2 => Value::Int(input.u16()?.into()),
        opcode::LONG1 => Value::Int(literal::long(input.counted(1)?)?),
        opcode::LONG4 => Value::Int(literal::long(input.counted(4)?)?),
        opcode::BINFLOAT => Value::Float(input.f64()?),
        _ => Value::Float(literal::float(input.line()?)?),
    })
}

fn text(input: &mut Bytes<'_>, code: u8) -> Result<Value, String> {
    Ok(match code {
        opcode::UNICODE => Value::Text(literal::raw_unicode_escape(input.line()?)?),
        opcode::SHORT_BINUNICODE => Value::Text(literal::utf8(input.counted(1)?)?),
        opcode::BINUNICODE => Value::Text(literal::utf8(input.counted(4)?)?),
        opcode::BINUNICODE8 => Value::Text(literal::utf8(input.counted(8)?)?),
        opcode::SHORT_BINBYTES => Value::Bytes(input.counted(1)?.to_vec()),
        opcode::BINBYTES => Value::Bytes(input.counted(4)?.to_vec()),
        _ => Value::Bytes(input.counted(8)?.to_vec()),
    })
}
