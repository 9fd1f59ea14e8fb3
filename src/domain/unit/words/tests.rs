use super::*;

#[test]
fn pieces_are_told_with_their_places() {
    let tokens: Vec<_> = Tokens::new("a=\"b c\" ,# d\n\"e").collect();
    let word = |word: &str| Token::Word(word.to_owned());
    let expected = [(0, word("a")), (1, Token::Equals), (2, word("b c")), (8, Token::Comma), (13, Token::Unclosed)];
    assert_eq!(tokens, expected);
    assert_eq!(Tokens::new("a\0b").collect::<Vec<_>>(), [(0, word("a"))]);
}

#[test]
fn what_is_no_word_is_told_and_the_rest_is_kept() {
    let words: Vec<_> = word_list("a = b \"c").collect();
    assert_eq!(words.iter().filter_map(|word| word.as_ref().ok()).collect::<Vec<_>>(), ["a", "b"]);
    let places: Vec<_> = words.into_iter().filter_map(Result::err).map(|error| error.at).collect();
    assert_eq!(places, [2, 6]);
}

#[test]
fn flags_are_split_at_runs_of_separators() {
    let flags = |text| flag_list(text).collect::<Vec<_>>();
    assert_eq!(flags("a, b\nc"), ["a", "b", "c"]);
    assert_eq!(flags(""), [""]);
    assert_eq!(flags(" a,"), ["", "a", ""]);
    assert_eq!(flags(","), ["", ""]);
    assert_eq!(flags("\"a b\""), ["\"a", "b\""]);
}

#[test]
fn lines_end_as_in_python() {
    let split = |text| lines(text).map(|(_, line)| line).collect::<Vec<_>>();
    assert_eq!(split("a\r\nb\rc\u{2028}d\n"), ["a", "b", "c", "d"]);
    assert_eq!(split("\n\na"), ["", "", "a"]);
    assert_eq!(split(""), [""; 0]);
    assert_eq!(lines("a\n\nb").map(|(number, _)| number).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn words_are_printed_so_that_they_are_read_again() {
    assert_eq!(print(["a", "b c", "", "d=e", "f\"g"]).as_deref(), Some("a \"b c\" \"\" \"d=e\" f\"g"));
    assert_eq!(print(["\"a"]), None);
    assert_eq!(print(["a \" b"]), None);
}
