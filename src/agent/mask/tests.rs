use proptest::prelude::*;

use super::*;

fn in_pieces(secrets: &Secrets, pieces: &[&[u8]]) -> String {
    let (mut stream, mut out) = (Stream::default(), Vec::new());
    for piece in pieces {
        stream.push(secrets, piece, &mut out);
    }
    stream.finish(secrets, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn secrets_go_wherever_they_are_cut() {
    let secrets = Secrets::new(["hunter22", "tok_abc"]);
    let text = "user=me pass=hunter22 hunter2 tok_abctok_abc tok_ab";
    let want = "user=me pass=*** hunter2 *** tok_ab";
    assert_eq!(secrets.mask(text), want);
    for at in 0..text.len() {
        let (one, two) = text.split_at(at);
        assert_eq!(in_pieces(&secrets, &[one.as_bytes(), two.as_bytes()]), want, "cut at {at}");
    }
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(in_pieces(&secrets, &bytes), want);
}

#[test]
fn secrets_that_overlap_leave_nothing_of_either() {
    let secrets = Secrets::new(["abcdef", "defghi", "abcd"]);
    assert_eq!(secrets.mask("xabcdefghiy"), "x***y");
    assert_eq!(secrets.mask("abcde"), "***e", "a shorter one at the end of it all");
    assert_eq!(in_pieces(&secrets, &[b"xabcdef", b"ghiy"]), "x***y");
}

#[test]
fn each_line_of_a_secret_is_one() {
    let secrets = Secrets::new(["-----BEGIN-----\nMIIEowIBAAKC\n\nab\n-----END-----\n"]);
    assert_eq!(secrets.mask("key: MIIEowIBAAKC ab"), "key: *** ab");
    assert_eq!(secrets.mask("-----BEGIN-----\nMIIEowIBAAKC\n\nab\n-----END-----\n"), "***\n");
}

#[test]
fn what_is_too_short_is_none() {
    let secrets = Secrets::new(["a", "", "123", " \n"]);
    assert_eq!(secrets.mask("a 123"), "a 123");
    assert_eq!(format!("{:?}", Secrets::new(["geheim"])), "Secrets(1)");
}

proptest! {
    #[test]
    fn no_piece_of_any_text_holds_a_secret(
        secrets in prop::collection::vec("[ab]{4,7}", 1..4),
        pieces in prop::collection::vec("[abc]{0,9}", 0..9),
    ) {
        let known = Secrets::new(secrets.iter().map(String::as_str));
        let bytes: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
        let masked = in_pieces(&known, &bytes);
        prop_assert_eq!(&masked, &known.mask(&pieces.concat()));
        for secret in &secrets {
            prop_assert!(!masked.contains(secret.as_str()), "{masked}");
        }
        // What is no secret stays: every letter that no secret covers.
        let whole = pieces.concat();
        let covered = |at: usize| {
            secrets.iter().any(|secret| {
                (0..secret.len()).any(|back| at >= back && whole[at - back..].starts_with(secret.as_str()))
            })
        };
        let want: String = whole.char_indices().filter(|(at, _)| !covered(*at)).map(|(_, c)| c).collect();
        prop_assert_eq!(masked.replace('*', ""), want);
    }
}
