use super::LexErrorKind as Kind;
use super::*;

const LIMITS: Limits = Limits { tokens: 100, nesting: 5 };

/// The tokens' spellings with a blank between them; or the error's name and its offset.
fn spell(text: &str) -> String {
    match lex(text, LIMITS) {
        Ok(tokens) => {
            let words: Vec<&str> = tokens.iter().map(|token| token.text(text)).collect();
            words.join(" ")
        }
        Err(error) => format!("{:?}@{}", error.kind, error.offset),
    }
}

fn check(text: &str, expected: &str) {
    assert_eq!(spell(text), expected, "{text:?}");
}

fn check_kind(text: &str, expected: TokenKind) {
    let tokens = lex(text, LIMITS).map(|tokens| tokens.list);
    let whole = u32::try_from(text.len()).expect("short");
    assert_eq!(tokens, Ok(vec![Token { kind: expected, start: 0, end: whole }]), "{text:?}");
}

fn check_error(text: &str, kind: Kind) {
    assert_eq!(lex(text, LIMITS).map_err(|error| error.kind), Err(kind), "{text:?}");
}

#[test]
fn kinds() {
    check_kind("a_1$", TokenKind::Identifier);
    check_kind("select", TokenKind::Identifier);
    check_kind("größe", TokenKind::Identifier);
    check_kind("\u{a0}", TokenKind::Identifier);
    check_kind("\"a\"\"b\"", TokenKind::QuotedIdentifier);
    check_kind("U&\"\\0061\"", TokenKind::UnicodeIdentifier);
    check_kind("'it''s'", TokenKind::String);
    check_kind("e'\\''", TokenKind::EscapeString);
    check_kind("u&'\\+000061'", TokenKind::UnicodeString);
    check_kind("B'01'", TokenKind::BitString);
    check_kind("x'1F'", TokenKind::HexString);
    check_kind("n'a'", TokenKind::NationalString);
    check_kind("$a$ $b$ $$ ' $a$", TokenKind::DollarString);
    check_kind("$$$$", TokenKind::DollarString);
    check_kind("$é$x$é$", TokenKind::DollarString);
    check_kind("12345678901234567890", TokenKind::Integer);
    for float in ["1.", ".5", "1.5", "1e5", "1.e-5", ".5E+10"] {
        check_kind(float, TokenKind::Float);
    }
    check_kind("$65535", TokenKind::Parameter);
    check_kind("=>", TokenKind::EqualsGreater);
    for operator in ["+", "<=", "<>", "!=", "->>", "@-", "~*", "?|", "%", "=>=", "|/"] {
        check_kind(operator, TokenKind::Operator);
    }
}

#[test]
fn blanks_and_comments_are_no_tokens() {
    check(" \t\r\n\x0c", "");
    check("a--b\nc", "a c");
    check("a--b\rc", "a c");
    check("a--b", "a");
    check("a/*b/*c*/d*/e", "a e");
    check("a/*/**/*/e", "a e");
    check("a/*'*/'b", "UnterminatedString@6");
    check("a/*b", "UnterminatedComment@1");
    check("a/*/", "UnterminatedComment@1");
    check("a/*/*x*/", "UnterminatedComment@1");
    check("a\x0bb", "UnexpectedCharacter@1");
}

#[test]
fn operators_are_cut_as_scan_l_does() {
    check("a<-1", "a < - 1");
    check("a@-1", "a @- 1");
    check("a=-1", "a = - 1");
    check("a*+-1", "a * + - 1");
    check("a=>-1", "a => - 1");
    check("a<=-1", "a <= - 1");
    check("a+--b\n1", "a + 1");
    check("a*/**/b", "a * b");
    check("a-/*x*/-b", "a - - b");
    check("a%-b", "a %- b");
    check("a->-b", "a -> - b");
    check("a::b:=c:d", "a :: b := c : d");
    check("a<>-b!=-c", "a <> - b !=- c");
    check(&"+".repeat(64), "OperatorTooLong@0");
    check(&"~".repeat(63), &"~".repeat(63));
}

#[test]
fn strings_go_on_behind_a_newline_only() {
    check("'a'\n'b' 'c'", "'a'\n'b' 'c'");
    check_error("'a'--x\n 'b'", Kind::CommentInString);
    check_error("e'a'\n--x\n 'b'", Kind::CommentInString);
    check("'a'--x\n b", "'a' b");
    check("'a'/**/\n'b'", "'a' 'b'");
    check("'a'--x", "'a'");
    check("'a'\n-'b'", "'a' - 'b'");
    check("e'a\\'\n'\n'b\\''x", "e'a\\'\n'\n'b\\'' x");
    check("'a\\'b", "'a\\' b");
    check("b'0'\n'1'", "b'0'\n'1'");
    check("b'0''1'", "b'0' '1'");
    check("'a''", "UnterminatedString@0");
    check("e'\\", "UnterminatedString@0");
    check("'a'\n'", "UnterminatedString@0");
    check("ee'a'", "ee 'a'");
    check("u&a", "u & a");
    check("u& 'a'", "u & 'a'");
}

#[test]
fn escapes_must_be_valid() {
    for valid in ["e'\\n\\\\\\xyz\\101'", "e'\\xc3\\xa9'", "e'\\u00e9\\U0001F600\\ud83d\\ude00'"] {
        check_kind(valid, TokenKind::EscapeString);
    }
    check_error("e'\\xc3'", Kind::InvalidBytes);
    check_error("e'\\0'", Kind::InvalidBytes);
    check_error("e'\\400'", Kind::InvalidBytes);
    check_error("e'\\xc3'\n'''x'", Kind::InvalidBytes);
    check_kind("e'\\xc3'\n'\\xa9'", TokenKind::EscapeString);
    check_error("e'\\u00e'", Kind::UnicodeEscape);
    check_error("e'\\u0000'", Kind::UnicodeValue);
    check_error("e'\\U00110000'", Kind::UnicodeValue);
    check_error("e'\\ud83dx'", Kind::SurrogatePair);
    check_error("e'\\ude00'", Kind::SurrogatePair);
    check_error("e'\\v'", Kind::VerticalTabEscape);
    check_kind("u&'\\d83d\\de00 \\\\ '' \\+01F600'", TokenKind::UnicodeString);
    check_kind("u&'\\00'\n'61'", TokenKind::UnicodeString);
    check_error("u&'\\00'", Kind::UnicodeEscape);
    check_error("u&'\\0000'", Kind::UnicodeValue);
    check_error("u&'\\d83d'", Kind::SurrogatePair);
    check_error("u&'\\d83d\\\\'", Kind::SurrogatePair);
    check_error("u&'a' /**/ uEscape '!'", Kind::Uescape);
    check_error("u&\"a\" UESCAPE '!'", Kind::Uescape);
    check("'a' uescape", "'a' uescape");
}

#[test]
fn names_are_whole_or_refused() {
    let long = "a".repeat(64);
    check_error(&long, Kind::IdentifierTooLong);
    check(&long[1..], &long[1..]);
    check_error(&format!("\"{long}\""), Kind::IdentifierTooLong);
    check_error(&"é".repeat(32), Kind::IdentifierTooLong);
    check_kind(&format!("\"{}\"", "\"\"".repeat(63)), TokenKind::QuotedIdentifier);
    check_kind(&format!("u&\"{}\"", "\\0061".repeat(63)), TokenKind::UnicodeIdentifier);
    check_error(&format!("u&\"{}\"", "\\0061".repeat(64)), Kind::IdentifierTooLong);
    check_error("\"\"", Kind::EmptyIdentifier);
    check_error("u&\"\"", Kind::EmptyIdentifier);
    check_error("\"a", Kind::UnterminatedIdentifier);
    check_error("u&\"a\"\"", Kind::UnterminatedIdentifier);
}

#[test]
fn numbers_that_versions_read_differently_are_refused() {
    check("1..2", "1 .. 2");
    check("a.1", "a .1");
    check("1.5.5", "1.5 .5");
    check("$1+1", "$1 + 1");
    check("1$1", "1 $1");
    for junk in
        ["123abc", "1_000", "0x1F", "0b1", "1e", "1e+", "1.a", "1.5_0", "1e5f", "1é", "1e5$1"]
    {
        check_error(junk, Kind::NumberJunk);
    }
    check_error("$1a", Kind::ParameterJunk);
    check_error("$1_0", Kind::ParameterJunk);
    check_error("$0", Kind::ParameterNumber);
    check_error("$65536", Kind::ParameterNumber);
    check_error("$99999999999999999999999", Kind::ParameterNumber);
    check("a$1", "a$1");
}

#[test]
fn what_begins_no_token_is_refused() {
    for text in ["$", "$a", "$a b$", "{", "\\", "\x7f", "\x01"] {
        check_error(text, Kind::UnexpectedCharacter);
    }
    check_error("'a\0'", Kind::Nul);
    check_error("$a$ $A$", Kind::UnterminatedDollarString);
    check("a$b$c", "a$b$c");
}

#[test]
fn limits_hold() {
    check_error(&"a ".repeat(101), Kind::TooManyTokens);
    assert_eq!(lex(&"a ".repeat(100), LIMITS).map(|tokens| tokens.len()), Ok(100));
    check_error("((((((", Kind::TooDeep);
    check_error("(([[[(", Kind::TooDeep);
    check("()()()()()()()", "( ) ( ) ( ) ( ) ( ) ( ) ( )");
    assert!(Kind::TooDeep.is_limit() && !Kind::Nul.is_limit());
}

#[test]
fn tokens_are_found_by_offset_and_by_partner() {
    let tokens = lex("a (b[1], (c)) ; )", LIMITS).expect("valid");
    assert_eq!(tokens.at_offset(2), Some(1));
    assert_eq!(tokens.at_offset(1), None);
    assert_eq!(tokens.first_at_or_after(1), 1);
    assert_eq!(tokens.first_at_or_after(99), tokens.len());
    assert_eq!(tokens.closing(1), Some(10));
    assert_eq!(tokens.closing(3), Some(5));
    assert_eq!(tokens.closing(7), Some(9));
    assert_eq!(tokens.closing(0), None);
    assert_eq!(tokens.closing(9), None);
    let crossed = lex("( [ ) ] (", LIMITS).expect("valid tokens");
    assert_eq!(crossed.closing(0), None);
    assert_eq!(crossed.closing(4), None);
}

#[test]
fn strings_read_as_their_values() {
    let text =
        "select 'it''s', e'a\\n\\'b', u&'\\0061', $t$ $$ $t$, 'a'\n'b', n'c', \"no\", 1, b'01'";
    assert_eq!(strings(text), ["it's", "a\n'b", "a", " $$ ", "ab", "c"]);
    assert!(strings("select 'open").is_empty());
}

#[test]
fn names_are_unquoted() {
    let check = |token, name| assert_eq!(unquote_identifier(token), name);
    check("Abc", "abc");
    check("ÄB", "Äb");
    check("\"Ab\"\"c\"", "Ab\"c");
    check("U&\"d\\0061t\\+000061\"", "data");
    check("u&\"\\\\\"\"\"", "\\\"");
    check("u", "u");
    assert!(matches!(fold("abc"), std::borrow::Cow::Borrowed("abc")));
}
