use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::domain::golden;

fn refused(bytes: &[u8]) -> PickleError {
    read(bytes).unwrap_err()
}

/// A value as protocol 4 writes it, without a memo.
fn written(value: &Value, out: &mut Vec<u8>) {
    let counted = |out: &mut Vec<u8>, code: u8, bytes: &[u8]| {
        out.push(code);
        out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        out.extend(bytes);
    };
    let marked = |out: &mut Vec<u8>, values: &[Value], end: u8| {
        out.push(opcode::MARK);
        for value in values {
            written(value, out);
        }
        out.push(end);
    };
    match value {
        Value::None => out.push(opcode::NONE),
        Value::Bool(true) => out.push(opcode::NEWTRUE),
        Value::Bool(false) => out.push(opcode::NEWFALSE),
        Value::Int(int) => {
            out.extend([opcode::LONG1, 16]);
            out.extend(int.to_le_bytes());
        }
        Value::Float(float) => {
            out.push(opcode::BINFLOAT);
            out.extend(float.to_be_bytes());
        }
        Value::Text(text) => counted(out, opcode::BINUNICODE, text.as_bytes()),
        Value::Bytes(bytes) => counted(out, opcode::BINBYTES, bytes),
        Value::List(values) => {
            out.push(opcode::EMPTY_LIST);
            marked(out, values, opcode::APPENDS);
        }
        Value::Tuple(values) => marked(out, values, opcode::TUPLE),
        Value::Set(values) => {
            out.push(opcode::EMPTY_SET);
            marked(out, values, opcode::ADDITEMS);
        }
        Value::Dict(pairs) => {
            let values: Vec<Value> = pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
            out.push(opcode::EMPTY_DICT);
            marked(out, &values, opcode::SETITEMS);
        }
        Value::Global(global) => out.extend(format!("c{}\n{}\n", global.module, global.name).bytes()),
        Value::Object(object) => {
            written(&Value::Global(object.class.clone()), out);
            written(&Value::Tuple(object.args.clone()), out);
            out.push(opcode::NEWOBJ);
            if let Some(state) = &object.state {
                written(state, out);
                out.push(opcode::BUILD);
            }
            marked(out, &object.entries, opcode::APPENDS);
            let values: Vec<Value> =
                object.pairs.iter().flat_map(|(key, value)| [key.clone(), value.clone()]).collect();
            marked(out, &values, opcode::SETITEMS);
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i128>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        ("[a-z.]{1,9}", "[A-Z][a-z]{0,9}").prop_map(|(module, name)| Value::Global(Global { module, name })),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        let values = || prop::collection::vec(inner.clone(), 0..5);
        let pairs = || prop::collection::vec((inner.clone(), inner.clone()), 0..4);
        let object = (values(), prop::option::of(inner.clone()), values(), pairs());
        prop_oneof![
            values().prop_map(Value::List),
            values().prop_map(Value::Tuple),
            values().prop_map(Value::Set),
            pairs().prop_map(Value::Dict),
            object.prop_map(|(args, state, entries, pairs)| {
                let class = Global { module: "m".into(), name: "C".into() };
                Value::Object(Box::new(Object { class, args, state, entries, pairs }))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(value in any_value()) {
        let mut bytes = Vec::new();
        written(&value, &mut bytes);
        bytes.push(opcode::STOP);
        let back = read(&bytes).unwrap();
        // NaN is not itself.
        prop_assert_eq!(format!("{back:?}"), format!("{value:?}"));
        if let Ok(json) = back.json() {
            prop_assert!(serde_json::to_string(&json).is_ok());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = read(&bytes) {
            prop_assert!(error.offset <= bytes.len());
        }
    }

    #[test]
    fn arbitrary_programs_never_panic(codes in prop::collection::vec(
        prop_oneof![
            4 => prop::sample::select(b"(.012FIJKLMNRSUVXabcd}eghijl]opqrst)uGBC\n".to_vec()),
            2 => 0x80_u8..0x9a,
            1 => 0_u8..4,
        ],
        0..60,
    )) {
        let _ = read(&codes);
    }

    #[test]
    fn a_spec_that_something_happened_to_never_panics(
        which: prop::sample::Index, at: prop::sample::Index, byte: u8, cut in any::<Option<prop::sample::Index>>(),
    ) {
        let cases = golden::cases("canary_workspace/specs.json", "cases");
        let mut bytes = golden::bytes(&cases[which.index(cases.len())]["pickle"]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
        let _ = crate::domain::canary::spec::read(&bytes);
    }
}

#[test]
fn each_fault_is_told_with_the_byte_where_it_is() {
    for (bytes, offset, what) in [
        (&b""[..], 0, "it ends 1 bytes too early"),
        (b"N", 1, "it ends 1 bytes too early"),
        (b".", 0, "the stack is empty"),
        (b"N.N", 1, "it stops, and 1 bytes follow"),
        (b"NN.", 2, "it stops with 1 more values on the stack, or a mark"),
        (b"(N.", 2, "it stops with 0 more values on the stack, or a mark"),
        (b"\x80\x06N.", 0, "it has protocol 6, and 5 is the latest known"),
        (b"\x80\x04\x95\xff\0\0\0\0\0\0\0N.", 2, "a frame is longer than the pickle"),
        (b"X\xff\xff\xff\xffa.", 0, "it ends 4294967293 bytes too early"),
        (b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", 0, "it ends 18446744073709551614 bytes too early"),
        (b"\x8c\x02\xed\xa0.", 0, "a text is not UTF-8 from its byte 0 on; half of a surrogate pair is no character"),
        (b"V\\ud800\n.", 0, "an escape in a text is no character"),
        (b"V\\u+123\n.", 0, "an escape in a text is no character"),
        (b"I12", 0, "it ends inside a line"),
        (b"Ix\n.", 0, "want a whole number of at most 128 bits"),
        (b"\x8a\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01.", 0, "want a whole number of at most 128 bits"),
        (b"Fx\n.", 0, "want a floating-point number"),
        (b"h\x05.", 0, "nothing is at place 5 of the memo"),
        (b"Np-1\n.", 1, "want a place in the memo"),
        (b"t.", 0, "there is no mark on the stack"),
        (b"(Nd.", 2, "a key has no value"),
        (b"NNa.", 2, "what is to be put somewhere does not go there"),
        (b"NN\x93.", 2, "the name of a class is no text"),
        (b"cm\nC\n(N\x81.", 7, "the stack is empty"),
        (b"cm\nC\nNR.", 6, "the arguments of a call are no tuple"),
        (b"N)R.", 2, "what is to be called is no class"),
        (b"cm\nC\n)\x81NbNb.", 10, "what is to be put somewhere does not go there"),
        (b"cm\nC\n)(X\x01\0\0\0aNd\x92.", 15, "arguments by name are not read here"),
        (b"S'a'\n.", 0, "a text of Python 2, which is not read here"),
        (b"P1\n.", 0, "it names something outside itself"),
        (b"\x82\x01.", 0, "it names something outside itself"),
        (b"\xff.", 0, "there is no instruction 0xff"),
    ] {
        assert_eq!(refused(bytes), PickleError { offset, what: what.to_owned() }, "{bytes:?}");
    }
}

#[test]
fn nothing_is_called() {
    let Value::Object(object) = read(b"cposix\nsystem\n(X\x06\0\0\0rm -rftR.").unwrap() else { panic!("no object") };
    assert_eq!(object.class.to_string(), "posix.system");
    assert_eq!(object.args, [Value::Text("rm -rf".into())]);
}

/// A list that is named twice by the next, and so on: 2 to the power of 60 values in 400 bytes.
#[test]
fn what_names_itself_over_and_over_is_refused() {
    let mut bytes = b"]\x94".to_vec();
    for place in 0..60_u8 {
        bytes.extend([opcode::EMPTY_LIST, opcode::MEMOIZE, opcode::MARK]);
        bytes.extend([opcode::BINGET, place, opcode::BINGET, place, opcode::APPENDS]);
    }
    let keep_last = |mut bytes: Vec<u8>| {
        bytes.extend([opcode::MARK, opcode::POP_MARK, opcode::STOP]);
        bytes
    };
    assert!(read(&keep_last(bytes.clone())).is_err());
    let mut only_last = Vec::from(*b"(");
    only_last.extend(&bytes);
    only_last.extend([opcode::POP_MARK, opcode::BINGET, 60, opcode::STOP]);
    assert!(refused(&only_last).what.contains("comes to more than 16777216 bytes"));
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    assert!(refused(b"]\x94h\0a.").what.starts_with("values nest deeper than 64 levels"));
    let deep = |levels: usize| [vec![b']'; levels + 1], vec![b'a'; levels], vec![b'.']].concat();
    assert!(read(&deep(MAX_DEPTH)).is_ok());
    assert!(refused(&deep(MAX_DEPTH + 1)).what.starts_with("values nest deeper"));
    assert!(refused(&vec![b'N'; MAX_VALUES + 1]).what.starts_with("it holds more than 100000 values"));
    assert_eq!(refused(&vec![b'N'; MAX_BYTES + 1]).what, "it has 1048577 bytes, and 1048576 are the most");
    // A large tuple, given again and again to a function that copies it.
    let mut copies = b"(".to_vec();
    copies.extend(std::iter::repeat_n(b'N', 50_000));
    copies.extend(b"t\x94");
    for _ in 0..1_000 {
        copies.extend(b"c__builtin__\nset\nh\0\x85R0");
    }
    assert!(refused(&copies).what.starts_with("it holds more than"));
}

#[test]
fn json_has_a_place_for_what_it_knows() {
    let key = |text: &str| Value::Text(text.into());
    let value = Value::Dict(vec![
        (key("a"), Value::Tuple(vec![Value::Int(u64::MAX.into()), Value::Int(-1), Value::Float(0.5), Value::None])),
        (Value::Int(7), Value::Set(vec![Value::Bool(true)])),
        (key("a"), key("again")),
    ]);
    assert_eq!(value.json(), Ok(json!({"a": "again", "7": [true]})));
    assert_eq!(value.get("a"), Some(&key("again")));
    assert_eq!((value.get("b"), Value::None.get("a")), (None, None));
    assert_eq!(Value::Float(f64::NAN).json(), Err("the number NaN".into()));
    assert_eq!(Value::Dict(vec![(Value::None, Value::None)]).json(), Err("None as a key".into()));
}

#[test]
fn paths_are_joined_as_python_joins_them() {
    let path = |module: &str, class: &str, parts: &[&str]| {
        let class = Global { module: module.into(), name: class.into() };
        let args = parts.iter().map(|part| Value::Text((*part).into())).collect();
        Object { class, args, state: None, entries: Vec::new(), pairs: Vec::new() }.path()
    };
    assert_eq!(path("pathlib", "PosixPath", &["/", "a", "b.c"]).as_deref(), Some("/a/b.c"));
    assert_eq!(path("pathlib._local", "PurePosixPath", &["a/b", "c"]).as_deref(), Some("a/b/c"));
    assert_eq!(path("pathlib", "PosixPath", &["a", "/b"]).as_deref(), Some("/b"));
    assert_eq!(path("pathlib", "PosixPath", &[]).as_deref(), Some("."));
    assert_eq!(path("pathlib", "WindowsPath", &["a"]), None);
    assert_eq!(path("pathlibx", "PosixPath", &["a"]), None);
}
