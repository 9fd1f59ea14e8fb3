use super::*;

#[test]
fn a_place_is_told_as_a_pointer() {
    let top = At::Top;
    let list = top.member("a/b~c");
    assert_eq!((top.pointer(), list.entry(3).pointer()), (String::new(), "/a~1b~0c/3".to_owned()));
    assert_eq!(pointer(["a/b~c", "", "3"]), "/a~1b~0c//3");
    assert_eq!(pointer([]), "");
}

#[test]
fn of_a_place_that_is_too_long_to_tell_the_nearest_above_is_told() {
    let (short, long) = ("a".repeat(10), "ä".repeat(MAX_POINTER));
    let top = At::Top;
    let (above, too_long) = (top.member(&short), top.member(&long));
    assert_eq!(above.member(&long).entry(1).pointer(), format!("/{short}"));
    assert_eq!((too_long.pointer(), long.as_str().pointer()), (String::new(), String::new()));
    let fits = "b".repeat(MAX_POINTER - 1);
    assert_eq!(top.member(&fits).pointer().len(), MAX_POINTER);
}

#[test]
fn faults_are_collected_up_to_a_bound() {
    let mut faults = Faults::default();
    for place in 0..MAX_FAULTS + 5 {
        assert_eq!(faults.is_full(), place >= MAX_FAULTS);
        assert_eq!(faults.refuse::<()>(At::Top.entry(place), "wrong"), None);
    }
    let found = faults.or(Some(())).unwrap_err();
    assert_eq!((found.len(), found[99].to_string()), (MAX_FAULTS, "/99: wrong".to_owned()));
}

#[test]
fn nothing_is_read_where_there_are_faults_and_nothing_was_without_any() {
    assert_eq!(Faults::default().or(Some(1)), Ok(1));
    assert_eq!(Faults::default().or::<u8>(None), Err(Vec::new()));
    let mut faults = Faults::default();
    assert!(faults.is_empty());
    faults.add("/a", "wrong");
    assert!(!faults.is_empty());
    assert_eq!(faults.or(Some(1)), Err(vec![Fault::new("/a", "wrong")]));
}

#[test]
fn of_what_could_not_be_read_nothing_more_is_told() {
    let mut faults = Faults::default();
    faults.add("/a/0", "not read");
    faults.close_read();
    for at in ["/a", "/a/1", "/ab", "/b"] {
        faults.add(at, "wrong");
    }
    let found: Vec<String> = faults.or(Some(())).unwrap_err().into_iter().map(|fault| fault.pointer).collect();
    assert_eq!(found, ["/a/0", "/ab", "/b"]);
}

#[test]
fn a_fault_moves_into_a_list_and_out_of_it() {
    let fault = Fault::new("/name", "wrong").below("/7");
    assert_eq!(fault.to_string(), "/7/name: wrong");
    assert_eq!(fault.in_entry(), Ok((7, Fault::new("/name", "wrong"))));
    assert_eq!(Fault::new("/7", "wrong").in_entry(), Ok((7, Fault::new("", "wrong"))));
    for of_none in ["", "/name", "/name/7"] {
        assert_eq!(Fault::new(of_none, "wrong").in_entry(), Err(Fault::new(of_none, "wrong")));
    }
}
